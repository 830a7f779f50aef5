"""predictions.parquet: every output of the model by pseudonymous case and patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import Cohort, Predictions
from audit.evidence._pseudonyms import Plain, Pseudonyms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Condition = tuple[str, "NDArray[np.int64]", "NDArray[np.float64]"]


def write_predictions(
    path: Path, cohort: Cohort, clean: Predictions, conditions: Sequence[Condition], pseudonyms: Pseudonyms | Plain
) -> None:
    """Write clean outputs and those under each condition that a headline rests on, one row a case and condition.

    Args:
        path: File to write.
        cohort: The cases that were used.
        clean: What the model said of them.
        conditions: (name, case indices, raw outputs).
        pseudonyms: Names in place of ids.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    cases = np.asarray(pseudonyms.names("case", cohort.case_ids.tolist()), dtype=object)
    patients = np.asarray(pseudonyms.names("patient", cohort.patient_ids[cohort.patients].tolist()), dtype=object)
    # A repeat is named by an id, as a patient is.
    levels = {
        name: np.asarray(
            pseudonyms.names("repeat", a.levels.tolist()) if set(a.roles) <= {"repeat"} else a.levels, dtype=object
        )
        for name, a in cohort.attributes.items()
    }
    everything = np.arange(len(cohort))
    rows: dict[str, list[Any]] = {}

    def add(name: str, values: Any) -> None:
        rows.setdefault(name, []).append(np.asarray(values))

    for condition, index, raw in [("clean", everything, clean.raw), *conditions]:
        add("condition", np.full(len(index), condition, dtype=object))
        add("case", cases[index])
        add("patient", patients[index])
        for name, column in _targets(cohort):
            add(name, column[index])
        for k in range(raw.shape[1]):
            add(clean.columns[k] if clean.columns else f"output_{k}", raw[:, k].astype(np.float64))
        for attribute in cohort.attributes.values():
            add(f"attribute.{attribute.name}", levels[attribute.name][index])
    # A distance to an empty mask is undefined: null in the file, never NaN.
    table = pa.table({name: pa.array(np.concatenate(parts), from_pandas=True) for name, parts in rows.items()})
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def _targets(cohort: Cohort) -> list[tuple[str, NDArray[Any]]]:
    if cohort.targets.ndim == 1:
        return [("target", cohort.targets)]
    return [(f"target_{i}", cohort.targets[:, i]) for i in range(cohort.targets.shape[1])]
