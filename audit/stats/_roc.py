"""ROC curves of a subgroup and of its rest under many weights of the cases.

Weights count how often a patient was drawn. Their sums are whole numbers and therefore exact in any order, so that the
curve of a rest can be had as that of everybody minus that of the subgroup, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from audit.stats._common import Bools, Floats, Ints


class Steps(NamedTuple):
    """A curve under (b,) weightings.

    Args:
        down: (b, scores + 1) weights of the negatives at or above each distinct score, the highest first, 0 before it.
        every: The same of all cases.
    """

    down: Floats
    every: Floats


class Roc:
    """Sensitivity at a given share of false alarms, for any weights of the cases.

    Args:
        scores: (n,) finite.
        labels: (n,) True for positive cases.
        rows: (n,) True for the cases of this curve.
    """

    def __init__(self, scores: Floats, labels: Bools, rows: Bools) -> None:
        index = np.flatnonzero(rows)
        self.order = index[np.argsort(-scores[index], kind="stable")]
        ordered = scores[self.order]
        new = np.flatnonzero(np.diff(ordered)) + 1
        self._starts = np.concatenate([[0], new]).astype(np.int64)
        self.values = ordered[self._starts]
        self._tied = len(self._starts) < len(ordered)
        self._negative = ~labels[self.order]

    def steps(self, weights: Floats) -> Steps:
        """Return the curve under (b, n) weights."""
        own = weights[:, self.order]
        every = self._passed(own)
        own *= self._negative
        return Steps(self._passed(own), every)

    def _passed(self, values: Floats) -> Floats:
        grouped = np.add.reduceat(values, self._starts, axis=1) if self._tied else values
        out = np.zeros((len(values), len(self._starts) + 1))
        np.cumsum(grouped, axis=1, out=out[:, 1:])
        return out

    def reached(self, point: float) -> int:
        """Return how many distinct scores are at or above a point."""
        return int(np.searchsorted(-self.values, -point, side="right"))

    def called(self, steps: Steps, point: float) -> Floats:
        """Return (b,) shares of the positives at or above a point."""
        at = self.reached(point)
        return shares(steps.every[:, at] - steps.down[:, at], steps.every[:, -1] - steps.down[:, -1])

    def held(self, steps: Steps, alarms: Floats) -> Floats:
        """Return (b,) sensitivities where (b,) shares of the negatives are called positive.

        Between two thresholds the curve is a straight line; where it rises at one share, the middle of the rise is
        taken, and at a share of 0 its top, the best that a threshold above all negatives gives.
        """
        down, every = steps
        false, positives = shares(down, down[:, -1:]), every[:, -1] - down[:, -1]
        row, last = np.arange(len(alarms)), down.shape[1] - 1

        def true(index: Ints) -> Floats:
            return shares(every[row, index] - down[row, index], positives)

        def passed(index: Ints) -> Floats:
            found: Floats = false[row, index]
            return found

        return _height(passed, true, alarms, lambda right: np.clip(_count(false, alarms, right), 1, last))

    def sensitivity(self, weights: Floats, alarms: Floats) -> Floats:
        """Return (b,) sensitivities at (b,) shares of false alarms, for (b, n) weights; see `held`."""
        return self.held(self.steps(weights), alarms)

    def threshold(self, alarms: float) -> float:
        """Return the lowest score at which no more than a share of the negatives is called positive, at equal weights.

        It is infinite where already the highest score is one of more negatives than that.
        """
        down = self.steps(np.ones((1, int(self.order.max()) + 1))).down
        false = shares(down, down[:, -1:])[0]
        last = int(np.count_nonzero(false <= alarms)) - 1
        return float(self.values[last - 1]) if last > 0 else float("inf")


class Rest:
    """The curve of everybody but a subgroup, looked up on the curves of everybody and of the subgroup.

    A score that only the subgroup has adds a point to it at which nothing rises; such points change no height.

    Args:
        whole: The curve of everybody.
        group: The curve of the subgroup.
        scores: (n,) finite.
        rows: (n,) True for the cases of the subgroup.
    """

    def __init__(self, whole: Roc, group: Roc, scores: Floats, rows: Bools) -> None:
        self._whole, self._group = whole, group
        self._falling = -group.values
        rest = scores[~rows]
        # The first and the last point of the rest's own curve; heights are looked up between these.
        self._first, self._last = whole.reached(float(rest.max())), whole.reached(float(rest.min()))

    def called(self, whole: Steps, group: Steps, point: float) -> Floats:
        """Return (b,) shares of the positives at or above a point; see `Roc.called`."""
        at, own = self._whole.reached(point), self._group.reached(point)
        hits = (whole.every[:, at] - whole.down[:, at]) - (group.every[:, own] - group.down[:, own])
        return shares(hits, self._positives(whole, group))

    @staticmethod
    def _positives(whole: Steps, group: Steps) -> Floats:
        out: Floats = (whole.every[:, -1] - whole.down[:, -1]) - (group.every[:, -1] - group.down[:, -1])
        return out

    def held(self, whole: Steps, group: Steps, alarms: Floats) -> Floats:
        """Return (b,) sensitivities where (b,) shares of the negatives are called positive; see `Roc.held`."""
        row = np.arange(len(alarms))
        negatives = whole.down[:, -1] - group.down[:, -1]
        positives = self._positives(whole, group)

        def own(index: Ints) -> Ints:
            # Distinct scores of the subgroup at or above the score of each point; above the first point there is none.
            at = np.searchsorted(self._falling, -self._whole.values[np.maximum(index, 1) - 1], side="right")
            return np.where(index > 0, at, 0)

        def passed(index: Ints) -> Floats:
            out: Floats = (whole.down[row, index] - group.down[row, own(index)]) / negatives
            return out

        def true(index: Ints) -> Floats:
            there = own(index)
            every = whole.every[row, index] - group.every[row, there]
            out: Floats = (every - (whole.down[row, index] - group.down[row, there])) / positives
            return out

        def count(right: bool) -> Ints:
            return np.clip(below if right else under, self._first, self._last)

        # Where a resample has no patient of a class, its share of nothing is NaN.
        with np.errstate(invalid="ignore"):
            below = _bisected(passed, alarms, whole.down.shape[1], right=True)
            # Both counts are one but where the curve rises at just this share of alarms.
            under = below
            if (passed(np.maximum(below, 1) - 1) == alarms).any():
                under = _bisected(passed, alarms, whole.down.shape[1], right=False)
            return _height(passed, true, alarms, count)


def shares(parts: Floats, total: Floats) -> Floats:
    """Return parts of a whole, NaN where there is nothing."""
    whole = np.broadcast_to(total, parts.shape)
    out: Floats = np.divide(parts, whole, out=np.full(parts.shape, np.nan), where=whole > 0)
    return out


def _count(false: Floats, alarms: Floats, right: bool) -> Ints:
    below = false <= alarms[:, None] if right else false < alarms[:, None]
    out: Ints = below.sum(axis=1)
    return out


def _bisected(passed: Callable[[Ints], Floats], alarms: Floats, points: int, right: bool) -> Ints:
    """Return (b,) how many of the points, whose shares never fall, lie below the alarms, or at them where `right`."""
    low, high = np.zeros(len(alarms), dtype=np.int64), np.full(len(alarms), points, dtype=np.int64)
    for _ in range(int(points).bit_length()):
        middle = np.minimum((low + high) // 2, points - 1)
        here = passed(middle)
        below = (here <= alarms if right else here < alarms) & (low < high)
        low, high = np.where(below, middle + 1, low), np.where(below, high, np.minimum(middle, high))
    return low


def _height(
    passed: Callable[[Ints], Floats], true: Callable[[Ints], Floats], alarms: Floats, place: Callable[[bool], Ints]
) -> Floats:
    """Return (b,) heights of a curve at the alarms: the middle of its rise there, or at no alarm its top."""
    right = _between(passed, true, alarms, place(True))
    left = _between(passed, true, alarms, place(False))
    out: Floats = np.where(alarms > 0, (left + right) / 2, right)
    return out


def _between(passed: Callable[[Ints], Floats], true: Callable[[Ints], Floats], alarms: Floats, after: Ints) -> Floats:
    """Return (b,) heights of the straight line from the point before to this one."""
    start = passed(after - 1)
    width = passed(after) - start
    along = np.divide(alarms - start, width, out=np.ones_like(alarms), where=width > 0)
    low = true(after - 1)
    out: Floats = low + np.clip(along, 0, 1) * (true(after) - low)
    return out
