"""What an attack on a model may overturn, from its card alone."""

from __future__ import annotations

from collections.abc import Mapping

from audit.attacks._case_objectives import CandidateMargin, known, status_at
from audit.attacks._mask_objectives import (
    ErasedMargin,
    InventedMargin,
    MaskMargin,
    VolumeMargin,
    has_lesion,
    lesion_numbers,
)
from audit.attacks._objectives import (
    BinaryMargin,
    GradeMargin,
    Question,
    RunnerUpMargin,
    ToleranceMargin,
)
from audit.core import ModelCard, NotApplicable

NO_TOLERANCE = "no clinical tolerance is declared, so no change of the {} is too large"


def questions(card: ModelCard) -> tuple[Question, ...]:
    """Return what an attack on a model may overturn.

    Each finding of a multilabel model is a question of its own: a perturbation that overturns the easiest finding says
    nothing of the one that matters. So is each way in which a segmentation can go wrong ("dice", "erased", "invented",
    "volume"), and for grades with a declared tolerance, leaving that beside leaving the grade. A question need not
    concern every case; see `Question.applies`.

    Args:
        card: The model's card.

    Raises:
        NotApplicable: The task has no margin, or what it takes is not declared: a clinical tolerance for regression, a
            horizon for survival.
    """
    if card.task == "binary":
        point = _point(card)
        margin = BinaryMargin(card=card, threshold=0.5 if point is None else point)
        return (Question(objectives=(margin,), decided=point is not None),)
    if card.task == "multiclass":
        return (Question(objectives=(RunnerUpMargin(card=card),)),)
    if card.task == "ordinal":
        return _grades(card)
    if card.task == "multilabel":
        return tuple(_finding(card, c, name) for c, name in enumerate(card.classes))
    if card.task == "regression":
        return _value(card)
    if card.task == "segmentation":
        return _segmentation(card)
    if card.task == "survival":
        return _survival(card)
    point = _point(card)
    candidates = CandidateMargin(card=card, threshold=0.5 if point is None else point)
    return (Question(objectives=(candidates,), decided=point is not None),)


def unasked(card: ModelCard) -> Mapping[str, str]:
    """Return the questions of a task that cannot be asked, by name, with the reason.

    Args:
        card: The model's card.
    """
    if card.task == "segmentation" and card.clinical_tolerance is None:
        return {"volume": NO_TOLERANCE.format("volume")}
    if card.task == "ordinal" and card.clinical_tolerance is not None and _grade_name(card) is None:
        return {"tolerance": "the declared tolerance allows every grade, or none but the right one"}
    return {}


def _point(card: ModelCard) -> float | None:
    return None if isinstance(card.operating_point, Mapping) else card.operating_point


def _finding(card: ModelCard, column: int, name: str) -> Question:
    declared = card.operating_point
    point = declared.get(name) if isinstance(declared, Mapping) else declared
    margin = BinaryMargin(card=card, threshold=0.5 if point is None else point, column=column)
    return Question(name=name, column=column, objectives=(margin,), decided=point is not None)


def _grades(card: ModelCard) -> tuple[Question, ...]:
    exact = Question(objectives=(RunnerUpMargin(card=card),))
    name = _grade_name(card)
    if name is None or card.clinical_tolerance is None:
        return (exact,)
    return (exact, Question(name=name, objectives=(GradeMargin(card=card, within=card.clinical_tolerance),)))


def _grade_name(card: ModelCard) -> str | None:
    """Return the name of the question beyond the tolerance, None where it would be no other question."""
    within = card.clinical_tolerance
    if within is None or not 1 <= within < len(card.classes) - 1:
        return None
    return f"within {int(within)} grade{'s' if within >= 2 else ''}"


def _value(card: ModelCard) -> tuple[Question, ...]:
    if card.clinical_tolerance is None:
        raise NotApplicable(NO_TOLERANCE.format("value"))
    sides = (ToleranceMargin(tolerance=card.clinical_tolerance, upward=up) for up in (True, False))
    return (Question(objectives=tuple(sides)),)


def _segmentation(card: ModelCard) -> tuple[Question, ...]:
    dice = tuple(MaskMargin(card=card, erase=erase) for erase in (True, False))
    asked = [
        Question(name="dice", objectives=dice, prepare=lesion_numbers),
        Question(name="erased", objectives=(ErasedMargin(card=card),), prepare=lesion_numbers, concerns=has_lesion),
        Question(name="invented", objectives=(InventedMargin(card=card),), prepare=lesion_numbers),
    ]
    if card.clinical_tolerance is not None:
        sides = tuple(VolumeMargin(card=card, tolerance=card.clinical_tolerance, upward=up) for up in (True, False))
        asked.append(Question(name="volume", objectives=sides, prepare=lesion_numbers, concerns=has_lesion))
    return tuple(asked)


def _survival(card: ModelCard) -> tuple[Question, ...]:
    if card.horizon is None:
        raise NotApplicable("no horizon is declared, so no risk is right or wrong")
    point = _point(card)
    risk = CandidateMargin(card=card, threshold=0.5 if point is None else point)
    return (Question(objectives=(risk,), decided=point is not None, prepare=status_at(card.horizon), concerns=known),)
