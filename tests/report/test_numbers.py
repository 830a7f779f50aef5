"""How numbers are printed."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.core import COUNT, Limit
from audit.report._numbers import (
    decimals_for,
    full_text,
    limit_text,
    nice_ticks,
    number,
    range_text,
    share_text,
    value_text,
    whole,
)
from audit.report._table import _shows
from tests.report._sample import measured


def significant(text: str) -> int:
    """Return how many significant digits a printed number has; zeros at the end of a whole number count as none."""
    digits = text.lstrip("\N{MINUS SIGN}").replace(",", "")
    if "." not in digits:
        return len(digits.strip("0"))
    return len(digits.replace(".", "").lstrip("0"))


@given(st.floats(-1e6, 1e6, allow_nan=False), st.floats(1e-6, 10))
def test_no_number_has_more_than_three_significant_digits(value: float, width: float) -> None:
    """Whatever the value and its interval, three significant digits are the most."""
    text = number(value, decimals_for(value - width, value + width))
    assert significant(text) <= 3
    assert text != "\N{MINUS SIGN}0"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.4649, 0.376, 0.556, "0.46 (0.38 to 0.56)"), (0.9124, 0.9052, 0.9196, "0.912 (0.905 to 0.920)"),
        (0.9996, 0.9989, 1.0, "1.00 (0.999 to 1.00)"), (-0.0004, -0.03, 0.03, "0.000 (\N{MINUS SIGN}0.030 to 0.030)"),
        (1234.5, 1200.0, 1270.0, "1,230 (1,200 to 1,270)"), (0.13, 0.08, 0.18, "0.13 (0.08 to 0.18)"),
        (5.0, 0.5, 40.0, "5 (0 to 40)"),
    ],
)  # fmt: skip
def test_digits_match_the_interval(value: float, low: float, high: float, text: str) -> None:
    """The interval's width is resolved to two digits, and the value is printed no finer."""
    places = decimals_for(low, high)
    assert f"{number(value, places)} ({range_text(low, high)})" == text


def test_counts_are_whole_and_shares_show_their_own_denominator() -> None:
    """A count keeps all of its digits; a proportion is k/n with its own n."""
    assert value_text(measured("pairs", 12345, method=COUNT, n=20000)) == "12,345"
    assert share_text(measured("sensitivity", 53 / 114, n=114, k=53)) == "53/114"
    assert share_text(measured("auc", 0.9, n=1496)) == "1,496"
    assert whole(12.5) == "12.5"


def test_a_unit_stands_beside_its_value() -> None:
    """A value in a unit is printed with it, once."""
    m = measured("score_offset", 2.694, 0.49, bounds=(-9, 9), unit="logit")
    assert full_text(m) == "2.69 logit (2.20 to 3.18)"


def test_a_missing_number_prints_as_nothing() -> None:
    """The reason is printed elsewhere; no dash, no zero and no NaN stands for an absent number."""
    assert full_text(measured("auc", None)) == ""


def test_limits_have_a_true_minus() -> None:
    """A limit below zero is set with the minus sign that the numbers have."""
    assert limit_text(Limit(min=-0.1)) == "at least \N{MINUS SIGN}0.1"


@given(st.floats(-100, 100), st.floats(1e-3, 100))
def test_ticks_lie_inside_and_are_round(low: float, span: float) -> None:
    """Ticks are between the ends, evenly spaced and few."""
    ticks = nice_ticks(low, low + span)
    assert 2 <= len(ticks) <= 9
    assert all(low - 1e-6 <= t <= low + span + 1e-6 for t in ticks)
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len({f"{s:.6g}" for s in steps}) == 1
    assert all(re.fullmatch(r"[1-9]\d{0,2}", f"{s:.3e}".split("e")[0].replace(".", "").rstrip("0")) for s in steps)


def test_a_gap_says_what_such_a_cohort_would_show() -> None:
    """Half an interval of 0.1 is 1.96 standard errors; with a power of 0.8 a gap needs 1.96 + 0.84 of them: 0.143."""
    sex = {"subgroup": {"sex": "female"}, "bounds": (-1.0, 1.0)}
    assert _shows(measured("sensitivity_gap", -0.05, 0.1, **sex)) == "0.14"
    assert _shows(replace(measured("sensitivity_gap", 0.05, 0.07, **sex), high=0.15)) == "0.14"
    assert not _shows(measured("sensitivity_gap", None, **sex))
    assert not _shows(measured("sensitivity", 0.8, 0.1))
