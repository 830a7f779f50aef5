"""What a targeted attack wants: a finding that vanishes, or one that appears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.attacks._objectives import Objective, Question, all_finite, log_share
from audit.attacks._questions import questions
from audit.core import ModelCard, NotApplicable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Want = Literal["miss", "false alarm"]


@dataclass(frozen=True, kw_only=True)
class GroupMargin(Objective):
    """The best of some classes against the best of the others.

    Args:
        card: The model's card, of several classes.
        inside: Columns of the classes that count as the finding.
    """

    card: ModelCard
    inside: tuple[int, ...]

    def margin(self, raw: Any, target: Any) -> Any:
        """Return how far the finding is detected (target 1) or left alone (target 0); see `Objective.margin`."""
        import torch

        z = raw if self.card.output == "logits" else log_share(raw)
        outside = [c for c in range(z.shape[1]) if c not in self.inside]
        lead = z[:, list(self.inside)].amax(dim=1) - z[:, outside].amax(dim=1)
        return torch.where(target == 1, lead, -lead)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the largest output is on the target's side; see `Objective.right`."""
        decided: NDArray[np.bool_] = np.equal(np.isin(raw.argmax(axis=1), self.inside), target == 1)
        return decided & all_finite(raw)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """One finding that an attack makes vanish or appear.

    Args:
        name: The finding, None where the model has one only.
        want: "miss" among the cases that have it, "false alarm" among those that do not.
        question: The decision; only the cases that it concerns are attacked.
    """

    name: str | None
    want: Want
    question: Question


def aims(card: ModelCard) -> tuple[Aim, ...]:
    """Return what a targeted attack on a model may want.

    A class of several is a finding by itself; a grade of an ordinal model counts with those above it; a segmentation
    loses a lesion or gains one.

    Args:
        card: The model's card.

    Raises:
        NotApplicable: The answer is a value, which holds no finding, or the task lacks what its questions take.
    """
    if card.task == "regression":
        raise NotApplicable("a value has no finding that could vanish; ADV001 moves it beyond its tolerance")
    if card.task == "segmentation":
        asked = {q.name: q for q in questions(card)}
        return (
            Aim(name=None, want="miss", question=asked["erased"]),
            Aim(name=None, want="false alarm", question=asked["invented"]),
        )
    if card.task in ("multiclass", "ordinal"):
        return tuple(aim for code in _findings(card) for aim in _of_class(card, code))
    return tuple(aim for question in questions(card) for aim in _both(question.name, question))


def _findings(card: ModelCard) -> range:
    """Return the codes that are findings: all classes, of grades all but the lowest, which no answer falls below."""
    return range(1 if card.task == "ordinal" else 0, len(card.classes))


def _of_class(card: ModelCard, code: int) -> tuple[Aim, ...]:
    ordinal = card.task == "ordinal"
    inside = tuple(range(code, len(card.classes))) if ordinal else (code,)
    name = f"{card.classes[code]} or above" if ordinal and code < len(card.classes) - 1 else card.classes[code]

    def has(every: NDArray[Any]) -> NDArray[np.int64]:
        return np.isin(every, inside).astype(np.int64)

    question = Question(name=name, objectives=(GroupMargin(card=card, inside=inside),), prepare=has)
    return _both(name, question)


def _both(name: str | None, question: Question) -> tuple[Aim, ...]:
    return (
        Aim(name=name, want="miss", question=replace(question, concerns=_only(1))),
        Aim(name=name, want="false alarm", question=replace(question, concerns=_only(0))),
    )


def _only(status: int) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    def concerned(target: NDArray[Any]) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = np.equal(target, status)
        return out

    return concerned
