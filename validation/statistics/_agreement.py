"""Agreement: intraclass correlation, kappa, limits of agreement, and a model among readers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.stats import Kappa, Panel, agreement, agreement_difference, icc, limit_of_agreement
from validation.statistics._study import (
    ALPHA,
    COVERED,
    LEVELS,
    TAIL,
    TAILS,
    Accept,
    Study,
    Values,
    held,
    held_by,
)
from validation.statistics.scenarios import Floats, Ints, case_codes

BETWEEN, RATERS, ERROR = 1.0, 0.3, 0.5
"""Standard deviations of cases, of raters' shifts and of single ratings."""
EDGES = np.array([-0.8, 0.2, 1.0])
GRADES = len(EDGES) + 1
LATENT = 0.75
"""Correlation of two readings of one case before they are graded."""
SEVERITY_ALIKE = 0.5
MARGIN, READERS = 0.10, 3
Form = Literal["1,1", "2,1", "3,1"]
HELD = {**COVERED, **TAILS}


def _ratings(rng: np.random.Generator, cases: int, raters: int, form: Form) -> Floats:
    shift = 0.0 if form == "1,1" else rng.normal(0, RATERS, (1, raters))
    found: Floats = rng.normal(0, BETWEEN, (cases, 1)) + shift + rng.normal(0, ERROR, (cases, raters))
    return found


def _true_icc(form: Form) -> float:
    shift = RATERS**2 if form == "2,1" else 0.0
    return BETWEEN**2 / (BETWEEN**2 + shift + ERROR**2)


def _icc(cases: int, raters: int, form: Form) -> Callable[[np.random.Generator], Values]:
    truth = _true_icc(form)

    def once(rng: np.random.Generator) -> Values:
        return held_by(icc(_ratings(rng, cases, raters, form), np.arange(cases), LEVELS, form=form), truth)

    return once


def _icc_of_cases(cases: int, raters: int) -> Callable[[np.random.Generator], Values]:
    """Return the percentile interval of ICC(2,1) over resampled cases, as if the raters were known."""
    truth = _true_icc("2,1")

    def once(rng: np.random.Generator) -> Values:
        x = _ratings(rng, cases, raters, "2,1")[rng.integers(0, cases, (200, cases))]
        x = x - x.mean(axis=(1, 2), keepdims=True)
        rows, columns = x.mean(axis=2), x.mean(axis=1)
        between = raters * np.sum(rows**2, axis=1) / (cases - 1)
        apart = cases * np.sum(columns**2, axis=1) / (raters - 1)
        rest = x - rows[:, :, None] - columns[:, None, :]
        error = np.sum(rest**2, axis=(1, 2)) / ((cases - 1) * (raters - 1))
        values = (between - error) / (between + (raters - 1) * error + raters * (apart - error) / cases)
        low, high = np.quantile(values, [ALPHA, 1 - ALPHA])
        return held((float(low), float(high)), truth)

    return once


def _grades(latent: Floats) -> Ints:
    found: Ints = np.searchsorted(EDGES, latent).astype(np.int64)
    return found


def _read(rng: np.random.Generator, severity: Floats, noise: float) -> Ints:
    return _grades(np.sqrt(LATENT) * severity + noise * rng.normal(size=severity.size))


NOISE = float(np.sqrt(1 - LATENT))


def _severity(rng: np.random.Generator, patients: int, cases: tuple[int, int]) -> tuple[Floats, Ints]:
    code = case_codes(rng, patients, cases)
    own = np.sqrt(1 - SEVERITY_ALIKE) * rng.normal(size=code.size)
    return np.sqrt(SEVERITY_ALIKE) * rng.normal(size=patients)[code] + own, code


def _chances(noise: float) -> tuple[NDArray[np.float64], Floats]:
    """Return (nodes, grades) chances of each grade given the severity, and the weights of the nodes."""
    from scipy.special import ndtr

    severity = np.linspace(-7, 7, 2001)
    weights = np.exp(-(severity**2) / 2)
    upto = ndtr((EDGES[None, :] - np.sqrt(LATENT) * severity[:, None]) / noise)
    upto = np.column_stack([np.zeros(severity.size), upto, np.ones(severity.size)])
    return np.diff(upto, axis=1), weights / weights.sum()


def _true_kappa(noise: float) -> float:
    """Return the quadratic kappa of a reader of that noise with one of the usual noise, by integration."""
    one, weights = _chances(noise)
    two, _ = _chances(NOISE)
    table = one.T @ (two * weights[:, None])
    steps = np.arange(GRADES)
    cost = (steps[:, None] - steps[None, :]) ** 2.0
    return float(1 - np.sum(cost * table) / np.sum(cost * np.outer(table.sum(axis=1), table.sum(axis=0))))


@cache
def _noise_at_margin() -> float:
    """Return the noise at which a model agrees with readers less than they do by exactly the margin.

    The consensus of two other readers is half of each reading, so its expected table is that of one reader.
    """
    from scipy.optimize import brentq

    return float(brentq(lambda noise: _true_kappa(noise) - _true_kappa(NOISE) + MARGIN, NOISE, 5.0))


