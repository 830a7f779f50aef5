"""How often a model without any fault would pass a rule in a cohort of a given size, for sentences before the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from audit.core.levels import Levels
from audit.stats._common import MIN_PATIENTS, Floats, Ints, t_quantile

DRAWS = 4000
Limits = tuple[float | None, float | None]


def chance_of_equal_rates(
    groups: Sequence[int], p: float, limits: Limits, levels: Levels, *, judged: Sequence[int] | None = None
) -> float:
    """Return how often a rule on gaps passes where all groups truly have one rate.

    The groups' hits are drawn from binomial distributions and judged by the very bounds of a gap (MOVER of Wilson
    bounds with a t quantile, Zou and Donner 2008), group against rest; the rule passes where every gap's interval
    lies within the limits.

    Args:
        groups: Patients of each group in the rate's denominator, one case each.
        p: The rate of all groups, in (0, 1).
        limits: Least and largest gap that is allowed, None where there is none.
        levels: Levels of the bounds.
        judged: Indices of the groups that the rule is about; all by default.

    Returns:
        Share in [0, 1] of 4,000 simulated cohorts, Monte Carlo error at most 0.008; 0 where a judged group or its rest
        has fewer than 5 patients.

    Raises:
        ValueError: `p` is outside (0, 1).
    """
    if not 0 < p < 1:
        raise ValueError(f"p: expected a number in (0, 1), got {p}")
    sizes = np.asarray(groups, dtype=np.int64)
    chosen = range(len(sizes)) if judged is None else judged
    total = int(sizes.sum())
    if any(min(int(sizes[i]), total - int(sizes[i])) < MIN_PATIENTS for i in chosen):
        return 0.0
    # A generator of its own: the number is a fact of sizes and limits, the same in every run.
    hits = np.random.default_rng(0).binomial(sizes, p, size=(DRAWS, len(sizes)))
    passed = np.ones(DRAWS, dtype=bool)
    for i in chosen:
        low, high = _gap_bounds(hits[:, i], sizes[i], hits.sum(axis=1) - hits[:, i], total - sizes[i], levels.pointwise)
        if limits[0] is not None:
            passed &= low >= limits[0]
        if limits[1] is not None:
            passed &= high <= limits[1]
    return float(passed.mean())


def _gap_bounds(k: Ints, n: int, k_rest: Ints, n_rest: int, alpha: float) -> tuple[Floats, Floats]:
    a, b = k / n, k_rest / n_rest
    (low_a, high_a), (low_b, high_b) = _wilson(a, n, alpha), _wilson(b, n_rest, alpha)
    return (a - b) - np.hypot(a - low_a, high_b - b), (a - b) + np.hypot(high_a - a, b - low_b)


def _wilson(p: Floats, patients: int, alpha: float) -> tuple[Floats, Floats]:
    n = patients - 1
    t2 = float(t_quantile(np.array([alpha]), n)[0]) ** 2
    centre = (p + t2 / (2 * n)) / (1 + t2 / n)
    half = np.sqrt(t2 * (p * (1 - p) / n + t2 / (4 * n**2))) / (1 + t2 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def chance_of_equal_aucs(
    groups: Sequence[tuple[int, int]],
    area: float,
    limits: Limits,
    levels: Levels,
    *,
    judged: Sequence[int] | None = None,
) -> float:
    """Return about how often, at most, a rule on gaps in AUC passes where all groups truly have one AUC.

    The interval of an AUC is that on the logit scale with the error of `area_error`, the gap's is recovered from both
    (MOVER) at its expected place; of several groups the least likely counts.

    Args:
        groups: Patients with a positive and with a negative case of each group, one case each.
        area: The AUC of all groups, in (0.5, 1).
        limits: Least and largest gap that is allowed, None where there is none.
        levels: Levels of the bounds.
        judged: Indices of the groups that the rule is about; all by default.

    Returns:
        Share in [0, 1]; 0 where a class of a judged group or of its rest has fewer than 5 patients.

    Raises:
        ValueError: `area` is outside (0.5, 1).
    """
    if not 0.5 < area < 1:
        raise ValueError(f"area: expected a number in (0.5, 1), got {area}")
    sizes = np.asarray(groups, dtype=np.int64).reshape(-1, 2)
    chosen = range(len(sizes)) if judged is None else judged
    if len(sizes) == 2 and len(chosen) == 2:
        limits = _both_ways(limits)
    found = []
    for i in chosen:
        own, rest = sizes[i], sizes.sum(axis=0) - sizes[i]
        if min(own.min(), rest.min()) < MIN_PATIENTS:
            return 0.0
        errors = [area_error(area, int(s[0]), int(s[1])) for s in (own, rest)]
        (low_a, high_a), (low_b, high_b) = (
            _area_bounds(area, e, int(s.min()), levels.pointwise) for e, s in zip(errors, (own, rest), strict=True)
        )
        reach = math.hypot(area - low_a, high_b - area), math.hypot(high_a - area, area - low_b)
        found.append(_inside(limits, 0.0, math.hypot(*errors), reach))
    return min(found, default=0.0)


def _both_ways(limits: Limits) -> Limits:
    """Return the limits of one contrast that must hold for its mirror image, too."""
    low, high = limits
    reach = min((b for b in (None if low is None else -low, high) if b is not None), default=None)
    return (None, None) if reach is None else (-reach, reach)


def area_error(area: float, positives: int, negatives: int) -> float:
    """Return the standard error of an AUC where the scores of both classes are normal with one variance.

    It is the exact error of the two-sample statistic (Hanley and McNeil 1982, with the two probabilities of the normal
    model in the place of their exponential one).

    Args:
        area: The AUC, in (0.5, 1).
        positives: Patients with a positive case, one case each.
        negatives: Patients with a negative case, one case each.
    """
    from scipy.special import ndtr, ndtri

    shift = math.sqrt(2) * float(ndtri(area))
    z = ndtri((np.arange(2000) + 0.5) / 2000)
    # That two cases of one class are both on the right side of one of the other; the model is symmetric.
    both = float(np.mean(ndtr(shift + z) ** 2))
    spread = area * (1 - area) + (positives + negatives - 2) * (both - area**2)
    return math.sqrt(spread / (positives * negatives))


def _area_bounds(area: float, error: float, few: int, alpha: float) -> tuple[float, float]:
    half = float(t_quantile(np.array([alpha]), few - 1)[0]) * error / (area * (1 - area))
    logit = math.log(area / (1 - area))
    return 1 / (1 + math.exp(half - logit)), 1 / (1 + math.exp(-half - logit))


def chance_of_calibrated(
    metric: str, limits: Limits, positives: int, negatives: int, levels: Levels, *, area: float = 0.85
) -> float:
    """Return how often a rule on slope or intercept passes for a perfectly calibrated model.

    The model's scores are taken as normal on the logit scale with the AUC given; their information about slope and
    intercept is that of a logistic regression.

    Args:
        metric: "slope" or "intercept" (at slope 1).
        limits: Least and largest value that is allowed, None where there is none.
        positives: Patients with a positive case, one case each.
        negatives: Patients with a negative case, one case each.
        levels: Levels of the bounds.
        area: The model's AUC, in (0.5, 1).

    Returns:
        Share in [0, 1]; 0 with fewer than 5 patients in a class.

    Raises:
        ValueError: Another metric.
    """
    if metric not in ("slope", "intercept"):
        raise ValueError(f"metric: expected slope or intercept, got {metric!r}")
    if min(positives, negatives) < MIN_PATIENTS:
        return 0.0
    error = _calibration_error(metric, positives, negatives, area)
    half = float(t_quantile(np.array([levels.pointwise]), positives + negatives - 1)[0]) * error
    return _inside(limits, 1.0 if metric == "slope" else 0.0, error, (half, half))


def _calibration_error(metric: str, positives: int, negatives: int, area: float) -> float:
    from scipy.special import expit, ndtri

    # Two normal classes on the logit scale whose log odds are the score itself: distance and variance are one number.
    distance = 2 * float(ndtri(area)) ** 2
    total = positives + negatives
    base = math.log(positives / negatives)
    grid = (np.arange(2000) + 0.5) / 2000
    z = ndtri(grid) * math.sqrt(distance)
    scores = np.concatenate([base + distance / 2 + z, base - distance / 2 + z])
    weights = np.repeat([positives / total, negatives / total], 2000) / 2000
    p = expit(scores)
    w = total * weights * p * (1 - p)
    if metric == "intercept":
        return float(1 / np.sqrt(w.sum()))
    information = np.array([[w.sum(), (w * scores).sum()], [(w * scores).sum(), (w * scores**2).sum()]])
    return float(np.sqrt(np.linalg.inv(information)[1, 1]))


def _inside(limits: Limits, truth: float, error: float, reach: tuple[float, float]) -> float:
    """Return how often a normal estimate with bounds so far below and above it lies within the limits with both."""
    from scipy.special import ndtr

    above = -np.inf if limits[0] is None else (limits[0] + reach[0] - truth) / error
    below = np.inf if limits[1] is None else (limits[1] - reach[1] - truth) / error
    return float(max(0.0, ndtr(below) - ndtr(above)))
