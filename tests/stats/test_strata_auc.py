"""The AUC within strata equals that counted by hand, and its interval holds its level."""

import itertools

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import auc, stratified_auc

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