def _kappa(patients: int, cases: tuple[int, int]) -> Callable[[np.random.Generator], Values]:
    truth, measure = _true_kappa(NOISE), Kappa(categories=GRADES)

    def once(rng: np.random.Generator) -> Values:
        severity, code = _severity(rng, patients, cases)
        found = agreement(measure, _read(rng, severity, NOISE), _read(rng, severity, NOISE), code, LEVELS)
        return held_by(found, truth)

    return once


def _limit(patients: int, cases: tuple[int, int]) -> Callable[[np.random.Generator], Values]:
    """Return the upper limit of agreement of differences with a part of the patient."""
    from scipy.special import ndtri

    alike = 0.5 if cases[1] > 1 else 0.0
    truth = 1.0 + float(ndtri(0.975)) * 2.0

    def once(rng: np.random.Generator) -> Values:
        code = case_codes(rng, patients, cases)
        part = np.sqrt(alike) * rng.normal(size=patients)[code] + np.sqrt(1 - alike) * rng.normal(size=code.size)
        return held_by(limit_of_agreement(1.0 + 2.0 * part, code, LEVELS, side="high"), truth)

    return once


def _among_readers(patients: int, *, equal: bool) -> Callable[[np.random.Generator], Values]:
    """Return how a model is judged that is worse than the readers by the margin, or equal to them."""
    noise, measure = NOISE if equal else _noise_at_margin(), Kappa(categories=GRADES)

    def once(rng: np.random.Generator) -> Values:
        severity = rng.normal(size=patients)
        readers = np.column_stack([_read(rng, severity, NOISE) for _ in range(READERS)]).astype(np.float64)
        panel = Panel(
            model=_read(rng, severity, noise), readers=readers, patients=np.arange(patients), measure=measure,
            consensus="median",
        )  # fmt: skip
        bounds = agreement_difference(panel, LEVELS).bounds(ALPHA)
        if bounds is None:
            return {"estimable": False}
        if equal:
            return {"passed": bounds[0] >= -MARGIN, "estimable": True}
        return {"false_pass": bounds[0] >= -MARGIN, "false_fail": bounds[1] < -MARGIN, "estimable": True}

    return once


def studies() -> list[Study]:
    """Return the simulations of agreement."""
    made: list[Study] = []

    def add(
        name: str, method: str, scenario: str, draw: Callable[[np.random.Generator], Values], *, repeats: int = 8000,
        quick: int = 200, accept: dict[str, Accept] | None = None, control: bool = False,
    ) -> None:  # fmt: skip
        made.append(Study(
            id=f"agreement/{name}", job="agreement", method=method, scenario=scenario, draw=draw, repeats=repeats,
            quick=quick, accept=HELD if accept is None else accept, control=control,
        ))  # fmt: skip

    for form, sizes in (("1,1", ((30, 2),)), ("3,1", ((30, 3), (60, 5))), ("2,1", ((30, 3), (60, 5)))):
        for cases, raters in sizes:
            words = f"{cases} cases, {raters} {'repeats' if form == '1,1' else 'raters'}, truth {_true_icc(form):.2f}"  # type: ignore[arg-type]
            method = f"ICC({form}), F interval" + (", generalised lower bound" if form == "2,1" else "")
            add(f"icc/{form}/{cases}", method, words, _icc(cases, raters, form),  # type: ignore[arg-type]
                repeats=2000 if form == "2,1" else 8000, quick=0 if form == "2,1" else 200)  # fmt: skip
    add("icc/cases", "Control: ICC(2,1), percentiles over resampled cases", f"30 cases, 3 raters, truth "
        f"{_true_icc('2,1'):.2f}", _icc_of_cases(30, 3), repeats=2000, quick=60,
        accept={"coverage": Accept(high=0.90)}, control=True)  # fmt: skip
    kappa = "Quadratic kappa, patient jackknife on Fisher's z"
    for patients, span in ((25, (1, 1)), (60, (1, 1)), (200, (1, 1)), (60, (1, 4))):
        many = "1 case each" if span[1] == 1 else "1 to 4 cases each"
        add(f"kappa/{patients}/{span[1]}", kappa, f"{patients} patients, {many}, {GRADES} grades, truth "
            f"{_true_kappa(NOISE):.2f}", _kappa(patients, span))  # fmt: skip
    for patients, span in ((20, (1, 1)), (60, (1, 1)), (60, (1, 4))):
        many = "1 case each" if span[1] == 1 else "1 to 4 cases each, correlation 0.5"
        add(f"limit/{patients}/{span[1]}", "Limit of agreement, non-central t", f"{patients} patients, {many}",
            _limit(patients, span))  # fmt: skip
    among = "Model minus readers, quadratic kappa"
    wrong = {"false_pass": Accept(high=TAIL), "false_fail": Accept(high=TAIL)}
    for patients in (60, 100, 150, 300):
        add(f"readers/margin/{patients}", among, f"{patients} patients, {READERS} readers, truly worse by the margin "
            f"of {MARGIN:g}", _among_readers(patients, equal=False), repeats=4000, quick=60,
            accept=wrong)  # fmt: skip
    for patients in (100, 300):
        add(f"readers/equal/{patients}", among, f"{patients} patients, {READERS} readers, truly equal, margin {MARGIN}",
            _among_readers(patients, equal=True), repeats=2000, quick=0, accept={})  # fmt: skip
    return made
