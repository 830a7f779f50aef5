"""Sums and ranks by group of cases, for all groups in one pass over the cases."""

from __future__ import annotations

import numpy as np

from audit.stats._common import Bools, Floats, Ints
from audit.stats._kernel import Ranking


class GroupSums:
    """Weights of the cases of each group; no table of cases times groups is made.

    Args:
        codes: (n,) group of each case, 0..groups - 1.
        groups: Number of groups.
    """

    def __init__(self, codes: Ints, groups: int) -> None:
        self._codes, self._groups = codes, groups

    def __call__(self, weights: Floats) -> Floats:
        """Return (b, groups) sums of (b, n) weights, added up in order of the cases."""
        out = np.empty((len(weights), self._groups))
        for i, row in enumerate(weights):
            out[i] = np.bincount(self._codes, weights=row, minlength=self._groups)
        return out


class GroupRanking:
    """The AUC of each of several groups, and of all cases that are not in it.

    What a rest wins is what everybody wins, less the pairs that have a case or a control of the group, and the group's
    own pairs, which were then taken off twice: one pass over the cases serves all rests. Sums are re-ordered by it, so
    an area differs from that of a ranking of the rest by less than 1e-12.

    Args:
        scores: (n,) finite.
        labels: (n,) True for positive cases.
        codes: (n,) group of each case, 0..groups - 1.
        groups: Number of groups.
    """

    def __init__(self, scores: Floats, labels: Bools, codes: Ints, groups: int) -> None:
        self.own = [
            Ranking(scores, np.flatnonzero(labels & (codes == g)), np.flatnonzero(~labels & (codes == g)))
            for g in range(groups)
        ]
        self._cases = _Side(scores, np.flatnonzero(labels), np.flatnonzero(~labels), codes, groups)
        self._controls = _Side(-scores, np.flatnonzero(~labels), np.flatnonzero(labels), codes, groups)

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (b, groups) areas of the groups and of their rests under (b, n) weights, NaN where one has none."""
        each = [ranking.won(weights) for ranking in self.own]
        wins, pairs = (np.stack(parts, axis=1) for parts in zip(*each, strict=True))
        if len(self.own) == 2:
            # Each is the rest of the other.
            own = _ratio(wins, pairs)
            return own, own[:, ::-1]
        by_case, by_control = self._cases.wins(weights), self._controls.wins(weights)
        left = by_case.sum(axis=1, keepdims=True) - by_case - by_control + wins
        cases, controls = self._cases.sizes(weights), self._controls.sizes(weights)
        rest = (cases.sum(axis=1, keepdims=True) - cases) * (controls.sum(axis=1, keepdims=True) - controls)
        return _ratio(wins, pairs), _ratio(left, rest)


class _Side:
    """What the cases of one class win against all of the other, by group."""

    def __init__(self, scores: Floats, rows: Ints, others: Ints, codes: Ints, groups: int) -> None:
        self._rows, self._others = rows, others[np.argsort(scores[others], kind="stable")]
        ordered = scores[self._others]
        self._below = np.searchsorted(ordered, scores[rows], "left")
        self._upto = np.searchsorted(ordered, scores[rows], "right")
        self._by_group = GroupSums(codes[rows], groups)

    def wins(self, weights: Floats) -> Floats:
        passed = np.zeros((len(weights), len(self._others) + 1))
        np.cumsum(weights[:, self._others], axis=1, out=passed[:, 1:])
        placed = passed[:, self._below]
        placed += passed[:, self._upto]
        placed *= weights[:, self._rows]
        return self._by_group(placed) / 2

    def sizes(self, weights: Floats) -> Floats:
        return self._by_group(weights[:, self._rows])


def _ratio(top: Floats, bottom: Floats) -> Floats:
    out: Floats = np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)
    return out
