"""Two risks of an event by a horizon on the same patients."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import Followed, auc_difference, auc_difference_at_horizon, ranking_at_horizon

LEVELS = Levels()
HORIZON = 5.0


def followed(seed=1, n=300, lost=0.1):
    """Return cases with their true linear risk, and that risk with noise, as another one."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    failure, censored = 8 * np.exp(-risk) * rng.exponential(size=n), rng.exponential(1 / lost, n)
    cases = Followed(
        risk=risk, time=np.minimum(failure, censored), event=failure <= censored, patients=np.arange(n),
        horizon=HORIZON,
    )  # fmt: skip
    return cases, risk + 1.5 * rng.normal(size=n)


def difference(cases, other, seed=0):
    """Return the estimate."""
    return auc_difference_at_horizon(cases, other, LEVELS, np.random.default_rng(seed), resamples=300)


def test_value_is_the_difference_of_both_areas():
    """That of `ranking_at_horizon` for either risk, which is scikit-survival's; to 1e-12."""
    cases, other = followed()
    areas = [
        ranking_at_horizon(c, LEVELS, np.random.default_rng(0), resamples=100)["auc_at_horizon"].value
        for c in (cases, replace(cases, risk=other))
    ]
    assert difference(cases, other).value == pytest.approx(areas[0] - areas[1], abs=1e-12)


def test_without_censoring_it_is_that_of_paired_aucs():
    """Value to 1e-12, and bounds within 15 % of the width of those that DeLong's covariance gives."""
    cases, other = followed(lost=1e-9)
    found = difference(cases, other)
    plain = auc_difference(cases.risk, other, cases.time <= HORIZON, cases.patients, LEVELS)
    assert found.value == pytest.approx(plain.value, abs=1e-12)
    low, high = found.bounds(LEVELS.pointwise)
    theirs = plain.bounds(LEVELS.pointwise)
    width = theirs[1] - theirs[0]
    assert low == pytest.approx(theirs[0], abs=0.15 * width)
    assert high == pytest.approx(theirs[1], abs=0.15 * width)


def test_pairing_is_sharper_than_two_intervals():
    """Two risks that are nearly one differ by little, with an interval a fraction of that of either area."""
    cases, _ = followed()
    near = cases.risk + 0.2 * np.random.default_rng(5).normal(size=len(cases.risk))
    low, high = difference(cases, near).bounds(LEVELS.pointwise)
    area = ranking_at_horizon(cases, LEVELS, np.random.default_rng(0), resamples=300)["auc_at_horizon"]
    of_area = area.bounds(LEVELS.pointwise)
    assert low < 0.05
    assert high - low < 0.5 * (of_area[1] - of_area[0])


def test_the_same_ranking_has_no_interval():
    """A copy on another scale does not differ in any resample, which is no interval of width 0."""
    cases, _ = followed()
    found = difference(cases, 2 * cases.risk + 1)
    assert found.value is None
    assert "does not vary" in found.missing


def test_all_censored_is_no_number():
    """Without an event nothing ranks."""
    cases, other = followed()
    found = difference(replace(cases, event=np.zeros(len(other), dtype=bool)), other)
    assert found.value is None
    assert "censored" in found.missing


@pytest.mark.slow
def test_interval_covers_the_true_difference():
    """In 93 % of 300 cohorts at least, whose true difference is that of 400,000 cases."""
    big, other = followed(seed=99, n=400_000, lost=1e-9)
    truth = auc_difference(big.risk, other, big.time <= HORIZON, big.patients, LEVELS).value
    hits = 0
    for seed in range(300):
        cases, noisy = followed(seed=1000 + seed, n=200)
        low, high = difference(cases, noisy, seed).bounds(LEVELS.pointwise)
        hits += low <= truth <= high
    assert hits / 300 >= 0.93


@pytest.mark.slow
def test_equal_risks_are_seldom_called_different():
    """Of two risks that know equally much each bound is on the wrong side of 0 in at most 5 % of 300 cohorts."""
    wrong = np.zeros(2, dtype=int)
    for seed in range(300):
        cases, _ = followed(seed=5000 + seed, n=150, lost=0.15)
        rng = np.random.default_rng(seed)
        one, other = (cases.risk + rng.normal(size=150) for _ in range(2))
        low, high = difference(replace(cases, risk=one), other).bounds(LEVELS.pointwise)
        wrong += [low > 0, high < 0]
    assert wrong.max() <= 15
