"""The picture of the docs: `python -m audit.reference.systems.modality_invariant.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._drawing import points, two_parts
from audit.reference._files import read_figures
from audit.reference.phantoms import SEQUENCES, PairedPatches

HERE = Path(__file__).parent
SHOWN = ("T1+T2+FLAIR", "T2+FLAIR", "T1+FLAIR", "T1+T2", "T1", "T2", "FLAIR")
_MIDDLES = ("nothing", "lesion", "lacune")


def draw(path: Path) -> None:
    """Draw a patch of each kind under the three sequences, and the AUC of the shipped twins by what is there, as PNG.

    Args:
        path: The file.
    """
    two_parts(path, (9, 3.4), 1.6, _patches, _figures)


def _figures(axes: Any) -> None:
    for k, name in enumerate(("modality-naive", "modality-invariant")):
        found = {f.name: f for f in read_figures(HERE / f"{name}.figures.json")[1]}
        at = np.arange(len(SHOWN)) + (k - 0.5) * 0.25
        points(axes, at, [found[f"auc, {words}"] for words in SHOWN], k, label=name)
    axes.set_xticks(range(len(SHOWN)), [s.replace("+", "\n") for s in SHOWN], fontsize=8)
    axes.axhline(0.5, color="0.4", lw=0.8, ls=":")
    axes.set_ylim(0.4, 1.03)
    axes.set_ylabel("AUC", fontsize=8)
    axes.set_title("phantom, 400 test patients, by sequences that are there; 95 % intervals", fontsize=9)
    axes.legend(fontsize=8, loc="center left", frameon=False)
    axes.figure.subplots_adjust(bottom=0.2)


def _patches(part: Any) -> None:
    part.suptitle("phantom: middle of a patch", fontsize=9)
    source = PairedPatches(20, seed=(46, 1))
    made = [source.patient(i) for i in range(len(source))]
    grid = part.subplots(3, 3)
    for column, words in enumerate(_MIDDLES):
        image = next(m.images[i] for m in made for i in range(len(m.middle)) if m.middle[i] == column)
        for row, name in enumerate(SEQUENCES):
            axes = grid[row, column]
            axes.imshow(image[row], cmap="gray", vmin=0, vmax=(3300, 3300, 3000)[row], interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(words, fontsize=8)
            if column == 0:
                axes.set_ylabel(name, fontsize=8)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
