"""Bounds that hold whenever one stops: by hand, by the bets themselves, and by how often they err."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize

from audit.core import Levels
from audit.stats import RESERVE, Drawn, SequentialTest, gap_so_far, mean_so_far, proportion, share_so_far

LEVELS = Levels()
KEPT = 1 - RESERVE


def test_six_patients_by_hand():
    """Outcomes 1, 1, 0, 1, 1, 1 of 40 patients: stakes and capital written out, the bound by a root finder."""
    x, level = [1, 1, 0, 1, 1, 1], KEPT * 0.1
    mean, squares, stakes = [0.5], [0.25], []
    for i, value in enumerate(x):
        stakes.append(math.sqrt(2 * math.log(1 / level) / (squares[-1] / (i + 1) * 20)))
        mean.append((0.5 + sum(x[: i + 1])) / (i + 2))
        squares.append(squares[-1] + (value - mean[-1]) ** 2)

    def best(limit: float) -> float:
        capital, most = 1.0, 1.0
        for stake, value in zip(stakes, x, strict=True):
            capital *= 1 + min(stake, 0.9 / limit) * (value - limit)
            most = max(most, capital)
        return most - 1 / level

    expected = optimize.brentq(best, 1e-9, 1 - 1e-9)
    found = share_so_far(np.array(x, bool), np.arange(6), LEVELS, Drawn(patients=40, most_cases=1))
    assert 0.05 < expected < 0.6
    assert found.bounds(0.1)[0] == pytest.approx(expected, abs=1e-7)
    assert (found.value, found.k, found.n_patients) == (5 / 6, 5, 6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_bounds_are_those_of_the_bets(seed):
    """A limit just under the lower bound is beaten by the test that is taken up patient by patient, one over it not."""
    rng = np.random.default_rng(seed)
    hits = rng.random(90) < 0.8
    low, high = share_so_far(hits, rng.permutation(90), LEVELS, Drawn(patients=300, most_cases=1)).bounds(0.025)

    def best(limit: float) -> tuple[float, float]:
        test = SequentialTest(limit, KEPT * 0.025, 300)
        for hit in hits:
            test.update(float(hit))
        return test.p_above, test.p_below

    level = KEPT * 0.025
    assert best(low - 1e-5)[0] <= level < best(low + 1e-5)[0]
    assert best(high + 1e-5)[1] <= level < best(high - 1e-5)[1]


def test_patients_are_taken_up_in_the_order_of_the_cases():
    """The codes of the patients say nothing of their order; another order gives other bounds."""
    hits, drawn = np.arange(60) % 5 != 0, Drawn(patients=90, most_cases=1)
    codes = np.random.default_rng(0).permutation(1000)[:60]
    one = share_so_far(hits, np.arange(60), LEVELS, drawn)
    assert share_so_far(hits, codes, LEVELS, drawn).curve == one.curve
    assert share_so_far(np.sort(hits), codes, LEVELS, drawn).curve != one.curve


def test_more_patients_never_widen_a_bound_that_was_won():
    """What is beaten stays beaten: at every later look the bounds lie inside those of every look before."""
    rng = np.random.default_rng(4)
    hits, who, drawn = rng.random(200) < 0.7, np.arange(200), Drawn(patients=400, most_cases=1)
    looks = [share_so_far(hits[:n], who[:n], LEVELS, drawn).bounds(0.025) for n in range(20, 201, 20)]
    # A value outside its bounds widens them to itself, which it does not do here.
    assert all(a[0] <= b[0] + 1e-12 and a[1] >= b[1] - 1e-12 for a, b in itertools.pairwise(looks))


def test_the_rate_is_that_of_cases():
    """Patients with 4 of 5 cases right never beat the limit 0.8 on either side; with as many ones alone they would."""
    hits, who = np.tile(np.array([1, 1, 1, 1, 0], bool), 200), np.repeat(np.arange(200), 5)
    low, high = share_so_far(hits, who, LEVELS, Drawn(patients=400, most_cases=5)).bounds(0.025)
    assert low < 0.8 < high
    assert share_so_far(hits, np.arange(1000), LEVELS, Drawn(patients=2000, most_cases=1)).bounds(0.025)[0] < 0.8


def test_the_last_look_is_korn_graubard_at_a_fifth_of_the_level():
    """After the last patient each bound is the nearer of the bet's and of Korn-Graubard's at a fifth of the level."""
    rng = np.random.default_rng(1)
    hits, who = rng.random(80) < 0.85, np.arange(80)
    ended = share_so_far(hits, who, LEVELS, Drawn(patients=80, most_cases=1))
    exact = proportion(hits, who, Levels(confidence=1 - 2 * RESERVE * 0.025)).bounds(RESERVE * 0.025)
    assert ended.bounds(0.025)[0] == pytest.approx(exact[0], abs=1e-9)
    assert "Korn-Graubard" in ended.method
    assert "Korn-Graubard" not in share_so_far(hits[:-1], who[:-1], LEVELS, Drawn(patients=80, most_cases=1)).method
    assert ended.bounds(0.025)[0] < proportion(hits, who, LEVELS).bounds(0.025)[0]


def test_a_mean_on_another_range_is_the_same_bet():
    """Values in [-1, 1] give the bounds of their image in [0, 1], moved back; no level is kept for a last look."""
    rng = np.random.default_rng(2)
    values, who, drawn = rng.normal(0.2, 0.2, 70).clip(-1, 1), np.arange(70), Drawn(patients=70, most_cases=1)
    wide = mean_so_far(values, who, LEVELS, drawn, support=(-1, 1))
    unit = mean_so_far((values + 1) / 2, who, LEVELS, drawn)
    for (_, a, b), (_, c, d) in zip(wide.curve, unit.curve, strict=True):
        assert (a, b) == pytest.approx((2 * c - 1, 2 * d - 1), abs=1e-12)
    assert 0 < wide.bounds(0.025)[0] < wide.value < wide.bounds(0.025)[1]


def test_a_gap_takes_half_a_level_of_either_side():
    """The lower bound of a gap is that of the members minus the upper one of the others, at half the level each."""
    rng = np.random.default_rng(3)
    members = np.arange(240) % 2 == 0
    hits, who = np.where(members, rng.random(240) < 0.6, rng.random(240) < 0.9), np.arange(240)
    drawn = (Drawn(patients=200, most_cases=1), Drawn(patients=200, most_cases=1))
    found = gap_so_far(hits, members, who, LEVELS, drawn)
    halves = Levels(confidence=0.975)
    one, other = (mean_so_far(hits[s], who[s], halves, drawn[0]).bounds(0.0125) for s in (members, ~members))
    assert found.bounds(0.025) == pytest.approx((one[0] - other[1], one[1] - other[0]), abs=1e-7)
    assert found.bounds(0.025)[1] < 0


def test_no_number_has_its_reason():
    """Few patients, none at all, more than were drawn, more cases than said, values beyond the range."""
    drawn = Drawn(patients=10, most_cases=1)
    assert "4 patients" in share_so_far(np.ones(4, bool), np.arange(4), LEVELS, drawn).missing
    assert share_so_far(np.ones(0, bool), np.arange(0), LEVELS, drawn).missing == "no cases"
    assert "4 patients" in mean_so_far(np.ones(4), np.arange(4), LEVELS, drawn).missing
    members = np.arange(12) < 4
    assert "4 patients" in gap_so_far(np.ones(12, bool), members, np.arange(12), LEVELS, (drawn, drawn)).missing
    with pytest.raises(ValueError, match="at most 10 patients"):
        share_so_far(np.ones(11, bool), np.arange(11), LEVELS, drawn)
    with pytest.raises(ValueError, match="of at most 1 cases"):
        share_so_far(np.ones(10, bool), np.arange(10) // 2, LEVELS, drawn)
    with pytest.raises(ValueError, match="values in"):
        mean_so_far(np.full(9, 1.5), np.arange(9), LEVELS, drawn)
    with pytest.raises(ValueError, match="support"):
        mean_so_far(np.ones(9), np.arange(9), LEVELS, drawn, support=(1, 1))
    with pytest.raises(ValueError, match="at least 1 patient"):
        Drawn(patients=0, most_cases=1)


def test_what_is_fixed_follows_from_the_patients():
    """Seven cases of three patients, four of them of one."""
    assert Drawn.of(np.array([5, 5, 9, 5, 2, 5, 9])) == Drawn(patients=3, most_cases=4)


def _misses(limit: float, cases: int, cohorts: int, patients: int, seed: int) -> tuple[float, float]:
    """Return how often each bound is beyond the truth at any of the looks after 8 patients each, and at the end."""
    rng, missed = np.random.default_rng(seed), np.zeros(2)
    for _ in range(cohorts):
        chance, sizes = rng.beta(limit * 2, (1 - limit) * 2, patients), rng.integers(1, cases + 1, patients)
        who = np.repeat(np.arange(patients), sizes)
        hits, drawn = rng.random(who.size) < chance[who], Drawn(patients=patients, most_cases=cases)
        looks = [share_so_far(hits[who < n], who[who < n], LEVELS, drawn).bounds(0.025)
                 for n in range(8, patients + 1, 8)]  # fmt: skip
        missed += max(low for low, _ in looks) > limit, min(high for _, high in looks) < limit
    return float(missed[0] / cohorts), float(missed[1] / cohorts)


@pytest.mark.parametrize("limit", [0.8, 0.95])
def test_no_look_of_many_errs_more_often_than_its_level(limit):
    """150 clustered cohorts of 64 patients, 8 looks: the truth leaves the bounds at any look in at most 6 %."""
    assert max(_misses(limit, 3, 150, 64, seed=5)) <= 9 / 150


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0.5, 0.8, 0.95])
def test_no_look_errs_in_many_cohorts(limit):
    """1,500 clustered cohorts of 96 patients: the truth leaves the bounds at any look in at most 3.5 % a side."""
    assert max(_misses(limit, 3, 1500, 96, seed=6)) <= 0.035
