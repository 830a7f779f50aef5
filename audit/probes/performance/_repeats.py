"""Which cases are repeated examinations of one state of one patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, Cohort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import Repeats


@dataclass(frozen=True, kw_only=True, eq=False)
class Sets:
    """Repeated examinations by one attribute.

    Args:
        name: The attribute's name.
        cases: (m,) indices of the cases that are in a set of two or more.
        code: (m,) codes 0..count-1 of their sets.
        patients: (m,) patient codes.
        broken: (lost,) patient of each set of which too few cases were left because others were set aside.
    """

    name: str
    cases: NDArray[np.int64]
    code: NDArray[np.int64]
    patients: NDArray[np.int64]
    broken: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of sets."""
        return int(self.code.max()) + 1 if len(self.code) else 0

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(sets,) cases of each."""
        return np.bincount(self.code, minlength=self.count)

    @property
    def owners(self) -> NDArray[np.int64]:
        """(sets,) patient of each."""
        first: NDArray[np.int64] = self.patients[np.unique(self.code, return_index=True)[1]]
        return first

    def repeats(self, values: NDArray[np.float64]) -> Repeats:
        """Return the values of the cases (n,) in their sets."""
        from audit.stats import Repeats

        return Repeats(values=values[self.cases], sets=self.code, patients=self.patients)

    def first_two(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (sets,) the first and the second case of each set, in the order of the manifest."""
        order = np.argsort(self.code, kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(int)
        return self.cases[order][starts], self.cases[order][starts + 1]

    def flips(self, decisions: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return (sets,) the share of pairs of examinations in a set that are decided differently.

        Args:
            decisions: (n,) decisions of all cases.
        """
        if not self.count:
            return np.zeros(0)
        _, named = np.unique(decisions[self.cases], return_inverse=True)
        width = int(named.max()) + 1
        table = np.bincount(self.code * width + named.reshape(-1), minlength=self.count * width)
        alike = (table * (table - 1)).reshape(self.count, width).sum(axis=1)
        size = self.sizes
        out: NDArray[np.float64] = 1 - alike / (size * (size - 1))
        return out


def sets_of(cohort: Cohort, attribute: Attribute) -> Sets:
    """Return the sets of an attribute: cases of one patient that share a value, cases without one left out."""
    filled = np.flatnonzero(attribute.levels != MISSING_LEVEL)
    known, code, size = _grouped(_kept_keys(cohort, attribute.name))
    kept = size[code] > 1
    _, renumbered = np.unique(code[kept], return_inverse=True)
    cases = filled[kept]
    return Sets(
        name=attribute.name, cases=cases, code=renumbered.reshape(-1).astype(np.int64),
        patients=cohort.patients[cases], broken=_broken(cohort, attribute.name, known[size == 1]),
    )  # fmt: skip


def _grouped(keys: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]]:
    if not len(keys):
        return keys, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    known, code, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return known, code.reshape(-1).astype(np.int64), size.astype(np.int64)


def _broken(cohort: Cohort, name: str, single: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the patients of sets that lost all but one of their cases to what was set aside, or all of several."""
    aside = cohort.aside
    if aside is None or name not in aside.attributes:
        return np.zeros(0, dtype=np.int64)
    levels = aside.attributes[name].levels
    filled = levels != MISSING_LEVEL
    lost, _, size = _grouped(np.stack([aside.patients[filled].astype(str), levels[filled]], axis=1))
    alone = {tuple(key) for key in single.tolist()}
    keys = zip(lost.tolist(), size.tolist(), strict=True)
    # A set that still has two cases or more is not in `single`, and all its lost ones are one row here.
    kept = {tuple(key) for key in _kept_keys(cohort, name).tolist()} - alone
    owners = [int(key[0]) for key, count in keys if tuple(key) not in kept and (tuple(key) in alone or count > 1)]
    return np.array(owners, dtype=np.int64)


def _kept_keys(cohort: Cohort, name: str) -> NDArray[np.str_]:
    levels = cohort.attributes[name].levels
    filled = levels != MISSING_LEVEL
    return np.stack([cohort.patients[filled].astype(str), levels[filled]], axis=1)
