"""What an attack lowers: a margin for every kind of output, at least 0 while the answer is right."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ModelCard, NotApplicable, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

DICE_FLOOR = 0.5
"""A segmentation counts as right while its Dice with the reference is at least this."""


class Objective(ABC):
    """A margin to lower, and the decision that tells whether it worked.

    The margin steers the search only; whether a case is right is decided from the model's own scores, as everywhere
    else in the suite. Every margin is free of the scale of the logits: multiplying them by a constant multiplies its
    gradient by a constant, whose sign is all that the search uses.
    """

    @abstractmethod
    def margin(self, raw: Any, target: Any) -> Any:
        """Return (n,) margins, a torch tensor that is differentiable in `raw`.

        Args:
            raw: (n, k[, *spatial]) raw outputs, a torch tensor.
            target: (n[, *spatial]) targets, a torch tensor.
        """

    @abstractmethod
    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (n,) whether the answer is right; an answer that is not finite never is.

        Args:
            raw: (n, k[, *spatial]) raw outputs.
            target: (n[, *spatial]) targets.
        """

    def keep(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, k) what is kept of an answer; masks are summed up by their Dice."""
        del target
        return raw


def _log_odds(p: Any) -> Any:
    """Return log p - log(1 - p), finite at 0 and 1."""
    import torch

    info = torch.finfo(p.dtype)
    return torch.log(p.clamp_min(info.tiny)) - torch.log1p(-p.clamp_max(1 - info.eps / 2))


def _log(p: Any) -> Any:
    """Return log p, finite at 0."""
    import torch

    return torch.log(p.clamp_min(torch.finfo(p.dtype).tiny))


def _threshold_log_odds(threshold: float) -> float:
    inside = min(max(threshold, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def _finite(raw: NDArray[np.float64]) -> NDArray[np.bool_]:
    out: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(raw.reshape(len(raw), -1)), axis=1)
    return out


@dataclass(frozen=True, kw_only=True)
class BinaryMargin(Objective):
    """Distance in log odds from the operating point, signed by the reference standard.

    Args:
        card: The model's card.
        threshold: Operating point on the probability scale.
        column: The finding of a multilabel model; None for a binary one.
    """

    card: ModelCard
    threshold: float
    column: int | None = None

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the signed distance from the operating point; see `Objective.margin`."""
        import torch

        logits = self.card.output == "logits"
        if self.column is not None or raw.shape[1] == 1:
            one = raw[:, self.column or 0]
            z = one if logits else _log_odds(one)
        else:
            z = raw[:, 1] - raw[:, 0] if logits else _log(raw[:, 1]) - _log(raw[:, 0])
        z = z - _threshold_log_odds(self.threshold)
        return torch.where(target == 1, z, -z)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the decision at the operating point equals the target; see `Objective.right`."""
        with np.errstate(invalid="ignore"):
            score = scores(raw, self.card)
        if self.column is not None:
            score = score[:, self.column]
        decided: NDArray[np.bool_] = np.equal(score >= self.threshold, target == 1)
        return decided & _finite(raw)


@dataclass(frozen=True, kw_only=True)
class RunnerUpMargin(Objective):
    """The reference class's logit, or log probability, minus the best of the others.

    Args:
        card: The model's card.
    """

    card: ModelCard

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the margin over the runner-up; see `Objective.margin`."""
        z = raw if self.card.output == "logits" else _log(raw)
        index = target.long()[:, None]
        others = z.scatter(1, index, -math.inf)
        return z.gather(1, index)[:, 0] - others.amax(dim=1)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the largest output is the target's; see `Objective.right`."""
        winner: NDArray[np.bool_] = raw.argmax(axis=1) == target
        return winner & _finite(raw)


@dataclass(frozen=True, kw_only=True)
class ToleranceMargin(Objective):
    """Room left on one side before the value leaves the clinical tolerance around the reference.

    Args:
        tolerance: Largest difference from the reference that does not matter, in the target's unit.
        upward: Push the value up, else down.
    """

    tolerance: float
    upward: bool

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the room left on the attacked side; see `Objective.margin`."""
        error = raw[:, 0] - target
        return self.tolerance - (error if self.upward else -error)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the value is within tolerance on both sides; see `Objective.right`."""
        with np.errstate(invalid="ignore"):
            within: NDArray[np.bool_] = np.abs(raw[:, 0] - target) <= self.tolerance
        return within & _finite(raw)


