"""How many patients could settle what this cohort left open."""

from __future__ import annotations

import math

from audit.core import Measurement, Rule, bounds_at

# A cohort ten thousand times larger is not advice.
_LARGEST_FACTOR = 1e4


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
    if m.value is None or not m.n_patients:
        return None
    value = m.value
    distances = [
        d for d in (
            None if rule.limit.min is None else value - rule.limit.min,
            None if rule.limit.max is None else rule.limit.max - value,
        ) if d is not None
    ]  # fmt: skip
    nearest = min(distances)
    if nearest == 0:
        return None
    bounds = bounds_at(value, m.curve, m.method, alpha_pass if nearest > 0 else alpha_fail)
    if bounds is None:
        return None
    toward_min = rule.limit.min is not None and value - rule.limit.min == nearest
    inner = (value - bounds[0]) if toward_min == (nearest > 0) else (bounds[1] - value)
    # A product, not a power: a value next to its limit makes a power overflow.
    reach = inner / abs(nearest)
    factor = reach * reach
    if factor > _LARGEST_FACTOR:
        return None
    return max(math.ceil(m.n_patients * max(factor, 1.0)), m.n_patients + 1, rule.min_patients)
