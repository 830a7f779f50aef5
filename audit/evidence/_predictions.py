"""predictions.parquet: every output of the model by pseudonymous case and patient, and what the numbers rest on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import MISSING_LEVEL, Aside, Attribute, Cohort, Predictions
from audit.evidence._pseudonyms import Plain, Pseudonyms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Condition = tuple[str, "NDArray[np.int64]", "NDArray[np.float64]"]
Get = Callable[["NDArray[np.int64]"], "NDArray[Any]"]
"""From rows of a part to a column's values there: a text of every case at once would be a Python object a case."""
Columns = dict[str, Get]
ROWS = 16384
"""Rows that are made and written together, a row group of the file."""
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

    outputs = clean.columns or tuple(f"output_{k}" for k in range(clean.raw.shape[1]))
    targets = dict(_targets(cohort))
    who = _names(cohort, pseudonyms)
    levels = _levels(cohort.attributes, pseudonyms)
    everything = {**who, **targets, **_outputs(outputs, clean.raw), **levels, **_beside(cohort)}
    parts = [_Part(CLEAN, len(cohort), everything)]
    for condition, index, raw in conditions:
        rows = {k: partial(_at, get, index) for k, get in (who | targets | levels).items()}
        parts.append(_Part(condition, len(index), {**rows, **_outputs(outputs, raw)}))
    if unverified is not None and cohort.unverified is not None:
        cases = cohort.unverified.cohort
        columns = {**_names(cases, pseudonyms), **_outputs(outputs, unverified.raw)}
        columns |= {**_levels(cases.attributes, pseudonyms), **_beside(cases)}
        parts.append(_Part(UNVERIFIED, len(cases), columns))
    if cohort.aside is not None:
        columns = _set_aside(cohort, cohort.aside, tuple(targets), pseudonyms)
        parts.append(_Part(ASIDE, len(cohort.aside), columns))
    names = list(dict.fromkeys(["condition", *(name for part in parts for name in part.columns)]))
    # Named, so that a reader of a copy knows which columns were taken out of it.
    about = {"format": FORMAT, "outputs": list(outputs), "targets": list(targets), "columns": sorted(names)}
    _write(path, parts, names, about)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of one condition."""

    condition: str
    n: int
    columns: Columns

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a column at some rows, with nothing where the part does not have it."""
        import numpy as np

        if name == "condition":
            return np.full(len(rows), self.condition, dtype=object)
        get = self.columns.get(name)
        return np.full(len(rows), None, dtype=object) if get is None else get(rows)


