"""AUC of the cases of one level against the controls of another, within levels, and over all pairs of levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.stats import GroupSums, Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Cells:
    """Comparisons of cases with controls by level of a confounder, under many weights at once.

    Args:
        scores: (n,) finite.
        labels: (n,) True for cases.
        codes: (n,) level of each case or control, 0..L-1; every level has both.
        shares: (L,) share of each level in the balanced cohort, 1 in all; equal shares by default.
    """

    def __init__(self, scores: Floats, labels: NDArray[np.bool_], codes: Ints, shares: Floats | None = None) -> None:
        self.levels = int(codes.max()) + 1
        self._shares = np.full(self.levels, 1 / self.levels) if shares is None else shares
        # The groups are the cases of each level, then the controls of each level.
        self._group = np.where(labels, codes, codes + self.levels)
        self._by_group = GroupSums(self._group, 2 * self.levels)
        self._cases = [np.flatnonzero(self._group == level) for level in range(self.levels)]
        self._controls = [np.flatnonzero(self._group == level + self.levels) for level in range(self.levels)]
        self._all = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels))
        self._own = [Ranking(scores, a, b) for a, b in zip(self._cases, self._controls, strict=True)]
        self._scores = scores

    def _sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (b, L) weights of the cases and of the controls of each level."""
        found = self._by_group(weights)
        return found[:, : self.levels], found[:, self.levels :]

    def pooled(self, weights: Floats) -> Floats:
        """Return (b,) AUC of the cohort as it is, under (b, n) weights; NaN where a class has no weight."""
        cases, controls = self._sums(weights)
        return _ratio(self._all.wins(weights), cases.sum(axis=1) * controls.sum(axis=1))

    def within(self, weights: Floats) -> Floats:
        """Return (b,) mean over levels, by their shares, of the AUC within the level; NaN where one has no weight."""
        cases, controls = self._sums(weights)
        wins = np.stack([own.wins(weights) for own in self._own], axis=1)
        out: Floats = _ratio(wins, cases * controls) @ self._shares
        return out

    def balanced(self, weights: Floats) -> Floats:
        """Return (b,) mean over all pairs of levels, by their shares, of the AUC of the pair; NaN as for `within`.

        It is the AUC of a cohort in which every level has its share among cases and among controls, so each weight is
        divided by that of its level and class and one pass over the whole cohort is enough.
        """
        return self._all.wins(self._balancing(weights))

    def _balancing(self, weights: Floats) -> Floats:
        """Return (b, n) weights under which each level has its share of either class, each class 1 in all."""
        share = _ratio(np.tile(self._shares, 2), self._by_group(weights))[:, self._group]
        share *= weights
        return share

    def effective(self) -> float:
        """Return the effective number of cases and controls of the balanced cohort, by Kish."""
        share = self._balancing(np.ones((1, len(self._group))))[0]
        return float(share.sum() ** 2 / (share**2).sum())

    def areas(self) -> Floats:
        """Return the (L, L) AUC of cases of the first level against controls of the second, each case once."""
        one = np.ones((1, len(self._group)))
        out = np.empty((self.levels, self.levels))
        for a, cases in enumerate(self._cases):
            for b, controls in enumerate(self._controls):
                wins = Ranking(self._scores, cases, controls).wins(one)[0]
                out[a, b] = wins / (len(cases) * len(controls))
        return out

    @property
    def counts(self) -> tuple[Ints, Ints]:
        """(L,) cases and (L,) controls of each level."""
        return np.array([len(rows) for rows in self._cases]), np.array([len(rows) for rows in self._controls])


def _ratio(top: Floats, bottom: Floats) -> Floats:
    top, bottom = np.broadcast_arrays(top, bottom)
    out = np.full(bottom.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
