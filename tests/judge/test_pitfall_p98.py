"""P98: a headline says the number of the evidence."""

from __future__ import annotations

import pytest

from audit.core import Measurement
from audit.judge import figures, interval


@pytest.mark.parametrize("count, text", [(0, "0"), (7, "7"), (1234, "1,234"), (123456, "123,456"), (0.125, "0.125")])
def test_a_count_is_said_in_full(count: float, text: str) -> None:
    """A count has no sampling error, so no digit of it is rounded away."""
    m = Measurement(metric="pairs", value=count, low=count, high=count, method="count", n=200000, n_patients=200000)
    assert interval(m) == text


@pytest.mark.parametrize("value", [0.8046, -0.1234, 12345.0, 0.0000123, 0.9996])
def test_figures_are_within_half_a_percent_of_the_number(value: float) -> None:
    """Three significant digits, for very small numbers too."""
    assert float(figures(value).replace("−", "-").replace(",", "")) == pytest.approx(value, rel=0.005)
