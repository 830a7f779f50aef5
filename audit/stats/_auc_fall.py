"""The bounds of an AUC on altered images, opened by what the alteration itself costs."""

from __future__ import annotations

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import area_of, lacking
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, estimate, finite, same_length, t_quantile


def opened_by_fall(
    found: Estimate, scores: Floats, before: Floats, after: Floats, labels: Bools, patients: Ints, levels: Levels,
    *, reached: float = 1.0,
) -> Estimate:  # fmt: skip
    """Open the bounds of an AUC by the fall of another one that a control has shown.

    A score that a control edit throws off course, by `fall = AUC before - AUC after`, may have been thrown off as far
    where the AUC of interest was measured. So no bound of that AUC is nearer than the t bound of AUC plus fall above,
    and of AUC minus fall below, with the variance of all three areas on the same patients (Obuchowski 1997). The value
    stays; where nothing falls the bounds hardly move, and they never narrow.

    Args:
        found: The AUC of `scores` with its bounds.
        scores: (n,) finite, on the images of interest.
        before: (n,) finite, on the same images untouched.
        after: (n,) finite, on the same images after the control edit.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        reached: Share of the cases that the control edit has reached, above 0; the fall is divided by it.

    Returns:
        The estimate with wider bounds; itself where it is absent or a class has too few patients.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.
    """
    same_length(scores=scores, before=before, after=after, labels=labels, patients=patients)
    positive, owner = np.asarray(labels, dtype=bool), Patients.of(patients)
    if found.value is None or lacking(positive, owner):
        return found
    area, first, second = (
        area_of(finite(name, values), positive, owner)
        for name, values in (("scores", scores), ("before", before), ("after", after))
    )
    fall = (first.value - second.value) / reached
    alpha = alphas(levels)
    arms = {}
    for sign in (-1, 1):
        of_positives = area.of_positives + sign * (first.of_positives - second.of_positives) / reached
        of_negatives = area.of_negatives + sign * (first.of_negatives - second.of_negatives) / reached
        variance = (
            _corrected(of_positives, of_positives, area.positive_patients)
            + _corrected(of_negatives, of_negatives, area.negative_patients)
            + 2 * _corrected(of_positives, of_negatives, owner.count)
        )
        arms[sign] = t_quantile(alpha, area.smaller_class - 1) * np.sqrt(max(0.0, variance))
    low, high = (np.array([rung[i] for rung in found.curve]) for i in (1, 2))
    low = np.clip(np.minimum(low, found.value - fall - arms[-1]), 0.0, 1.0)
    high = np.clip(np.maximum(high, found.value + fall + arms[1]), 0.0, 1.0)
    return estimate(
        found.value, (low, high), levels, method=found.method, n=found.n, n_patients=found.n_patients, k=found.k
    )


def _corrected(a: Floats, b: Floats, count: int) -> float:
    return count / (count - 1) * float(np.sum(a * b)) if count > 1 else 0.0
