"""Declared attributes as columns that a model without images can learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def columns_of(attributes: Sequence[Attribute], patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, p) columns: a number as it is, NaN where empty, and an indicator for each level or for empty cells.

    Args:
        attributes: At least one.
        patients: (n,) patient codes. Levels of fewer than 5 patients share one indicator, so that a column of ids
            tells nothing by itself.
    """
    parts = [part for attribute in attributes for part in _columns(attribute, patients)]
    return np.stack(parts, axis=1) if parts else np.zeros((len(patients), 0))


def _columns(attribute: Attribute, patients: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    if attribute.numbers is not None:
        empty = attribute.levels == MISSING_LEVEL
        numbers = np.asarray(attribute.numbers, dtype=np.float64)
        return [numbers, empty.astype(np.float64)] if empty.any() else [numbers]
    names, code = np.unique(attribute.levels, return_inverse=True)
    code = code.reshape(-1)
    counts = [int(np.unique(patients[code == i]).size) for i in range(len(names))]
    few = [i for i, count in enumerate(counts) if count < FEWEST]
    common = [i for i, count in enumerate(counts) if count >= FEWEST]
    out = [(code == i).astype(np.float64) for i in common]
    if few:
        out.append(np.isin(code, few).astype(np.float64))
    return out
