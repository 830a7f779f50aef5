"""Aims: which finding vanishes or appears, in which cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.attacks._targeted import GroupMargin, aims
from audit.core import NotApplicable
from tests.attacks.nets import Linear, wrap

W = np.eye(3, 36)


def test_a_binary_model_has_a_miss_and_a_false_alarm() -> None:
    """The miss concerns positives, the false alarm negatives."""
    miss, alarm = aims(wrap(Linear(W[:1])).card)
    target = np.array([0, 1, 1])
    assert (miss.want, alarm.want) == ("miss", "false alarm")
    assert miss.name is None
    assert miss.question.applies(target).tolist() == [False, True, True]
    assert alarm.question.applies(target).tolist() == [True, False, False]


def test_each_class_of_several_is_a_finding() -> None:
    """A class is detected where its output is the largest, else not; the margin's sign says the same."""
    card = wrap(Linear(W), task="multiclass", classes=("a", "b", "c"), operating_point=None).card
    given = aims(card)
    assert [(a.name, a.want) for a in given] == [
        (name, want) for name in ("a", "b", "c") for want in ("miss", "false alarm")
    ]
    question = given[2].question
    raw = np.array([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.0, 1.0, 4.0]])
    targets = question.targets(np.array([1, 1, 0]))
    assert targets.tolist() == [1, 1, 0]
    objective = question.objectives[0]
    assert objective.right(raw, targets).tolist() == [True, False, True]
    margin = objective.margin(torch.as_tensor(raw), torch.as_tensor(targets)).tolist()
    assert margin == [1.0, -1.0, 3.0]


def test_a_grade_counts_with_those_above_it() -> None:
    """The finding is a grade or worse; the lowest grade is none."""
    card = wrap(Linear(W), task="ordinal", classes=("none", "mild", "severe"), operating_point=None).card
    given = aims(card)
    assert [a.name for a in given] == ["mild or above", "mild or above", "severe", "severe"]
    assert given[0].question.targets(np.array([0, 1, 2])).tolist() == [0, 1, 1]
    right = given[0].question.objectives[0].right(np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), np.array([1, 1]))
    assert right.tolist() == [True, False]


def test_a_value_has_no_finding() -> None:
    """Regression is not applicable, with the reason."""
    card = wrap(
        Linear(W[:1]), task="regression", output="value", operating_point=None, classes=(), clinical_tolerance=1.0
    ).card
    with pytest.raises(NotApplicable, match="no finding"):
        aims(card)


def test_probabilities_have_the_margin_of_their_logarithms() -> None:
    """Where the outputs are probabilities the margin is taken of their logarithms."""
    card = wrap(Linear(W), task="multiclass", classes=("a", "b", "c"), operating_point=None).card
    margin = GroupMargin(card=replace(card, output="probabilities"), inside=(1, 2))
    raw = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    assert margin.margin(raw, torch.tensor([1])).item() == pytest.approx(np.log(0.5), abs=1e-9)
