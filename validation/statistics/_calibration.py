"""Calibration: slope, intercept, Brier score, and the debiased calibration error beside the plug-in one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from audit.core.binning import equal_mass_bins
from audit.stats import brier, calibration, ece
from validation.statistics._study import ALPHA, COVERAGE, LEVELS, TAILS, Accept, Study, Values, held, held_by
from validation.statistics.scenarios import Bools, Floats, Ints, calibrated, expected_brier

BAND = {"coverage": Accept(low=0.93, high=0.97), **TAILS}
SIZES = (60, 150, 400)
SHIFT = 0.08


def _fit(patients: int, which: str, *, intercept: float = 0.0, slope: float = 1.0) -> Callable[..., Values]:
    truth = slope if which == "slope" else intercept

    def once(rng: np.random.Generator) -> Values:
        drawn = calibrated(rng, patients=patients, intercept=intercept, slope=slope)
        fit = calibration(*drawn, LEVELS)
        return held_by(fit.slope if which == "slope" else fit.intercept, truth)

    return once


def _brier(patients: int) -> Callable[[np.random.Generator], Values]:
    truth = expected_brier()

    def once(rng: np.random.Generator) -> Values:
        return held_by(brier(*calibrated(rng, patients=patients), LEVELS), truth)

    return once


def shifted(rng: np.random.Generator, *, patients: int, shift: float) -> tuple[Floats, Bools, Ints]:
    """Return (scores, labels, patient codes), one case a patient, outcomes more frequent than the scores by `shift`."""
    scores = rng.uniform(0.05, 0.85, patients)
    return scores, rng.random(patients) < scores + shift, np.arange(patients)


def _ece(draw: Callable[..., tuple[Floats, Bools, Ints]], truth: float) -> Callable[..., Values]:
    def once(rng: np.random.Generator) -> Values:
        return held_by(ece(*draw(rng), LEVELS, rng, resamples=200), truth)

    return once


def _plug_in(scores: Floats, labels: Bools) -> float:
    """Return the plug-in error: the mean distance of outcome and score over ten bins of equal mass."""
    cell = equal_mass_bins(scores, 10)
    excess = np.bincount(cell, weights=labels - scores)
    return float(np.abs(excess).sum() / scores.size)


def _plugged(patients: int) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        scores, labels, code = calibrated(rng, patients=patients)
        first = np.flatnonzero(np.diff(code, prepend=-1))
        sizes = np.diff(np.append(first, code.size))
        draws = []
        for chosen in rng.integers(0, patients, (200, patients)):
            rows = np.repeat(first[chosen], sizes[chosen]) + _within(sizes[chosen])
            draws.append(_plug_in(scores[rows], labels[rows]))
        low, high = np.quantile(draws, [ALPHA, 1 - ALPHA])
        return {**held((float(low), float(high)), 0.0), "value": _plug_in(scores, labels)}

    return once


def _within(sizes: Ints) -> Ints:
    """Return 0, 1, ... within each patient's block of cases."""
    out: Ints = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return out


def studies() -> list[Study]:
    """Return the simulations of calibration."""
    made: list[Study] = []

    def add(name: str, method: str, scenario: str, draw: Callable[..., Values], **more: object) -> None:
        given: dict[str, Any] = {"repeats": 8000, "quick": 300, "accept": BAND, **more}
        made.append(Study(
            id=f"calibration/{name}", job="calibration", method=method, scenario=scenario, draw=draw, **given,
        ))  # fmt: skip

    cluster = "logistic recalibration, cluster sandwich t"
    for patients in SIZES:
        sound = f"{patients} patients, 1 to 3 cases each, calibrated"
        add(f"slope/{patients}", f"Slope, {cluster}", sound, _fit(patients, "slope"))
        add(f"intercept/{patients}", f"Intercept, {cluster}", sound, _fit(patients, "intercept"))
    add("slope/extreme", f"Slope, {cluster}", "150 patients, true slope 0.6", _fit(150, "slope", slope=0.6))
    add("intercept/high", f"Intercept, {cluster}", "150 patients, true intercept 0.5",
        _fit(150, "intercept", intercept=0.5))  # fmt: skip
    for patients in SIZES:
        words = f"{patients} patients, 1 to 3 cases each, calibrated"
        add(f"brier/{patients}", "Brier score, cluster t with a pseudo-patient", words, _brier(patients),
            accept={"coverage": Accept(low=COVERAGE), **TAILS})  # fmt: skip
    debiased = "ECE, debiased square"
    for patients in (100, 400):
        add(f"ece/sound/{patients}", debiased, f"{patients} patients, 1 to 3 cases each, calibrated: truth 0",
            _ece(partial(calibrated, patients=patients), 0.0), repeats=2000, quick=60,
            accept={"coverage": Accept(low=COVERAGE)})  # fmt: skip
        add(f"ece/shift/{patients}", debiased, f"{patients} patients, 1 case each, outcomes {SHIFT:g} too frequent",
            _ece(partial(shifted, patients=patients, shift=SHIFT), SHIFT), repeats=2000, quick=60,
            accept={"coverage": Accept(low=COVERAGE), "high_miss": TAILS["high_miss"]})  # fmt: skip
    for patients in (100, 400):
        add(f"ece/plug-in/{patients}", "Control: plug-in ECE, patient bootstrap",
            f"{patients} patients, 1 to 3 cases each, calibrated: truth 0", _plugged(patients), repeats=2000,
            quick=20, accept={"coverage": Accept(high=0.0)}, control=True)  # fmt: skip
    return made
