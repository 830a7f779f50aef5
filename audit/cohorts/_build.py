"""What cohorts from a manifest and cohorts from arrays have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Cohort, digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_PATIENTS = (
    "No patient column is declared: every case counts as a patient of its own, "
    "and intervals are too narrow where a patient has several cases."
)


def coded(ids: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return (n,) codes 0..P-1 in order of first appearance, and the (P,) ids by code."""
    names, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse].astype(np.int64), names[order]


def cohort_digest(cohort: Cohort, references: Sequence[NDArray[np.str_]] = (), contents: str = "") -> str:
    """Return the sha256 of what the cohort says: ids, patients, targets, attributes, references.

    Args:
        cohort: The cohort.
        references: Image and mask cells.
        contents: Digest of image contents, where they are at hand.
    """
    return digest(
        {
            "case_ids": cohort.case_ids.tolist(),
            "patients": cohort.patient_ids[cohort.patients].tolist() if cohort.patient_declared else None,
            "targets": cohort.targets.tolist(),
            "classes": cohort.classes,
            "attributes": {n: [a.role, a.levels.tolist(), _numbers(a.numbers)] for n, a in cohort.attributes.items()},
            "reference": None if cohort.reference_levels is None else cohort.reference_levels.tolist(),
            "references": [r.tolist() for r in references],
            "contents": contents,
        }
    )


def _numbers(values: NDArray[np.float64] | None) -> list[float | None] | None:
    return None if values is None else [float(v) if np.isfinite(v) else None for v in values]


def distinct_text(cells: NDArray[np.str_], most: int = 6) -> str:
    """Return the distinct values of a column for a message, at most a few."""
    there = sorted(set(cells.tolist()))
    text = ", ".join(repr(str(v)[:40]) for v in there[:most])
    return text + (f" and {len(there) - most} more" if len(there) > most else "")
