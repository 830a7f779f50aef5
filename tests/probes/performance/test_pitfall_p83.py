"""P83: two intervals overlap, and one model is surely better all the same."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Measurement, ProbeContext
from audit.probes.performance import HeadlinePerformance, NoBetterThanComparator
from audit.testing import comparator, saved_context, small_cohort

ILL = 200
FOUND, FOUND_BY_OTHER = 160, 144


def answers(both: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return label, the model's and the comparator's answers; so many of the ill are found by both."""
    label = np.repeat([1, 0], ILL)
    model, other = np.zeros(2 * ILL), np.zeros(2 * ILL)
    model[:FOUND] = 1.0
    other[FOUND - both : FOUND - both + FOUND_BY_OTHER] = 1.0
    return label, model, other


def sensitivity(label: np.ndarray, answer: np.ndarray) -> Measurement:
    """Return the sensitivity of one set of answers on its own."""
    ctx: ProbeContext = saved_context(answer, small_cohort(label))
    return next(m for m in HeadlinePerformance().run(ctx) if m.metric == "sensitivity")


def advantage(both: int) -> Measurement:
    """Return the paired difference of the two sensitivities."""
    label, model, other = answers(both)
    cohort = small_cohort(label, comparators=[comparator("older", other, output="decision")])
    found = NoBetterThanComparator().run(saved_context(model, cohort))
    return next(m for m in found if m.metric == "sensitivity_advantage")


def test_overlapping_intervals_hide_no_difference() -> None:
    """160 and 144 of 200 found, 142 by both: each interval reaches into the other, and the difference is above 0."""
    label, model, other = answers(142)
    alone = sensitivity(label, model), sensitivity(label, other)
    assert alone[1].high > alone[0].low
    m = advantage(142)
    assert m.value == pytest.approx(0.08, abs=1e-12)
    assert m.low > 0.02


def test_the_same_rates_without_agreement_settle_nothing() -> None:
    """With 115 found by both, as if the two knew nothing of each other, the difference of 0.08 may be chance."""
    m = advantage(115)
    assert m.value == pytest.approx(0.08, abs=1e-12)
    assert m.low < 0 < m.high
