"""The pages of docs/acquisition are what the code says, with a picture for every knob and numbers that hold."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from audit.core import MODALITIES
from validation.acquisition import TOLERANCE, checks

ROOT = Path(__file__).resolve().parents[2]


def builder() -> ModuleType:
    """Return the script that writes the pages."""
    spec = importlib.util.spec_from_file_location(
        "build_acquisition_pages", ROOT / "docs" / "build_acquisition_pages.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date() -> None:
    """Texts and measured numbers are equal, and every knob has its picture."""
    assert builder().stale() == [], "run python docs/build_acquisition_pages.py"


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_check_holds_within_a_tenth(modality: str) -> None:
    """Noise, transfer or signal of each simulator is within 10 % of what was asked."""
    found = checks(modality)
    assert len(found) > 8
    assert [c for c in found if not abs(c.ratio - 1) <= TOLERANCE] == []


def test_pictures_are_small_and_of_phantoms() -> None:
    """No picture takes more than 40 kB; the script reads no image from anywhere."""
    folder = ROOT / "docs" / "acquisition" / "pictures"
    assert all(path.stat().st_size < 40_000 for path in folder.glob("*"))
    text = (ROOT / "docs" / "build_acquisition_pages.py").read_text(encoding="utf-8")
    assert "Image.open" not in text
    assert "shared" not in text
