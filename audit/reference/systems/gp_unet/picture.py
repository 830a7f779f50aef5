"""The picture of the docs: `python -m audit.reference.systems.gp_unet.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._files import read_figures
from audit.reference.phantoms import scanned
from audit.reference.systems.gp_unet._learning import TEST, Settings, cohort, maps_of
from audit.reference.systems.gp_unet.nets import gp_unet

HERE = Path(__file__).parent
_MAPS = (("own map", "the network's map"), ("brightness", "|I - blur(I)|"), ("gradient", "gradient"))


def draw(path: Path) -> None:
    """Draw what the network sees, what was planted and where it counts, beside what maps find on test patients.

    Args:
        path: The file, PNG.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 3.9), dpi=100)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.3, 1))
    _planes(parts[0])
    axes = parts[1].subplots()
    found = {f.name: f for f in read_figures(HERE / "gp-unet.figures.json")[1]}
    for k, what in enumerate(("froc area", "sensitivity at 1.5 false marks a scan")):
        figures = [found[f"{what}, {name}"] for name, _ in _MAPS]
        values = np.array([f.value for f in figures], dtype=float)
        ends = np.array([[f.low for f in figures], [f.high for f in figures]], dtype=float)
        axes.errorbar(
            np.arange(len(_MAPS)) + (k - 0.5) * 0.2, values, np.abs(ends - values), fmt="os"[k], capsize=3, ms=6,
            color=("#3a6ea5", "#b5483a")[k], label=what,
        )  # fmt: skip
    axes.set_xticks(range(len(_MAPS)), [label for _, label in _MAPS], fontsize=8)
    axes.set_xlim(-0.5, len(_MAPS) - 0.5)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of spaces found", fontsize=8)
    axes.set_title("phantom, 150 test patients; 95 % intervals", fontsize=9)
    axes.legend(fontsize=8, loc="lower left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def _planes(part: Any) -> None:
    from safetensors.torch import load_file

    part.suptitle("phantom: plane, spaces that were planted (red), what each voxel adds to the count", fontsize=9)
    net = gp_unet()
    net.load_state_dict(load_file(HERE / "gp-unet.safetensors"))
    table = scanned(cohort(30, seed=46, part=TEST, knobs=Settings().knobs))
    maps = maps_of(net.eval(), table)
    order = np.argsort(-table.masks[:, 0].sum(axis=(2, 3)).max(axis=1), kind="stable")[[0, 3, 6]]
    grid = part.subplots(3, 3)
    top = float(np.quantile(maps[order], 0.999))
    for row, i in enumerate(order):
        plane = int(table.masks[i, 0].sum(axis=(1, 2)).argmax())
        for column in range(3):
            axes = grid[row, column]
            if column < 2:
                axes.imshow(table.images[i, plane], cmap="gray", vmin=0, vmax=2900, interpolation="nearest")
            else:
                axes.imshow(maps[i, plane], cmap="inferno", vmin=0, vmax=top, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
        grid[row, 1].contour(table.masks[i, 0, plane], [0.5], colors="#d1495b", linewidths=1.2)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
