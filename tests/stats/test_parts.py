"""A gap in sensitivity splits into what a threshold would close and what the ranking loses."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_curve

from audit.core import Levels
from audit.stats import gap_parts, gaps_within, proportion_gap
from audit.stats._roc import Rest, Roc

LEVELS = Levels()


def parts(scores, labels, group, patients=None, seed=0, point=0.0, resamples=400):
    """Return the parts of one subgroup."""
    codes = np.arange(len(scores)) if patients is None else patients
    rng = np.random.default_rng(seed)
    return gap_parts(scores, labels, [group], codes, LEVELS, rng, point=point, resamples=resamples)[0]


def binormal(n=1200, distance=2.0, shift=0.0, seed=0):
    """Return scores, labels and group: normal scores at -1 and +1 whose group is moved by a shift."""
    rng = np.random.default_rng(seed)
    label, group = np.arange(n) % 2 == 1, np.arange(n) % 4 < 2
    return distance * (label - 0.5) + shift * group + rng.normal(size=n), label, group


def test_sensitivity_at_a_share_of_alarms_is_worked_by_hand():
    """Four and four scores: the height of the curve between, on and before its rises."""
    scores = np.array([0.9, 0.5, 0.3, 0.1, 0.8, 0.6, 0.4, 0.2])
    labels = np.repeat([False, True], 4)
    roc = Roc(scores, labels, np.ones(8, dtype=bool))
    alarms = np.array([0.0, 0.25, 0.3, 0.5, 1.0])
    found = roc.sensitivity(np.ones((5, 8)), alarms)
    # At 0.25 the threshold lies between 0.9 and 0.5: from none to two of four positives are above it.
    assert found == pytest.approx([0.0, 0.25, 0.5, 0.625, 1.0], abs=1e-12)
    assert roc.threshold(0.3) == 0.6
    assert roc.threshold(0.0) == float("inf")


def test_between_rises_it_is_the_ordinary_curve():
    """scikit-learn's curve, interpolated at shares that no threshold gives, is the same to 1e-12; so are weights."""
    rng = np.random.default_rng(1)
    labels = rng.random(301) < 0.4
    scores = np.round(rng.normal(size=301) + labels, 1)
    weights = rng.integers(0, 4, 301).astype(float)
    alarms = np.array([0.0123, 0.0777, 0.2345, 0.5432, 0.9123])
    found = Roc(scores, labels, np.ones(301, dtype=bool)).sensitivity(np.tile(weights, (5, 1)), alarms)
    false, true, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    assert found == pytest.approx(np.interp(alarms, false, true), abs=1e-12)


def test_the_parts_add_up_to_the_gap():
    """Threshold part plus ranking part is the gap in sensitivity at the operating point, to 1e-12."""
    scores, labels, group = binormal(shift=-0.6, distance=1.5)
    found = parts(scores, labels, group)
    gap = proportion_gap((scores >= 0)[labels], group[labels], np.flatnonzero(labels), LEVELS)
    assert found.threshold.value + found.ranking.value == pytest.approx(gap.value, abs=1e-12)
    assert found.ranking.n == gap.n == 300
    assert found.ranking.n_patients == 300


def test_a_pure_shift_is_all_threshold():
    """Scores 0.8 too low in the group: the ranking part holds 0, the threshold part the true gap of -0.26."""
    scores, labels, group = binormal(n=4000, shift=-0.8)
    found = parts(scores, labels, group)
    truth = norm.cdf(1 - 0.8) - norm.cdf(1)
    low, high = found.threshold.bounds(0.025)
    assert low < truth < high < -0.15
    low, high = found.ranking.bounds(0.025)
    assert low < 0 < high
    assert high - low < 0.15


def test_positives_missed_by_chance_are_all_ranking():
    """A third of the group's positives score as negatives do: the threshold part holds 0, the ranking part the gap."""
    scores, labels, group = binormal(n=4000)
    rng = np.random.default_rng(5)
    lost = labels & group & (rng.random(4000) < 1 / 3)
    scores = scores - 2.0 * lost
    found = parts(scores, labels, group)
    truth = (norm.cdf(-1) - norm.cdf(1)) / 3
    low, high = found.ranking.bounds(0.025)
    assert low < truth < high < -0.1
    low, high = found.threshold.bounds(0.025)
    assert low < 0 < high


