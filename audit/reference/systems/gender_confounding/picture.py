"""The picture of the docs: `python -m audit.reference.systems.gender_confounding.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._files import read_figures
from audit.reference.phantoms import lung_cohort

if TYPE_CHECKING:
    from audit.reference._system import Figure

HERE = Path(__file__).parent
SHOWN = ("AUC, biased test", "AUC, balanced test", "AUC of the score for men among the healthy, balanced test")
WORDS = ("AUC,\ntested on biased", "AUC,\ntested on balanced", "score tells men\namong the healthy")


def draw(path: Path) -> None:
    """Draw one region of four patients, and the four cells of the shipped twins, as PNG.

    Args:
        path: The file.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(9, 3.4), dpi=110)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, 1.35))
    left, right = parts
    _patches(left)
    axes = right.subplots()
    for k, name in enumerate(("gender-biased", "gender-balanced")):
        found = {f.name: f for f in read_figures(HERE / f"{name}.figures.json")[1]}
        _points(axes, [found[b] for b in SHOWN], k, name)
    axes.set_xticks(range(len(SHOWN)), WORDS, fontsize=8)
    axes.axhline(0.5, color="0.4", lw=0.8, ls=":")
    axes.set_ylim(0.4, 1.02)
    axes.set_title("phantom, 3,000 test patients, half of them healthy; 95 % intervals", fontsize=9)
    axes.legend(fontsize=8, loc="lower left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def _patches(part: Any) -> None:
    part.suptitle("phantom: one region of lung each", fontsize=9)
    made = lung_cohort(ill=40, healthy=40, men_of_ill=0.5, men_of_healthy=0.5, seed=(46, 1))
    male = made.attributes["sex"].levels == "male"
    for cell, (axes, (ill, man)) in enumerate(
        zip(part.subplots(2, 2).ravel(), ((0, False), (0, True), (1, False), (1, True)), strict=True)
    ):
        row = int(np.flatnonzero((made.targets == ill) & (male == man))[cell])
        scan: Any = made.images.load(row)  # type: ignore[union-attr]
        axes.imshow(scan[0], cmap="gray", vmin=-1010, vmax=-740, interpolation="nearest")
        axes.set_title(f"{'ill' if ill else 'healthy'}, {'man' if man else 'woman'}", fontsize=8)
        axes.set_axis_off()


def _points(axes: Any, figures: list[Figure], k: int, name: str) -> None:
    at = np.arange(len(figures)) + (k - 0.5) * 0.2
    values = np.array([f.value for f in figures], dtype=float)
    ends = np.array([[f.low for f in figures], [f.high for f in figures]], dtype=float)
    axes.errorbar(
        at, values, np.abs(ends - values), fmt=("s", "o")[k], color=("#b5483a", "#3a6ea5")[k], capsize=4, ms=7,
        label=name,
    )  # fmt: skip


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
