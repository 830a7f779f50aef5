"""How numbers are printed: at most three significant digits, matched to the interval, never a bare dash."""

from __future__ import annotations

import math

from audit.core import COUNT, Limit, Measurement

MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 8


def _exponent(x: float) -> int:
    return math.floor(math.log10(abs(x)))


def decimals_for(low: float, high: float) -> int:
    """Return the decimals that resolve an interval's width to two significant digits."""
    width = high - low
    if width <= 0:
        return _MOST_DECIMALS
    return max(0, min(_MOST_DECIMALS, 1 - math.floor(round(math.log10(width), 9))))


def number(x: float, decimals: int = _MOST_DECIMALS) -> str:
    """Return a finite number with at most three significant digits and at most `decimals` decimals."""
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


def whole(n: float) -> str:
    """Return a count with thousands separated; a weighted count keeps one decimal."""
    return f"{int(n):,}" if float(n).is_integer() else f"{n:,.1f}"


def value_text(m: Measurement) -> str:
    """Return the value of a measurement; empty where it is missing."""
    if m.value is None:
        return ""
    if m.method == COUNT:
        return whole(m.value).replace("-", MINUS) if float(m.value).is_integer() else number(m.value)
    if m.low is None or m.high is None:
        return number(m.value)
    return number(m.value, decimals_for(m.low, m.high))


def interval_text(m: Measurement) -> str:
    """Return `low to high`; empty where there is no interval or the number is a count of this cohort."""
    if m.value is None or m.low is None or m.high is None or m.method == COUNT:
        return ""
    return range_text(m.low, m.high)


def range_text(low: float, high: float) -> str:
    """Return `low to high` with matched digits."""
    places = decimals_for(low, high)
    return f"{number(low, places)} to {number(high, places)}"


def full_text(m: Measurement) -> str:
    """Return value and interval in one phrase, for example `0.46 (0.38 to 0.56)`."""
    interval, value = interval_text(m), with_unit(m)
    return f"{value} ({interval})" if interval else value


def with_unit(m: Measurement) -> str:
    """Return the value with its unit; empty where it is missing."""
    text = value_text(m)
    return f"{text} {m.unit}" if text and m.unit else text


def share_text(m: Measurement) -> str:
    """Return `k/n` where the measurement is a proportion, else `n` cases."""
    if m.k is not None and m.n:
        return f"{whole(m.k)}/{whole(m.n)}"
    return whole(m.n)


def limit_text(limit: Limit) -> str:
    """Return a limit in words, with a true minus sign."""
    return str(limit).replace("-", MINUS)


def nice_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Return round numbers inside [low, high], about as many as wanted."""
    span = high - low
    if span <= 0:
        return (low,)
    raw = span / max(1, wanted - 1)
    power: float = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def tick_text(x: float) -> str:
    """Return a short label of an axis tick."""
    return number(x) if x else "0"
