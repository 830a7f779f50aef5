"""What cohorts from a manifest and cohorts from arrays have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Aside, Cohort, OtherSplit, digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_PATIENTS = (
    "No patient column is declared: every case counts as a patient of its own, "
    "and intervals are too narrow where a patient has several cases."
)
PHANTOM = "phantom: every image is simulated, and no number here says anything of patients"


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
        _beside(cohort)
        | {
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


def _beside(cohort: Cohort) -> dict[str, Any]:
    """Return what stands beside the cases; a cohort without it keeps the digest that it had before."""
    aside, pending = cohort.aside, cohort.unverified
    said: dict[str, Any] = {
        "raters": {k: _numbers(v) for k, v in cohort.raters.items()},
        "comparators": [[c.spec, _numbers(c.values)] for c in cohort.comparators.values()],
        "ungradable": None if cohort.ungradable is None else cohort.ungradable.tolist(),
        "others": [_other(o) for o in cohort.others],
        "annotated_planes": None if cohort.annotated_planes is None else cohort.annotated_planes.tolist(),
        "aside": None if aside is None else _aside(aside, cohort.patient_ids),
        "unverified": None if pending is None else cohort_digest(pending.cohort),
    }
    return {k: v for k, v in said.items() if v}


def _other(split: OtherSplit) -> list[Any]:
    columns = (split.case_ids, split.patient_ids, split.dates, split.references)
    return [split.name, *(None if c is None else c.tolist() for c in columns)]


def _aside(aside: Aside, patient_ids: NDArray[np.str_]) -> list[Any]:
    return [
        aside.case_ids.tolist(), patient_ids[aside.patients].tolist(), np.where(aside.known, 1, 0).tolist(),
        np.nan_to_num(aside.targets).tolist(), aside.reasons.tolist(),
        {n: a.levels.tolist() for n, a in aside.attributes.items()},
        None if aside.ungradable is None else aside.ungradable.tolist(),
    ]  # fmt: skip


def recoded(cohort: Cohort) -> Cohort:
    """Return the cohort with patients numbered by first appearance: among the cases, those aside, those unverified."""
    aside, pending = cohort.aside, cohort.unverified
    parts = [cohort.patients]
    parts += [] if aside is None else [aside.patients]
    parts += [] if pending is None else [pending.cohort.patients]
    codes, ids = coded(cohort.patient_ids[np.concatenate(parts)])
    pieces = iter(np.split(codes, np.cumsum([len(p) for p in parts])[:-1]))
    cohort = replace(cohort, patients=next(pieces), patient_ids=ids)
    if aside is not None:
        cohort = replace(cohort, aside=replace(aside, patients=next(pieces)))
    if pending is not None:
        cases = replace(pending.cohort, patients=next(pieces), patient_ids=ids)
        cohort = replace(cohort, unverified=replace(pending, cohort=cases))
    return cohort


def _numbers(values: NDArray[np.float64] | None) -> list[float | None] | None:
    return None if values is None else [float(v) if np.isfinite(v) else None for v in values]


def distinct_text(cells: NDArray[np.str_], most: int = 6) -> str:
    """Return the distinct values of a column for a message, at most a few."""
    there = sorted(set(cells.tolist()))
    text = ", ".join(repr(str(v)[:40]) for v in there[:most])
    return text + (f" and {len(there) - most} more" if len(there) > most else "")
