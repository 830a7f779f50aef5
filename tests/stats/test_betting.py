"""Bets against a limit, by hand and by their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import SequentialTest, betting_interval, proportion

LEVELS = Levels()


def test_four_steps_by_hand():
    """Limit 0.5, level 0.05, horizon 200 and outcomes 1, 1, 0, 1: each stake and both capitals, written out.

    The variance before a step is (1/4 + squared distances from the running mean) / steps, with one prior outcome of
    1/2; a stake is the square root of 2 ln 20 / (variance * 100), at most 0.9 / 0.5.
    """
    test = SequentialTest(0.5, 0.05, 200)
    means = [(0.5 + 1) / 2, (0.5 + 2) / 3, (0.5 + 2) / 4]
    squares = [0.25, 0.25 + (1 - means[0]) ** 2]
    squares.append(squares[1] + (1 - means[1]) ** 2)
    squares.append(squares[2] + (0 - means[2]) ** 2)
    above, below, best = 1.0, 1.0, [1.0, 1.0]
    for step, x in enumerate([1, 1, 0, 1]):
        stake = min(math.sqrt(2 * math.log(20) / (squares[step] / (step + 1) * 100)), 1.8)
        above, below = above * (1 + stake * (x - 0.5)), below * (1 - stake * (x - 0.5))
        best = [max(best[0], above), max(best[1], below)]
        test.update(x)
        assert (test.p_above, test.p_below) == pytest.approx((1 / best[0], 1 / best[1]), rel=1e-12)
    assert 0.4 < stake < 1.8
    assert test.state == "undecided"


def test_a_decision_stands():
    """After a run of hits the state is "above" and stays so whatever follows; the p-value never rises again."""
    test = SequentialTest(0.5, 0.025, 100)
    while test.update(1) == "undecided":
        pass
    p = test.p_above
    assert p <= 0.025
    for _ in range(50):
        assert test.update(0) == "above"
    assert test.p_above == p


def test_misses_decide_below():
    """A run of misses ends below."""
    test = SequentialTest(0.9, 0.025, 100)
    states = [test.update(0) for _ in range(20)]
    assert states[-1] == "below"
    assert test.p_below <= 0.025


def test_the_rate_is_that_of_cases():
    """A patient at the limit, 4 of 5 at 0.8, moves neither capital; 1 of 1 among at most 5 moves it by a fifth."""
    test = SequentialTest(0.8, 0.025, 100, most_cases=5)
    test.update(4, 5)
    assert (test.p_above, test.p_below) == (1.0, 1.0)
    alone = SequentialTest(0.8, 0.025, 100, most_cases=5)
    alone.update(1, 1)
    stake = min(math.sqrt(2 * math.log(40) / (0.25 * 50)), 0.9 / 0.8)
    assert 1 / alone.p_above == pytest.approx(1 + stake * 0.2 / 5, rel=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0.0}, {"limit": 1.0}, {"level": 0.5}, {"horizon": 0}, {"most_cases": 0}]
)  # fmt: skip
def test_numbers_outside_their_range_are_errors(wrong: dict[str, float]):
    """Limits at the ends, levels of one half and empty horizons are errors."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SequentialTest(**{"limit": 0.8, "level": 0.025, "horizon": 10, **wrong})


@pytest.mark.parametrize(("k", "m"), [(2, 1), (-1, 1), (0, 0), (1, 3)])
def test_patients_that_do_not_fit_are_errors(k: int, m: int):
    """More hits than cases, no case, or more cases than said are errors."""
    with pytest.raises(ValueError, match="expected 0 <= k"):
        SequentialTest(0.8, 0.025, 10, most_cases=2).update(k, m)


@pytest.mark.parametrize("limit", [0.7, 0.95])
def test_errors_with_looks_after_every_patient(limit: float):
    """At the limit, 150 clustered audits that stop at the first decision err in at most 6 % on either side."""
    rng, wrong = np.random.default_rng(21), {"above": 0, "below": 0, "undecided": 0}
    for _ in range(150):
        test = SequentialTest(limit, 0.025, 300, most_cases=4)
        chance, sizes = rng.beta(limit * 2, (1 - limit) * 2, 300), rng.integers(1, 5, 300)
        for p, m in zip(chance, sizes, strict=True):
            if test.update(rng.binomial(m, p), int(m)) != "undecided":
                break
        wrong[test.state] += 1
    assert max(wrong["above"], wrong["below"]) <= 9


def test_a_bound_is_where_the_bet_stops_winning():
    """Below the lower bound a test in the same order decides "above", just over it it does not."""
    rng = np.random.default_rng(3)
    hits = rng.random(120) < 0.8
    found = betting_interval(hits, np.arange(120), LEVELS, np.random.default_rng(5))
    order = np.random.default_rng(5).permutation(120)
    low, high = found.bounds(0.025)

    def state(limit: float) -> tuple[float, float]:
        test = SequentialTest(limit, 0.025, 120)
        for i in order:
            test.update(float(hits[i]))
        return test.p_above, test.p_below

    assert state(low - 1e-4)[0] <= 0.025 < state(low + 1e-4)[0]
    assert state(high + 1e-4)[1] <= 0.025 < state(high - 1e-4)[1]


def test_the_guarantee_costs_width():
    """For 200 patients the interval holds Korn-Graubard's value and is wider, and every rung is there."""
    hits = np.arange(200) % 10 != 0
    found = betting_interval(hits, np.arange(200), LEVELS, np.random.default_rng(0))
    other = proportion(hits, np.arange(200), LEVELS).bounds(0.025)
    low, high = found.bounds(0.025)
    assert (found.value, found.k) == (0.9, 180)
    assert high - low > other[1] - other[0]
    assert [r[0] for r in found.curve] == list(LEVELS.rungs)


def test_no_number_has_its_reason():
    """Four patients carry no interval; a value beyond 1 is an error."""
    rng = np.random.default_rng(0)
    assert "4 patients" in betting_interval(np.ones(4), np.arange(4), LEVELS, rng).missing
    assert betting_interval(np.ones(0), np.arange(0), LEVELS, rng).missing == "no cases"
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        betting_interval(np.full(9, 1.5), np.arange(9), LEVELS, rng)


def test_all_hits_and_no_hits_keep_bounds_inside():
    """Without a miss the upper bound is 1 and the lower one below it; mirrored without a hit."""
    rng, who = np.random.default_rng(0), np.arange(30)
    low, high = betting_interval(np.ones(30, bool), who, LEVELS, rng).bounds(0.025)
    assert 0.7 < low < 1 == high
    low, high = betting_interval(np.zeros(30, bool), who, LEVELS, rng).bounds(0.025)
    assert low == 0 < high < 0.3


@pytest.mark.slow
def test_the_bounds_hold_for_any_distribution():
    """Dice with 6 % complete misses: 20 patients, either bound misses in at most 3.5 % of 300 samples."""
    rng, missed = np.random.default_rng(4), np.zeros(2)
    for _ in range(300):
        dice = np.where(rng.random(20) < 0.06, 0.0, rng.beta(18, 2, 20))
        low, high = betting_interval(dice, np.arange(20), LEVELS, rng).bounds(0.025)
        missed += low > 0.94 * 0.9, high < 0.94 * 0.9
    assert (missed / 300 <= 0.035).all()
