"""Intervals that hold for several comparisons together."""

from __future__ import annotations

from audit.core.levels import Levels
from audit.core.measurement import Estimate


def simultaneous(estimate: Estimate, comparisons: int, levels: Levels) -> tuple[float, float] | None:
    """Return the interval of one of several comparisons that all hold together at the policy's confidence.

    The bounds are those of the curve at the Bonferroni level; between rungs the stricter rung counts.

    Args:
        estimate: One of the comparisons.
        comparisons: How many there are, at least 1.
        levels: Levels of the bounds.

    Returns:
        (low, high), or None where there is no value or no rung strict enough.

    Raises:
        ValueError: Fewer than one comparison.
    """
    if comparisons < 1:
        raise ValueError(f"comparisons: expected at least 1, got {comparisons}")
    return estimate.bounds(levels.pointwise / comparisons)
