"""How often a faultless model passes, against the study's numbers and against the intervals that judge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from audit.core import Levels
from audit.stats import (
    area_error,
    auc_gap,
    calibration,
    chance_of_calibrated,
    chance_of_equal_aucs,
    chance_of_equal_rates,
    proportion_gap,
)

L = Levels()


@pytest.mark.parametrize(("n", "share"), [(50, 0.0), (150, 0.34), (300, 0.86), (500, 0.99)])
def test_equal_rates_of_two_levels_pass_as_often_as_in_the_study(n, share):
    """Sensitivity 0.85, gap of at most 0.10 either way, n positives a level: the study's shares within 0.03."""
    assert chance_of_equal_rates([n, n], 0.85, (-0.1, 0.1), L) == pytest.approx(share, abs=0.03)


def test_about_1200_positives_a_level_settle_a_margin_of_five_points():
    """The study's 0.85 at a margin of 0.05, within 0.03."""
    assert chance_of_equal_rates([1200, 1200], 0.85, (-0.05, None), L) == pytest.approx(0.85, abs=0.03)


def test_equal_rates_against_the_interval_that_judges():
    """Three levels of 120: 250 cohorts judged by `proportion_gap` pass as often, within three standard errors."""
    rng = np.random.default_rng(5)
    groups = np.repeat([0, 1, 2], 120)
    patients = np.arange(360)
    passed = 0
    for _ in range(250):
        hits = rng.random(360) < 0.9
        lows = [proportion_gap(hits, groups == g, patients, L).bounds(0.025)[0] for g in range(3)]
        passed += min(lows) >= -0.12
    chance = chance_of_equal_rates([120] * 3, 0.9, (-0.12, None), L)
    assert passed / 250 == pytest.approx(chance, abs=3 * np.sqrt(chance * (1 - chance) / 250) + 0.01)


def test_small_groups_never_pass():
    """With fewer than 5 patients in a judged group or in its rest there is no interval, so nothing passes."""
    assert chance_of_equal_rates([4, 500], 0.9, (-0.9, None), L) == 0
    assert chance_of_equal_rates([4, 300, 300], 0.9, (-0.9, None), L, judged=[1]) > 0.99
    assert chance_of_equal_aucs([(4, 90), (90, 90)], 0.9, (-0.9, None), L) == 0
    assert chance_of_calibrated("slope", (0.0, None), 4, 100, L) == 0


def test_the_error_of_an_auc_is_that_of_simulated_normal_scores():
    """AUC 0.85, 40 + 80 cases: the standard deviation over 3,000 draws, within 4 %."""
    rng = np.random.default_rng(8)
    shift = np.sqrt(2) * scipy_stats.norm.ppf(0.85)
    drawn = [(rng.normal(size=(40, 1)) + shift > rng.normal(size=80)).mean() for _ in range(3000)]
    assert area_error(0.85, 40, 80) == pytest.approx(np.std(drawn), rel=0.04)


def test_equal_aucs_against_the_interval_that_judges():
    """Two levels of 70 + 140: 200 cohorts judged by `auc_gap` pass as often, within 0.1."""
    rng = np.random.default_rng(6)
    labels = np.tile(np.repeat([True, False], [70, 140]), 2)
    members = np.repeat([True, False], 210)
    patients = np.arange(420)
    shift = np.sqrt(2) * scipy_stats.norm.ppf(0.85)
    passed = 0
    for _ in range(200):
        scores = rng.normal(size=420) + shift * labels
        passed += auc_gap(scores, labels, members, patients, L).bounds(0.025)[0] >= -0.1
    chance = chance_of_equal_aucs([(70, 140), (70, 140)], 0.85, (-0.1, None), L, judged=[0])
    assert 0.2 < chance < 0.95
    assert passed / 200 == pytest.approx(chance, abs=0.1)


@pytest.mark.parametrize(("metric", "limits"), [("slope", (0.8, 1.25)), ("intercept", (-0.25, 0.25))])
def test_calibrated_models_against_the_interval_that_judges(metric, limits):
    """200 + 300 patients, scores that are true log odds: 120 cohorts pass as often, within 0.14 (three errors)."""
    rng = np.random.default_rng(7)
    distance = 2 * scipy_stats.norm.ppf(0.85) ** 2
    labels = np.repeat([True, False], [200, 300])
    passed = 0
    for _ in range(120):
        logit = np.log(2 / 3) + rng.normal(size=500) * np.sqrt(distance) + np.where(labels, 0.5, -0.5) * distance
        fit = calibration(1 / (1 + np.exp(-logit)), labels, np.arange(500), L)
        low, high = getattr(fit, metric).bounds(0.025)
        passed += low >= limits[0] and high <= limits[1]
    assert passed / 120 == pytest.approx(chance_of_calibrated(metric, limits, 200, 300, L), abs=0.14)


def test_two_levels_are_one_contrast_both_ways():
    """Where both of two levels are judged, "no level worse by 0.1" bounds the one gap from both sides."""
    groups = [(60, 120), (60, 120)]
    both = chance_of_equal_aucs(groups, 0.85, (-0.1, None), L)
    assert both == pytest.approx(chance_of_equal_aucs(groups, 0.85, (-0.1, 0.1), L, judged=[0]), abs=1e-12)
    assert both < chance_of_equal_aucs(groups, 0.85, (-0.1, None), L, judged=[0]) - 0.1


def test_a_limit_that_is_not_there_binds_nothing():
    """Without limits every cohort passes; a limit beyond the truth lets none pass."""
    assert chance_of_equal_rates([50, 50], 0.9, (None, None), L) == 1
    assert chance_of_equal_rates([5000, 5000], 0.9, (0.1, None), L) == 0
    assert chance_of_calibrated("intercept", (0.5, None), 5000, 5000, L) < 1e-6


@pytest.mark.parametrize("call", [
    lambda: chance_of_equal_rates([50, 50], 1.0, (-0.1, None), L),
    lambda: chance_of_equal_aucs([(50, 50)] * 2, 0.5, (-0.1, None), L),
    lambda: chance_of_calibrated("ece", (None, 0.1), 50, 50, L),
])  # fmt: skip
def test_what_has_no_meaning_is_refused(call):
    """A rate of 1, an AUC of 0.5 and another metric than slope and intercept are errors."""
    with pytest.raises(ValueError, match="expected"):
        call()
