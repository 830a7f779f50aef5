"""Statistics without a formula for their variance: the patient bootstrap, and gaps within strata."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.stats import bootstrap_many, gaps_within
from validation.statistics._study import COVERAGE, COVERED, LEVELS, TAIL, TAILS, Accept, Study, Values, held_by
from validation.statistics.scenarios import Floats, Ints, case_codes, clustered_hits

SLOPE, ALIKE, RESAMPLES = 0.9, 0.6, 400
HELD = {**COVERED, **TAILS}
LEVERAGE = "a bootstrap's standard error is too small where few patients with extreme values carry the slope"

FEW = "30 patients of unlike weight are a few too few, even with the jackknife's error"


def _regressed(rng: np.random.Generator, patients: int) -> tuple[Floats, Floats, Ints]:
    """Return (predicted, reference, patient codes); errors of one patient are alike and grow with the reference."""
    code = case_codes(rng, patients, (1, 5))
    reference = rng.normal(size=patients)[code] + 0.3 * rng.normal(size=code.size)
    error = np.sqrt(ALIKE) * rng.normal(size=patients)[code] + np.sqrt(1 - ALIKE) * rng.normal(size=code.size)
    return SLOPE * reference + 0.4 * (1 + 0.5 * np.abs(reference)) * error, reference, code


def _slopes(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Return (b,) least-squares slopes of y on x for (b, n) weights."""
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    found: Floats = (weights @ (x * y) / total - mean_x * mean_y) / (weights @ x**2 / total - mean_x**2)
    return found


def _slope(patients: int, *, rows: bool = False, jackknife: bool = False) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        predicted, reference, code = _regressed(rng, patients)
        found = bootstrap_many(
            lambda w: _slopes(w, reference, predicted)[:, None], np.arange(code.size) if rows else code, LEVELS, rng,
            resamples=RESAMPLES, methods=("slope",), jackknife=jackknife,
        )[0]  # fmt: skip
        return held_by(found, SLOPE)

    return once


def _within(patients: int, gap: float) -> Callable[[np.random.Generator], Values]:
    """Return a gap within two strata of unlike rates, of which the subgroup has mostly the worse one."""

    def once(rng: np.random.Generator) -> Values:
        members = rng.random(patients) < 0.3
        stratum = (rng.random(patients) < np.where(members, 0.7, 0.4)).astype(np.int64)
        chance = np.where(stratum == 1, 0.80, 0.92) - gap * members
        hits, code = clustered_hits(rng, patients=patients, p=chance, rho=0.3, cases=(1, 3))
        found = gaps_within(hits, [members[code]], stratum[code], code, LEVELS, rng, resamples=RESAMPLES)
        return held_by(found[0], -gap)

    return once


def studies() -> list[Study]:
    """Return the simulations of statistics by resampling."""
    slope = "Least-squares slope, patient bootstrap, never nearer than t"
    made = [
        Study(
            id=f"resampled/slope/{patients}", job="resampled", method=slope + " with the jackknife's error",
            scenario=f"{patients} patients of 1 to 5 cases, true slope {SLOPE:g}",
            draw=_slope(patients, jackknife=True), repeats=4000, quick=60 if patients == 60 else 0,
            accept=HELD if patients > 30 else {**HELD, "low_miss": Accept(high=TAIL, deviation=FEW)},
        )
        for patients in (30, 60, 200)
    ]  # fmt: skip
    made += [
        Study(
            id=f"resampled/bootstrap/{patients}", job="resampled", method=slope + " with the bootstrap's error",
            scenario=f"{patients} patients of 1 to 5 cases, true slope {SLOPE:g}", draw=_slope(patients),
            repeats=4000, quick=60 if patients == 200 else 0,
            accept=HELD if patients == 200 else {"coverage": Accept(low=COVERAGE, deviation=LEVERAGE)},
        )
        for patients in (30, 200)
    ]  # fmt: skip
    made += [
        Study(
            id=f"resampled/strata/{patients}/{gap:g}", job="resampled",
            method="Gap within strata, Mantel-Haenszel weights, patient bootstrap",
            scenario=f"{patients} patients of 1 to 3 cases, 2 strata of unlike rates, true gap {-gap:g}",
            draw=_within(patients, gap), repeats=2000, quick=40 if gap else 0, accept=HELD,
        )
        for patients, gap in ((150, 0.0), (400, 0.0), (400, 0.10))
    ]  # fmt: skip
    made.append(Study(
        id="resampled/rows", job="resampled", method="Control: least-squares slope, bootstrap of rows",
        scenario=f"200 patients of 1 to 5 cases, true slope {SLOPE:g}", draw=_slope(200, rows=True), repeats=2000,
        quick=60, accept={"coverage": Accept(high=0.90)}, control=True,
    ))  # fmt: skip
    return made
