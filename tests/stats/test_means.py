"""Means and paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_rel

from audit.core import Levels
from audit.stats import mean, paired_difference
from validation.statistics.scenarios import clustered_hits

LEVELS = Levels()


def test_one_case_a_patient_is_the_t_interval():
    """With one case a patient and no skewness the bounds are those of scipy's one-sample t interval, to 1e-12."""
    half = np.random.default_rng(1).normal(0, 2, 12)
    x = 3 + np.r_[half, 0, -half]
    found = mean(x, np.arange(25), LEVELS)
    assert found.value == pytest.approx(x.mean(), abs=1e-12)
    assert found.bounds(0.025) == pytest.approx(tuple(ttest_1samp(x, 0).confidence_interval(0.95)), abs=1e-12)


def test_paired_difference_is_the_paired_t_interval():
    """Without skewness the bounds are those of scipy's paired t interval, to 1e-12."""
    rng = np.random.default_rng(2)
    b, half = rng.normal(size=30), rng.normal(size=15)
    a = b + 0.2 + np.r_[half, -half]
    found = paired_difference(a, b, np.arange(30), LEVELS)
    assert found.bounds(0.025) == pytest.approx(tuple(ttest_rel(a, b).confidence_interval(0.95)), abs=1e-12)


def test_a_skewed_side_is_corrected_by_hand():
    """Errors 0, 0, 0, 0, 5: skewness 1.5 over the root of 5, added to the upper t quantile alone."""
    x = np.array([0.0, 0, 0, 0, 5])
    # Deviations -1 (four times) and 4: sum of squares 20, of cubes 60, so g = 60 / 20^1.5.
    se, t, g = np.sqrt(20 / 4 / 5), student.ppf(0.975, 4), 60 / 20**1.5
    low, high = mean(x, np.arange(5), LEVELS).bounds(0.025)
    assert low == pytest.approx(1 - t * se, abs=1e-12)
    assert high == pytest.approx(1 + (t + g * (1 + 2 * t**2) / 6) * se, abs=1e-12)
    mirrored = mean(-x, np.arange(5), LEVELS).bounds(0.025)
    assert mirrored == pytest.approx((-high, -low), abs=1e-12)


def test_repeated_cases_are_no_evidence():
    """Every case four times: the interval of one case a patient."""
    x = np.random.default_rng(3).normal(size=20)
    one = mean(x, np.arange(20), LEVELS)
    many = mean(np.repeat(x, 4), np.repeat(np.arange(20), 4), LEVELS)
    np.testing.assert_allclose(one.curve, many.curve, atol=1e-12)


def test_the_pseudo_patient_by_hand():
    """Dice with the support (0, 1): t on 7 patients, the seventh at 0 for the lower bound and at 1 for the upper."""
    x = np.array([0.8, 0.9, 0.85, 0.7, 0.95, 0.9])
    low, high = mean(x, np.arange(6), LEVELS, support=(0, 1)).bounds(0.025)
    with_0, with_1 = np.append(x, 0.0), np.append(x, 1.0)
    quantile = student.ppf(0.975, 6)
    assert low == pytest.approx(with_0.mean() - quantile * with_0.std(ddof=1) / np.sqrt(7), abs=1e-12)
    assert high == pytest.approx(min(1.0, with_1.mean() + quantile * with_1.std(ddof=1) / np.sqrt(7)), abs=1e-12)


def test_a_support_on_one_side_widens_that_side_alone():
    """A distance is bounded below by 0 and not above: the upper bound is the plain one."""
    x = np.random.default_rng(4).gamma(2, 3, 40)
    plain, bounded = mean(x, np.arange(40), LEVELS), mean(x, np.arange(40), LEVELS, support=(0, None))
    assert plain.bounds(0.025)[1] == bounded.bounds(0.025)[1]
    assert 0 <= bounded.bounds(0.025)[0] < plain.bounds(0.025)[0]


def test_values_that_do_not_vary():
    """Equal values have no interval of width 0: missing without a support, an honest interval with one."""
    assert mean(np.full(20, 0.7), np.arange(20), LEVELS).value is None
    low, high = mean(np.ones(20), np.arange(20), LEVELS, support=(0, 1)).bounds(0.025)
    assert low < 0.9
    assert high == 1.0


def test_answers_that_never_change_have_an_interval():
    """Two bool answers that agree on all 30 patients differ by 0, and the interval says by how much at most."""
    same = np.arange(30) % 2 == 0
    found = paired_difference(same, same, np.arange(30), LEVELS)
    low, high = found.bounds(0.025)
    assert found.value == 0.0
    assert low == pytest.approx(-high)
    assert 0.05 < high < 0.15


@pytest.mark.parametrize(("n", "reason"), [(0, "no cases"), (1, "1 patient,"), (4, "4 patients,")])
def test_too_few_patients_are_missing(n: int, reason: str):
    """Fewer than 5 patients: missing with the reason."""
    assert reason in mean(np.arange(n, dtype=float), np.arange(n), LEVELS).missing


def test_values_outside_the_support_are_an_error():
    """A support that the data contradict is an error, never a narrower interval."""
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        mean(np.linspace(0, 1.1, 20), np.arange(20), LEVELS, support=(0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("patients", [10, 20, 50, 150])
def test_dice_with_complete_misses(patients: int):
    """With 6 % complete misses each tail of the bounded interval misses at most 3.5 % (nominal 2.5 %)."""
    rng, misses = np.random.default_rng(80), np.zeros(2)
    truth = 0.94 * 12 / 14
    for _ in range(2000):
        dice = rng.beta(12, 2, patients) * (rng.random(patients) > 0.06)
        low, high = mean(dice, np.arange(patients), LEVELS, support=(0, 1)).bounds(0.025)
        misses += (low > truth, high < truth)
    assert (misses / 2000 <= 0.035).all()


@pytest.mark.slow
@pytest.mark.parametrize("patients", [20, 60])
def test_clean_minus_attacked(patients: int):
    """The interval of clean minus attacked accuracy covers the true loss in at least 93 %."""
    rng, covered = np.random.default_rng(81), 0
    for _ in range(1000):
        clean, code = clustered_hits(rng, patients=patients, p=0.9, rho=0.3, cases=(1, 4))
        attacked = clean & (rng.random(code.size) < 0.8)
        low, high = paired_difference(clean, attacked, code, LEVELS).bounds(0.025)
        covered += low <= 0.9 * 0.2 <= high
    assert covered / 1000 >= 0.93
