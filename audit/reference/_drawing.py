"""What the pictures of several systems share: phantom images on the left, figures of two twins on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.reference._system import Figure

COLOURS = ("#b5483a", "#3a6ea5")
MARKS = ("s", "o")


def two_parts(
    path: Path, size: tuple[float, float], wider: float, images: Callable[[Any], None], figures: Callable[[Any], None]
) -> None:
    """Draw images on the left and figures on the right of a PNG.

    Args:
        path: The file.
        size: Width and height, inches at 110 dots.
        wider: Width of the right part over that of the left one.
        images: Draws into a part of a figure of matplotlib.
        figures: Draws into axes of matplotlib.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=size, dpi=110)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, wider))
    left, right = parts
    images(left)
    axes = right.subplots()
    figures(axes)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def points(axes: Any, at: NDArray[Any], figures: Sequence[Figure], twin: int, **style: Any) -> None:
    """Draw figures of a twin with their intervals.

    Args:
        axes: Of matplotlib.
        at: (n,) where they stand.
        figures: The n figures, none of them missing.
        twin: 0 or 1: its colour and mark.
        style: Further options of matplotlib.
    """
    values = np.array([f.value for f in figures], dtype=float)
    ends = np.array([[f.low for f in figures], [f.high for f in figures]], dtype=float)
    given = {"fmt": MARKS[twin], "color": COLOURS[twin], "capsize": 3, "ms": 6, **style}
    axes.errorbar(at, values, np.abs(ends - values), **given)
