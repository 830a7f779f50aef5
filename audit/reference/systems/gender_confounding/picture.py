"""The picture of the docs: `python -m audit.reference.systems.gender_confounding.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._drawing import points, two_parts
from audit.reference._files import read_figures
from audit.reference.phantoms import lung_cohort

HERE = Path(__file__).parent
SHOWN = ("AUC, biased test", "AUC, balanced test", "AUC of the score for men among the healthy, balanced test")
WORDS = ("AUC,\ntested on biased", "AUC,\ntested on balanced", "score tells men\namong the healthy")


def draw(path: Path) -> None:
    """Draw one region of four patients, and the four cells of the shipped twins, as PNG.

    Args:
        path: The file.
    """
    two_parts(path, (9, 3.4), 1.35, _patches, _figures)


def _figures(axes: Any) -> None:
    for k, name in enumerate(("gender-biased", "gender-balanced")):
        found = {f.name: f for f in read_figures(HERE / f"{name}.figures.json")[1]}
        at = np.arange(len(SHOWN)) + (k - 0.5) * 0.2
        points(axes, at, [found[b] for b in SHOWN], k, label=name, capsize=4, ms=7)
    axes.set_xticks(range(len(SHOWN)), WORDS, fontsize=8)
    axes.axhline(0.5, color="0.4", lw=0.8, ls=":")
    axes.set_ylim(0.4, 1.02)
    axes.set_title("phantom, 3,000 test patients, half of them healthy; 95 % intervals", fontsize=9)
    axes.legend(fontsize=8, loc="lower left", frameon=False)


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


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