def _at(get: Get, index: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[Any]:
    return get(index[rows])


def _of(values: NDArray[Any]) -> Get:
    """Return the column of an array, texts as objects."""

    def get(rows: NDArray[np.int64]) -> NDArray[Any]:
        found: NDArray[Any] = values[rows]
        return found.astype(object) if found.dtype.kind == "U" else found

    return get


def _chunks(parts: Sequence[_Part]) -> Iterator[tuple[_Part, NDArray[np.int64]]]:
    import numpy as np

    for part in parts:
        for start in range(0, part.n, ROWS):
            yield part, np.arange(start, min(start + ROWS, part.n))


def _types(parts: Sequence[_Part], names: Sequence[str]) -> dict[str, Any]:
    """Return the type of each column over all parts, one of which may have nothing but empty cells."""
    import pyarrow as pa

    found: dict[str, Any] = dict.fromkeys(names, pa.null())
    for part, rows in _chunks(parts):
        for name in names:
            here = pa.array(part.column(name, rows), from_pandas=True).type
            if found[name] == pa.null() or (found[name] == pa.int64() and here == pa.float64()):
                found[name] = here
    return found


def _write(path: Path, parts: Sequence[_Part], names: Sequence[str], about: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = _types(parts, names)
    schema = pa.schema(types.items(), metadata={META: json.dumps(about, sort_keys=True).encode()})
    held: list[Any] = []
    with pq.ParquetWriter(path, schema, compression="zstd", write_statistics=False) as writer:
        for part, rows in _chunks(parts):
            # A distance to an empty mask is undefined: null in the file, never NaN.
            columns = [pa.array(part.column(n, rows), from_pandas=True).cast(types[n]) for n in names]
            held.append(pa.table(columns, schema=schema))
            if sum(len(table) for table in held) >= ROWS:
                writer.write_table(pa.concat_tables(held))
                held.clear()
        if held:
            writer.write_table(pa.concat_tables(held))


def _outputs(names: Sequence[str], raw: NDArray[np.float64]) -> Columns:
    return {name: _of(raw[:, k].astype("float64", copy=False)) for k, name in enumerate(names)}


def _names(cohort: Cohort, pseudonyms: Pseudonyms | Plain) -> Columns:
    return _who(cohort.case_ids, cohort.patients, cohort.patient_ids, pseudonyms)


def _who(
    cases: NDArray[np.str_], codes: NDArray[np.int64], ids: NDArray[np.str_], pseudonyms: Pseudonyms | Plain
) -> Columns:
    return {
        "case": _named("case", cases, pseudonyms),
        "patient": lambda rows: _named("patient", ids, pseudonyms)(codes[rows]),
        "patient_code": _of(codes),
    }


def _named(kind: str, ids: NDArray[np.str_], pseudonyms: Pseudonyms | Plain) -> Get:
    import numpy as np

    return lambda rows: np.asarray(pseudonyms.names(kind, ids[rows].tolist()), dtype=object)


def _levels(attributes: Mapping[str, Attribute], pseudonyms: Pseudonyms | Plain) -> Columns:
    return {f"attribute.{name}": _level(a, pseudonyms) for name, a in attributes.items()}


def _level(attribute: Attribute, pseudonyms: Pseudonyms | Plain) -> Get:
    # A repeat is named by an id, as a patient is.
    if not set(attribute.roles) <= {"repeat"}:
        return _of(attribute.levels)
    names = _named("repeat", attribute.levels, pseudonyms)

    def get(rows: NDArray[np.int64]) -> NDArray[Any]:
        found = names(rows)
        # That there is none is no id: with a pseudonym it would count as one repeat of many cases.
        found[attribute.levels[rows] == MISSING_LEVEL] = MISSING_LEVEL
        return found

    return get


def _numbers(attributes: Mapping[str, Attribute]) -> Columns:
    return {
        f"number.{k}": _of(a.numbers)
        for k, a in attributes.items()
        if a.numbers is not None and "repeat" not in a.roles
    }


def _beside(cohort: Cohort) -> Columns:
    columns = _numbers(cohort.attributes)
    columns |= {f"rater.{k}": _of(v) for k, v in cohort.raters.items()}
    columns |= {f"comparator.{k}": _of(c.values) for k, c in cohort.comparators.items()}
    if cohort.ungradable is not None:
        columns["ungradable"] = _of(cohort.ungradable)
    if cohort.reference_levels is not None:
        columns["reference"] = _of(cohort.reference_levels)
    return columns


def _targets(cohort: Cohort) -> list[tuple[str, Get]]:
    if cohort.time is not None and cohort.event is not None:
        return [("time", _of(cohort.time)), ("event", _of(cohort.event))]
    if cohort.targets.ndim == 1:
        return [("target", _of(cohort.targets))]
    return [(f"target_{i}", _of(cohort.targets[:, i])) for i in range(cohort.targets.shape[1])]


def _set_aside(cohort: Cohort, aside: Aside, targets: Sequence[str], pseudonyms: Pseudonyms | Plain) -> Columns:
    """Return the cases that were set aside; a target that is not known stays empty."""
    columns = _who(aside.case_ids, aside.patients, cohort.patient_ids, pseudonyms)
    values = aside.targets if aside.targets.ndim == 2 else aside.targets[:, None]
    for k, name in enumerate(targets):
        columns[name] = partial(_known, values[:, k], aside.known, name == "event")
    columns |= {**_levels(aside.attributes, pseudonyms), **_numbers(aside.attributes)}
    if aside.ungradable is not None:
        columns["ungradable"] = _of(aside.ungradable)
    columns["reason"] = _of(aside.reasons)
    return columns


def _known(values: NDArray[Any], known: NDArray[np.bool_], event: bool, rows: NDArray[np.int64]) -> NDArray[Any]:
    column = (values[rows] == 1).astype(object) if event else values[rows].astype(object)
    column[~known[rows]] = None
    return column
