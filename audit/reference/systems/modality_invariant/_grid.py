"""The ablation: with and without each of the three parts, over seeds; one file a cell."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from audit.core import Estimate, Levels
from audit.reference._system import Say
from audit.reference.phantoms import SEQUENCES
from audit.reference.systems.modality_invariant._learning import TEST, TRAINING, Parts, Settings, learn, table
from audit.reference.systems.modality_invariant._measuring import (
    COMPLETE,
    PAIRS,
    SINGLE,
    coded,
    leak,
    matrix,
    ranked,
    ranked_on_average,
    spread,
    words,
)

SEEDS = (11, 12, 13, 14, 15)
SMALLER = Settings(patients=400, test=200, epochs=10)
"""Forty codes are learned, so each on fewer patients than the shipped ones; all else is the same."""
CELLS = tuple(Parts(similarity=s, normalised=n, dropout=d) for s, n, d in product((False, True), repeat=3))


def called(parts: Parts) -> str:
    """Return a name of a combination, such as "similarity+dropout"; "none" without any."""
    names = [name for name in ("similarity", "normalised", "dropout") if getattr(parts, name)]
    return "+".join(names) or "none"


def measure(folder: Path, *, say: Say, seeds: tuple[int, ...] = SEEDS, settings: Settings | None = None) -> None:
    """Learn and measure every combination with every seed; files that are there are left as they are.

    Each seed has its own training and test patients, so the scatter over seeds is that of patients and of training. At
    the end `ablation.json` holds the mean over seeds with its t interval.

    Args:
        folder: Made if absent.
        say: Is told of every cell.
        seeds: At least 5 for an interval.
        settings: `SMALLER` by default.
    """
    chosen = settings or SMALLER
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        wanted = [p for p in CELLS if not _file(folder, p, seed).exists()]
        if not wanted:
            continue
        given, held_out = table(seed, TRAINING, chosen), table(seed, TEST, chosen)
        for parts in wanted:
            say(f"seed {seed}: {called(parts)}")
            net = learn(parts, given, seed=seed, settings=chosen)
            own = coded(net, given, (*SINGLE, COMPLETE))
            test = coded(net, held_out, (*SINGLE, *PAIRS, COMPLETE))
            figures = cell(own, test, np.random.default_rng([seed, 99]))
            text = json.dumps({"parts": called(parts), "seed": seed, "phantom": True, "figures": figures}, indent=1)
            _file(folder, parts, seed).write_text(text + "\n", encoding="utf-8")
    (folder / "ablation.json").write_text(json.dumps(summary(folder, seeds), indent=1) + "\n", encoding="utf-8")


def cell(own: Any, test: Any, rng: np.random.Generator) -> dict[str, float | None]:
    """Return the figures of one code: matrix, leakage and collapse."""
    cells = matrix(own, test)
    out = {f"auc, {words(a)} to {words(b)}": ranked(s, test.table).value for (a, b), s in cells.items()}
    same = [cells[k, k] for k in SINGLE]
    across = [cells[a, b] for a in SINGLE for b in SINGLE if a != b]
    out["auc, same modality"] = ranked_on_average(same, test.table).value
    out["auc, other modality"] = ranked_on_average(across, test.table).value
    out["auc, one absent"] = ranked_on_average([cells[COMPLETE, k] for k in PAIRS], test.table).value
    out["auc, two absent"] = ranked_on_average([cells[COMPLETE, k] for k in SINGLE], test.table).value
    leaks = [leak(test, m, rng).value for m in range(len(SEQUENCES))]
    out["leak"] = None if None in leaks else float(np.mean([x for x in leaks if x is not None]))
    return {**out, **{f"code, {k}": e.value for k, e in spread(test, rng).items()}}


def summary(folder: Path, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return mean and t interval over seeds, by combination and figure."""
    rows: dict[str, Any] = {}
    for parts in CELLS:
        read = [json.loads(_file(folder, parts, s).read_text(encoding="utf-8"))["figures"] for s in seeds]
        rows[called(parts)] = {name: _mean([r[name] for r in read]) for name in read[0]}
    return {"seeds": list(seeds), "phantom": True, "interval": "mean over seeds, 95 % t interval", "cells": rows}


def _mean(values: list[float | None]) -> dict[str, Any]:
    from audit.stats import mean

    known = np.array([v for v in values if v is not None])
    if len(known) < len(values):
        return {"value": None, "missing": f"{len(values) - len(known)} of {len(values)} seeds give no number"}
    found: Estimate = mean(known, np.arange(len(known)), Levels())
    bounds, each = found.bounds(Levels().pointwise), [round(float(v), 5) for v in known]
    if found.value is None or bounds is None:
        return {"value": None, "missing": found.missing, "each": each}
    return {"value": round(found.value, 5), "low": round(bounds[0], 5), "high": round(bounds[1], 5), "each": each}


def _file(folder: Path, parts: Parts, seed: int) -> Path:
    return folder / f"{called(parts)}-{seed}.json"
