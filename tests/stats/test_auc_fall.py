"""Bounds of an AUC are opened by what a control edit costs, against a bootstrap of the same sums."""

import numpy as np
import pytest

from audit.core import Estimate, Levels
from audit.stats import auc, opened_by_fall

LEVELS = Levels()
RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 2 == 1
PATIENTS = np.repeat(np.arange(100), 2)
BEFORE = np.where(LABELS, 1.5, 0.0) + RNG.normal(size=200)
LEFT = RNG.normal(size=200)


def area(scores, weights):
    """The weighted AUC by all pairs."""
    a, b = scores[LABELS], scores[~LABELS]
    w = weights[LABELS][:, None] * weights[~LABELS][None]
    return float((w * ((a[:, None] > b) + 0.5 * (a[:, None] == b))).sum() / w.sum())


def test_an_edit_that_costs_nothing_moves_no_bound():
    """Where nothing changes the bounds are those of the AUC, or a t bound of it that is hardly wider: to 0.005."""
    plain = auc(LEFT, LABELS, PATIENTS, LEVELS)
    opened = opened_by_fall(plain, LEFT, BEFORE, BEFORE, LABELS, PATIENTS, LEVELS)
    assert opened.value == plain.value
    for level in LEVELS.rungs[:2]:
        low, high = plain.bounds(level)
        assert opened.bounds(level)[0] == pytest.approx(low, abs=0.005)
        assert opened.bounds(level)[1] == pytest.approx(high, abs=0.005)


def test_the_bound_is_that_of_the_sum():
    """The upper bound is the value, the fall, and 1.96 standard errors of both together by a bootstrap: to 8 %."""
    after = BEFORE + RNG.normal(0, 2.0, 200)
    plain = auc(LEFT, LABELS, PATIENTS, LEVELS)
    opened = opened_by_fall(plain, LEFT, BEFORE, after, LABELS, PATIENTS, LEVELS)
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(600):
        w = np.bincount(rng.integers(0, 100, 100), minlength=100)[PATIENTS].astype(float)
        draws.append(area(LEFT, w) + area(BEFORE, w) - area(after, w))
    ones = np.ones(200)
    middle = area(LEFT, ones) + area(BEFORE, ones) - area(after, ones)
    reach = opened.bounds(LEVELS.pointwise)[1] - middle
    assert reach == pytest.approx(1.98 * np.std(draws), rel=0.08)


def test_an_edit_after_which_nothing_is_ranked_opens_by_all_that_was_ranked():
    """A score that is the same for all after the edit has fallen to 0.5; bounds stay in [0, 1] and widen."""
    tied = np.zeros(200)
    found = Estimate(value=0.5, curve=tuple((a, 0.45, 0.55) for a in LEVELS.rungs), method="m", n=200, n_patients=100)
    opened = opened_by_fall(found, tied, BEFORE, tied, LABELS, PATIENTS, LEVELS)
    assert opened.bounds(LEVELS.pointwise)[1] >= area(BEFORE, np.ones(200))
    assert opened.bounds(LEVELS.pointwise)[0] <= 1 - area(BEFORE, np.ones(200))
    assert opened.curve[-1][2] <= 1
    assert opened.curve[-1][1] >= 0


def test_what_is_absent_stays_absent():
    """No number is made of a reason."""
    absent = Estimate.absent("no", method="m", n=200, n_patients=100)
    assert opened_by_fall(absent, LEFT, BEFORE, BEFORE, LABELS, PATIENTS, LEVELS) is absent
