"""Sums of many columns over weighted patients, where each patient adds to few of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats._common import Floats, Ints, Patients


class SparseSums:
    """Columns that most patients add nothing to; takes the memory of what is added, not of patients times columns.

    Sums of whole numbers are exact, so that they are the same to the bit as those of a full table.

    Args:
        patients: (n,) patient codes of the cases.
    """

    def __init__(self, patients: Ints) -> None:
        self.patients = Patients.of(patients)
        self._columns: list[tuple[NDArray[np.int32], Floats]] = []

    def add(self, rows: Ints, values: NDArray[Any]) -> int:
        """Add a column and return its place.

        Args:
            rows: (m,) cases that add to it.
            values: (m,) finite, what each of them adds.

        Raises:
            ValueError: Sums were taken already.
        """
        if "_table" in self.__dict__:
            raise ValueError("columns: expected all of them before the first sums, got one more")
        who, of = np.unique(self.patients.code[rows], return_inverse=True)
        sums = np.bincount(of.reshape(-1), weights=values, minlength=len(who)).astype(np.float64)
        self._columns.append((who.astype(np.int32), sums))
        return len(self._columns) - 1

    @cached_property
    def _table(self) -> Any:
        from scipy.sparse import csr_array

        ends = np.cumsum([0, *(len(who) for who, _ in self._columns)])
        who = np.concatenate([part for part, _ in self._columns])
        sums = np.concatenate([part for _, part in self._columns])
        self._columns.clear()
        return csr_array((sums, who, ends), shape=(len(ends) - 1, self.patients.count))

    def sums(self, weights: Floats) -> Floats:
        """Return (b, columns) sums for (b, patients) weights; no column can be added after it."""
        out: Floats = np.ascontiguousarray((self._table @ weights.T).T)
        return out
