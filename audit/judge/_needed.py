"""How many patients could settle what this cohort left open, and what so many as there are could settle."""

from __future__ import annotations

import math
from statistics import NormalDist

from audit.core import COUNT, Measurement, Rule, bounds_at

# How the method of an interval says that cases without an answer widen it, which more patients do not narrow.
UNANSWERED = "unanswered case"
# A cohort ten thousand times larger is not advice.
_LARGEST_FACTOR = 1e4
_POWER = 0.8
# Metrics from 0 to 1 beside those that have a numerator; others are left unknown, so that nothing is said of them.
_SHARES = frozenset((
    "sensitivity", "specificity", "accuracy", "ppv", "npv", "fpr", "selection_rate", "underdiagnosis",
    "auc", "auc_macro", "auc_within", "auc_within_pairs", "auc_between_pairs", "auc_at_horizon", "c_index", "cross_auc",
    "worst_cross_auc", "auc_without_evidence", "decodability_auc", "metadata_auc", "ood_auroc",
    "robust_auc", "robust_accuracy", "robust_sensitivity", "robust_specificity",
    "dice", "surface_dice", "lesion_sensitivity", "brier", "ece", "aurc",
))  # fmt: skip
_DIFFERENCES = ("gap", "advantage", "change", "drop")
_VARIANTS = ("_standardised", "_adjusted", "_with_failures")


def patients_needed(rule: Rule, measurement: Measurement, alpha_pass: float, alpha_fail: float) -> int | None:
    """Return about how many patients would settle a rule if the value stayed where it is.

    The half-width of an interval shrinks with the square root of the number of patients.

    Args:
        rule: The rule.
        measurement: The measurement that leaves it open.
        alpha_pass: One-sided level of a PASS.
        alpha_fail: One-sided level of a FAIL after adjustment.

    Returns:
        Number of patients in the measurement's own denominator, or None where no number of patients helps.
    """
    m = measurement
    if UNANSWERED in m.method:
        return None
    toward = _toward_limit(rule, m, alpha_pass, alpha_fail)
    if toward is None or toward[0] == 0:
        return None
    nearest, inner, _ = toward
    # A product, not a power: a value next to its limit makes a power overflow.
    reach = inner / abs(nearest)
    factor = reach * reach
    if factor > _LARGEST_FACTOR:
        return None
    return max(math.ceil(m.n_patients * max(factor, 1.0)), m.n_patients + 1, rule.min_patients)


def settled_distance(rule: Rule, measurement: Measurement, alpha_pass: float, alpha_fail: float) -> float | None:
    """Return how far from the limit a true value must lie for so many patients to settle the rule.

    Half the interval and what the value itself varies by: (z at the level + z at a power of 0.8) standard errors, the
    error being that which the interval shows.

    Args:
        rule: The rule.
        measurement: The measurement that leaves it open.
        alpha_pass: One-sided level of a PASS.
        alpha_fail: One-sided level of a FAIL after adjustment.

    Returns:
        Distance in the unit of the metric, above 0; None where the interval has no width or is not there.
    """
    toward = _toward_limit(rule, measurement, alpha_pass, alpha_fail)
    if toward is None or toward[1] <= 0 or measurement.method == COUNT:
        return None
    _, inner, level = toward
    z = NormalDist().inv_cdf
    return inner * (1 + z(_POWER) / z(1 - level))


def out_of_reach(rule: Rule, measurement: Measurement, distance: float) -> bool:
    """Return whether no value that a metric can have lies so far from the limit that it would be settled.

    Args:
        rule: The rule.
        measurement: The measurement that leaves it open.
        distance: The distance that so many patients settle.

    Returns:
        False also where it is not known which values the metric can have.
    """
    ends = _range(measurement)
    if ends is None:
        return False
    low, high = rule.limit.min, rule.limit.max
    beyond = max(-math.inf if low is None else low - ends[0], -math.inf if high is None else ends[1] - high)
    least, most = (ends[0] if low is None else low), (ends[1] if high is None else high)
    # A value between two limits has to be far from both.
    inside = (most - least) / (1 if low is None or high is None else 2)
    return distance > max(beyond, inside)


def _range(m: Measurement) -> tuple[float, float] | None:
    """Return the least and the largest value that a metric can have, None where that is not known."""
    name = m.metric
    for ending in _VARIANTS:
        name = name.removesuffix(ending)
    of, _, kind = name.rpartition("_")
    if m.k is not None or name in _SHARES:
        ends = (0.0, 1.0)
    elif kind in _DIFFERENCES and of in _SHARES:
        ends = (-1.0, 1.0)
    else:
        return None
    seen = (v for v in (m.value, m.low, m.high) if v is not None)
    # A metric of somebody else's probe may have the name and be in percent.
    return ends if not m.unit and all(ends[0] <= v <= ends[1] for v in seen) else None


def _toward_limit(
    rule: Rule, m: Measurement, alpha_pass: float, alpha_fail: float
) -> tuple[float, float, float] | None:  # fmt: skip
    """Return the distance to the nearest limit (below 0 beyond it), the half-width towards it, and its level."""
    if m.value is None or not m.n_patients:
        return None
    distances = [
        d for d in (
            None if rule.limit.min is None else m.value - rule.limit.min,
            None if rule.limit.max is None else rule.limit.max - m.value,
        ) if d is not None
    ]  # fmt: skip
    nearest = min(distances)
    level = alpha_pass if nearest >= 0 else alpha_fail
    bounds = bounds_at(m.value, m.curve, m.method, level)
    if bounds is None:
        return None
    toward_min = rule.limit.min is not None and m.value - rule.limit.min == nearest
    inner = (m.value - bounds[0]) if toward_min == (nearest >= 0) else (bounds[1] - m.value)
    return nearest, inner, level
