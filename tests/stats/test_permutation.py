"""The permutation test of equal groups."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from audit.stats import equal_groups_p
from validation.statistics.scenarios import clustered_hits


def test_two_groups_agree_with_all_permutations():
    """For 7 patients in two groups p is near the share of all 5,040 orders that are as extreme."""
    values, groups = np.array([5.0, 7, 9, 1, 2, 6, 3]), np.array([0, 0, 0, 1, 1, 1, 1])
    observed = abs(values[:3].sum() - 3 * values.mean())
    exact = np.mean([abs(sum(o[:3]) - 3 * values.mean()) >= observed - 1e-9 for o in permutations(values)])
    p = equal_groups_p(values, groups, np.arange(7), np.random.default_rng(1), resamples=20_000)
    assert p == pytest.approx(exact, abs=0.01)


def test_a_planted_gap_is_found_and_no_gap_is_not():
    """One group of four worse by .25: p below .01; all equal: p above .05."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(4), 100)
    hits = rng.random(400) < 0.9 - 0.25 * (groups == 2)
    assert equal_groups_p(hits, groups, np.arange(400), np.random.default_rng(3), resamples=999) < 0.01
    equal = np.tile([True, True, True, False], 100)
    assert equal_groups_p(equal, groups, np.arange(400), np.random.default_rng(3), resamples=999) == 1.0


def test_a_gap_within_patients_is_found():
    """Patients with a case in both groups: a patient's own level cancels, and a small gap is found."""
    rng = np.random.default_rng(4)
    code = np.tile(np.arange(80), 2)
    groups = np.repeat([0, 1], 80)
    values = rng.normal(0, 5, 80)[code] + rng.normal(0, 0.3, 160) + 0.4 * groups
    assert equal_groups_p(values, groups, code, np.random.default_rng(5), resamples=999) < 0.01
    assert equal_groups_p(values - 0.4 * groups, groups, code, np.random.default_rng(5), resamples=999) > 0.05


def test_nothing_to_test_has_no_p():
    """One group, or values that do not vary: no p-value, never 1."""
    rng = np.random.default_rng(6)
    assert equal_groups_p(np.arange(9) % 2, np.zeros(9, int), np.arange(9), rng, resamples=100) is None
    assert equal_groups_p(np.ones(9), np.arange(9) % 2, np.arange(9), rng, resamples=100) is None


def test_too_few_resamples_are_an_error():
    """Fewer than 100 exchanges give no usable p-value."""
    with pytest.raises(ValueError, match="100"):
        equal_groups_p(np.arange(9), np.arange(9) % 2, np.arange(9), np.random.default_rng(7), resamples=10)


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
def test_type_one_error(mixed: bool):
    """With all groups equal the test at .05 rejects in 3 to 7 %, whether patients are in one group or in several."""
    rng, rejected = np.random.default_rng(70), 0
    for _ in range(1000):
        hits, code = clustered_hits(rng, patients=120, p=0.85, rho=0.3, cases=(1, 4))
        groups = rng.integers(0, 4, code.size) if mixed else rng.integers(0, 4, 120)[code]
        rejected += equal_groups_p(hits, groups, code, rng, resamples=199) <= 0.05
    assert 0.03 <= rejected / 1000 <= 0.07
