"""Gaps between a subgroup and the rest: subgroup minus rest, with patients as the unit of sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import area_bounds, area_of, lacking
from audit.stats._common import Bools, Bounds, Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few
from audit.stats._means import Support, average_bounds, average_of, within
from audit.stats._proportion import share_of, wilson_bounds

PROPORTIONS = "MOVER of Wilson bounds at the effective n"
AREAS = "MOVER of Obuchowski's logit bounds"
MEANS = "MOVER of cluster t bounds"
MIN_CONTRIBUTORS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One side of a contrast: its value, its bounds at every rung, and what each patient contributes."""

    value: float
    bounds: Bounds
    patients: Patients
    influence: Floats


def correlation(one: Side, two: Side) -> float:
    """Return the correlation of two sides through the patients that they share, 0 where they share none.

    A positive correlation narrows the interval. It is believed only where the difference does not rest on a few
    patients, counted as (sum d^2)^2 / sum d^4 of their contributions d: else it may be near 1 by luck alone.
    """
    _, at_one, at_two = np.intersect1d(one.patients.ids, two.patients.ids, assume_unique=True, return_indices=True)
    if at_one.size == 0:
        return 0.0
    u, w = one.influence, two.influence
    spread = float(np.sqrt(np.sum(u**2) * np.sum(w**2)))
    if spread <= 0:
        return 0.0
    r = float(np.clip(np.sum(u[at_one] * w[at_two]) / spread, -1, 1))
    squares = (u[at_one] - w[at_two]) ** 2
    total = float(squares.sum())
    contributors = total**2 / float(np.sum(squares**2)) if total > 0 else 0.0
    return r if r < 0 or contributors >= MIN_CONTRIBUTORS else 0.0


def mover(one: Side, two: Side) -> Bounds:
    """Return bounds of a difference from those of its two sides (Zou and Donner 2008; Zou 2007 where correlated)."""
    r = correlation(one, two)
    a, b, (l1, u1), (l2, u2) = one.value, two.value, one.bounds, two.bounds
    return (a - b) - _joined(a - l1, u2 - b, r), (a - b) + _joined(u1 - a, b - l2, r)


def _joined(x: Floats, y: Floats, r: float) -> Floats:
    out: Floats = np.sqrt(np.maximum(0.0, x**2 + y**2 - 2 * r * x * y))
    return out


def _gap(
    members: Bools, patients: Ints, levels: Levels, side: Callable[[Bools, Patients], Side | str], method: str
) -> Estimate:
    """Return the estimate of the subgroup's side minus the rest's."""
    inside = np.asarray(members, dtype=bool)
    group, rest = Patients.of(patients[inside]), Patients.of(patients[~inside])
    n = int(np.count_nonzero(inside))
    found: list[Side] = []
    for name, rows, of in (("subgroup", inside, group), ("rest", ~inside, rest)):
        made = side(rows, of) if rows.any() else "no cases"
        if isinstance(made, str):
            return Estimate.absent(f"{name}: {made}", method=method, n=n, n_patients=group.count)
        found.append(made)
    value = found[0].value - found[1].value
    return estimate(value, mover(*found), levels, method=method, n=n, n_patients=group.count)


def proportion_gap(hits: Bools, members: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate a proportion in a subgroup minus that in the rest.

    Args:
        hits: (n,) True where the case counts.
        members: (n,) True for the subgroup.
        patients: (n,) patient codes; a patient may have cases on both sides, whose covariance is then accounted for.
        levels: Levels of the bounds.

    Returns:
        Value in [-1, 1]; n and n_patients are the subgroup's. Absent with fewer than 5 patients on a side.

    Raises:
        ValueError: The arrays are not of one length.
    """
    same_length(hits=hits, members=members, patients=patients)
    right = np.asarray(hits, dtype=bool)

    def side(rows: Bools, of: Patients) -> Side | str:
        reason = too_few(of.count)
        if reason:
            return reason
        share = share_of(right[rows], of)
        bounds = wilson_bounds(share, alphas(levels))
        return Side(value=share.value, bounds=bounds, patients=of, influence=share.influence)

    return _gap(members, np.asarray(patients), levels, side, PROPORTIONS)


def auc_gap(scores: Floats, labels: Bools, members: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate the AUC within a subgroup minus the AUC within the rest.

    Args:
        scores: (n,) finite; higher means more likely positive.
        labels: (n,) True for positive cases.
        members: (n,) True for the subgroup.
        patients: (n,) patient codes; a patient may have cases on both sides.
        levels: Levels of the bounds.

    Returns:
        Value in [-1, 1]; n and n_patients are the subgroup's, both classes. Absent with fewer than 5 patients of a
        class on a side.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.
    """
    same_length(scores=scores, labels=labels, members=members, patients=patients)
    values, positive = finite("scores", scores), np.asarray(labels, dtype=bool)

    def side(rows: Bools, of: Patients) -> Side | str:
        reason = lacking(positive[rows], of)
        if reason:
            return reason
        area = area_of(values[rows], positive[rows], of)
        bounds = area_bounds(area, alphas(levels))
        if bounds is None:
            return "no interval: the ranks of the scores do not vary between patients"
        return Side(value=area.value, bounds=bounds, patients=of, influence=area.influence)

    return _gap(members, np.asarray(patients), levels, side, AREAS)


def mean_gap(
    values: NDArray[Any], members: Bools, patients: Ints, levels: Levels, *, support: Support = (None, None)
) -> Estimate:
    """Estimate the mean in a subgroup minus that in the rest.

    Args:
        values: (n,) finite.
        members: (n,) True for the subgroup.
        patients: (n,) patient codes; a patient may have cases on both sides.
        levels: Levels of the bounds.
        support: Smallest and largest possible value of one case, None where there is none.

    Returns:
        Value in the unit of `values`; n and n_patients are the subgroup's. Absent with fewer than 5 patients on a
        side, and where a side does not vary and has no support.

    Raises:
        ValueError: The arrays are not of one length, or a value is not finite or outside the support.
    """
    same_length(values=values, members=members, patients=patients)
    numbers = finite("values", values)
    within(numbers, support)

    def side(rows: Bools, of: Patients) -> Side | str:
        reason = too_few(of.count)
        if reason:
            return reason
        average = average_of(numbers[rows], of)
        bounds = average_bounds(average, support, alphas(levels))
        if bounds is None:
            return "no interval: the values do not vary between patients"
        return Side(value=average.value, bounds=bounds, patients=of, influence=average.influence)

    return _gap(members, np.asarray(patients), levels, side, MEANS)
