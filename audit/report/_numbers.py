"""How numbers are printed: at most three significant digits, matched to the interval, never a bare dash."""

from __future__ import annotations

import math

from audit.core import COUNT, Limit, Measurement
from audit.judge import MINUS, decimals_for, number, unit_words, whole

__all__ = [
    "MINUS",
    "decimals_for",
    "full_text",
    "interval_text",
    "limit_text",
    "nice_ticks",
    "number",
    "range_text",
    "share_text",
    "tick_text",
    "value_text",
    "whole",
    "with_unit",
]


def value_text(m: Measurement) -> str:
    """Return the value of a measurement; empty where it is missing."""
    if m.value is None:
        return ""
    if m.method == COUNT:
        return whole(m.value) if float(m.value).is_integer() else number(m.value)
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
    return unit_words(text, m.unit) if text else text


def share_text(m: Measurement) -> str:
    """Return `k/n` where the measurement is a proportion, else `n` cases."""
    if m.k is not None and m.n:
        return f"{whole(m.k)}/{whole(m.n)}"
    return whole(m.n)


def people_text(m: Measurement) -> str:
    """Return on how many patients a number rests: "96 of 412 patients" where the probe stopped early."""
    every = m.n_patients if m.planned is None else m.planned
    noun = "patient" if every == 1 else "patients"
    return f"{whole(every)} {noun}" if every == m.n_patients else f"{whole(m.n_patients)} of {whole(every)} {noun}"


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
