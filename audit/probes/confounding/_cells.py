"""AUC of the cases of one level against the controls of another, for all pairs of levels and many weights at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tallies:
    """Weighted comparisons of cases with controls, by pair of levels.

    Args:
        wins: (b, L, L) weight of pairs in which the case of the first level scores above the control of the second,
            ties counted half.
        cases: (b, L) weight of the cases of each level.
        controls: (b, L) weight of the controls of each level.
    """

    wins: Floats
    cases: Floats
    controls: Floats

    @property
    def areas(self) -> Floats:
        """(b, L, L) AUC of cases of the first level against controls of the second, NaN where a side has no weight."""
        pairs = self.cases[:, :, None] * self.controls[:, None, :]
        out = np.full_like(self.wins, np.nan)
        np.divide(self.wins, pairs, out=out, where=pairs > 0)
        return out

    @property
    def pooled(self) -> Floats:
        """(b,) AUC of the cohort as it is."""
        pairs = self.cases.sum(axis=1) * self.controls.sum(axis=1)
        out = np.full(len(pairs), np.nan)
        np.divide(self.wins.sum(axis=(1, 2)), pairs, out=out, where=pairs > 0)
        return out

    @property
    def within(self) -> Floats:
        """(b,) mean over levels of the AUC within the level."""
        out: Floats = np.einsum("bii->bi", self.areas).mean(axis=1)
        return out

    @property
    def balanced(self) -> Floats:
        """(b,) AUC of a cohort in which cases and controls have every level equally often."""
        out: Floats = self.areas.mean(axis=(1, 2))
        return out


class Cells:
    """Ranks of all cases among the controls of every level, made once and used for all weights.

    Args:
        scores: (n,) finite.
        labels: (n,) True for cases.
        codes: (n,) level of each case or control, 0..L-1; every level has both.
    """

    def __init__(self, scores: Floats, labels: NDArray[np.bool_], codes: NDArray[np.int64]) -> None:
        self.levels = int(codes.max()) + 1
        rows = np.flatnonzero(labels)
        self._cases = rows[np.argsort(codes[rows], kind="stable")]
        self._starts = np.searchsorted(codes[self._cases], np.arange(self.levels))
        self._controls, self._below, self._upto = [], [], []
        for level in range(self.levels):
            of_level = np.flatnonzero(~labels & (codes == level))
            ordered = of_level[np.argsort(scores[of_level], kind="stable")]
            self._controls.append(ordered)
            self._below.append(np.searchsorted(scores[ordered], scores[self._cases], "left"))
            self._upto.append(np.searchsorted(scores[ordered], scores[self._cases], "right"))

    def tallies(self, weights: Floats) -> Tallies:
        """Return the comparisons under (b, n) weights, a resample a row.

        Cumulative weights of the controls in order of score give each case's placement with ties counted half, so
        nothing of the size of cases times controls is ever made.
        """
        count = len(weights)
        cases = weights[:, self._cases]
        wins, controls = np.empty((count, self.levels, self.levels)), np.empty((count, self.levels))
        for level in range(self.levels):
            passed = np.zeros((count, len(self._controls[level]) + 1))
            np.cumsum(weights[:, self._controls[level]], axis=1, out=passed[:, 1:])
            controls[:, level] = passed[:, -1]
            placed = cases * (passed[:, self._below[level]] + passed[:, self._upto[level]])
            wins[:, :, level] = np.add.reduceat(placed, self._starts, axis=1) / 2
        return Tallies(wins=wins, cases=np.add.reduceat(cases, self._starts, axis=1), controls=controls)
