"""A number with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.core import LADDER, Estimate, Levels, Measurement, bounds_at, contrast_key

LEVELS = Levels()


def estimate(**changes) -> Estimate:
    """Return an estimate of .8 whose bounds widen evenly, with changes."""
    curve = tuple((a, 0.8 - 0.01 * (i + 1), 0.8 + 0.01 * (i + 1)) for i, a in enumerate(LEVELS.rungs))
    return Estimate(**{"value": 0.8, "curve": curve, "method": "t", "n": 20, "n_patients": 10, "k": 16, **changes})


def measurement(**changes) -> Measurement:
    """Return a measurement of that estimate, with changes."""
    return replace(Measurement.of(estimate(), metric="sensitivity", level=0.95), **changes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": math.nan}, {"value": math.inf}, {"value": True}, {"value": None}, {"missing": "no cases"},
        {"n_patients": 21}, {"n_patients": -1}, {"n": -1}, {"curve": ()}, {"k": math.nan},
        {"curve": ((0.1, 0.9, 0.7),)}, {"curve": ((0.1, 0.7, math.inf),)}, {"curve": ((0.1, math.nan, 0.9),)},
        {"curve": ((0.05, 0.7, 0.9), (0.1, 0.6, 0.95))}, {"curve": ((0.1, 0.7, 0.9), (0.1, 0.6, 0.95))},
        {"curve": ((0.1, 0.7, 0.9), (0.05, 0.75, 0.9))}, {"curve": ((0.1, 0.7, 0.9), (0.05, 0.7, 0.85))},
    ],
)  # fmt: skip
def test_an_estimate_that_breaks_a_rule_is_refused(wrong):
    """No NaN, no value without an interval, no more patients than cases, no curve that narrows."""
    with pytest.raises(ValueError, match=r"expected|missing|absence"):
        estimate(**wrong)


def test_a_missing_number_says_why():
    """A missing number needs a reason, has no bounds at any level, and keeps its counts."""
    absent = Estimate.absent("no positive cases", method="t", n=7, n_patients=7, k=0)
    assert (absent.value, absent.missing, absent.n) == (None, "no positive cases", 7)
    assert absent.bounds(0.025) is None
    with pytest.raises(ValueError, match="reason"):
        Estimate.absent("", method="t")


def test_a_count_is_its_own_interval():
    """A fact of this cohort has low = high = value at every level."""
    counted = Estimate.counted(3, n=10, n_patients=9)
    assert counted.bounds(1e-9) == (3, 3)
    made = Measurement.of(counted, metric="faults", level=0.95)
    assert (made.low, made.value, made.high) == (3, 3, 3)
    with pytest.raises(ValueError, match="count"):
        replace(made, high=4)


@given(st.floats(1e-9, 0.49))
def test_between_rungs_the_stricter_one_counts(level: float):
    """The rung that is asked is never milder than the level, and beyond the last there is none."""
    found = estimate().bounds(level)
    stricter = [rung for rung in estimate().curve if rung[0] <= level * (1 + 1e-9)]
    assert found == (stricter[0][1:] if stricter else None)
    assert (found is None) == (level * (1 + 1e-9) < 1e-6)


def test_the_order_of_a_curve_does_not_matter_to_the_judge():
    """A curve that was stored in another order gives the same bounds."""
    found = estimate()
    assert bounds_at(0.8, found.curve[::-1], "t", 0.02) == found.bounds(0.02) == found.bounds(0.01)


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99, 0.999])
def test_rounding_does_not_lose_the_pointwise_rung(confidence: float):
    """(1 - confidence) / 2 in binary may lie a bit below its rung; the rung still counts."""
    rung = Levels(confidence=confidence).pointwise
    assert estimate().bounds((1 - confidence) / 2) == estimate().bounds(rung)


def test_a_measurement_takes_the_pointwise_bounds():
    """Low and high are the curve's bounds at the policy's confidence."""
    made = Measurement.of(estimate(), metric="sensitivity", level=0.9)
    assert (made.low, made.high) == estimate().bounds(0.05)
    assert made.estimate() == estimate()


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": None}, {"low": math.nan}, {"high": math.inf}, {"low": 0.9, "high": 0.7}, {"value": None},
        {"simultaneous": (0.9, 0.7)}, {"simultaneous": (-math.inf, 0.9)}, {"condition": {"epsilon": math.nan}},
        {"curve": tuple((a, 0.7, 0.9) for a in LADDER[1:])}, {"missing": "no cases"},
    ],
)  # fmt: skip
def test_a_measurement_that_breaks_a_rule_is_refused(wrong):
    """No bound without a number, no NaN in a condition, no curve with a rung less."""
    with pytest.raises(ValueError, match=r"expected|missing|absence"):
        measurement(**wrong)


def test_a_missing_measurement_has_no_interval():
    """An absent estimate makes a measurement without bounds, and bounds beside it are refused."""
    absent = Measurement.of(Estimate.absent("no cases", method="t"), metric="auc", level=0.95)
    assert (absent.value, absent.low, absent.high, absent.missing) == (None, None, None, "no cases")
    with pytest.raises(ValueError, match="no interval"):
        replace(absent, low=0.1)


def test_mappings_are_sorted_and_read_only():
    """Subgroup and condition are sorted copies that nobody can change."""
    mine = {"b": 1, "a": 2}
    made = measurement(condition=mine)
    mine["c"] = 3
    assert list(made.condition) == ["a", "b"]
    with pytest.raises(TypeError):
        made.condition["a"] = 5
    with pytest.raises(FrozenInstanceError):
        made.value = 1.0


def test_a_further_condition_keeps_the_others():
    """A condition is added, and replaces one of the same key."""
    made = measurement(condition={"class": "mel"}).with_condition(epsilon=2.0)
    assert dict(made.condition) == {"class": "mel", "epsilon": 2.0}
    assert made.with_condition(epsilon=4.0).condition["epsilon"] == 4.0


def test_mirror_images_share_their_key():
    """The key of a contrast does not depend on the order of its levels, and differs by attribute and metric."""
    one = contrast_key("sex", ["female", "male"], "sensitivity_gap")
    assert one == contrast_key("sex", ["male", "female"], "sensitivity_gap")
    assert one != contrast_key("site", ["female", "male"], "sensitivity_gap")
    assert one != contrast_key("sex", ["female", "male"], "specificity_gap")