def test_complementary_groups_have_opposite_parts():
    """Value and bounds of a group and its complement are exact negatives."""
    scores, labels, group = binormal(n=400, shift=-0.4)
    one, two = gap_parts(
        scores, labels, [group, ~group], np.arange(400), LEVELS, np.random.default_rng(0), point=0.0, resamples=400
    )
    for a, b in ((one.threshold, two.threshold), (one.ranking, two.ranking)):
        assert a.value == pytest.approx(-b.value, abs=1e-12)
        assert a.bounds(0.025) == pytest.approx([-x for x in reversed(b.bounds(0.025))], abs=1e-12)


def test_a_flawless_small_group_keeps_a_wide_interval():
    """Twelve of twelve found: no resample has a miss, and the lower bound still allows for a worse truth."""
    rng = np.random.default_rng(0)
    labels = np.repeat([True, False, True, False], [12, 12, 200, 200])
    group = np.arange(424) < 24
    scores = np.where(labels, 1.0, -1.0) + 0.01 * rng.normal(size=424)
    scores[24:44] = -1.0
    found = parts(scores, labels, group)
    assert found.ranking.value > 0
    assert found.ranking.bounds(0.025)[0] < -0.05
    assert found.threshold.bounds(0.025)[0] < -0.05


def test_intervals_cover_the_truth():
    """100 positives and negatives a side, 200 cohorts: both parts are inside in 92 to 99.5 %."""
    inside = np.zeros(2)
    truth = norm.cdf(1 - 0.5) - norm.cdf(1)
    for seed in range(200):
        scores, labels, group = binormal(n=400, shift=-0.5, seed=seed)
        found = parts(scores, labels, group, seed=seed, resamples=200)
        for at, (part, value) in enumerate(((found.threshold, truth), (found.ranking, 0.0))):
            low, high = part.bounds(0.025)
            inside[at] += low <= value <= high
    assert (inside / 200 >= 0.92).all(), inside
    assert (inside / 200 <= 0.995).all(), inside


def test_images_of_one_patient_do_not_narrow_the_parts():
    """Five alike images a patient give intervals about as wide as one."""
    scores, labels, group = binormal(n=400, shift=-0.5)
    one = parts(scores, labels, group)
    five = parts(np.repeat(scores, 5), np.repeat(labels, 5), np.repeat(group, 5), np.repeat(np.arange(400), 5))
    wide, narrow = one.ranking.bounds(0.025), five.ranking.bounds(0.025)
    assert narrow[1] - narrow[0] == pytest.approx(wide[1] - wide[0], rel=0.15)
    assert five.ranking.n_patients == 100


def test_a_side_with_four_patients_of_a_class_is_missing():
    """The reason names the side and the class, and other subgroups keep their numbers."""
    scores, labels, group = binormal(n=400)
    few = np.zeros(400, dtype=bool)
    few[np.flatnonzero(labels)[:4]] = True
    few[np.flatnonzero(~labels)[:40]] = True
    one, two = gap_parts(
        scores, labels, [few, group], np.arange(400), LEVELS, np.random.default_rng(0), point=0.0, resamples=200
    )
    assert "subgroup: 4 patients with a positive case" in one.ranking.missing
    assert two.ranking.value is not None


def within(hits, group, strata, seed=0, patients=None):
    """Return the gap within strata of one subgroup."""
    codes = np.arange(len(hits)) if patients is None else patients
    return gaps_within(hits, [group], strata, codes, LEVELS, np.random.default_rng(seed), resamples=400)[0]


def table(*cells):
    """Return hits, group and strata from (stratum, in the group, hits, misses)."""
    hits, group, strata = [], [], []
    for stratum, own, k, m in cells:
        hits += [True] * k + [False] * m
        group += [own] * (k + m)
        strata += [stratum] * (k + m)
    return np.array(hits), np.array(group), np.array(strata)


