"""Real images, where the machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _folder(name: str) -> Path:
    folder = Path(os.environ.get("AUDIT_REALDATA", ROOT.parent / "shared" / "data")) / name
    if not (folder / "images.npz").is_file():
        pytest.skip(f"no real images: set AUDIT_REALDATA to a folder that holds {name}/images.npz")
    return folder


@pytest.fixture
def skin_lesions() -> Path:
    """The folder of the skin lesions."""
    return _folder("skin-lesions")


@pytest.fixture
def chest_xrays() -> Path:
    """The folder of the chest X-rays."""
    return _folder("chest-xrays")
