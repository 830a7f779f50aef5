"""The picture of the docs: `python -m audit.reference.systems.protocol_transfer.picture CURVES.json OUT.png`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._systems import all_systems, weights_of
from audit.reference.phantoms import PREPARED, SPIN_ECHO, STORED_TISSUE, TISSUE_PATCH, TissuePatients

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = {
    "source only": ("0.5", ":"), "target only": ("black", "-"), "pooled": ("#8a6d1f", "--"),
    "weighted SVM": ("#3a6ea5", "-"), "reweighted SVM": ("#2a9d6a", "-"), "TrAdaBoost": ("#b5483a", "-."),
    "feature-space transformation, no labels": ("#7a4fa3", ":"),
    "feature-space transformation, with labels": ("#7a4fa3", "-"),
}  # fmt: skip
_CHUNK = 4096


def draw(curves: Path, path: Path) -> None:
    """Draw one plane under both protocols, what both shipped models make of it, and the error by target voxels.

    Args:
        curves: What `make reference-curves SYSTEM=protocol-transfer` gathered.
        path: The PNG.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 4.2), dpi=100)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    left, right = parts
    _planes(left)
    axes = right.subplots()
    table = by_way(json.loads(curves.read_text(encoding="utf-8"))["cells"])
    for name, (colour, style) in SHOWN.items():
        counts = sorted(table[name])
        middle = [float(np.mean(table[name][c])) for c in counts]
        axes.plot(counts, middle, color=colour, ls=style, lw=1.6, label=name)
        axes.fill_between(
            counts,
            [min(table[name][c]) for c in counts],
            [max(table[name][c]) for c in counts],
            color=colour,
            alpha=0.08,
        )
    axes.set_xscale("log")
    axes.set_ylim(0, 0.45)
    axes.set_xlabel("labelled voxels of the target protocol", fontsize=8)
    seeds = len(next(iter(table["pooled"].values())))
    axes.set_title(f"phantom: share of wrong voxels under B, mean and range of {seeds} seeds", fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def by_way(cells: list[dict[str, Any]]) -> dict[str, dict[int, list[float]]]:
    """Return errors by way of transfer and number of voxels, a value a seed."""
    found: dict[str, dict[int, list[float]]] = {}
    for cell in cells:
        for name, error in cell.get("error", {}).items():
            found.setdefault(name, {}).setdefault(cell["target_voxels"], []).append(error)
    return found


def _planes(part: Any) -> None:
    part.suptitle("phantom: one patient", fontsize=9)
    people = TissuePatients(n=8, seed=(66, 1))
    index = next(i for i in range(8) if people.patient(i).height < 8)
    shares = people.shares(index)
    one, other = (people.image(index, p, shares=shares) for p in (SPIN_ECHO, PREPARED))
    brain = shares.sum(axis=0) > 0.5
    cut = tuple(slice(int(x.min()) - 2, int(x.max()) + 3) for x in np.nonzero(brain))
    maps = [mapped(weights_of(all_systems()[n]), other, brain) for n in ("protocol-source", "protocol-transfer")]
    truth = np.where(brain, shares.argmax(axis=0) + 1, 0)
    shown = [
        ("protocol A", one, "gray"), ("protocol B", other, "gray"), ("planted tissue", truth, "viridis"),
        ("B: protocol-source", maps[0], "viridis"), ("B: protocol-transfer", maps[1], "viridis"),
    ]  # fmt: skip
    axes = part.subplots(2, 3).ravel()
    for place, (title, image, colours) in zip(axes, shown, strict=False):
        place.imshow(image[cut], cmap=colours, interpolation="nearest")
        place.set_title(title, fontsize=8)
    for place in axes:
        place.set_axis_off()


def mapped(weights: Path, stored: NDArray[np.uint16], brain: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return what a shipped model calls every voxel of a plane: 1 fluid, 2 grey matter, 3 white matter, 0 outside.

    Args:
        weights: The model.
        stored: (rows, columns) grey levels.
        brain: Where voxels are asked about.
    """
    import torch
    from safetensors.torch import load_file

    from audit.reference.systems.protocol_transfer.nets import tissue_net

    net = tissue_net()
    net.load_state_dict(load_file(weights))
    padded = np.pad(stored, TISSUE_PATCH // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (TISSUE_PATCH, TISSUE_PATCH))
    rows, columns = np.nonzero(brain)
    out = np.zeros(brain.shape, dtype=np.int64)
    for start in range(0, len(rows), _CHUNK):
        at = rows[start : start + _CHUNK], columns[start : start + _CHUNK]
        patches = torch.from_numpy(windows[at][:, None].astype(np.float32) / STORED_TISSUE)
        with torch.no_grad():
            out[at] = net(patches).argmax(dim=1).numpy() + 1
    return out


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
