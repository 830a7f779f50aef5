"""The AUC within strata equals that counted by hand, and its interval holds its level."""

import itertools

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import auc, auc_difference, stratified_auc, stratified_auc_difference

LEVELS = Levels()


def counted(scores, members, strata):
    """Return the weighted mean of areas counted pair by pair."""
    top = bottom = 0.0
    for s in np.unique(strata):
        one, two = np.flatnonzero(members & (strata == s)), np.flatnonzero(~members & (strata == s))
        wins = sum((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for i, j in itertools.product(one, two))
        weight = len(one) * len(two) / (len(one) + len(two))
        top, bottom = top + weight * wins / (len(one) * len(two)), bottom + weight
    return top / bottom


def drawn(seed, *, n=120, shift=0.0):
    """Return scores with strata of different height, members more frequent in the upper ones."""
    rng = np.random.default_rng(seed)
    strata = rng.integers(0, 3, n)
    members = rng.random(n) < np.array([0.3, 0.5, 0.7])[strata]
    return rng.normal(size=n) + 2.0 * strata + shift * members, members, strata


def test_value_is_the_weighted_mean_of_areas_counted_by_pair():
    """Ties included, to 1e-12."""
    scores, members, strata = drawn(1)
    found = stratified_auc(np.round(scores, 1), members, strata, np.arange(120), LEVELS)
    assert found.value == pytest.approx(counted(np.round(scores, 1), members, strata), abs=1e-12)
    assert (found.n, found.n_patients) == (120, 120)


def test_one_stratum_is_the_plain_interval():
    """With a single stratum every bound is that of the AUC, to 1e-9, for one case a patient."""
    scores, members, _ = drawn(2, shift=0.5)
    found = stratified_auc(scores, members, np.zeros(120, dtype=int), np.arange(120), LEVELS)
    plain = auc(scores, members, np.arange(120), LEVELS)
    np.testing.assert_allclose(np.array(found.curve), np.array(plain.curve), atol=1e-9)


def test_strata_take_away_what_only_they_make():
    """A score that follows the stratum alone has a crude AUC above 0.6 and 0.5 within strata."""
    scores, members, strata = drawn(3, n=4000)
    assert auc(scores, members, np.arange(4000), LEVELS).value > 0.6
    assert stratified_auc(scores, members, strata, np.arange(4000), LEVELS).value == pytest.approx(0.5, abs=0.03)


def test_images_of_one_patient_are_one_patient():
    """Each case four times gives the same interval to 1e-9, not half of it."""
    scores, members, strata = drawn(4, shift=0.5)
    once = stratified_auc(scores, members, strata, np.arange(120), LEVELS)
    four = [np.tile(a, 4) for a in (scores, members, strata, np.arange(120))]
    again = stratified_auc(*four, LEVELS)
    np.testing.assert_allclose(np.array(again.curve), np.array(once.curve), atol=1e-9)
    assert (again.n, again.n_patients) == (480, 120)


def test_flawless_separation_keeps_a_lower_bound():
    """At an AUC of 1 the lower bound is the smallest share that all patients of the rarer side still reach."""
    members = np.arange(40) % 4 == 0
    found = stratified_auc(members + 0.0, members, np.arange(40) // 20, np.arange(40), LEVELS)
    assert found.value == 1.0
    assert found.bounds(0.025)[0] == pytest.approx(0.025 ** (1 / 10))


@pytest.mark.parametrize(
    "members, strata, scores, why",
    [
        (np.arange(40) < 20, np.arange(40) // 20, np.arange(40.0), "only 0 of 20"),
        (np.arange(40) < 4, np.zeros(40, dtype=int), np.arange(40.0), "fewer than the 5"),
        (np.arange(40) < 20, np.zeros(40, dtype=int), np.ones(40), "do not vary"),
    ],
)
def test_what_cannot_be_estimated_says_why(members, strata, scores, why):
    """Strata with one side only, few patients, and constant scores give a reason and no number."""
    found = stratified_auc(scores, members, strata, np.arange(40), LEVELS)
    assert found.value is None
    assert why in found.missing


def coverage(runs, n):
    """Return the share of cohorts whose 95 % interval holds 0.5 under no effect, two cases a patient."""
    held = 0
    for seed in range(runs):
        rng = np.random.default_rng([9, seed])
        strata = np.repeat(rng.integers(0, 3, n // 2), 2)
        members = np.repeat(rng.random(n // 2) < 0.4, 2)
        scores = strata + np.repeat(rng.normal(size=n // 2), 2) + rng.normal(size=n)
        low, high = stratified_auc(scores, members, strata, np.arange(n) // 2, LEVELS).bounds(0.025)
        held += low <= 0.5 <= high
    return held / runs


def test_interval_holds_its_level_for_clustered_cases():
    """At least 90 % of 200 cohorts of 60 patients; nominal 95 %, three standard errors 4.6 %."""
    assert coverage(200, 120) >= 0.90


@pytest.mark.slow
def test_interval_holds_its_level_in_many_cohorts():
    """Between 93 % and 98 % of 3,000 cohorts of 60 patients."""
    assert 0.93 <= coverage(3000, 120) <= 0.98


def two_scores(seed, *, n=160, better=0.0):
    """Return two scores of the same truth, strata of different height in the second, and labels."""
    rng = np.random.default_rng(seed)
    strata, labels = rng.integers(0, 4, n), rng.random(n) < 0.5
    truth = labels + rng.normal(size=n)
    one = truth + rng.normal(0, 0.5, n) + better * labels
    return one, truth + rng.normal(0, 0.5, n) + 3.0 * strata, labels, strata


def test_a_difference_is_that_of_both_areas_within_strata():
    """Value to 1e-12; the height of a stratum in one of the scores changes nothing."""
    one, two, labels, strata = two_scores(1)
    found = stratified_auc_difference(one, two, labels, strata, np.arange(160), LEVELS)
    areas = [stratified_auc(s, labels, strata, np.arange(160), LEVELS).value for s in (one, two)]
    assert found.value == pytest.approx(areas[0] - areas[1], abs=1e-12)
    level = stratified_auc_difference(one, two - 3.0 * strata, labels, strata, np.arange(160), LEVELS)
    np.testing.assert_allclose(np.array(found.curve), np.array(level.curve), atol=1e-12)


def test_a_difference_in_one_stratum_is_the_plain_one():
    """Bounds equal those of `auc_difference` to 3 %: only the correction for small samples is made twice."""
    one, two, labels, _ = two_scores(2)
    args = labels, np.arange(160), LEVELS
    found = stratified_auc_difference(one, two, labels, np.zeros(160, dtype=int), *args[1:])
    plain = auc_difference(one, two, *args)
    assert found.value == pytest.approx(plain.value, abs=1e-12)
    np.testing.assert_allclose(np.array(found.curve), np.array(plain.curve), atol=0.01)


def test_a_score_against_itself_has_a_difference_of_nought():
    """And an interval that holds it."""
    one, _, labels, strata = two_scores(3)
    found = stratified_auc_difference(one, one.copy(), labels, strata, np.arange(160), LEVELS)
    low, high = found.bounds(0.025)
    assert found.value == 0
    assert low <= 0 <= high


@pytest.mark.parametrize("runs", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_the_difference_of_equal_scores_is_held(runs):
    """Two equally noisy scores: 0 is inside 95 % intervals in at least 90 % (93 % of 2,000) of cohorts of 160."""
    held = 0
    for seed in range(runs):
        low, high = stratified_auc_difference(*two_scores(500 + seed), np.arange(160), LEVELS).bounds(0.025)
        held += low <= 0 <= high
    assert held / runs >= (0.93 if runs > 100 else 0.9)


def test_scores_of_fitted_models_have_a_wider_interval():
    """With K folds the variance is 1 + K / (K - 1) times as large, so the logit t interval is 1.5 times as wide."""
    rng = np.random.default_rng(3)
    members, strata = rng.random(200) < 0.5, np.arange(200) % 5
    scores = rng.standard_normal(200) + 0.4 * members
    plain, fitted = (stratified_auc(scores, members, strata, np.arange(200), LEVELS, folds=k) for k in (0, 5))
    widths = [np.diff(_logit(np.array(one.bounds(0.025))))[0] for one in (plain, fitted)]
    assert plain.value == fitted.value
    assert widths[1] / widths[0] == pytest.approx(1.5, rel=1e-6)


def test_only_the_comparator_is_fitted():
    """A comparator of 5 folds adds 1.25 times its area's variance, and a little by the logit bounds of the areas."""
    rng = np.random.default_rng(4)
    labels, strata = rng.random(400) < 0.5, np.arange(400) % 5
    one, two = (rng.standard_normal(400) + 0.8 * labels for _ in range(2))
    given = (labels, strata, np.arange(400), LEVELS)
    plain, fitted = (stratified_auc_difference(one, two, *given, folds=k) for k in (0, 5))
    own = stratified_auc(two, *given)
    half = [np.diff(e.bounds(0.025))[0] / 2 for e in (plain, fitted, own)]
    assert half[1] ** 2 - half[0] ** 2 == pytest.approx(1.25 * half[2] ** 2, rel=0.15)


def _logit(p):
    return np.log(p / (1 - p))
