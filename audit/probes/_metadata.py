"""Declared attributes as columns that a model without images can learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, Cohort, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 5
# What is known before the image is read; a severity or a reading comes from somebody who knows the disease.
KNOWN_BEFORE: tuple[Role, ...] = ("protected", "confounder", "protocol", "covariate")


def known_before(cohort: Cohort) -> tuple[Attribute, ...]:
    """Return the attributes that are known without the image.

    Severities, readings, repeats, and how the reference standard was established come after it.
    """
    later = {cohort.reference_method, *(a.name for a in cohort.by_role("severity", "rater", "repeat"))}
    return tuple(a for a in cohort.by_role(*KNOWN_BEFORE) if a.name not in later)


class Columns:
    """A table by case whose columns are kept as small as they are: an indicator takes a byte a case.

    Args:
        parts: (n,) float or bool each.
        cases: n.
    """

    def __init__(self, parts: Sequence[NDArray[Any]], cases: int) -> None:
        self.parts, self._cases = tuple(parts), cases

    def __len__(self) -> int:
        return self._cases

    @property
    def shape(self) -> tuple[int, int]:
        """Cases and columns."""
        return self._cases, len(self.parts)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Columns:
        """Return the table of some cases."""
        parts = [part[rows] for part in self.parts]
        return Columns(parts, len(np.arange(self._cases)[rows]))

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        """Return the full table, (n, p)."""
        out = np.empty(self.shape, dtype=np.float64)
        for place, part in enumerate(self.parts):
            out[:, place] = part
        return out if dtype is None else out.astype(dtype, copy=False)


def columns_of(attributes: Sequence[Attribute], patients: NDArray[np.int64]) -> Columns:
    """Return (n, p) columns: a number as it is, NaN where empty, and an indicator for each level or for empty cells.

    Args:
        attributes: At least one.
        patients: (n,) patient codes. Levels of fewer than 5 patients share one indicator, so that a column of ids
            tells nothing by itself.
    """
    parts = [part for attribute in attributes for part in _columns(attribute, patients)]
    return Columns(parts, len(patients))


def _columns(attribute: Attribute, patients: NDArray[np.int64]) -> list[NDArray[Any]]:
    if attribute.numbers is not None:
        empty = attribute.levels == MISSING_LEVEL
        numbers = np.asarray(attribute.numbers, dtype=np.float64)
        return [numbers, empty] if empty.any() else [numbers]
    names, code = np.unique(attribute.levels, return_inverse=True)
    code = code.reshape(-1)
    counts = [int(np.unique(patients[code == i]).size) for i in range(len(names))]
    few = [i for i, count in enumerate(counts) if count < FEWEST]
    common = [i for i, count in enumerate(counts) if count >= FEWEST]
    return [*(code == i for i in common), *([np.isin(code, few)] if few else [])]
