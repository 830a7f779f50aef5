"""How numbers are printed, in every output alike: at most three significant digits, matched to the interval."""

from __future__ import annotations

import math
from functools import lru_cache

MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 8
# Below this, decimals without an exponent would show zeros alone.
_SMALLEST = 1e-6


def decimals_for(low: float, high: float) -> int:
    """Return the decimals that resolve an interval's width to two significant digits."""
    width = high - low
    if width <= 0:
        return _MOST_DECIMALS
    return max(0, min(_MOST_DECIMALS, 1 - math.floor(round(math.log10(width), 9))))


@lru_cache(maxsize=16384)
def number(x: float, decimals: int = _MOST_DECIMALS) -> str:
    """Return a finite number with at most three significant digits and at most `decimals` decimals."""
    if decimals == _MOST_DECIMALS and 0 < abs(x) < _SMALLEST:
        return (MINUS if x < 0 else "") + f"{abs(x):.3g}"
    if x == 0 or round(x, decimals) == 0:
        return f"{0:.{decimals if decimals <= 3 else 0}f}"
    for _ in range(2):
        # Twice: 0.9996 rounds up to 1.000, which has a digit more than 0.999.
        x = round(x, min(decimals, 2 - _exponent(x)))
    places = max(0, min(decimals, 2 - _exponent(x)))
    text = f"{abs(x):,.{places}f}"
    if decimals == _MOST_DECIMALS and "." in text:
        text = text.rstrip("0").rstrip(".")
    return (MINUS if x < 0 else "") + text


def _exponent(x: float) -> int:
    return math.floor(math.log10(abs(x)))


def figures(value: float, low: float | None = None, high: float | None = None) -> str:
    """Return a number with at most three significant digits, no finer than its interval allows.

    Args:
        value: The number.
        low: Lower bound of its interval.
        high: Upper bound.
    """
    return number(value) if low is None or high is None else number(value, decimals_for(low, high))


def whole(n: float) -> str:
    """Return a count in full, with thousands separated; a weighted count keeps one decimal."""
    return f"{int(n):,}".replace("-", MINUS) if float(n).is_integer() else f"{n:,.1f}".replace("-", MINUS)
