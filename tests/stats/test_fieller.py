"""The ratio of two means and Fieller's interval."""

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import ratio_of_means

LEVELS = Levels()


def test_a_hand_worked_case():
    """Means 2 and 4, variances of the means 0.1 and 0.2, no covariance, 4 degrees of freedom, to 1e-9.

    With t = 2.776445105 for 95 %: (2 - 4 r)^2 = t^2 (0.1 + 0.2 r^2), that is 14.45827 r^2 - 16 r + 3.22914 = 0 with
    roots 0.26554 and 0.84109.
    """
    # Orthogonal deviations of five patients: sums of squares 2 and 4, so variances 2 / 4 / 5 and 4 / 4 / 5.
    first, second = np.array([1, -1, 0, 0, 0.0]), np.array([0, 0, np.sqrt(2), -np.sqrt(2), 0])
    found = ratio_of_means(2 + first, 4 + second, np.arange(5), LEVELS)
    assert found.value == pytest.approx(0.5, abs=1e-12)
    t2 = 2.7764451051977987**2
    square, linear, constant = 16 - 0.2 * t2, 8.0, 4 - 0.1 * t2
    roots = sorted(np.roots([square, -2 * linear, constant]).real)
    low, high = found.bounds(0.025)
    assert (low, high) == pytest.approx(tuple(roots), abs=1e-9)
    assert (low, high) == pytest.approx((0.26554, 0.84109), abs=1e-4)


def test_a_denominator_that_may_be_zero_has_no_ratio():
    """Where the slope on lesions is not told from 0 there is no number, and the reason says so."""
    rng = np.random.default_rng(0)
    found = ratio_of_means(rng.normal(1, 1, 30), rng.normal(0, 1, 30), np.arange(30), LEVELS)
    assert found.value is None
    assert "denominator" in found.missing


def test_rarer_levels_open_up_and_decide_nothing():
    """A denominator that is only just told from 0 has a ratio whose rarest bounds are as good as none."""
    rng = np.random.default_rng(1)
    found = ratio_of_means(rng.normal(1, 1, 30), rng.normal(0.8, 1, 30), np.arange(30), LEVELS)
    assert found.value is not None
    assert found.bounds(1e-6) == (-1e9, 1e9)


def test_repeated_cases_are_no_further_patients():
    """The same cases twice, as the same patients, give the same interval, to 1e-9."""
    rng = np.random.default_rng(2)
    a, b, owner = rng.normal(1, 0.5, 20), rng.normal(3, 0.5, 20), np.arange(20)
    once = ratio_of_means(a, b, owner, LEVELS)
    twice = ratio_of_means(np.tile(a, 2), np.tile(b, 2), np.tile(owner, 2), LEVELS)
    assert twice.bounds(0.025) == pytest.approx(once.bounds(0.025), abs=1e-9)


def test_the_interval_holds_its_level():
    """Of 400 draws with a true ratio of 0.25, 2.5 % a side lie outside, within 4 standard errors."""
    rng = np.random.default_rng(3)
    outside = 0
    for _ in range(400):
        b = rng.normal(2, 1, 25)
        low, high = ratio_of_means(0.25 * b + rng.normal(0, 0.6, 25), b, np.arange(25), LEVELS).bounds(0.025)
        outside += not low <= 0.25 <= high
    assert 0.05 * 400 - 4 * np.sqrt(400 * 0.05 * 0.95) < outside < 0.05 * 400 + 4 * np.sqrt(400 * 0.05 * 0.95)
