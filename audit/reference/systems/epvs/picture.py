"""The picture of the docs: `python -m audit.reference.systems.epvs.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._files import read_figures
from audit.reference.phantoms import PerivascularSpaces
from audit.reference.systems.epvs.nets import REGION_NAMES

HERE = Path(__file__).parent
_KINDS = {"space": "#d1495b", "white matter lesion": "#3a86c8", "lacune": "#e0b020"}
_SERIES = (
    ("icc with observer 1", "network, observer 1", "o", "#3a6ea5"),
    ("icc of observers 1 and 2", "observers 1, 2", "s", "#b5483a"),
    ("scan-rescan icc", "network, scan-rescan", "^", "#3f8f5f"),
    ("scan-rescan icc of observer 1", "observer 1, scan-rescan", "v", "#8a7a4a"),
)


def draw(path: Path) -> None:
    """Draw one plane of each region, as it is and with what was planted, and the agreement of network and observers.

    Args:
        path: The file, PNG.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 3.9), dpi=100)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    _planes(parts[0])
    axes = parts[1].subplots()
    found = {f.name: f for f in read_figures(HERE / "epvs.figures.json")[1]}
    for k, (name, label, marker, colour) in enumerate(_SERIES):
        figures = [found[f"{name}, {region}"] for region in REGION_NAMES]
        values = np.array([f.value for f in figures], dtype=float)
        ends = np.array([[f.low for f in figures], [f.high for f in figures]], dtype=float)
        axes.errorbar(
            np.arange(len(REGION_NAMES)) + (k - 1.5) * 0.16, values, np.abs(ends - values), fmt=marker, color=colour,
            capsize=2, ms=5, label=label,
        )  # fmt: skip
    axes.set_xticks(range(len(REGION_NAMES)), [name.replace(" ", "\n") for name in REGION_NAMES], fontsize=8)
    axes.set_ylim(0.35, 1.02)
    axes.set_ylabel("ICC", fontsize=8)
    axes.set_title("phantom, 200 test patients (60 rescanned); 95 % intervals", fontsize=9)
    axes.legend(fontsize=7, loc="lower left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def _planes(part: Any) -> None:
    part.suptitle("phantom: a plane of each region, below with what was planted", fontsize=9)
    grid = part.subplots(2, len(REGION_NAMES))
    for column, region in enumerate(REGION_NAMES):
        source = PerivascularSpaces(n=40, region=region, seed=(46, 1))
        scan = max((source.scan(i) for i in range(40)), key=lambda one: len({t.kind for t, _ in one.things}))
        shown = np.any(list(scan.masks.values()), axis=0)
        plane = scan.plane if scan.plane >= 0 else int(shown.sum(axis=(1, 2)).argmax())
        for row in range(2):
            axes = grid[row, column]
            axes.imshow(scan.image[plane], cmap="gray", vmin=0, vmax=2900, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
        grid[0, column].set_title(region, fontsize=8)
        for kind, colour in _KINDS.items():
            if scan.masks[kind][plane].any():
                grid[1, column].contour(scan.masks[kind][plane], [0.5], colors=colour, linewidths=1.2)
    part.text(0.5, 0.02, "red: spaces   blue: white-matter lesions   yellow: lacunes", ha="center", fontsize=8)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