def test_the_gap_within_strata_is_worked_by_hand():
    """Gaps of -0.1 and -0.2 with weights 20 x 80 / 100 = 16 and 60 x 40 / 100 = 24: -0.16."""
    found = within(*table((0, True, 16, 4), (0, False, 72, 8), (1, True, 30, 30), (1, False, 28, 12)))
    assert found.value == pytest.approx((16 * -0.1 + 24 * -0.2) / 40, abs=1e-12)
    low, high = found.bounds(0.025)
    assert low < -0.16 < high
    assert (found.n, found.n_patients) == (80, 80)


def test_a_gap_that_turns_round_within_strata_is_found():
    """Better within either stratum and worse on the whole, since most of the group are in the harder one."""
    hits, group, strata = table((0, True, 38, 2), (0, False, 255, 45), (1, True, 180, 120), (1, False, 15, 25))
    pooled = proportion_gap(hits, group, np.arange(len(hits)), LEVELS)
    assert pooled.bounds(0.025)[1] < 0
    assert within(hits, group, strata).bounds(0.025)[0] > 0


def test_strata_without_others_weigh_nothing_and_too_few_shared_cases_are_a_reason():
    """A stratum of the group alone changes no value; where most cases lie in such strata there is none."""
    cells = ((0, True, 16, 4), (0, False, 72, 8))
    alone = within(*table(*cells, (1, True, 0, 10)))
    assert alone.value == pytest.approx(-0.1, abs=1e-12)
    assert alone.n == 20
    missing = within(*table(*cells, (1, True, 0, 30)))
    assert missing.value is None
    assert "only 20 of 50 cases" in missing.missing


def test_intervals_of_the_gap_within_strata_cover_the_truth():
    """Rates of 0.9 and 0.6 in two strata of unequal mix, no gap within: 0 is inside in 92 to 99 % of 200 cohorts."""
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        strata = (rng.random(240) < 0.5).astype(int)
        group = rng.random(240) < np.where(strata == 1, 0.7, 0.3)
        hits = rng.random(240) < np.where(strata == 1, 0.6, 0.9)
        low, high = within(hits, group, strata, seed=seed).bounds(0.025)
        inside += low <= 0 <= high
    assert 0.92 <= inside / 200 <= 0.99


def test_arrays_of_unequal_length_are_refused():
    """Lengths and resamples are checked."""
    scores, labels, group = binormal(n=40)
    with pytest.raises(ValueError, match="one shape"):
        parts(scores, labels[:-1], group)
    with pytest.raises(ValueError, match="at least 100"):
        parts(scores, labels, group, resamples=10)
    with pytest.raises(ValueError, match="at least 100"):
        gaps_within(
            labels, [group], np.zeros(40, dtype=int), np.arange(40), LEVELS, np.random.default_rng(0), resamples=9
        )


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_the_curve_of_a_rest_is_that_of_its_own_cases(digits):
    """Looked up on the curves of everybody and of the subgroup it is the same to the bit, with ties, for any alarms."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = rng.random(150) < 0.4
        scores = np.round(rng.normal(size=150) + labels, digits)
        # The subgroup has the highest and the lowest score, which are then no points of the rest's own curve.
        rows = (rng.random(150) < 0.2) | (scores == scores.max()) | (scores == scores.min())
        weights = rng.integers(0, 3, (30, 150)).astype(float)
        weights[0, ~rows & ~labels] = 0
        alarms = np.concatenate([[0.0, 1.0, 0.5, 0.25, np.nan], rng.random(25)])
        own, whole = Roc(scores, labels, ~rows), Roc(scores, labels, np.ones(150, dtype=bool))
        group = Roc(scores, labels, rows)
        rest, steps = Rest(whole, group, scores, rows), (whole.steps(weights), group.steps(weights))
        alone = own.steps(weights)
        np.testing.assert_array_equal(rest.held(*steps, alarms), own.held(alone, alarms))
        for point in (-9.0, 0.0, 0.3, 9.0):
            np.testing.assert_array_equal(rest.called(*steps, point), own.called(alone, point))
