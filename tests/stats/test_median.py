"""The median with order statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from audit.core import Levels
from audit.stats import median

LEVELS = Levels()


def test_bounds_are_order_statistics_of_the_binomial():
    """Of 25 values the 8th and the 18th are the 95 % bounds (Conover's table), exactly."""
    found = median(np.arange(1.0, 26.0), np.arange(25), LEVELS)
    assert (found.value, *found.bounds(0.025)) == (13.0, 8.0, 18.0)
    assert binom.cdf(7, 25, 0.5) <= 0.025 < binom.cdf(8, 25, 0.5)


def test_far_rungs_need_patients_or_a_support():
    """Ten values have no order statistic at 1e-6; with a support its end is the bound there."""
    values = np.linspace(0.8, 0.9, 10)
    assert "too few" in median(values, np.arange(10), LEVELS).missing
    found = median(values, np.arange(10), LEVELS, support=(0, 1))
    assert found.bounds(0.025) == (values[1], values[8])
    assert found.bounds(1e-6) == (0, 1)


def test_copies_of_a_case_add_little():
    """Each value copied five times keeps about the bounds of the values."""
    values = np.random.default_rng(0).normal(size=60)
    once = median(values, np.arange(60), LEVELS).bounds(0.025)
    copies = median(np.repeat(values, 5), np.repeat(np.arange(60), 5), LEVELS)
    spread = np.sort(values)
    ranks = np.searchsorted(spread, [*once, *copies.bounds(0.025)])
    assert ranks[2] <= ranks[0] + 1
    assert ranks[3] >= ranks[1] - 1
    assert "effective" in copies.method


def test_no_number_has_its_reason():
    """No cases and four patients carry no interval; a value outside the support is an error."""
    assert median(np.zeros(0), np.zeros(0, int), LEVELS).missing == "no cases"
    assert "4 patients" in median(np.arange(4.0), np.arange(4), LEVELS).missing
    with pytest.raises(ValueError, match="expected values"):
        median(np.full(9, 1.1), np.arange(9), LEVELS, support=(0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "cases"), [(20, 1), (50, 1), (40, 4)])
def test_coverage_is_at_its_rate(patients: int, cases: int):
    """The 95 % interval of a skewed outcome covers in at least 93.5 % of 1,500 samples."""
    rng, covered = np.random.default_rng(6), 0
    truth = 1.0
    for _ in range(1500):
        code = np.repeat(np.arange(patients), rng.integers(1, cases + 1, patients))
        values = np.exp(np.sqrt(0.5) * (rng.normal(size=patients)[code] + rng.normal(size=code.size)))
        low, high = median(values, code, LEVELS, support=(0, None)).bounds(0.025)
        covered += low <= truth <= high
    assert covered / 1500 >= 0.935