@dataclass(frozen=True, kw_only=True)
class MaskMargin(Objective):
    """Mean margin of the pixels that hold the Dice up: those of the reference, or those outside it.

    Pixels that have flipped clearly no longer count, so that the search goes on to those that have not.

    Args:
        card: The model's card.
        erase: Push the reference region out of the mask, else push its outside in.
        floor: Dice under which the answer no longer counts as right.
    """

    card: ModelCard
    erase: bool
    floor: float = DICE_FLOOR

    @property
    def _threshold(self) -> float:
        declared = self.card.operating_point
        return 0.5 if declared is None or isinstance(declared, Mapping) else float(declared)

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the mean margin of one region; see `Objective.margin`."""
        import torch

        logits = self.card.output == "mask_logits"
        if raw.shape[1] == 1:
            z = (raw[:, 0] if logits else _log_odds(raw[:, 0])) - _threshold_log_odds(self._threshold)
        else:
            every = raw if logits else _log(raw)
            z = every[:, 1:].amax(dim=1) - every[:, 0]
        z = z.flatten(1)
        inside = target.flatten(1) > 0
        empty = ~inside.any(dim=1)
        wanted = inside if self.erase else ~inside
        signed = z if self.erase else -z
        size = wanted.sum(dim=1).clamp_min(1)
        scale = (z.detach().abs() * wanted).sum(dim=1) / size
        held = torch.maximum(signed, -0.1 * scale[:, None])
        averaged = (held * wanted).sum(dim=1) / size
        return torch.where(empty, -z.amax(dim=1), averaged)

    def dice(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n,) Dice; 1 where mask and reference are both empty, 0 where one is."""
        with np.errstate(invalid="ignore"):
            if raw.shape[1] == 1:
                logits = self.card.output == "mask_logits"
                mask = raw[:, 0] >= (_threshold_log_odds(self._threshold) if logits else self._threshold)
            else:
                mask = raw.argmax(axis=1) > 0
        mask, reference = mask.reshape(len(mask), -1), target.reshape(len(target), -1) > 0
        both, total = (mask & reference).sum(axis=1), mask.sum(axis=1) + reference.sum(axis=1)
        out: NDArray[np.float64] = np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))
        return out

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the Dice is at least the floor; see `Objective.right`."""
        enough: NDArray[np.bool_] = self.dice(raw, target) >= self.floor
        return enough & _finite(raw)

    def keep(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, 1) the Dice of each answer."""
        return self.dice(raw, target)[:, None]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is attacked: one decision, with every objective that may overturn it.

    Args:
        name: Finding of a multilabel model, else None.
        column: Its column among the targets, else None.
        objectives: Margins to lower, one after the other; a case is broken when any of them breaks it.
        decided: False where no operating point is declared, so that right and wrong have no meaning.
    """

    name: str | None = None
    column: int | None = None
    objectives: tuple[Objective, ...]
    decided: bool = True

    def targets(self, every: NDArray[Any]) -> NDArray[Any]:
        """Return (n,) targets of this question from those of the cohort."""
        return every if self.column is None else every[:, self.column]


def questions(card: ModelCard) -> tuple[Question, ...]:
    """Return what an attack on a model may overturn.

    Each finding of a multilabel model is a question of its own: a perturbation that overturns the easiest finding says
    nothing of the one that matters.

    Args:
        card: The model's card.

    Raises:
        NotApplicable: The task has no margin, or a regression declares no clinical tolerance.
    """
    if card.task == "binary":
        point = None if isinstance(card.operating_point, Mapping) else card.operating_point
        margin = BinaryMargin(card=card, threshold=0.5 if point is None else point)
        return (Question(objectives=(margin,), decided=point is not None),)
    if card.task in ("multiclass", "ordinal"):
        return (Question(objectives=(RunnerUpMargin(card=card),)),)
    if card.task == "multilabel":
        return tuple(_finding(card, c, name) for c, name in enumerate(card.classes))
    if card.task == "regression":
        if card.clinical_tolerance is None:
            raise NotApplicable("no clinical tolerance is declared, so no change of the value is too large")
        sides = (ToleranceMargin(tolerance=card.clinical_tolerance, upward=up) for up in (True, False))
        return (Question(objectives=tuple(sides)),)
    if card.task == "segmentation":
        return (Question(objectives=tuple(MaskMargin(card=card, erase=erase) for erase in (True, False))),)
    raise NotApplicable(f"no attack objective is defined for the task {card.task}")


def _finding(card: ModelCard, column: int, name: str) -> Question:
    declared = card.operating_point
    point = declared.get(name) if isinstance(declared, Mapping) else declared
    margin = BinaryMargin(card=card, threshold=0.5 if point is None else point, column=column)
    return Question(name=name, column=column, objectives=(margin,), decided=point is not None)
