"""The area under the ROC curve, with patients as the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import (
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
    too_few,
)

METHOD = "Obuchowski, logit scale"


@dataclass(frozen=True, kw_only=True, eq=False)
class Area:
    """An AUC with its variance between patients.

    Args:
        value: In [0, 1].
        variance: Obuchowski's variance.
        positive_patients: Patients with a positive case.
        negative_patients: Patients with a negative case.
        patients: All patients.
        of_positives: (patients,) linearised contribution of each patient's positive cases.
        of_negatives: (patients,) the same of its negative cases.
    """

    value: float
    variance: float
    positive_patients: int
    negative_patients: int
    patients: Patients
    of_positives: Floats
    of_negatives: Floats

    @property
    def influence(self) -> Floats:
        """(patients,) linearised contribution of each patient."""
        return self.of_positives + self.of_negatives

    @property
    def smaller_class(self) -> int:
        """Patients of the class that has fewer."""
        return min(self.positive_patients, self.negative_patients)


def _placements(scores: Floats, others: Floats) -> Floats:
    """Return the share of `others` below each score, ties counted half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    out: Floats = below / (2 * len(others))
    return out


FEW = 10
"""Patients of the rarer class below which the logit interval alone does not hold its error."""
PSEUDO = 0.01
"""Share of a patient more, in either class, whose cases are all ranked on the wrong side."""


def area_of(scores: Floats, labels: Bools, patients: Patients) -> Area:
    """Return the AUC and its variance from sums of placements by patient (Obuchowski 1997)."""
    positive, negative = scores[labels], scores[~labels]
    m, n = len(positive), len(negative)
    up, down = np.zeros(len(scores)), np.zeros(len(scores))
    up[labels] = _placements(positive, negative)
    down[~labels] = 1 - _placements(negative, positive)
    value = float(up[labels].mean())
    has_positive, has_negative = patients.sums(labels), patients.sums(~labels)
    of_positives = (patients.sums(up) - has_positive * value) / m
    of_negatives = (patients.sums(down) - has_negative * value) / n
    i1, i0 = int(np.count_nonzero(has_positive)), int(np.count_nonzero(has_negative))
    variance = _corrected(of_positives, of_positives, i1) + _corrected(of_negatives, of_negatives, i0)
    variance += 2 * _corrected(of_positives, of_negatives, patients.count)
    return Area(
        value=value,
        # Rounding leaves a residue of some 1e-33 where all placements are equal.
        variance=variance if variance > 1e-24 else 0.0,
        positive_patients=i1,
        negative_patients=i0,
        patients=patients,
        of_positives=of_positives,
        of_negatives=of_negatives,
    )


def _corrected(a: Floats, b: Floats, count: int) -> float:
    return count / (count - 1) * float(np.sum(a * b)) if count > 1 else 0.0


def area_bounds(area: Area, alpha: Floats) -> Bounds | None:
    """Return bounds on the logit scale, None where the variance is 0 though the AUC is neither 0 nor 1.

    At an AUC of 1 the lower bound is the smallest share that all patients of the rarer class still reach. With fewer
    than ten of them no bound is better than that: the variance of so few placements is too small too often (5 against
    300 patients at a true AUC of 0.9, 2,500 cohorts: the plain lower bound is too high in 7.2 % instead of 2.5 %).

    A bound that is better than that of a flawless ranking counts, in either class, a hundredth of a patient more who
    is ranked wholly wrong for its side. Near an AUC of 1 the variance is smallest in the very cohorts that by luck lack
    patients who are ranked low. The hundredth never takes a bound beyond that of a flawless ranking.
    """
    a, few = area.value, area.smaller_class
    if a in (0.0, 1.0):
        flawless = alpha ** (1 / few)
        return (flawless, np.ones_like(alpha)) if a == 1 else (np.zeros_like(alpha), 1 - flawless)
    if area.variance <= 0:
        return None
    low, high = _logit_low(area, a, alpha), 1 - _logit_low(area, 1 - a, alpha)
    if few < FEW:
        flawless = alpha ** (1 / few)
        return np.minimum(low, flawless), np.maximum(high, 1 - flawless)
    return low, high


def _logit_low(area: Area, a: float, alpha: Floats) -> Floats:
    """Return the lower bound of an area, or with one minus its value that of the negated scores."""
    few, logit = area.smaller_class, np.log(a) - np.log1p(-a)
    scale = t_quantile(alpha, few - 1) / (a * (1 - a))
    more = PSEUDO * a**2 * (1 / area.positive_patients**2 + 1 / area.negative_patients**2)
    plain = _expit(logit - scale * np.sqrt(area.variance))
    cautious = _expit(logit - scale * np.sqrt(area.variance + more))
    # On the logit scale the least variance is boundless next to 1, where a flawless ranking is not.
    return np.maximum(cautious, np.minimum(plain, alpha ** (1 / few)))


def _expit(x: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(x)
    return out


def lacking(labels: Bools, patients: Patients) -> str | None:
    """Return the reason why there is no AUC of these cases, or None."""
    if not labels.any():
        return "no positive cases"
    if labels.all():
        return "no negative cases"
    reason = too_few(int(np.count_nonzero(patients.sums(labels))), "with a positive case")
    return reason or too_few(int(np.count_nonzero(patients.sums(~labels))), "with a negative case")


def auc(scores: Floats, labels: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate the area under the ROC curve; ties count half.

    The variance is that of Obuchowski (1997) for clustered cases, which is DeLong's where every patient has one case;
    the interval lies on the logit scale with a t quantile of (patients of the rarer class - 1).

    Args:
        scores: (n,) finite; higher means more likely positive.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [0, 1]; n and n_patients count both classes. Absent with fewer than 5 patients in a class, or where
        the scores do not vary.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.
    """
    same_length(scores=scores, labels=labels, patients=patients)
    values, positive, found = finite("scores", scores), np.asarray(labels, dtype=bool), Patients.of(patients)
    n = len(values)
    reason = "no cases" if n == 0 else lacking(positive, found)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    area = area_of(values, positive, found)
    bounds = area_bounds(area, alphas(levels))
    if bounds is None:
        reason = "no interval: the ranks of the scores do not vary between patients"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    return estimate(area.value, bounds, levels, method=METHOD, n=n, n_patients=found.count)
