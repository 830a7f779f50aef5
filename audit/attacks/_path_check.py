"""Whether gradients account for the way from one answer to another: their integral along it against the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._case_objectives import CandidateMargin
from audit.attacks._gradient import slopes
from audit.attacks._margins import array_margin
from audit.attacks._mask_objectives import ErasedMargin, InventedMargin, MaskObjective
from audit.attacks._objectives import (
    BinaryMargin,
    GradeMargin,
    Objective,
    Question,
    RunnerUpMargin,
    ToleranceMargin,
)
from audit.attacks._targeted import GroupMargin
from audit.core import DifferentiableModel, InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS, POINTS = 8, 64
TOLERANCE = 0.1
"""Largest distance between the integral and the difference, relative to the difference."""
_WHOLE = (BinaryMargin, RunnerUpMargin, GradeMargin, GroupMargin, ToleranceMargin, CandidateMargin)
_MASKS = 16
"""Masks that pairs are chosen from: every pair compares all of them, lesion by lesion."""
_LEVELS, _CONTRAST = 5, 3.0


@dataclass(frozen=True, kw_only=True)
class _Pixel(Objective):
    """How far one pixel of a mask is above the threshold.

    The margins of masks hold back part of their own gradient on purpose, so that they have no integral; each pixel of
    the mask has one. The mean of many pixels would not do: each turns at a place of its own, and the places where the
    gradients are taken would meet enough of the jumps for their sum to come out right.

    Args:
        mask: The objective whose mask it is.
        place: Position in the flattened mask.
    """

    mask: MaskObjective
    place: int

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the height of the pixel; see `Objective.margin`."""
        del target
        return self.mask.height(raw).flatten(1)[:, self.place]

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the mask is right; see `Objective.right`."""
        return self.mask.right(raw, target)


def paths_agree(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], batch: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return whether the gradients along the way between two cases add up to the difference of their margins.

    Each of at most `PAIRS` cases, evenly spread among those that are right, is paired with the case whose answer is the
    most wrong for it; where every answer would be right for it, as where a cohort holds one class alone, with an
    inverted or an even image. By the gradient theorem the line integral equals the difference. Where the answer turns
    in a jump or in a slope too steep and short for `POINTS` midpoints, an attack that follows gradients does not see it
    either: a decision that is cut off from the graph, clamped or saturated, beside a branch that keeps gradients alive.
    Of masks, a pixel that is in one of the two and not in the other is followed.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (m, channels, *spatial) images.
        target: (m, ...) their targets.
        batch: Images a batch.

    Returns:
        (pairs,) rows of the first cases and (pairs,) whether they agree, False where no image is answered otherwise:
        nothing is known then of where the answer turns. None where no case is right, or of an unknown objective.
    """
    objective = question.objectives[0]
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    if not isinstance(objective, (*_WHOLE, MaskObjective)):
        return none
    rows = _spread(len(images), _MASKS if isinstance(objective, MaskObjective) else len(images))
    ends = _Ends(model, objective, images[rows], batch)
    raw, own = ends.asked(images[rows]), target[rows]
    right = np.flatnonzero(objective.right(raw, own))
    starts = right[_spread(right.size, PAIRS)]
    agrees = np.zeros(starts.size, dtype=bool)
    for number, row in enumerate(starts):
        wanted = own[row]
        found = ends.of(raw, wanted)
        followed = None if found is None else _followed(objective, np.stack([raw[row], found[1]]), wanted, number)
        if found is None or followed is None:
            continue
        at, there = array_margin(followed, np.stack([raw[row], found[1]]), np.stack([wanted, wanted]))
        summed = _integral(model, followed, images[rows[row]], found[0], wanted, batch)
        agrees[number] = abs(summed - (there - at)) <= TOLERANCE * abs(there - at)
    return rows[starts], agrees


