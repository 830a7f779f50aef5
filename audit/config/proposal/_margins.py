"""The margins that this cohort could show, from its numbers of patients and the very intervals that judge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Levels
from audit.stats import auc, chance_of_equal_rates, proportion, proportion_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATE = 0.9
_AUC = 0.9
_STEP = 0.05
_LIKELY = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Cases:
    """Labels and patients of the cases that have a target.

    Args:
        positive: (n,) bool.
        patients: (n,) int codes.
        levels: (n,) text by attribute, "" where empty.
    """

    positive: NDArray[np.bool_]
    patients: NDArray[np.int64]
    levels: dict[str, NDArray[np.str_]]

    def patients_in(self, inside: NDArray[np.bool_]) -> int:
        """Number of patients among some cases."""
        return int(np.unique(self.patients[inside]).size)


def rate_floor(cases: Cases, inside: NDArray[np.bool_]) -> float | None:
    """Return the highest limit that a rate of 0.9 among some cases would hold, in steps of 0.05.

    Args:
        cases: The cohort.
        inside: (n,) bool, the rate's own denominator.

    Returns:
        The lower bound rounded down, None where there are too few patients for any.
    """
    hits = _spread(int(inside.sum()), _RATE)
    bounds = proportion(hits, cases.patients[inside], Levels()).bounds(Levels().pointwise)
    return None if bounds is None else _down(bounds[0])


def auc_floor(cases: Cases) -> float | None:
    """Return the highest limit that an AUC of 0.9 would hold, in steps of 0.05, None where there is none."""
    bounds = _auc_bounds(cases)
    return None if bounds is None else _down(bounds[0])


def auc_width(cases: Cases) -> float | None:
    """Return half the width of the interval of an AUC of 0.9, rounded up to 0.01, None where there is none."""
    bounds = _auc_bounds(cases)
    return None if bounds is None else math.ceil(50 * (bounds[1] - bounds[0]) - 1e-9) / 100


def _auc_bounds(cases: Cases) -> tuple[float, float] | None:
    scores = np.empty(len(cases.positive))
    scores[cases.positive] = _normal(int(cases.positive.sum())) + math.sqrt(2) * NormalDist().inv_cdf(_AUC)
    scores[~cases.positive] = _normal(int((~cases.positive).sum()))
    return auc(scores, cases.positive, cases.patients, Levels()).bounds(Levels().pointwise)


def gap_margins(cases: Cases, attribute: str, inside: NDArray[np.bool_]) -> dict[str, tuple[float, int] | None]:
    """Return the smallest margin that each level would hold if its rate were that of the rest.

    Args:
        cases: The cohort.
        attribute: The attribute.
        inside: (n,) bool, the rate's own denominator.

    Returns:
        By level: the margin rounded up to 0.05 and the level's patients in the denominator; None where there are too
        few patients for a margin under 1.
    """
    every = np.unique(cases.levels[attribute])
    return {str(level): _gap_margin(cases, cases.levels[attribute][inside] == level, inside) for level in every}


def likely_margin(
    cases: Cases, attribute: str, inside: NDArray[np.bool_], least: float, judged: str | None = None
) -> float | None:
    """Return the smallest margin at which levels that are truly equal would pass in 8 of 10 cohorts like this one.

    Args:
        cases: The cohort.
        attribute: The attribute.
        inside: (n,) bool, the rate's own denominator.
        least: The margin to start from.
        judged: The level that a rule is about; None for all.

    Returns:
        Margin in steps of 0.05 above `least`, None where none under 1 is enough.
    """
    column = cases.levels[attribute]
    every = [str(v) for v in np.unique(column)]
    sizes = [cases.patients_in(inside & (column == v)) for v in every]
    chosen = range(len(every)) if judged is None else [every.index(judged)]
    margin = least
    while margin < 1:
        if chance_of_equal_rates(sizes, _RATE, (-margin, None), Levels(), judged=chosen) >= _LIKELY:
            return margin
        margin = round(margin + _STEP, 2)
    return None


def shift_margin(cases: Cases, attribute: str, inside: NDArray[np.bool_]) -> tuple[float, int] | None:
    """Return how far from 0.5 a score that follows no level may be held, and the patients of the smallest level.

    Args:
        cases: The cohort.
        attribute: The attribute.
        inside: (n,) bool, the cases of one label among which levels are compared.

    Returns:
        Margin in steps of 0.05 that the AUC of a level against the rest stays within, with its whole interval, in 8 of
        10 cohorts like this one; None where a level has too few patients for one under 0.5. Empty cells are no level.
    """
    column, scores = cases.levels[attribute][inside], _normal(int(inside.sum()))
    patients, widest, fewest = cases.patients[inside], 0.0, len(cases.patients)
    known = column != MISSING_LEVEL
    names = np.unique(column[known])
    for name in names:
        members = column[known] == name
        bounds = auc(scores[known], members, patients[known], Levels()).bounds(Levels().pointwise)
        if bounds is None:
            return None
        widest = max(widest, (bounds[1] - bounds[0]) / 2)
        fewest = min(fewest, int(np.unique(patients[known][members]).size))
    # The estimate itself strays as well: with one chance in ten to either side where it is widest.
    margin = _up(widest * (1 + NormalDist().inv_cdf((1 + _LIKELY) / 2) / NormalDist().inv_cdf(0.975)))
    return (margin, fewest) if len(names) > 1 and margin < 0.5 else None


def level_floor(cases: Cases, attribute: str, inside: NDArray[np.bool_]) -> float | None:
    """Return the highest limit that a rate of 0.9 in every level would hold, None where a level has too few patients.

    Args:
        cases: The cohort.
        attribute: The attribute.
        inside: (n,) bool, the rate's own denominator.
    """
    column = cases.levels[attribute]
    floors = [rate_floor(cases, inside & (column == v)) for v in np.unique(column)]
    known = [f for f in floors if f is not None]
    return min(known) if len(known) == len(floors) else None


def _gap_margin(cases: Cases, members: NDArray[np.bool_], inside: NDArray[np.bool_]) -> tuple[float, int] | None:
    patients = cases.patients[inside]
    hits = np.empty(len(members), dtype=bool)
    hits[members], hits[~members] = _spread(int(members.sum()), _RATE), _spread(int((~members).sum()), _RATE)
    bounds = proportion_gap(hits, members, patients, Levels()).bounds(Levels().pointwise)
    if bounds is None or _up(-bounds[0]) >= 1:
        return None
    return _up(-bounds[0]), int(np.unique(patients[members]).size)


def _spread(n: int, rate: float) -> NDArray[np.bool_]:
    """Return n hits of which a share misses, the misses spread evenly."""
    steps = np.floor(np.arange(1, n + 1) * (1 - rate) + 0.5)
    out: NDArray[np.bool_] = np.diff(steps, prepend=0.0) == 0
    return out


def _normal(n: int) -> NDArray[np.float64]:
    """Return n quantiles of the normal distribution, in an order that does not follow the rows."""
    values = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    return values[np.random.default_rng(0).permutation(n)]


def _down(value: float) -> float:
    return round(math.floor(value / _STEP + 1e-9) * _STEP, 2)


def _up(value: float) -> float:
    return round(math.ceil(value / _STEP - 1e-9) * _STEP, 2)
