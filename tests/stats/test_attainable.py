"""What a cohort of a given size can show."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import (
    best_proportion_low,
    patients_for_gap,
    proportion,
    proportion_gap,
    simultaneous,
    smallest_detectable_gap,
)

LEVELS = Levels()


@pytest.mark.parametrize("n", [5, 20, 300])
def test_the_best_lower_bound_is_that_of_a_flawless_cohort(n: int):
    """The bound said before the run is the one that a flawless cohort gets."""
    flawless = proportion(np.ones(n, bool), np.arange(n), LEVELS).bounds(LEVELS.pointwise)[0]
    assert best_proportion_low(n, LEVELS) == pytest.approx(flawless, abs=1e-12)


def test_no_patients_show_nothing():
    """Without patients the best lower bound is 0."""
    assert best_proportion_low(0, LEVELS) == 0.0


def test_what_stops_early_needs_more_patients_for_the_same_best():
    """Of 40 flawless patients the bound that holds at any time is 0.898, between 0.005^(1/40) and 0.025^(1/40)."""
    early = best_proportion_low(40, LEVELS, sequential=True)
    assert (0.2 * 0.025) ** (1 / 40) < early < best_proportion_low(40, LEVELS)
    assert early == pytest.approx(0.8975, abs=1e-4)
    assert best_proportion_low(0, LEVELS, sequential=True) == 0.0


def test_patients_for_a_gap_of_ten_points():
    """A sensitivity of .85 on both sides: about 270 positives a level show a gap within .10 four times in five."""
    total = patients_for_gap(0.10, 0.85, 0.5, 0.95)
    assert 500 <= total <= 580
    assert patients_for_gap(0.10, 0.85, 0.1, 0.95) > 2 * total
    assert patients_for_gap(0.10, 0.85, 0.5, 0.95, two_sided=False) < total


def test_a_gap_that_no_cohort_shows():
    """A margin far below what ten million patients show has no answer."""
    assert patients_for_gap(1e-5, 0.85, 0.5, 0.95) is None


@pytest.mark.parametrize(("group", "rest", "gap"), [(100, 300, 0.122), (60, 420, 0.156), (20, 140, 0.297)])
def test_smallest_detectable_gap(group: int, rest: int, gap: float):
    """The gaps agree with those simulated before (.122, .156, .297 at a proportion of .9) within .02."""
    assert smallest_detectable_gap(group, rest, 0.9, 0.95) == pytest.approx(gap, abs=0.02)


def test_a_gap_that_no_model_could_show():
    """Fewer than 5 patients show no gap, and a proportion near 0 leaves none to show."""
    assert smallest_detectable_gap(4, 100, 0.9, 0.95) is None
    assert smallest_detectable_gap(10, 100, 0.02, 0.95) is None


@pytest.mark.parametrize("wrong", [{"p": 1.0}, {"margin": 0.0}, {"share": 1.0}, {"confidence": 95.0}, {"power": 0.0}])
def test_numbers_outside_their_range_are_errors(wrong: dict[str, float]):
    """A share, a confidence or a power outside (0, 1) is an error."""
    right = {"margin": 0.1, "p": 0.85, "share": 0.5, "confidence": 0.95}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        patients_for_gap(**{**right, **wrong})


def test_simultaneous_bounds_are_those_of_the_stricter_rung():
    """Three comparisons at .025 ask for .0083; the next stricter rung of the curve is .005."""
    found = proportion(np.arange(50) % 5 != 0, np.arange(50), LEVELS)
    assert simultaneous(found, 3, LEVELS) == found.bounds(0.005)
    assert simultaneous(found, 1, LEVELS) == found.bounds(0.025)
    assert simultaneous(found, 10**6, LEVELS) is None
    with pytest.raises(ValueError, match="at least 1"):
        simultaneous(found, 0, LEVELS)


@pytest.mark.slow
def test_the_promise_holds_by_simulation():
    """With the number of patients promised, an equal model excludes the margin in 75 to 88 %."""
    rng, shown = np.random.default_rng(90), 0
    total = patients_for_gap(0.10, 0.85, 0.5, 0.95)
    members = np.arange(total) < total // 2
    for _ in range(1000):
        low, high = proportion_gap(rng.random(total) < 0.85, members, np.arange(total), LEVELS).bounds(0.025)
        shown += low >= -0.10 and high <= 0.10
    assert 0.75 <= shown / 1000 <= 0.88


@pytest.mark.slow
@pytest.mark.parametrize(("group", "rest"), [(100, 300), (60, 420), (20, 140)])
def test_the_smallest_gap_is_seen_four_times_in_five(group: int, rest: int):
    """A subgroup that does worse by the smallest detectable gap is seen in 79 to 90 % of 1,500 samples."""
    rng, gap, seen = np.random.default_rng(91), smallest_detectable_gap(group, rest, 0.9, 0.95), 0
    members = np.arange(group + rest) < group
    for _ in range(1500):
        hits = rng.random(group + rest) < np.where(members, 0.9 - gap, 0.9)
        seen += proportion_gap(hits, members, np.arange(group + rest), LEVELS).bounds(0.025)[1] < 0
    assert 0.79 <= seen / 1500 <= 0.90
