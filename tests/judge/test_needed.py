"""The number of patients that an open rule names, against the very intervals that judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from audit.core import Estimate, Measurement
from audit.judge import judge
from audit.stats import auc, auc_gap, calibration, mean, mean_gap, proportion, proportion_gap
from tests.judge._make import LEVELS, TODAY, measurement, policy, result, rule

N = 120
RNG = np.random.default_rng(2)
HITS = np.arange(N) % 10 != 0
SIDE = np.arange(N) % 2 == 0
LABELS = np.arange(N) % 3 == 0
SCORES = RNG.normal(size=N) + 1.6 * LABELS
CHANCES = 1 / (1 + np.exp(-(1.4 * SCORES - 2)))
ERRORS = RNG.normal(0.1, 1.0, N)


def repeated(k: int, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return k cohorts alike, of other patients each, with the patients' codes last."""
    return (*(np.tile(a, k) for a in arrays), np.arange(N * k))


MADE: dict[str, Callable[[int], Estimate]] = {
    "rate": lambda k: proportion(*repeated(k, HITS), LEVELS),
    "gap": lambda k: proportion_gap(*repeated(k, HITS, SIDE), LEVELS),
    "auc": lambda k: auc(*repeated(k, SCORES, LABELS), LEVELS),
    "auc gap": lambda k: auc_gap(*repeated(k, SCORES, LABELS, SIDE), LEVELS),
    "mean": lambda k: mean(*repeated(k, ERRORS), LEVELS),
    "mean gap": lambda k: mean_gap(*repeated(k, ERRORS, SIDE), LEVELS),
    "slope": lambda k: calibration(*repeated(k, CHANCES, LABELS), LEVELS).slope,
}


def judged(metric: str, k: int, **limit: float):
    measured = Measurement.of(MADE[metric](k), metric="sensitivity", level=0.95)
    low, high = limit.get("low"), limit.get("high")
    return judge([result(measured)], policy(rule(low=low, high=high)), today=TODAY)[0], measured


@pytest.mark.parametrize("metric", list(MADE))
@pytest.mark.parametrize("side", ["low", "high"])
def test_so_many_patients_settle_it_and_half_of_them_do_not(metric: str, side: str) -> None:
    """With the value unchanged, 1.25 times the patients named PASS and half of them leave it open, for every metric."""
    _, first = judged(metric, 1, low=-100.0)
    half = (first.high - first.value) if side == "high" else (first.value - first.low)
    limit = {side: first.value + (half if side == "high" else -half) * 0.4}
    finding, measured = judged(metric, 1, **limit)
    assert finding.status == "INCONCLUSIVE"
    factor = finding.patients_needed / measured.n_patients
    assert judged(metric, int(np.ceil(1.25 * factor)), **limit)[0].status == "PASS"
    assert judged(metric, int(factor / 2), **limit)[0].status == "INCONCLUSIVE"


@pytest.mark.parametrize("metric", list(MADE))
def test_the_distance_that_is_settled_shrinks_with_the_patients(metric: str) -> None:
    """Four times the patients settle what is half as far from the limit, within a third of it."""
    _, first = judged(metric, 1, low=-100.0)
    limit = {"low": first.value - 1e-4}
    near, far = (judged(metric, k, **limit)[0].settled_distance for k in (4, 1))
    assert near == pytest.approx(far / 2, rel=0.33)


FEW = "so few patients settle at most an extreme value here"
RIGHT = np.ones(9, dtype=bool)


def rate(hits: np.ndarray) -> Measurement:
    return Measurement.of(proportion(hits, np.arange(len(hits)), LEVELS), metric="sensitivity", level=0.95)


@pytest.mark.parametrize(
    ("n", "low", "high", "beyond"),
    [
        # 5 of 5 is shown to be above 0.025 ** (1 / 5) = 0.478 alone: (1 - 0.478) * (1 + 0.842 / 1.96) = 0.75.
        (5, 0.8, None, False),
        (5, 0.7, None, True),
        # Between two limits there is less room, and outside of them as well.
        (9, 0.6, 0.9, False),
        (9, 0.4, 0.9, True),
    ],
)
def test_where_no_value_lies_so_far_from_the_limit_it_is_said_that_nothing_is_settled(
    n: int, low: float, high: float | None, beyond: bool
) -> None:
    """By hand: flawless rates of n patients settle 1.43 (1 - 0.025 ** (1 / n)), which is 0.75 and 0.48."""
    finding = judge([result(rate(RIGHT[:n]))], policy(rule(low=low, high=high)), today=TODAY)[0]
    assert finding.status == "INCONCLUSIVE"
    assert (FEW in finding.open_because) is beyond
    assert ("or more from the limit" in finding.open_because) is not beyond
    assert (finding.settled_distance is None) is beyond


def test_a_gap_may_lie_further_from_its_limit_than_a_rate() -> None:
    """Gaps are from −1 to 1: with 2.80 standard errors, 1.26 below a limit of 0.1 is no value, 0.98 below it is one."""
    for se, beyond in ((0.45, True), (0.35, False)):
        m = measurement(0.0, se, metric="sensitivity_gap")
        found = judge([result(m)], policy(rule(metric="sensitivity_gap", low=None, high=0.1)), today=TODAY)[0]
        assert found.status == "INCONCLUSIVE"
        assert (FEW in found.open_because) is beyond


def test_of_a_metric_without_known_ends_it_is_never_said_that_nothing_is_settled() -> None:
    """A slope, and a share in percent of somebody else's probe, may lie anywhere."""
    for m in (
        measurement(0.5, 0.4, metric="sensitivity_slope"), measurement(50.0, 40.0, unit="%"), measurement(0.5, 0.4),
    ):  # fmt: skip
        found = judge([result(m)], policy(rule(metric=m.metric, low=0.45)), today=TODAY)[0]
        assert FEW not in found.open_because
        assert found.settled_distance is not None


def test_where_answers_are_missing_no_number_of_patients_is_promised():
    """An interval widened for unanswered cases is narrowed by their answers, not by more patients."""
    plain = measurement(0.81, 0.02)
    widened = replace(plain, method="Wilson, widened to hold with 9 unanswered cases left out and counted as failures")
    for m, promised in ((plain, True), (widened, False)):
        (found,) = judge((result(m),), policy(rule()), today=TODAY)
        assert found.status == "INCONCLUSIVE"
        assert (found.patients_needed is not None) is promised
        assert ("answers to the cases without one" in found.open_because) is not promised


def test_wide_for_want_of_answers_is_not_said_to_be_for_want_of_patients():
    """The distance of such an interval is no fact about patients where no value lies so far."""
    few = rate(RIGHT[:5])
    for method in (f"{few.method}, with 9 unanswered cases", f"{few.method}; certificate failed"):
        (found,) = judge([result(replace(few, method=method))], policy(rule(low=0.7)), today=TODAY)
        assert FEW not in found.open_because
        assert found.settled_distance is None
