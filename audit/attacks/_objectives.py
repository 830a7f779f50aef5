"""What an attack lowers: a margin for every kind of output, at least 0 while the answer is right."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ModelCard, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def log_odds(p: Any) -> Any:
    """Return log p - log(1 - p), finite at 0 and 1."""
    import torch

    info = torch.finfo(p.dtype)
    return torch.log(p.clamp_min(info.tiny)) - torch.log1p(-p.clamp_max(1 - info.eps / 2))


def log_share(p: Any) -> Any:
    """Return log p, finite at 0."""
    import torch

    return torch.log(p.clamp_min(torch.finfo(p.dtype).tiny))


@lru_cache(maxsize=64)
def threshold_log_odds(threshold: float) -> float:
    """Return the log odds of a threshold, finite at 0 and 1."""
    inside = min(max(threshold, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def crossing(one: Any, output: str, threshold: float) -> Any:
    """Return how far single outputs lie above a threshold, on a scale that goes flat nowhere.

    Args:
        one: (...) outputs, a torch tensor.
        output: What they are, one of `audit.core.OUTPUT_KINDS`.
        threshold: On the probability scale, or on the output's own where that is a value.
    """
    if output == "value":
        return one - threshold
    return (one if output in ("logits", "mask_logits") else log_odds(one)) - threshold_log_odds(threshold)


def all_finite(raw: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) whether every number of an answer is finite."""
    out: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(raw.reshape(len(raw), -1)), axis=1)
    return out


@dataclass(frozen=True, kw_only=True)
class BinaryMargin(Objective):
    """Distance in log odds from the operating point, signed by the reference standard.

    Args:
        card: The model's card.
        threshold: Operating point on the probability scale, or on the output's own where that is a value.
        column: The finding of a multilabel model; None for a binary one.
    """

    card: ModelCard
    threshold: float
    column: int | None = None

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the signed distance from the operating point; see `Objective.margin`."""
        import torch

        kind, limit = self.card.output, self.threshold
        if self.column is not None or raw.shape[1] == 1:
            z = crossing(raw[:, self.column or 0], kind, limit)
        elif kind == "value":
            z = raw[:, 1] - limit
        else:
            every = raw if kind == "logits" else log_share(raw)
            z = every[:, 1] - every[:, 0] - threshold_log_odds(limit)
        # A factor has one step in the graph, and the same numbers, where a choice has three.
        return z * torch.where(target == 1, 1.0, -1.0).to(z.dtype)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the decision at the operating point equals the target; see `Objective.right`."""
        with np.errstate(invalid="ignore"):
            score = scores(raw, self.card)
        if self.column is not None:
            score = score[:, self.column]
        decided: NDArray[np.bool_] = np.equal(score >= self.threshold, target == 1)
        return decided & all_finite(raw)


@dataclass(frozen=True, kw_only=True)
class RunnerUpMargin(Objective):
    """The reference class's logit, or log probability, minus the best of the others.

    Args:
        card: The model's card.
    """

    card: ModelCard

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the margin over the runner-up; see `Objective.margin`."""
        z = raw if self.card.output == "logits" else log_share(raw)
        index = target.long()[:, None]
        others = z.scatter(1, index, -math.inf)
        return z.gather(1, index)[:, 0] - others.amax(dim=1)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the largest output is the target's; see `Objective.right`."""
        winner: NDArray[np.bool_] = raw.argmax(axis=1) == target
        return winner & all_finite(raw)


@dataclass(frozen=True, kw_only=True)
class GradeMargin(Objective):
    """The best grade that is near enough to the reference minus the best of those that are not.

    Grades are ordered categories: a tolerance in grades says how many steps an answer may be away and still do no harm.

    Args:
        card: The model's card.
        within: Grades that an answer may differ by.
    """

    card: ModelCard
    within: float

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the margin of the near grades over the far ones; see `Objective.margin`."""
        import torch

        z = raw if self.card.output == "logits" else log_share(raw)
        grades = torch.arange(z.shape[1], device=z.device)
        near = (grades - target.long()[:, None]).abs() <= self.within
        return z.masked_fill(~near, -math.inf).amax(dim=1) - z.masked_fill(near, -math.inf).amax(dim=1)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the largest output is near enough to the target; see `Objective.right`."""
        near: NDArray[np.bool_] = np.abs(raw.argmax(axis=1) - target) <= self.within
        return near & all_finite(raw)


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
        return within & all_finite(raw)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is attacked: one decision, with every objective that may overturn it.

    Args:
        name: Finding of a multilabel model, or which of several decisions on one answer; None where there is one only.
        column: The finding's column among the targets, else None.
        objectives: Margins to lower, one after the other; a case is broken when any of them breaks it.
        decided: False where no operating point is declared, so that right and wrong have no meaning.
        prepare: From targets, or from reference segmentations, to what the objectives take; None: as they are.
        concerns: From prepared targets to (n,) bool, which cases have the question; None: all.
    """

    name: str | None = None
    column: int | None = None
    objectives: tuple[Objective, ...]
    decided: bool = True
    prepare: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    concerns: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None

    def targets(self, every: NDArray[Any]) -> NDArray[Any]:
        """Return (n, ...) targets of this question.

        Args:
            every: (n, ...) targets of the cohort, or (n, *spatial) reference segmentations.
        """
        own = every if self.column is None else every[:, self.column]
        return own if self.prepare is None else self.prepare(own)

    def applies(self, target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (n,) which cases have this question; only these may be attacked and counted.

        Args:
            target: (n, ...) as `targets` gives them.
        """
        return np.ones(len(target), dtype=bool) if self.concerns is None else self.concerns(target)
