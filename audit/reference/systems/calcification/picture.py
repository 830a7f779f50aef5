"""The picture of the docs: `python -m audit.reference.systems.calcification.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import SkullBaseScan, SkullBaseVolumes
from audit.reference.systems.calcification._training import TEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Masks = dict[str, NDArray[np.bool_]]

PATIENTS = 150
SHOWN = 4
WINDOW_HU = (-150, 650)
NAMES = ("calcification", "calcification-large")


def draw(out: Path, *, seed: int = 1) -> Path:
    """Draw planes with what both twins mark, and the volumes of test patients.

    Args:
        out: The PNG.
        seed: Of the test patients; the shipped twins have never seen those of 1.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    volumes = SkullBaseVolumes(patients=PATIENTS, seed=(seed, TEST))
    scans = [volumes.scan(index) for index in range(PATIENTS)]
    masks = {name: _marked(name, scans) for name in NAMES}
    figure = plt.figure(figsize=(11, 5.4), dpi=80, layout="constrained")
    grid = figure.add_gridspec(2, SHOWN + 2, width_ratios=[1] * SHOWN + [1.1, 1.1])
    for column, index in enumerate(_telling(scans, masks)):
        for row, name in enumerate(NAMES):
            axes = figure.add_subplot(grid[row, column])
            _plane(axes, scans[index], masks[name][index], name if column == 0 else "")
    for column, name in enumerate(NAMES):
        _volumes(figure.add_subplot(grid[:, SHOWN + column]), scans, masks[name], name, volumes.voxel_mm3)
    figure.suptitle("Phantom: simulated skull base, nothing here is of a patient", fontsize=10)
    figure.savefig(out)
    plt.close(figure)
    return out


def _marked(name: str, scans: list[SkullBaseScan]) -> NDArray[np.bool_]:
    from safetensors.torch import load_file

    from audit.reference._catalogue import weights_path
    from audit.reference.systems.calcification._measured import BATCH, marked
    from audit.reference.systems.calcification.nets import NETS

    net = NETS[name]()
    net.load_state_dict(load_file(weights_path(name)))
    net.eval()
    images = [scan.image for scan in scans]
    return np.concatenate([marked(net, images[i : i + BATCH]) for i in range(0, len(images), BATCH)])


def _telling(scans: list[SkullBaseScan], masks: Masks) -> list[int]:
    """Return the first patients with a ligament or whose plaque one twin alone marks; none is chosen by eye."""
    one, other = (masks[name] for name in NAMES)
    apart = [i for i, s in enumerate(scans) if (one[i] & s.plaques).any() and not (other[i] & s.plaques).any()]
    both = [i for i, s in enumerate(scans) if (other[i] & s.plaques).any() and s.spicules.any()]
    return [*apart[: SHOWN // 2], *both[: SHOWN - len(apart[: SHOWN // 2])]]


def _plane(axes: Any, scan: SkullBaseScan, mask: NDArray[np.bool_], title: str) -> None:
    plane = int(np.argmax(scan.plaques.sum(axis=(1, 2))))
    axes.imshow(scan.image[plane], cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1])
    for part, colour, style in ((scan.plaques, "#2a9d55", "solid"), (mask, "#e07b00", "dashed")):
        if part[plane].any():
            axes.contour(part[plane], [0.5], colors=colour, linewidths=1.4, linestyles=style)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("solid: planted, dashed: marked" if title else "", fontsize=7)


def _volumes(
    axes: Any, scans: list[SkullBaseScan], masks: NDArray[np.bool_], name: str, voxel_mm3: float
) -> None:  # fmt: skip
    planted = np.array([s.plaques.sum() for s in scans]) * voxel_mm3
    found = masks.sum(axis=(1, 2, 3)) * voxel_mm3
    top = float(max(planted.max(), found.max())) * 1.05
    axes.plot([0, top], [0, top], color="0.6", linewidth=0.8)
    axes.plot(planted, found, "o", markersize=3, color="#1f5fa8", alpha=0.7)
    axes.set_title(f"{name}\n{len(scans)} test patients", fontsize=8)
    axes.set_xlabel("planted volume, mm³", fontsize=8)
    axes.set_ylabel("marked volume, mm³", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlim(-2, top)
    axes.set_ylim(-2, top)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
