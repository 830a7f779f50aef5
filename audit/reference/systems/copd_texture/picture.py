"""The pictures of the docs: `python -m audit.reference.systems.copd_texture.picture NAME OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._files import read_figures
from audit.reference.phantoms import SCAN, SHALLOW, CopdScans, copd_patients
from audit.reference.systems.copd_texture._cohorts import FUTURE, HORIZON

if TYPE_CHECKING:
    from audit.reference._system import Figure

HERE = Path(__file__).parent
_WINDOW = {"cmap": "gray", "vmin": -1050, "vmax": -700, "interpolation": "nearest"}
_BLUE, _RED, _GREY = "#3a6ea5", "#b5483a", "0.45"


def draw(name: str, path: Path) -> None:
    """Draw what the model is shown and how well it does, as PNG.

    Args:
        name: The system.
        path: The file.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(9.6, 3.5), dpi=105)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    left, right = parts
    found = {f.name: f for f in read_figures(HERE / f"{name}.figures.json")[1]}
    if name == FUTURE:
        _courses(left)
        at = f"auc at {HORIZON:g} years"
        rows = (
            ("texture", at),
            ("densitometry", f"{at}, RA950"),
            ("planted\nextent", f"{at}, planted extent of emphysema"),
        )
        _areas(right.subplots(), rows, found, f"AUC at {HORIZON:g} years")
    else:
        _lungs(left)
        one, two = right.subplots(1, 2, width_ratios=(1.2, 1))
        rows = (
            ("texture", "auc"),
            ("densitometry", "auc, RA950"),
            ("planted\nextent", "auc, planted extent of emphysema"),
        )
        _areas(one, rows, found, "AUC, COPD today")
        moved = "change at 15 % less volume, in SD between patients"
        _points(two, [found[moved], found[f"{moved}, RA950"]], ("texture", "densitometry"))
        two.axhline(0, color=_GREY, lw=0.8, ls=":")
        two.set_title("shallower breath:\nchange in SD between patients", fontsize=8)
    figure.savefig(path)
    plt.close(figure)


def _areas(axes: Any, rows: tuple[tuple[str, str], ...], found: dict[str, Figure], title: str) -> None:
    figures = [found[key] for _, key in rows]
    _points(axes, figures, tuple(word for word, _ in rows))
    axes.axhline(0.5, color=_GREY, lw=0.8, ls=":")
    axes.set_ylim(0.45, 0.9)
    axes.set_title(f"{title}\nphantom, {figures[0].n_patients} patients, 95 %", fontsize=8)


def _points(axes: Any, figures: list[Figure], words: tuple[str, ...]) -> None:
    values = np.array([f.value for f in figures], dtype=float)
    ends = np.array([[f.low for f in figures], [f.high for f in figures]], dtype=float)
    for i, colour in zip(range(len(figures)), (_BLUE, _RED, _GREY), strict=False):
        axes.errorbar(
            [i], values[i : i + 1], np.abs(ends - values)[:, i : i + 1], fmt="so^"[i], color=colour, capsize=4, ms=7
        )  # fmt: skip
    axes.set_xticks(range(len(words)), words, fontsize=7)
    axes.set_xlim(-0.6, len(words) - 0.4)
    axes.tick_params(axis="y", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _lungs(part: Any) -> None:
    """Show a plane of a lung with little and one with much emphysema, at both breaths."""
    patients = copd_patients(60, seed=(46, 2))
    order = np.argsort(patients.log_odds)
    part.suptitle("phantom: one plane of a lung, -1050 to -700 HU", fontsize=8, y=0.99)
    grid = part.subplots(2, 2, gridspec_kw={"top": 0.84, "bottom": 0.02, "hspace": 0.32, "wspace": 0.02})
    for row, (words, who) in zip(grid, (("little emphysema", order[3]), ("much emphysema", order[-4])), strict=True):
        for axes, (breath, kind) in zip(row, (("breath as asked", SCAN), ("shallower breath", SHALLOW)), strict=True):
            volume = CopdScans(patients=patients, of=[int(who)], kinds=[kind]).volume(0)
            axes.imshow(volume.image[volume.image.shape[0] // 2, 5:-5, 5:-5], **_WINDOW)
            below = float((volume.image[volume.lung] < -950).mean())
            axes.set_title(f"{words}\n{breath}, RA950 {below:.0%}", fontsize=7)
            axes.set_axis_off()


def _courses(part: Any) -> None:
    """Show how lung function falls in twelve patients, and where it is found."""
    patients = copd_patients(14, seed=(46, 3), at_risk=True)
    axes = part.subplots()
    for i in range(len(patients)):
        fall = (patients.ratio[i] - 0.70) / patients.onset[i]
        ends = float(patients.time[i])
        years = np.array([0.0, ends])
        colour = _RED if patients.event[i] else _BLUE
        axes.plot(years, patients.ratio[i] - fall * years, color=colour, lw=1.0)
        axes.plot(ends, patients.ratio[i] - fall * ends, "x" if patients.event[i] else "o", color=colour, ms=5)
    axes.axhline(0.70, color=_GREY, lw=0.8, ls=":")
    axes.axvline(HORIZON, color=_GREY, lw=0.8, ls=":")
    axes.set_xlabel("years after the scan", fontsize=8)
    axes.set_ylabel("FEV1/FVC", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title("phantom: x COPD found, o follow-up ended before it", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(sys.argv[1], Path(sys.argv[2]))
