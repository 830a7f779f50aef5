"""Sums of estimates and predictive values keep intervals that hold."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from audit.core import Estimate, Levels
from audit.probes._prevalence import predictive_value
from audit.probes._shared import weighted_sum
from audit.stats import mean, proportion

LEVELS = Levels()
RUNGS = LEVELS.rungs


def normal(value, se, n=100):
    """Return an estimate with a normal interval at every rung."""
    curve = tuple((a, value - norm.isf(a) * se, value + norm.isf(a) * se) for a in RUNGS)
    return Estimate(value=value, curve=curve, method="normal", n=n, n_patients=n)


def total(*parts, shared=False):
    """Return the weighted sum."""
    return weighted_sum(parts, shared=shared, method="sum", n_patients=min(200, sum(p.n for _, p in parts)))


def test_sum_of_independent_parts_adds_variances():
    """0.3 x N(1, 2) + 0.7 x N(5, 1): standard error hypot(0.6, 0.7), to 1e-12."""
    found = total((0.3, normal(1, 2)), (0.7, normal(5, 1)))
    low, high = found.bounds(0.025)
    assert found.value == pytest.approx(3.8)
    assert high - found.value == pytest.approx(norm.isf(0.025) * math.hypot(0.6, 0.7), abs=1e-12)
    assert found.value - low == pytest.approx(high - found.value, abs=1e-12)
    assert (found.n, found.n_patients) == (200, 200)


def test_sum_over_shared_patients_adds_half_widths():
    """Under unknown dependence the standard errors add up."""
    found = total((0.5, normal(1, 2)), (0.5, normal(5, 1)), shared=True)
    assert found.bounds(0.025)[1] - found.value == pytest.approx(norm.isf(0.025) * 1.5, abs=1e-12)


def test_a_negative_weight_swaps_the_bounds():
    """The upper arm of the part becomes the lower arm of the sum."""
    skewed = proportion(np.arange(100) < 95, np.arange(100), LEVELS)
    found = total((-1.0, skewed))
    low, high = skewed.bounds(0.025)
    assert found.bounds(0.025) == pytest.approx((-high, -low))


def test_a_missing_part_makes_the_sum_missing():
    """The reason is that of the part."""
    found = total((0.5, normal(1, 2)), (0.5, Estimate.absent("no positive cases", method="none")))
    assert found.value is None
    assert found.missing == "no positive cases"


def test_every_rung_is_kept():
    """The sum has bounds wherever its parts have."""
    a, b = mean(np.arange(30.0), np.arange(30), LEVELS), normal(0, 1)
    assert [r[0] for r in total((1.0, a), (1.0, b)).curve] == list(RUNGS)


def ppv(tp, positives, tn, negatives, share, shared=False):
    """Return the positive predictive value from counts."""
    hit = proportion(np.arange(positives) < tp, np.arange(positives), LEVELS)
    spared = proportion(np.arange(negatives) < tn, np.arange(negatives), LEVELS)
    return predictive_value(hit, spared, share, shared=shared, n_patients=positives + negatives, method="m")


def test_predictive_value_is_monotone_in_both_rates():
    """A better sensitivity or specificity gives a higher value and higher bounds."""
    base, more_hits, fewer_false = (ppv(*c, 0.1) for c in ((70, 100, 80, 100), (80, 100, 80, 100), (70, 100, 90, 100)))
    for better in (more_hits, fewer_false):
        assert better.value > base.value
        assert better.bounds(0.025)[0] > base.bounds(0.025)[0]


def test_predictive_value_of_a_missing_rate_is_missing():
    """Too few positives give no sensitivity and so no predictive value."""
    assert "4 patients" in ppv(4, 4, 80, 100, 0.1).missing


def test_predictive_value_keeps_every_rung_and_widens():
    """At the edge and with shared patients as well, where strict rungs may say that anything is possible."""
    for found in (ppv(70, 100, 80, 100, 0.1), ppv(100, 100, 80, 100, 0.1), ppv(70, 100, 100, 100, 0.1, shared=True)):
        assert [r[0] for r in found.curve] == list(RUNGS)
        assert found.curve[-1][1] >= 0
        assert found.curve[-1][2] <= 1
