"""Equivalence and non-inferiority from an estimate's curve of bounds."""

from __future__ import annotations

from dataclasses import dataclass

from audit.core.levels import Levels
from audit.core.measurement import Estimate


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What an estimate shows of a margin.

    Args:
        holds: True where it is shown; False says that it is not shown, never that the contrary is; None without a
            value.
        p: Upper bound of the one-sided p-value, the smallest rung of the curve at which it still holds; 1 where it
            holds at none, None without a value.
        missing: Why there is no answer.
    """

    holds: bool | None
    p: float | None
    missing: str | None = None


def p_above(estimate: Estimate, limit: float) -> float:
    """Return an upper bound of the p-value of "the value is below the limit", from the curve; 1 without a value."""
    return min((rung for rung, low, _ in estimate.curve if low >= limit), default=1.0)


def p_below(estimate: Estimate, limit: float) -> float:
    """Return an upper bound of the p-value of "the value is above the limit", from the curve; 1 without a value."""
    return min((rung for rung, _, high in estimate.curve if high <= limit), default=1.0)


def non_inferiority(estimate: Estimate, margin: float, level: float) -> Shown:
    """Tell whether a difference is shown to be no worse than a margin; higher is better.

    Args:
        estimate: A difference, for example model minus readers.
        margin: How much worse is tolerated, as a positive number.
        level: One-sided level of the test, in (0, 0.5).

    Returns:
        Shown where the lower bound at the level is at or above -margin.

    Raises:
        ValueError: Margin or level make no sense.
    """
    if not margin > 0:
        raise ValueError(f"margin: expected a positive number, got {margin}")
    return _shown(estimate, level, low=-margin, high=None)


def equivalence(estimate: Estimate, low: float, high: float, level: float) -> Shown:
    """Tell whether a value is shown to lie within margins, by two one-sided tests (Schuirmann 1987).

    Args:
        estimate: The value.
        low: Lower margin.
        high: Upper margin.
        level: One-sided level of each of the two tests, in (0, 0.5).

    Returns:
        Shown where both bounds at the level are within the margins; p is the larger of the two.

    Raises:
        ValueError: Margins or level make no sense.
    """
    if not low < high:
        raise ValueError(f"expected low < high, got {low} and {high}")
    return _shown(estimate, level, low=low, high=high)


def _shown(estimate: Estimate, level: float, *, low: float | None, high: float | None) -> Shown:
    if not 0 < level < 0.5:
        raise ValueError(f"level: expected a number in (0, 0.5), got {level}")
    if estimate.value is None:
        return Shown(holds=None, p=None, missing=estimate.missing)
    bounds = estimate.bounds(level)
    if bounds is None:
        strictest = Levels().rungs[-1]
        return Shown(holds=None, p=None, missing=f"its curve has no rung at or below {level:g} (least: {strictest:g})")
    within = (low is None or bounds[0] >= low) and (high is None or bounds[1] <= high)
    sides = [p_above(estimate, low) if low is not None else 0.0, p_below(estimate, high) if high is not None else 0.0]
    return Shown(holds=within, p=max(sides))
