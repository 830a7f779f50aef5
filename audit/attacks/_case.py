"""One case under an attack that only asks: what was seen to break it, and the lowest margin at every size."""

from __future__ import annotations

from collections.abc import Generator
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from audit.attacks._converse import Answer
from audit.attacks._room import Room

if TYPE_CHECKING:
    from numpy.typing import NDArray

Asking = Generator["NDArray[np.float32]", Answer, Answer]


class Case:
    """The worst that was found so far for one case; every image that is asked counts, whoever proposed it.

    Args:
        room: What is allowed.
        epsilons: Rising sizes.
        headline: The one of them whose worst image is kept.

    Attributes:
        asked: Images asked so far.
        phase: Who proposes at the moment.
        broken: Smallest size of an image that was answered wrong; infinite while there is none.
        broken_stored: The same among images of whole stored steps.
        asked_when_broken: Images asked until an image within the headline size was answered wrong, or None.
        broken_by: The phase that proposed it, or "".
        margin: (E,) lowest margin within each size.
        kept: (E, k) the answers of these margins.
        worst: The image of the lowest margin within the headline size.
        worst_answer: The answer to it.
    """

    def __init__(self, room: Room, epsilons: tuple[float, ...], headline: float) -> None:
        self.room, self.epsilons, self.headline = room, np.array(epsilons), headline
        self.asked, self.phase = 0, "clean"
        self.broken = self.broken_stored = float("inf")
        self.asked_when_broken: int | None = None
        self.broken_by = ""
        self.worst = room.x0

    def open(self) -> Asking:
        """Ask for the image as it is."""
        answer = yield self.room.x0
        self.asked = 1
        self.clean = self.worst_answer = answer
        self.margin = np.full(len(self.epsilons), _lowest(answer))
        self._highest = _lowest(answer)
        self.kept = np.repeat(answer.kept[None], len(self.epsilons), axis=0)
        if not answer.right:
            self.broken = self.broken_stored = 0.0
        return answer

    def ask(self, x: NDArray[np.float32]) -> Asking:
        """Ask for one image and take note of the answer at every size that holds it."""
        answer = yield x
        self.asked += 1
        margin = _lowest(answer)
        if answer.right and not margin < self._highest:
            return answer
        size = self.room.size_of(x)
        if not answer.right:
            if size <= self.headline < self.broken:
                self.asked_when_broken, self.broken_by = self.asked, self.phase
            self.broken = min(self.broken, size)
            if self.room.step is not None and np.array_equal(x, np.round(x)):
                self.broken_stored = min(self.broken_stored, size)
        if not margin < self._highest:
            return answer
        lower = (self.epsilons >= size) & (margin < self.margin)
        if lower.any() and bool(np.isfinite(answer.kept).all()):
            self.margin[lower], self.kept[lower] = margin, answer.kept
            self._highest = float(self.margin.max())
            if bool(lower[self.epsilons == self.headline].any()):
                self.worst, self.worst_answer = x, answer
        return answer

    def ask_stored(self, x: NDArray[np.float32], epsilon: float) -> Generator[NDArray[np.float32], Answer, None]:
        """Ask for the whole stored steps of an image, where the file could hold any within the size."""
        if self.room.storable(epsilon) and self.broken_stored > epsilon:
            whole = self.room.stored(x, epsilon)
            if not np.array_equal(whole, x):
                yield from self.ask(whole)

    def stands(self, epsilon: float) -> bool:
        """Return whether the case is not yet broken at a size in every sense that the size allows."""
        return self.broken > epsilon or (self.room.storable(epsilon) and self.broken_stored > epsilon)


def _lowest(answer: Answer) -> float:
    lowest = float(answer.margins.min())
    return lowest if isfinite(lowest) else (float("inf") if lowest > 0 else float("-inf"))
