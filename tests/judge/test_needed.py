"""The number of patients that an open rule names, against the very intervals that judge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from audit.core import Estimate, Measurement
from audit.judge import judge
from audit.stats import auc, auc_gap, calibration, mean, mean_gap, proportion, proportion_gap
from tests.judge._make import LEVELS, TODAY, policy, result, rule

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


def test_where_answers_are_missing_no_number_of_patients_is_promised():
    """An interval widened for unanswered cases is narrowed by their answers, not by more patients."""
    from dataclasses import replace

    from tests.judge._make import measurement

    plain = measurement(0.81, 0.02)
    widened = replace(plain, method="Wilson, widened to hold with 9 unanswered cases left out and counted as failures")
    for m, promised in ((plain, True), (widened, False)):
        (found,) = judge((result(m),), policy(rule()), today=TODAY)
        assert found.status == "INCONCLUSIVE"
        assert (found.patients_needed is not None) is promised
        assert ("answers to the cases without one" in found.open_because) is not promised
