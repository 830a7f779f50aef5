"""Two rankings of the same cases, and the mean AUC over several questions, with patients as the unit of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import Area, area_bounds, area_of, lacking
from audit.stats._common import (
    MIN_PATIENTS,
    Bools,
    Bounds,
    Floats,
    Ints,
    Patients,
    alphas,
    estimate,
    finite,
    same_length,
    t_quantile,
)

DIFFERENCE = "paired Obuchowski, the wider of t and MOVER of logit bounds"
MACRO = "mean of Obuchowski's areas, logit scale"
ALIKE = "no interval: the ranks of the scores do not vary between patients"


def area_covariance(one: Area, two: Area) -> float:
    """Return the covariance of two areas over the same patients (Obuchowski 1997, DeLong 1988 for single cases).

    The correction for small samples of each product is that of the smaller of both numbers of patients, so that the
    covariance of an area with itself is its variance.
    """
    positives = min(one.positive_patients, two.positive_patients)
    negatives = min(one.negative_patients, two.negative_patients)
    both = one.patients.count
    return (
        _corrected(one.of_positives, two.of_positives, positives)
        + _corrected(one.of_negatives, two.of_negatives, negatives)
        + _corrected(one.of_positives, two.of_negatives, both)
        + _corrected(one.of_negatives, two.of_positives, both)
    )


def _corrected(a: Floats, b: Floats, count: int) -> float:
    return count / (count - 1) * float(np.sum(a * b)) if count > 1 else 0.0


def auc_difference(scores: Floats, other: Floats, labels: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate the AUC of one score minus that of another on the same cases.

    Two intervals are made and the wider bound of each side counts: the t interval of the difference with the paired
    variance of clustered cases, and the one recovered from Obuchowski's bounds on the logit scale and the correlation
    of both areas (Zou 2007). The first alone misses in up to 9 % of cohorts on one side where the areas differ in how
    near they are to 1. Where all that the two areas differ in comes from fewer than 5 patients, counted as
    (sum d^2)^2 / sum d^4 of their contributions d, the correlation is not believed: few surprises seen are no proof
    of none.

    Args:
        scores: (n,) finite; higher means more likely positive.
        other: (n,) finite, of the comparator, on any scale.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [-1, 1]; n and n_patients count both classes. Absent with fewer than 5 patients in a class, or where
        one of the scores does not vary.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.

    References:
        DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53; Zou 2007, Psychological
        Methods 12.
    """
    same_length(scores=scores, other=other, labels=labels, patients=patients)
    positive, found = np.asarray(labels, dtype=bool), Patients.of(patients)
    values = finite("scores", scores), finite("other", other)
    n = len(positive)
    reason = "no cases" if n == 0 else lacking(positive, found)
    if reason:
        return Estimate.absent(reason, method=DIFFERENCE, n=n, n_patients=found.count)
    areas = area_of(values[0], positive, found), area_of(values[1], positive, found)
    bounds = difference_bounds(areas[0], areas[1], alphas(levels))
    if bounds is None:
        return Estimate.absent(ALIKE, method=DIFFERENCE, n=n, n_patients=found.count)
    value = areas[0].value - areas[1].value
    return estimate(value, bounds, levels, method=DIFFERENCE, n=n, n_patients=found.count)


def difference_bounds(one: Area, two: Area, alpha: Floats) -> Bounds | None:
    """Return bounds of the difference of two areas over the same patients, None where one of them has none."""
    first, second = area_bounds(one, alpha), area_bounds(two, alpha)
    if first is None or second is None:
        return None
    d, shared = one.value - two.value, area_covariance(one, two)
    spread = float(np.sqrt(one.variance * two.variance))
    r = float(np.clip(shared / spread, -1, 1)) if spread > 0 else 0.0
    squares = (one.influence - two.influence) ** 2
    total = float(squares.sum())
    if r > 0 and not (total > 0 and total**2 >= MIN_PATIENTS * float(np.sum(squares**2))):
        r, shared = 0.0, 0.0
    variance = max(0.0, one.variance + two.variance - 2 * shared)
    half = t_quantile(alpha, min(one.smaller_class, two.smaller_class) - 1) * np.sqrt(variance)
    down = np.maximum(half, _joined(one.value - first[0], second[1] - two.value, r))
    up = np.maximum(half, _joined(first[1] - one.value, two.value - second[0], r))
    return np.maximum(d - down, -1.0), np.minimum(d + up, 1.0)


def _joined(x: Floats, y: Floats, r: float) -> Floats:
    out: Floats = np.sqrt(np.maximum(0.0, x**2 + y**2 - 2 * r * x * y))
    return out


def mean_auc(questions: Sequence[tuple[Floats, Bools]], patients: Ints, levels: Levels) -> Estimate:
    """Estimate the unweighted mean of the AUC of several questions on the same cases (macro average).

    The variance is that of the mean of correlated areas; the bounds are those of one area with that variance and with
    as many patients as the question has that has fewest in a class.

    Args:
        questions: Scores (n,) finite and labels (n,) bool of each question, at least one.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [0, 1]. Absent where the area of one question is.

    Raises:
        ValueError: There is no question, the arrays are not of one length, or a score is not finite.
    """
    if not questions:
        raise ValueError("expected at least one question, got none")
    found = Patients.of(patients)
    n, areas = len(found.code), []
    for scores, labels in questions:
        same_length(scores=scores, labels=labels, patients=patients)
        positive = np.asarray(labels, dtype=bool)
        reason = "no cases" if n == 0 else lacking(positive, found)
        if reason:
            return Estimate.absent(reason, method=MACRO, n=n, n_patients=found.count)
        areas.append(area_of(finite("scores", scores), positive, found))
    value = float(np.mean([area.value for area in areas]))
    variance = float(np.mean([[area_covariance(a, b) for b in areas] for a in areas]))
    mean = replace(
        areas[0], value=value, variance=variance if variance > 1e-24 else 0.0,
        positive_patients=min(area.positive_patients for area in areas),
        negative_patients=min(area.negative_patients for area in areas),
    )  # fmt: skip
    bounds = area_bounds(mean, alphas(levels))
    if bounds is None:
        return Estimate.absent(ALIKE, method=MACRO, n=n, n_patients=found.count)
    return estimate(value, bounds, levels, method=MACRO, n=n, n_patients=found.count)
