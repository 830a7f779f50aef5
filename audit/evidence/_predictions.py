"""predictions.parquet: every output of the model by pseudonymous case and patient, and what the numbers rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import MISSING_LEVEL, Aside, Attribute, Cohort, Predictions
from audit.evidence._pseudonyms import Plain, Pseudonyms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Condition = tuple[str, "NDArray[np.int64]", "NDArray[np.float64]"]
Columns = dict[str, "NDArray[Any]"]
CLEAN, UNVERIFIED, ASIDE = "clean", "unverified", "set aside"
FORMAT = 2
"""Of the columns: 1 had outputs, targets and levels; 2 has all that numbers can be made from again."""
META = b"imaging-audit"


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

    Beside the outputs stand the targets, levels and numbers of the attributes, readings and comparators, so that the
    numbers of the evidence can be made again from this file. Cases that were set aside have their reason and no output.
    `patient_code` numbers patients by their first appearance: it says no more than the order of the rows.

    Args:
        path: File to write.
        cohort: The cases that were used.
        clean: What the model said of them.
        conditions: (name, case indices, raw outputs).
        pseudonyms: Names in place of ids.
        unverified: What the model said of the cases without a reference standard, whose targets stay empty.
    """
    import numpy as np

    outputs = clean.columns or tuple(f"output_{k}" for k in range(clean.raw.shape[1]))
    targets = dict(_targets(cohort))
    who = _names(cohort, pseudonyms)
    levels = _levels(cohort.attributes, pseudonyms)
    parts = [_part(CLEAN, {**who, **targets, **_outputs(outputs, clean.raw), **levels, **_beside(cohort)})]
    for condition, index, raw in conditions:
        rows = {k: v[index] for k, v in (who | targets | levels).items()}
        parts.append(_part(condition, {**rows, **_outputs(outputs, raw)}))
    if unverified is not None and cohort.unverified is not None:
        cases = cohort.unverified.cohort
        columns = {**_names(cases, pseudonyms), **_outputs(outputs, unverified.raw)}
        parts.append(_part(UNVERIFIED, {**columns, **_levels(cases.attributes, pseudonyms), **_beside(cases)}))
    if cohort.aside is not None:
        parts.append(_part(ASIDE, _set_aside(cohort, cohort.aside, tuple(targets), pseudonyms)))
    columns = {k: np.concatenate(v) for k, v in _joined(parts).items()}
    # Named, so that a reader of a copy knows which columns were taken out of it.
    about = {"format": FORMAT, "outputs": list(outputs), "targets": list(targets), "columns": sorted(columns)}
    _write(path, columns, about)


def _part(condition: str, columns: Columns) -> Columns:
    import numpy as np

    n = len(next(iter(columns.values())))
    return {"condition": np.full(n, condition, dtype=object), **columns}


def _joined(parts: Sequence[Columns]) -> dict[str, list[NDArray[Any]]]:
    """Return the parts by column, with nothing where a part does not have it."""
    import numpy as np

    names = list(dict.fromkeys(name for part in parts for name in part))
    lengths = [len(part["condition"]) for part in parts]
    return {
        name: [part.get(name, np.full(n, None, dtype=object)) for part, n in zip(parts, lengths, strict=True)]
        for name in names
    }


def _write(path: Path, columns: Columns, about: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A distance to an empty mask is undefined: null in the file, never NaN.
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    table = table.replace_schema_metadata({META: json.dumps(about, sort_keys=True).encode()})
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def _outputs(names: Sequence[str], raw: NDArray[np.float64]) -> Columns:
    return {name: raw[:, k].astype("float64") for k, name in enumerate(names)}


def _names(cohort: Cohort, pseudonyms: Pseudonyms | Plain) -> Columns:
    return _who(cohort.case_ids, cohort.patients, cohort.patient_ids, pseudonyms)


def _who(
    cases: NDArray[np.str_], codes: NDArray[np.int64], ids: NDArray[np.str_], pseudonyms: Pseudonyms | Plain
) -> Columns:
    import numpy as np

    return {
        "case": np.asarray(pseudonyms.names("case", cases.tolist()), dtype=object),
        "patient": np.asarray(pseudonyms.names("patient", ids[codes].tolist()), dtype=object),
        "patient_code": codes,
    }


def _levels(attributes: Mapping[str, Attribute], pseudonyms: Pseudonyms | Plain) -> Columns:
    import numpy as np

    columns = {}
    for name, a in attributes.items():
        # A repeat is named by an id, as a patient is.
        hidden = set(a.roles) <= {"repeat"}
        levels = np.asarray(pseudonyms.names("repeat", a.levels.tolist()) if hidden else a.levels, dtype=object)
        # That there is none is no id: with a pseudonym it would count as one repeat of many cases.
        levels[a.levels == MISSING_LEVEL] = MISSING_LEVEL
        columns[f"attribute.{name}"] = levels
    return columns


def _numbers(attributes: Mapping[str, Attribute]) -> Columns:
    return {
        f"number.{k}": a.numbers for k, a in attributes.items() if a.numbers is not None and "repeat" not in a.roles
    }


def _beside(cohort: Cohort) -> Columns:
    import numpy as np

    columns = _numbers(cohort.attributes)
    columns |= {f"rater.{k}": v for k, v in cohort.raters.items()}
    columns |= {f"comparator.{k}": c.values for k, c in cohort.comparators.items()}
    if cohort.ungradable is not None:
        columns["ungradable"] = cohort.ungradable
    if cohort.reference_levels is not None:
        columns["reference"] = np.asarray(cohort.reference_levels, dtype=object)
    return columns


def _targets(cohort: Cohort) -> list[tuple[str, NDArray[Any]]]:
    if cohort.time is not None and cohort.event is not None:
        return [("time", cohort.time), ("event", cohort.event)]
    if cohort.targets.ndim == 1:
        return [("target", cohort.targets)]
    return [(f"target_{i}", cohort.targets[:, i]) for i in range(cohort.targets.shape[1])]


def _set_aside(cohort: Cohort, aside: Aside, targets: Sequence[str], pseudonyms: Pseudonyms | Plain) -> Columns:
    """Return the cases that were set aside; a target that is not known stays empty."""
    import numpy as np

    columns = _who(aside.case_ids, aside.patients, cohort.patient_ids, pseudonyms)
    values = aside.targets if aside.targets.ndim == 2 else aside.targets[:, None]
    for k, name in enumerate(targets):
        column = values[:, k].astype(object)
        if name == "event":
            column = np.array([bool(v == 1) for v in values[:, k]], dtype=object)
        column[~aside.known] = None
        columns[name] = column
    columns |= {**_levels(aside.attributes, pseudonyms), **_numbers(aside.attributes)}
    if aside.ungradable is not None:
        columns["ungradable"] = aside.ungradable
    columns["reason"] = np.asarray(aside.reasons, dtype=object)
    return columns
