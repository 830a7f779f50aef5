"""Predictions without what could name a patient, and how many patients share what is left."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.core import Evidence, reads_as_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOT_SHARED = "(not shared)"
LEVEL, NUMBER = "attribute.", "number."
# What a reader is shown as small: the usual limits of statistical offices and of health data.
_SMALL = (5, 11)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Predictions as shared.

    Args:
        data: The Parquet file.
        quasi: Columns that describe a patient.
        levels: (rows, columns) their levels.
        patients: (rows,) pseudonyms.
        dropped: Reason by column that was taken out.
    """

    data: bytes
    quasi: tuple[str, ...]
    levels: NDArray[np.str_]
    patients: NDArray[np.str_]
    dropped: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Anonymity:
    """How alone a patient is with what the predictions say.

    Args:
        k: Fewest patients with the same levels of all columns; None where no column describes a patient.
        columns: The columns.
        combinations: Number of combinations that occur.
        few: By limit, patients in combinations of fewer patients than that.
        patients: Patients in all.
        dropped: Reason by column that was taken out.
    """

    k: int | None
    columns: tuple[str, ...]
    combinations: int
    few: Mapping[int, int]
    patients: int
    dropped: Mapping[str, str]


def share_table(
    data: bytes, evidence: Evidence, is_date: Callable[[str], bool], least: int
) -> tuple[Table, tuple[str, ...]]:
    """Return predictions.parquet as it may be passed on, and what was done to it.

    Raw numbers of attributes go, and so do columns of dates and columns whose levels the evidence does not list, for
    they have no bins. With `least`, levels of few patients are not told, and columns go until every combination of what
    is left is shared by so many patients. A column goes whole or stays whole, so that numbers of what stays come out
    the same.

    Args:
        data: The run's file.
        evidence: As shared.
        is_date: Tells whether a text is a date.
        least: Fewest patients of a combination; 0: no limit.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    dropped = _unfit(table, evidence, is_date)
    named = evidence.run.get("suppressed_levels", {}) if least else {}
    hidden = {k: v for k, v in named.items() if LEVEL + k in table.column_names}
    for name, levels in hidden.items():
        table = _hide(table, LEVEL + name, set(levels))
    repeats = _repeats(evidence)
    quasi = [c for c in table.column_names if c.startswith(LEVEL) and c not in dropped and c not in repeats]
    if least:
        for column in _until_shared(table, quasi, evidence, least):
            dropped[column] = f"with it fewer than {least} patients would share all their attributes"
    quasi = [c for c in quasi if c not in dropped]
    kept = table.drop_columns([c for c in table.column_names if c in dropped])
    levels, patients = _levels(kept, quasi)
    said = [f"without {c.partition('.')[2]} ({why})" for c, why in dropped.items()]
    said += [f"small levels of {name} not shared" for name in hidden]
    new = _bytes(kept) if said else data
    return Table(data=new, quasi=tuple(quasi), levels=levels, patients=patients, dropped=dropped), tuple(said)


def table_of(data: bytes, evidence: Evidence, dropped: Mapping[str, str]) -> Table:
    """Return predictions that were shared before.

    Args:
        data: The Parquet file of a pack.
        evidence: As shared.
        dropped: Reason by column that was taken out of them.
    """
    import pyarrow.parquet as pq

    table, repeats = pq.read_table(io.BytesIO(data)), _repeats(evidence)
    quasi = [c for c in table.column_names if c.startswith(LEVEL) and c not in repeats]
    levels, patients = _levels(table, quasi)
    return Table(data=data, quasi=tuple(quasi), levels=levels, patients=patients, dropped=dropped)


def _repeats(evidence: Evidence) -> set[str]:
    """Return the columns that hold pseudonyms of examinations."""
    return {
        LEVEL + str(a["name"])
        for a in evidence.cohort.get("attributes") or ()
        if set(a.get("roles") or ()) == {"repeat"}
    }


def _unfit(table: Any, evidence: Evidence, is_date: Callable[[str], bool]) -> dict[str, str]:
    listed = {str(a["name"]) for a in evidence.cohort.get("attributes") or () if a.get("levels")}
    repeats, out = _repeats(evidence), {}
    for column in table.column_names:
        name = column.partition(".")[2]
        if column.startswith(NUMBER):
            out[column] = "raw numbers; the bins are in the pack"
        elif column.startswith(LEVEL) and column not in repeats:
            levels = [v for v in table.column(column).unique().to_pylist() if v is not None]
            if any(is_date(str(v)) for v in levels):
                out[column] = "dates"
            elif name not in listed:
                out[column] = "it has many levels and no bins"
            elif len(levels) > 13 and all(reads_as_number(str(v)) for v in levels if not str(v).startswith("(")):
                out[column] = "numbers without bins"
    return out


def _hide(table: Any, column: str, gone: set[str]) -> Any:
    import pyarrow as pa

    if column not in table.column_names:
        return table
    index = table.column_names.index(column)
    values = [NOT_SHARED if v in gone else v for v in table.column(column).to_pylist()]
    return table.set_column(index, table.schema.field(column), pa.array(values, type=table.schema.field(column).type))


def _levels(table: Any, columns: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    import numpy as np

    patients = np.array([str(p) for p in table.column("patient").to_pylist()], dtype=np.str_)
    held = [np.array([str(v) for v in table.column(c).to_pylist()], dtype=np.str_) for c in columns]
    return (np.stack(held, axis=1) if held else np.empty((len(patients), 0), dtype="U1")), patients


def _until_shared(table: Any, quasi: Sequence[str], evidence: Evidence, least: int) -> list[str]:
    """Return the columns to take out until every combination is shared; those that no rule asks about go first."""
    ruled = {str(r.where.get("attribute", "")) for r in evidence.policy.rules}
    left, gone = list(quasi), []
    while left:
        sizes = _sizes(*_levels(table, left))
        if not sizes or min(sizes) >= least:
            break
        worst = max(left, key=lambda c: (c.removeprefix(LEVEL) not in ruled, len(table.column(c).unique()), c))
        left.remove(worst)
        gone.append(worst)
    return gone


def _sizes(levels: NDArray[np.str_], patients: NDArray[np.str_]) -> list[int]:
    """Return the number of patients of each combination of levels that occurs."""
    groups: dict[tuple[str, ...], set[str]] = {}
    for row, patient in zip(map(tuple, levels.tolist()), patients.tolist(), strict=True):
        groups.setdefault(row, set()).add(patient)
    return [len(g) for g in groups.values()]


def measure(table: Table) -> Anonymity:
    """Return how many patients share their attributes.

    Args:
        table: Predictions as shared.
    """
    sizes = _sizes(table.levels, table.patients) if table.quasi else []
    return Anonymity(
        k=min(sizes) if sizes else None,
        columns=tuple(c.removeprefix(LEVEL) for c in table.quasi),
        combinations=len(sizes),
        few={limit: sum(n for n in sizes if n < limit) for limit in _SMALL},
        patients=len(set(table.patients.tolist())),
        dropped=dict(sorted((c.partition(".")[2], why) for c, why in table.dropped.items())),
    )


def _bytes(table: Any) -> bytes:
    """Return a table as Parquet, as runs write it."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_statistics=False)
    return buffer.getvalue()
