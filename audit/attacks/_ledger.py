"""What was verified of every case on the untouched model; right only ever turns to wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._margins import exact_margin
from audit.attacks._objectives import Question
from audit.attacks._outcome import UNBROKEN, WRONG_ALREADY, Meter, Outcome
from audit.core import ImagingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ledger:
    """Answers and decisions of n cases, without their images.

    Args:
        model: The model under attack, asked in float32 as it is.
        question: What is to be overturned.
        count: Number of cases.
        sizes: Number of sizes.
        meter: Where the cost is counted.
        once: Where that of what every part of an attack asks alike is counted, by default with the rest.
        batch: Images that the model is asked about at once, by default all that come together.
    """

    def __init__(
        self, model: ImagingModel, question: Question, count: int, sizes: int, meter: Meter, once: Meter | None = None,
        batch: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self.question, self.meter, self.once, self.batch = model, question, meter, once or meter, batch
        self.right, self.stored, self.right_clean = (np.zeros(count, bool) for _ in range(3))
        self.gradient, self.descends, self.integer = (np.zeros(count, bool) for _ in range(3))
        self.attacked, self.noise = np.zeros(count, bool), np.zeros(count, bool)
        self.by = np.full(count, UNBROKEN, dtype="U16")
        self.margin = np.zeros((count, len(question.objectives)))
        self.clean_margin = np.zeros(count)
        self._rights, self._stored, self._storable = (np.zeros((count, sizes), bool) for _ in range(3))
        self._clean: NDArray[np.float64] | None = None
        self._raw, self._answers = np.zeros((count, 0)), np.zeros((count, sizes, 0))

    def ask(
        self, x: NDArray[np.float32], target: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return what is kept of m answers, their (m, objectives) margins, and whether they are right.

        A margin of an answer that is no number is infinite, so that such an answer is never kept.
        """
        self.meter.forwards += len(x)
        raw, objective = self._answers_to(x), self.question.objectives[0]
        every = [exact_margin(o, raw, target) for o in self.question.objectives]
        margins = np.stack(every, axis=1) if len(every) > 1 else every[0][:, None]
        if not np.isfinite(raw).all():
            finite = np.logical_and.reduce(np.isfinite(raw.reshape(len(raw), -1)), axis=1)
            margins = np.where(finite[:, None], margins, np.inf)
        return objective.keep(raw, target), margins, objective.right(raw, target)

    def _answers_to(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        step = self.batch or len(x)
        if len(x) <= step:
            return self.model.predict(x)
        return np.concatenate([self.model.predict(x[i : i + step]) for i in range(0, len(x), step)])

    def enter(self, rows: NDArray[np.int64], x: NDArray[np.float32], target: NDArray[Any]) -> None:
        """Note what the model says of some cases without an attack."""
        raw, margin, right = self.ask(x, target)
        if self._clean is None:
            self._clean = np.zeros((len(self.right), raw.shape[1]))
            self._raw = self._clean.copy()
            self._answers = np.zeros((*self._rights.shape, raw.shape[1]))
        self._clean[rows] = self._raw[rows] = raw
        self.margin[rows], self.clean_margin[rows] = margin, margin.min(axis=1)
        self.right[rows] = self.stored[rows] = self.right_clean[rows] = right
        self.by[rows[~right]] = WRONG_ALREADY

    def offer(
        self, rows: NDArray[np.int64], x: NDArray[np.float32], target: NDArray[Any],
        by: str | NDArray[np.str_], *, stored: bool = False,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:  # fmt: skip
        """Verify candidates.

        Args:
            rows: (m,) cases.
            x: (m, channels, *spatial) their perturbed images.
            target: (m, ...) their targets.
            by: What made them, or (m,) what made each.
            stored: They are images of whole stored steps.

        Returns:
            (m,) which stay right, and (m, objectives) whose margin is the lowest of its objective so far.
        """
        raw, margin, right = self.ask(x, target)
        before = self.margin[rows]
        if not right.all():
            turned = self.right[rows] & ~right
            self.by[rows[turned]] = np.broadcast_to(np.asarray(by), rows.shape)[turned]
            self.right[rows] &= right
        if stored:
            self.stored[rows] &= right
        lower = margin < before
        if lower.any():
            best = margin.min(axis=1) < before.min(axis=1)
            self._raw[rows[best]] = raw[best]
            self.margin[rows] = np.where(lower, margin, before)
        return right, lower

    def close(
        self, rows: NDArray[np.int64], size: NDArray[np.int64], storable: NDArray[np.bool_] | None = None
    ) -> None:
        """Note what stands at the end of a size of each case, and whether a stored step fits into it."""
        self._storable[rows, size] = False if storable is None else storable
        self._rights[rows, size], self._stored[rows, size] = self.right[rows], self.stored[rows]
        self._answers[rows, size] = self._raw[rows]

    def outcome(self, worst: NDArray[np.float32]) -> Outcome:
        """Return the outcome, with the images that were kept."""
        clean = np.zeros((len(self.right), 0)) if self._clean is None else self._clean
        return Outcome(
            clean=clean, right_clean=self.right_clean, right=self._rights, right_stored=self._stored,
            answers=self._answers, gradient=self.gradient, descends=self.descends, right_attack=self.attacked,
            right_noise=self.noise, worst=worst, integer=self.integer, storable=self._storable,
            by=self.by,
        )  # fmt: skip
