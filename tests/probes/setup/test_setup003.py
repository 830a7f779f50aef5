"""SETUP003: classes are in the declared order, or it says so."""

from __future__ import annotations

import numpy as np
import pytest

from audit.probes.setup import LabelOrder
from audit.probes.setup.setup003_label_order import best_order
from audit.testing import check_probe, saved_context, small_cohort
from tests.probes.setup.conftest import faults, with_fault


def several(order=(0, 1, 2), n=240, signal=2.0, seed=0):
    """Return a context of a three-class model whose outputs come in some order."""
    rng = np.random.default_rng(seed)
    target = np.arange(n) % 3
    raw = rng.normal(size=(n, 3)) + signal * np.eye(3)[target]
    cohort = small_cohort(target, classes=("a", "b", "c"))
    return saved_context(raw[:, order], cohort, task="multiclass", output="logits", operating_point=None)


def test_it_keeps_the_protocol():
    """It is deterministic by seed and completes wherever there are scores."""
    assert {"binary, saved", "multiclass", "multilabel", "regression"} <= set(check_probe(LabelOrder))


def test_two_classes_that_were_swapped_are_found():
    """An AUC that is surely below 0.5 is a fault; a healthy model is silent."""
    assert faults(LabelOrder, with_fault("reversed")) == {"score-follows-label": 1}
    assert faults(LabelOrder, with_fault()) == {"score-follows-label": 0}


def test_a_useless_model_is_not_taken_for_a_swapped_one():
    """Chance is rarely below 0.5 beyond doubt: at most 1 of 40 useless models by 2.5 % a side, and some room."""
    count = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ctx = saved_context(rng.uniform(size=100), small_cohort(np.arange(100) % 2))
        count += faults(LabelOrder, ctx)["score-follows-label"] or 0
    assert count <= 4


def test_too_few_patients_have_no_value():
    """One class or a handful of patients say nothing about the order."""
    one_class = saved_context(np.linspace(0.1, 0.9, 30), small_cohort(np.zeros(30, dtype=int)))
    assert faults(LabelOrder, one_class) == {"score-follows-label": None}
    few = saved_context(np.array([0.9, 0.1, 0.8, 0.2]), small_cohort(np.array([0, 1, 0, 1])))
    assert faults(LabelOrder, few) == {"score-follows-label": None}


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0), (2, 1, 0)])
def test_several_classes_in_another_order_are_found(order):
    """Two classes swapped, or all of them moved on by one."""
    assert faults(LabelOrder, several(order)) == {"no-better-order": 1}


def test_several_classes_in_order_are_silent():
    """A good, a poor and a useless model raise no fault in 20 samples each, but for chance (2.5 % a side)."""
    for signal, allowed in ((2.0, 0), (0.5, 0), (0.0, 3)):
        found = sum(faults(LabelOrder, several(signal=signal, seed=s))["no-better-order"] or 0 for s in range(20))
        assert found <= allowed


def test_the_best_order_is_that_of_most_hits():
    """By hand: outputs 0 and 1 stand for each other's class, output 2 for its own."""
    targets, answers = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 1, 0, 0, 2, 2])
    np.testing.assert_array_equal(best_order(targets, answers, 3), [1, 0, 2])
    assert best_order(targets, targets, 3) is None


def test_a_finding_that_is_upside_down_is_named():
    """Each finding of a multilabel model is looked at by itself."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, (200, 2))
    raw = rng.normal(size=(200, 2)) + np.array([2.0, -2.0]) * target
    ctx = saved_context(raw, small_cohort(target, classes=("x", "y")), task="multilabel", output="logits")
    assert faults(LabelOrder, ctx) == {"score-follows-label x": 0, "score-follows-label y": 1}


def test_a_value_with_the_wrong_sign_is_found():
    """A real value that falls where the reference rises is upside down."""
    rng = np.random.default_rng(0)
    target = rng.normal(60, 10, 100)
    for sign in (1, -1):
        ctx = saved_context(
            sign * target + rng.normal(0, 3, 100), small_cohort(target, classes=()), task="regression",
            output="value", operating_point=None,
        )  # fmt: skip
        assert faults(LabelOrder, ctx) == {"score-follows-label": float(sign < 0)}


def test_grades_in_falling_order_are_found():
    """Grades whose outputs are reversed fail both checks."""
    rng = np.random.default_rng(0)
    target = np.arange(240) % 4
    raw = rng.normal(size=(240, 4)) + 3.0 * np.eye(4)[target]
    for columns, fault in ((raw, 0), (raw[:, ::-1], 1)):
        ctx = saved_context(
            columns, small_cohort(target, classes=("0", "1", "2", "3")), task="ordinal", output="logits",
            operating_point=None,
        )  # fmt: skip
        assert faults(LabelOrder, ctx) == {"score-follows-label": fault, "no-better-order": fault}
