"""From raw outputs to scores on the probability scale, and to one binary question a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core.model import ModelCard

CLASSIFICATION = ("binary", "multiclass", "multilabel", "ordinal")


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow."""
    out: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * x))
    return out


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax over axis 1."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    out: NDArray[np.float64] = e / e.sum(axis=1, keepdims=True)
    return out


def foreground_probability(raw: NDArray[np.float64], card: ModelCard) -> NDArray[np.float64]:
    """Return (n, *spatial) the probability that a pixel is not background, for raw masks (n, k, *spatial)."""
    logits = card.output == "mask_logits"
    if raw.shape[1] == 1:
        return sigmoid(raw[:, 0]) if logits else raw[:, 0]
    return 1 - (softmax(raw) if logits else raw)[:, 0]


def scores(raw: NDArray[np.float64], card: ModelCard) -> NDArray[np.float64]:
    """Return scores on the scale that metrics use.

    Args:
        raw: (n, k) raw outputs.
        card: The model's card.

    Returns:
        binary: (n,) probability of the positive class. multiclass, ordinal: (n, C). multilabel: (n, L).
        regression: (n,) in the target's unit. survival: (n,) risk, in [0, 1] at the card's horizon where the output is
        probabilities, else any number that is higher for a higher risk. Other tasks: `raw` as it is.
    """
    if card.task == "binary":
        if raw.shape[1] == 1:
            return sigmoid(raw[:, 0]) if card.output == "logits" else raw[:, 0]
        return softmax(raw)[:, 1] if card.output == "logits" else raw[:, 1]
    if card.task in ("multiclass", "ordinal"):
        return softmax(raw) if card.output == "logits" else raw
    if card.task == "multilabel":
        return sigmoid(raw) if card.output == "logits" else raw
    if card.task in ("regression", "survival"):
        return raw[:, 0]
    return raw


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassView:
    """One binary question that a classifier answers.

    Args:
        name: Class or finding, None for the only question of a binary task.
        labels: (n,) bool, the reference standard.
        scores: (n,) in [0, 1].
        decisions: (n,) bool, positive at or above the operating point; None where none is declared.
        operating_point: The threshold, None for the largest of several scores or where none is declared.
    """

    name: str | None
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    decisions: NDArray[np.bool_] | None
    operating_point: float | None = None

    @property
    def condition(self) -> dict[str, Any]:
        """The `class` condition key of measurements on this view."""
        return {} if self.name is None else {"class": self.name}


def class_views(score: NDArray[np.float64], targets: NDArray[Any], card: ModelCard) -> tuple[ClassView, ...]:
    """Return the binary questions of a classification task, in the order of the classes.

    Args:
        score: Scores as `scores` gives them.
        targets: (n,) class index, or (n, L) 0/1 for a multilabel task.
        card: The model's card.

    Returns:
        One view for a binary task, one a class or finding for the others, none for other tasks.
    """
    if card.task == "binary":
        point = card.operating_point if isinstance(card.operating_point, (int, float)) else None
        decided = None if point is None else score >= point
        return (ClassView(name=None, labels=targets == 1, scores=score, decisions=decided, operating_point=point),)
    if card.task in ("multiclass", "ordinal"):
        winner = score.argmax(axis=1)
        return tuple(
            ClassView(name=_name(card, c), labels=targets == c, scores=score[:, c], decisions=winner == c)
            for c in range(score.shape[1])
        )
    if card.task == "multilabel":
        views = []
        for c in range(score.shape[1]):
            point = _point(card.operating_point, _name(card, c))
            decided = None if point is None else score[:, c] >= point
            views.append(
                ClassView(
                    name=_name(card, c), labels=targets[:, c] == 1, scores=score[:, c], decisions=decided,
                    operating_point=point,
                )
            )  # fmt: skip
        return tuple(views)
    return ()


def _name(card: ModelCard, index: int) -> str:
    return card.classes[index] if index < len(card.classes) else f"class {index}"


def _point(declared: float | Mapping[str, float] | None, name: str) -> float | None:
    if isinstance(declared, Mapping):
        return declared.get(name)
    return declared
