"""Training sizes and seeds of the emphysema graders, and how each was tuned: one file a cell, resumable."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.reference.systems.emphysema._data import TEST, TRAINING, VALIDATION, Scans, render
from audit.reference.systems.emphysema._fit import Settings, fit
from audit.reference.systems.emphysema._measure import answered, values
from audit.reference.systems.emphysema._settings import RATES, SETTINGS, TUNED_ON, TUNED_WITH

if TYPE_CHECKING:
    from audit.reference._system import Say

SIZES = (50, 75, 100, 150, 200, 300, 700)
SEEDS = (1, 2, 3, 4, 5)
N_TEST = 300
N_VALIDATION = 200
TEST_SEED = 1


def run(name: str, folder: Path, *, say: Say, sizes: tuple[int, ...] = SIZES, seeds: tuple[int, ...] = SEEDS) -> None:
    """Measure what is not there yet, and write `<name>.json` of all that is.

    Args:
        name: One of `SETTINGS`.
        folder: For the cells, in a folder of that name, and the summary.
        say: Is told of each cell.
        sizes: Numbers of development patients; each size holds the smaller ones.
        seeds: Of patients, initial weights and order, all alike.
    """
    cells = folder / name
    cells.mkdir(parents=True, exist_ok=True)
    tune(name, cells, say=say)
    held: dict[int, Scans] = {}
    # All sizes of a seed first would leave an interrupted grid without intervals; all seeds of a size come first.
    for n in sorted(sizes, reverse=True):
        for seed in seeds:
            path = cells / f"{n:04d}-{seed}.json"
            if path.is_file():
                continue
            got = _cell(n, SETTINGS[name], seed=seed, part=TEST, n_test=N_TEST, held=held)
            _write({"n": n, "seed": seed, **got}, path)
            say(f"{name}, {n} patients, seed {seed}: ICC {got['icc']:.2f}, AUC {got['auc']:.3f}")
    summarise(name, folder)


def tune(name: str, cells: Path, *, say: Say) -> None:
    """Try every normalisation and rate once, on validation patients; the same trials for every system."""
    held: dict[int, Scans] = {}
    for norm in TUNED_WITH:
        for rate in RATES:
            path = cells / f"tuning-{norm}-{rate:g}.json"
            if path.is_file():
                continue
            tried = replace(SETTINGS[name], norm=norm, rate=rate)
            got = _cell(TUNED_ON, tried, seed=1, part=VALIDATION, n_test=N_VALIDATION, held=held)
            _write({"norm": norm, "rate": rate, "n": TUNED_ON, "seed": 1, **got}, path)
            say(f"{name}, tuning, {norm}, {rate:g}: ICC {got['icc']:.2f}, AUC {got['auc']:.3f}")


def _cell(n: int, settings: Settings, *, seed: int, part: int, n_test: int, held: dict[int, Scans]) -> dict[str, Any]:
    if seed not in held or len(held[seed]) < n:
        held[seed] = render(TRAINING, n, seed)
    if -part not in held:
        held[-part] = render(part, n_test, TEST_SEED)
    found = held[seed]
    first = Scans(
        images=found.images[:n], lungs=found.lungs[:n], emphysema=found.emphysema[:n], extents=found.extents[:n],
        grades=found.grades[:n],
    )  # fmt: skip
    net = fit(first, settings, seed=seed)
    return values(answered(net, held[-part]), held[-part])


def summarise(name: str, folder: Path) -> Path:
    """Write all cells of a system into one file."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / name).glob("*.json"))]
    content = {
        "name": name, "phantom": True, "settings": asdict(SETTINGS[name]),
        "test": {"n": N_TEST, "seed": TEST_SEED}, "tuning": [row for row in found if "rate" in row],
        "cells": [row for row in found if "rate" not in row],
    }  # fmt: skip
    return _write(content, folder / f"{name}.json")


def _write(content: dict[str, Any], path: Path) -> Path:
    rounded = json.loads(json.dumps(content), parse_float=lambda text: float(f"{float(text):.5g}"))
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(rounded, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return part.replace(path)
