"""Margins for every head: their sign is the decision, and they are finite at 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.attacks import MaskMargin, questions
from audit.attacks._margins import exact_margin
from audit.core import Access, ModelCard, NotApplicable, scores


def card(**more: object) -> ModelCard:
    given = {"task": "binary", "output": "logits", "classes": ("no", "yes"), "operating_point": 0.3, **more}
    return ModelCard(name="m", kind="torch", access=Access.GRADIENT, digest="d", **given)  # type: ignore[arg-type]


HEADS = (
    (3, {"task": "multiclass", "classes": ("a", "b", "c")}),
    (3, {"task": "multiclass", "classes": ("a", "b", "c"), "output": "probabilities"}),
    (2, {"task": "multilabel", "classes": ("a", "b"), "operating_point": {"a": 0.2, "b": 0.7}}),
    (1, {"output": "value", "operating_point": 0.1}),
    (4, {"task": "ordinal", "classes": ("0", "1", "2", "3"), "clinical_tolerance": 1.0}),
    (3, {"task": "detection", "classes": ("no", "yes"), "operating_point": 0.7}),
)
"""Columns of outputs, and what a model says of them."""


@pytest.mark.parametrize(
    ("columns", "given"),
    [
        (1, {}),
        (2, {}),
        (1, {"output": "probabilities"}),
        (2, {"output": "probabilities"}),
        *HEADS,
        (3, {"task": "detection", "classes": ("no", "yes"), "output": "value", "operating_point": 0.7}),
        (1, {"task": "survival", "output": "probabilities", "horizon": 1.0}),
        (1, {"task": "survival", "output": "value", "horizon": 1.0, "operating_point": -0.2}),
        (1, {"task": "regression", "output": "value", "clinical_tolerance": 0.8}),
    ],
)
def test_the_margin_is_positive_where_the_answer_is_right(columns: int, given: dict[str, object]) -> None:
    """The least margin over the objectives is positive exactly where the decision is right."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(200, columns))
    c = card(**given)
    if c.output == "probabilities":
        raw = 1 / (1 + np.exp(-raw)) if columns == 1 else np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    every = rng.integers(0, max(2, columns) if c.task in ("multiclass", "ordinal") else 2, 200)
    if c.task == "survival":
        every = np.stack([np.where(every == 1, 0.5, 1.5), every], axis=1)
    for question in questions(c):
        target = every if question.column is not None else question.targets(every)
        margins = [o.margin(torch.as_tensor(raw), torch.as_tensor(target)).numpy() for o in question.objectives]
        right = question.objectives[0].right(raw, target)
        assert ((np.min(margins, axis=0) > 0) == right).all()
        assert 0 < right.sum() < 200


def test_the_decision_is_that_of_the_suite() -> None:
    """Right for a binary model is score at or above the operating point, exactly at it, too."""
    c = card(output="probabilities")
    raw = np.array([[0.3], [0.3], [0.29], [0.31]])
    (question,) = questions(c)
    target = np.array([1, 0, 0, 1])
    assert question.objectives[0].right(raw, target).tolist() == [True, False, True, True]
    assert ((scores(raw, c) >= 0.3) == (target == 1)).tolist() == [True, False, True, True]


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_probabilities_of_0_and_1_give_finite_margins_and_gradients(p: float) -> None:
    """Log odds are guarded at both ends."""
    raw = torch.full((2, 1), p, requires_grad=True)
    (question,) = questions(card(output="probabilities"))
    margin = question.objectives[0].margin(raw, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(margin.sum(), raw)
    assert torch.isfinite(margin).all()
    assert torch.isfinite(gradient).all()


def test_an_absent_operating_point_leaves_no_decision() -> None:
    """Without an operating point there is a margin to lower, and no right or wrong."""
    (question,) = questions(card(operating_point=None))
    assert not question.decided


def test_a_value_without_tolerance_is_not_applicable() -> None:
    """No change of a value is too large until a clinical tolerance is declared."""
    with pytest.raises(NotApplicable, match="no clinical tolerance"):
        questions(card(task="regression", output="value"))


def test_a_risk_without_a_horizon_is_not_applicable() -> None:
    """No risk is right or wrong until the horizon is declared that it is said for."""
    with pytest.raises(NotApplicable, match="no horizon"):
        questions(card(task="survival", output="probabilities"))


@pytest.mark.parametrize("output", ["mask_logits", "mask_probabilities"])
def test_dice_of_hand_worked_masks(output: str) -> None:
    """Two of three pixels shared by masks of 3 and 3: Dice 4/6; both empty 1; one empty 0."""
    objective = MaskMargin(card=card(task="segmentation", output=output, operating_point=None), erase=True)
    mask = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    reference = np.array([[0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]])[:, None, :]
    raw = (np.where(mask, 2.0, -2.0) if output == "mask_logits" else mask * 0.8)[:, None, None, :]
    assert objective.keep(raw, reference)[:, 0] == pytest.approx([4 / 6, 1.0, 0.0])
    assert objective.right(raw, reference).tolist() == [True, True, False]


def test_several_mask_classes_count_as_one_foreground() -> None:
    """With a background channel the margin is the best foreground logit minus the background's."""
    objective = MaskMargin(card=card(task="segmentation", output="mask_logits", operating_point=None), erase=True)
    raw = torch.tensor([[[[1.0, 0.0]], [[3.0, -1.0]], [[2.0, -5.0]]]])
    reference = torch.tensor([[[1, 0]]])
    assert objective.margin(raw, reference).item() == pytest.approx(2.0)
    assert objective.keep(raw.numpy(), reference.numpy())[:, 0] == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("columns", "given"),
    [
        (1, {}),
        (2, {}),
        (2, {"output": "probabilities"}),
        *HEADS,
        (1, {"task": "regression", "output": "value", "clinical_tolerance": 0.8}),
    ],
)
def test_a_margin_on_arrays_is_that_of_the_tensors_to_the_bit(columns: int, given: dict[str, object]) -> None:
    """Infinite answers and such as are no number among them, for every objective of every question."""
    rng = np.random.default_rng(4)
    raw = rng.normal(size=(90, columns))
    if given.get("output") == "probabilities":
        raw = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    raw[0], raw[1, 0], raw[2, -1], raw[3] = np.inf, np.nan, -np.inf, 0.0
    for question in questions(card(**given)):
        target = rng.integers(0, max(2, columns) if len(raw[0]) > 2 else 2, 90)
        for objective in question.objectives:
            found = exact_margin(objective, raw, target)
            expected = objective.margin(torch.as_tensor(raw), torch.as_tensor(target)).double().numpy()
            assert np.array_equal(found, expected, equal_nan=True)