class _Ends:
    """Images that are answered otherwise than a case should be: other cases, else images that are made of them."""

    def __init__(
        self, model: DifferentiableModel, objective: Objective, images: NDArray[np.float32], batch: int
    ) -> None:
        self._model, self._objective, self._images, self._batch = model, objective, images, batch
        self._made: tuple[NDArray[np.float32], NDArray[np.float64]] | None = None

    def asked(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the answers to images."""
        parts = [self._model.predict(images[i : i + self._batch]) for i in range(0, len(images), self._batch)]
        return np.concatenate(parts)

    def of(self, raw: NDArray[np.float64], wanted: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
        """Return an image that is wrong under a target, and the answer to it; None where all are right.

        Args:
            raw: Answers to the cases.
            wanted: The target.
        """
        row = self._wrong(raw, wanted, most=True)
        if row is not None:
            return self._images[row], raw[row]
        if self._made is None:
            made = _made(self._images[_spread(len(self._images), PAIRS)], self._model.card.input)
            self._made = made, self.asked(made)
        images, answers = self._made
        # The least wrong, since images unlike any case may move a branch that hardly counts among the cases by more
        # than all that decides between them.
        row = self._wrong(answers, wanted, most=False)
        return None if row is None else (images[row], answers[row])

    def _wrong(self, raw: NDArray[np.float64], wanted: Any, *, most: bool) -> int | None:
        same = np.stack([wanted] * len(raw))
        margins = array_margin(self._objective, raw, same)
        usable = ~self._objective.right(raw, same) & np.isfinite(margins)
        ranked = np.where(usable, margins if most else -margins, np.inf)
        return int(ranked.argmin()) if usable.any() else None


def _made(images: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """Return images of other answers than any case has, if the model has one: inverted, in two ways, and even ones."""
    low, high = spec.window or spec.range
    mean = images.mean(axis=tuple(range(1, images.ndim)), keepdims=True)
    even = [np.full_like(images[:1], level) for level in np.linspace(low, high, _LEVELS)]
    out = np.concatenate([low + high - images, mean - _CONTRAST * (images - mean), *even])
    clipped: NDArray[np.float32] = np.clip(out, *spec.range).astype(np.float32)
    return clipped


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _followed(objective: Objective, raw: NDArray[np.float64], reference: NDArray[Any], number: int) -> Objective | None:
    """Return what is followed between two answers: the margin, or a pixel of the mask that is in one of them only.

    Pixels of different pairs are of different ranks among the half that moves the most.
    """
    if not isinstance(objective, MaskObjective):
        return objective
    import torch

    first, second = objective.height(torch.as_tensor(raw)).flatten(1).numpy()
    turned, inside = (first >= 0) != (second >= 0), reference.ravel() > 0
    if isinstance(objective, (ErasedMargin, InventedMargin)):
        own = turned & (inside if isinstance(objective, ErasedMargin) else ~inside)
        turned = own if own.any() else turned
    places = np.flatnonzero(turned)
    if not places.size:
        return None
    ranked = places[np.argsort(-np.abs(second - first)[places], kind="stable")]
    return _Pixel(mask=objective, place=int(ranked[places.size * number // (2 * PAIRS)]))


def _integral(
    model: DifferentiableModel, objective: Objective, start: NDArray[np.float32], end: NDArray[np.float32], target: Any,
    batch: int,
) -> float:  # fmt: skip
    """Return the integral of the margin's gradient along the way, by midpoints."""
    import torch

    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    shares = ((np.arange(POINTS) + 0.5) / POINTS).astype(np.float32).reshape(-1, *[1] * start.ndim)
    way, total = torch.as_tensor(end - start, device=device), 0.0
    for first in range(0, POINTS, batch):
        images = torch.as_tensor(start + shares[first : first + batch] * (end - start), device=device)
        wanted = torch.as_tensor(np.stack([target] * len(images)), device=device)
        which = np.zeros(len(images), dtype=np.int64)
        _, slope = slopes(model.forward, (objective,), which, images, wanted)
        total += float((slope.double() * way).sum())
    return total / POINTS
