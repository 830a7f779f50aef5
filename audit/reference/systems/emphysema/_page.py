"""The tables of the page about graders of emphysema, from what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._files import read_figures
from audit.reference._systems import all_systems, figures_of
from audit.reference.systems.emphysema._settings import SETTINGS

SHOWN = {
    "icc": "ICC, planted extent", "auc": "AUC, presence", "r_s": "r_s", "six_class_agreement": "six classes agree",
    "weighted_kappa": "weighted kappa", "dice": "Dice of the map",
}  # fmt: skip


def curve_table(folder: Path) -> str:
    """Return mean and standard deviation over the seeds, by training size, as Markdown.

    Args:
        folder: Of `<name>.json`, as the grid writes them.
    """
    head = ["training patients", "network", "seeds", *SHOWN.values()]
    cells = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["cells"] for name in SETTINGS}
    rows = []
    for n in sorted({cell["n"] for held in cells.values() for cell in held}):
        for name, held in cells.items():
            found = [cell for cell in held if cell["n"] == n]
            if found:
                rows.append([f"{n}", f"`{name}`", f"{len(found)}", *(_spread(found, key) for key in SHOWN)])
    return _markdown(head, rows)


def advantage_table(folder: Path) -> str:
    """Return by how much ProportionNet is ahead, by training size, as Markdown.

    Differences are of equal seeds, which share patients; intervals are over the trainings and hold for these test
    patients.
    """
    from audit.core.levels import Levels
    from audit.stats import paired_difference

    levels, rows = Levels(confidence=0.95), []
    cells = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["cells"] for name in SETTINGS}
    held = {(name, cell["n"], cell["seed"]): cell for name, found in cells.items() for cell in found}
    for n in sorted({n for _, n, _ in held}):
        for other in ("gapnet", "gapnet-rms"):
            seeds = sorted(s for name, m, s in held if name == other and m == n and ("proportionnet", n, s) in held)
            row = [f"{n}", f"`{other}`", f"{len(seeds)}"]
            for key in list(SHOWN)[:-1]:
                ahead, behind = (np.array([held[name, n, s][key] for s in seeds]) for name in ("proportionnet", other))
                found = paired_difference(ahead, behind, np.arange(len(seeds)), levels)
                bounds = found.bounds(levels.pointwise)
                said = "" if found.value is None else f"{found.value:+.2f}"
                row.append(said if bounds is None else f"{said} ({bounds[0]:+.2f} to {bounds[1]:+.2f})")
            if len(seeds) > 1:
                rows.append(row)
    return _markdown(["training patients", "against", "seeds", *list(SHOWN.values())[:-1]], rows)


def tuning_table(folder: Path) -> str:
    """Return ICC and AUC of every trial, as Markdown."""
    rows = []
    for name in SETTINGS:
        held = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["tuning"]
        rows += [
            [f"`{name}`", row["norm"], f"{row['rate']:g}", f"{row['icc']:.2f}", f"{row['auc']:.2f}"] for row in held
        ]
    return _markdown(["network", "normalisation", "learning rate", "ICC", "AUC"], rows)


def figure_table(names: tuple[str, ...] = tuple(SETTINGS)) -> str:
    """Return the shipped figures of some systems side by side, as Markdown."""
    found = {name: {f.name: f for f in read_figures(figures_of(all_systems()[name]))[1]} for name in names}
    rows = []
    for label in dict.fromkeys(label for held in found.values() for label in held):
        held = [found[name].get(label) for name in names]
        n = next(f.n for f in held if f is not None)
        rows.append([f"{label} (n = {n})", *("" if f is None else _with_interval(f) for f in held)])
    return _markdown(["phantom figure", *(f"`{name}`" for name in names)], rows)


def _with_interval(figure: Any) -> str:
    if figure.value is None or figure.low is None:
        return figure.missing or "none"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _spread(found: list[dict[str, Any]], key: str) -> str:
    values = [cell[key] for cell in found if cell[key] is not None]
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
