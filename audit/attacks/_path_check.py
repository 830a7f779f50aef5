"""Whether gradients account for the way from one answer to another: their integral along it against the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._gradient import slopes
from audit.attacks._margins import array_margin
from audit.attacks._objectives import BinaryMargin, GradeMargin, Question, RunnerUpMargin, ToleranceMargin
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS, POINTS = 8, 64
TOLERANCE = 0.1
"""Largest distance between the integral and the difference, relative to the difference."""
# Other margins hold back part of their own gradient on purpose, so that it has no integral.
_WHOLE = (BinaryMargin, RunnerUpMargin, GradeMargin, ToleranceMargin)


def paths_agree(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], batch: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return whether the gradients along the way between two cases add up to the difference of their margins.

    Each of at most `PAIRS` cases, evenly spread among those that are right, is paired with the case whose answer is the
    most wrong for it. By the gradient theorem the line integral equals the difference. Where the answer turns in a jump
    or in a slope too steep and short for `POINTS` midpoints, an attack that follows gradients does not see it either:
    a decision that is cut off from the graph, clamped or saturated, beside a branch that keeps gradients alive.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (m, channels, *spatial) images.
        target: (m, ...) their targets.
        batch: Images a batch.

    Returns:
        (pairs,) rows of the first cases and (pairs,) whether they agree; none where the margin has no integral, or
        where no two answers differ.
    """
    objective = question.objectives[0]
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    if not isinstance(objective, _WHOLE):
        return none
    raw = np.concatenate([model.predict(images[i : i + batch]) for i in range(0, len(images), batch)])
    starts, ends, wanted = _pairs(question, raw, target)
    if not starts.size:
        return none
    at = array_margin(objective, raw[starts], wanted)
    apart = array_margin(objective, raw[ends], wanted) - at
    summed = np.zeros(starts.size)
    for pair, (a, b) in enumerate(zip(starts, ends, strict=True)):
        summed[pair] = _integral(model, question, images[a], images[b], wanted[pair], batch)
    agrees: NDArray[np.bool_] = np.abs(summed - apart) <= TOLERANCE * np.abs(apart)
    return starts, agrees


def _pairs(
    question: Question, raw: NDArray[np.float64], target: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return rows of the first and the second case of each pair, and the targets of the first."""
    objective = question.objectives[0]
    right = np.flatnonzero(objective.right(raw, target))
    few = right[np.unique(np.linspace(0, right.size - 1, min(right.size, PAIRS)).round().astype(np.int64))]
    found = []
    for row in few:
        same = np.broadcast_to(target[row], target.shape)
        wrong = ~objective.right(raw, same)
        margins = array_margin(objective, raw, same)
        usable = wrong & np.isfinite(margins) & (margins < margins[row])
        if usable.any() and np.isfinite(margins[row]):
            found.append((row, int(np.where(usable, margins, np.inf).argmin())))
    rows = np.array(found, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1], target[rows[:, 0]]


def _integral(
    model: DifferentiableModel, question: Question, start: NDArray[np.float32], end: NDArray[np.float32], target: Any,
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
        _, slope = slopes(model.forward, question.objectives, which, images, wanted)
        total += float((slope.double() * way).sum())
    return total / POINTS
