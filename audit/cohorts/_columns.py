"""Which columns of a manifest a cohort names, and whether they are there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from audit.cohorts._table import read_columns
from audit.core import CohortSpec, Task
from audit.errors import AuditError, FaultsError, ManifestError
from audit.storage import Location


def wanted_columns(spec: CohortSpec) -> tuple[str, ...]:
    """Return every column that a cohort names, each once."""
    single = (
        spec.image, spec.case, spec.patient, spec.mask, spec.split, spec.reference_method, spec.verified,
        spec.ungradable, spec.time, spec.event, spec.region_mask, spec.annotated_plane,
    )  # fmt: skip
    names = (
        *spec.target, *(c for c in single if c), *(a.name for a in spec.attributes),
        *(c.column for c in spec.comparators), *(column for _, column in spec.distractors),
    )  # fmt: skip
    return tuple(dict.fromkeys(names))


def check_columns(spec: CohortSpec, path: Location, task: Task) -> None:
    """Check that the columns which a cohort names are declared for the task and are in its manifest.

    Raises:
        ManifestError: What the task needs is not declared.
        FaultsError: A column is not there; all that are absent at once.
    """
    _check_declared(spec, task)
    there = read_columns(path)
    # A word such as "histology" may stand where a column may; it need not be one.
    free = {spec.reference_method} - set(spec.target)
    free |= set(spec.target) if task == "segmentation" and spec.mask else set()
    faults = absent_columns([c for c in wanted_columns(spec) if c not in free], there)
    if faults:
        raise FaultsError(path.name, faults)


def _check_declared(spec: CohortSpec, task: Task) -> None:
    lacking = [k for k in ("time", "event") if getattr(spec, k) is None] if task == "survival" else []
    lacking += [] if spec.target or task == "survival" else ["target"]
    if lacking:
        raise ManifestError(
            f"[cohort] {lacking[0]}: missing", expected=f"the column of {lacking[0]} for task {task!r}", got="none",
            fix=f"name it as {lacking[0]} under [cohort]",
        )  # fmt: skip


def absent_columns(wanted: Sequence[str], there: Sequence[str]) -> list[AuditError]:
    """Return a fault for each column that a table does not have, with the nearest name that is there."""
    faults: list[AuditError] = []
    for column in wanted:
        if column in there:
            continue
        near = get_close_matches(column, there, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "correct the name under [cohort] in audit.toml"
        if len(there) == 1 and any(mark in there[0] for mark in ";\t|"):
            hint = "the file seems to be separated by another sign than a comma; save it with commas"
        expected = f"one of {', '.join(repr(c) for c in there)}"
        faults.append(ManifestError(f"no column {column!r}", expected=expected, got=repr(column), fix=hint))
    return faults
