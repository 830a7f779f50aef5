"""Files that the tests of cohorts read, written by code."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from audit.core import CohortSpec, InputSpec

Write = Callable[..., Path]


@pytest.fixture
def write_csv(tmp_path: Path) -> Write:
    """Write rows as cases.csv below tmp_path."""

    def write(rows: Sequence[Sequence[str]], name: str = "cases.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(",".join(r) for r in rows) + "\n", encoding="utf-8")
        return path

    return write


def save_png(path: Path, values: np.ndarray) -> Path:
    """Save (h, w) or (h, w, c) values as they are."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def gray(size: tuple[int, ...] = (4, 5), **more: object) -> InputSpec:
    """A one-channel input."""
    return InputSpec(size=size, channels=1, range=(0, 255), **more)  # type: ignore[arg-type]


def spec(**more: object) -> CohortSpec:
    """A cohort of cases.csv with a `label` and, unless said otherwise, an image column `file`."""
    settings: dict[str, object] = {"manifest": "cases.csv", "target": ("label",), "image": "file", **more}
    return CohortSpec(**settings)  # type: ignore[arg-type]
