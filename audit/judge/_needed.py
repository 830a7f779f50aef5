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
