"""Many cases that ask one model, each at its own pace, in batches that stay full.

An attack that only asks is written for one case: a generator that yields an image and is sent the model's answer to it.
`converse` runs many of them side by side; one that ends makes room for the next, so the images in memory are those of
one batch whatever the size of the cohort.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from audit.attacks._margins import array_margin
from audit.attacks._objectives import Question
from audit.attacks._outcome import Meter
from audit.core import ImagingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What a model said of one image.

    Args:
        kept: (k,) what is kept of the raw outputs.
        margins: (objectives,) room left before each objective is reached; what is no number stays none.
        right: Whether the answer is right.
    """

    kept: NDArray[np.float64]
    margins: NDArray[np.float64]
    right: bool


Walk = Generator["NDArray[np.float32]", Answer, Result]


def converse(
    model: ImagingModel, question: Question, walks: Iterable[tuple[Any, Walk[Result]]], *, batch: int, meter: Meter
) -> Iterator[tuple[int, Result]]:
    """Run walks side by side and give what each returns, in the order in which they end.

    Args:
        model: The model; only `predict` is used.
        question: What is to be overturned.
        walks: Target and walk of each case, taken one by one as slots become free.
        batch: Slots.
        meter: Where the cost is counted.

    Yields:
        Position of the walk and what it returned.
    """
    waiting = enumerate(walks)
    slots: list[tuple[int, Any, Walk[Result]]] = []
    images: list[NDArray[np.float32]] = []
    targets: NDArray[Any] | None = None
    while True:
        while len(slots) < batch:
            following = next(waiting, None)
            if following is None:
                break
            index, (target, walk) = following
            slots.append((index, target, walk))
            images.append(next(walk))
            targets = None
        if not slots:
            return
        meter.forwards += len(images)
        if targets is None:
            targets = np.stack([np.asarray(target) for _, target, _ in slots])
        answers = answer_all(model, question, np.stack(images), targets)
        going, images_next = [], []
        for slot, answer in zip(slots, answers, strict=True):
            try:
                images_next.append(slot[2].send(answer))
                going.append(slot)
            except StopIteration as end:
                yield slot[0], end.value
        targets = targets if len(going) == len(slots) else None
        slots, images = going, images_next


def answer_all(
    model: ImagingModel, question: Question, images: NDArray[np.float32], target: NDArray[Any]
) -> list[Answer]:
    """Return the answers to a batch of images, (m, channels, *spatial), with (m, ...) targets."""
    raw = model.predict(images)
    objective = question.objectives[0]
    kept, right = objective.keep(raw, target), objective.right(raw, target)
    with np.errstate(invalid="ignore"):
        every = [array_margin(o, raw, target) for o in question.objectives]
    margins = np.stack(every, axis=1) if len(every) > 1 else every[0][:, None]
    return [Answer(kept=kept[i], margins=margins[i], right=bool(right[i])) for i in range(len(images))]
