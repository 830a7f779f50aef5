"""predictions.parquet: every output of the model by pseudonymous case and patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import Cohort, Predictions
from audit.evidence._pseudonyms import Plain, Pseudonyms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Condition = tuple[str, "NDArray[np.int64]", "NDArray[np.float64]"]


def write_predictions(
    path: Path,
    cohort: Cohort,
    clean: Predictions,
    conditions: Sequence[Condition],
    pseudonyms: Pseudonyms | Plain,
    *,
    unverified: Predictions | None = None,
) -> None:
    """Write clean outputs and those under each condition that a headline rests on, one row a case and condition.

    Args:
        path: File to write.
        cohort: The cases that were used.
        clean: What the model said of them.
        conditions: (name, case indices, raw outputs).
        pseudonyms: Names in place of ids.
        unverified: What the model said of the cases without a reference standard, whose targets stay empty.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: dict[str, list[Any]] = {}

    def add(name: str, values: Any) -> None:
        rows.setdefault(name, []).append(np.asarray(values))

    def write(
        condition: str,
        who: Mapping[str, NDArray[Any]],
        levels: Mapping[str, NDArray[Any]],
        index: NDArray[np.int64],
        raw: NDArray[np.float64],
    ) -> None:
        add("condition", np.full(len(index), condition, dtype=object))
        for name, column in who.items():
            add(name, column[index])
        for k in range(raw.shape[1]):
            add(clean.columns[k] if clean.columns else f"output_{k}", raw[:, k].astype(np.float64))
        for name, column in levels.items():
            add(name, column[index])

    who, levels = {**_names(cohort, pseudonyms), **dict(_targets(cohort))}, _levels(cohort, pseudonyms)
    for condition, index, raw in [("clean", np.arange(len(cohort)), clean.raw), *conditions]:
        write(condition, who, levels, index, raw)
    if unverified is not None and cohort.unverified is not None:
        cases = cohort.unverified.cohort
        nothing = {name: np.full(len(cases), None, dtype=object) for name, _ in _targets(cohort)}
        everything = np.arange(len(cases))
        who = {**_names(cases, pseudonyms), **nothing}
        write("unverified", who, _levels(cases, pseudonyms), everything, unverified.raw)
    # A distance to an empty mask is undefined: null in the file, never NaN.
    table = pa.table({name: pa.array(np.concatenate(parts), from_pandas=True) for name, parts in rows.items()})
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def _names(cohort: Cohort, pseudonyms: Pseudonyms | Plain) -> dict[str, NDArray[Any]]:
    import numpy as np

    patients = cohort.patient_ids[cohort.patients].tolist()
    return {
        "case": np.asarray(pseudonyms.names("case", cohort.case_ids.tolist()), dtype=object),
        "patient": np.asarray(pseudonyms.names("patient", patients), dtype=object),
    }


def _levels(cohort: Cohort, pseudonyms: Pseudonyms | Plain) -> dict[str, NDArray[Any]]:
    import numpy as np

    columns = {}
    for name, a in cohort.attributes.items():
        # A repeat is named by an id, as a patient is.
        hidden = set(a.roles) <= {"repeat"}
        levels = pseudonyms.names("repeat", a.levels.tolist()) if hidden else a.levels
        columns[f"attribute.{name}"] = np.asarray(levels, dtype=object)
    return columns


def _targets(cohort: Cohort) -> list[tuple[str, NDArray[Any]]]:
    if cohort.time is not None and cohort.event is not None:
        return [("time", cohort.time), ("event", cohort.event)]
    if cohort.targets.ndim == 1:
        return [("target", cohort.targets)]
    return [(f"target_{i}", cohort.targets[:, i]) for i in range(cohort.targets.shape[1])]
