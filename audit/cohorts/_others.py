"""Other splits of the data: rows of the same manifest, and tables of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.cohorts._build import distinct_text
from audit.cohorts._columns import absent_columns
from audit.cohorts._source import FileSource
from audit.cohorts._table import Table, read_columns, read_table
from audit.core import MISSING_LEVEL, CohortSpec, InputSpec, OtherSpec, OtherSplit
from audit.errors import AuditError, ManifestError
from audit.storage import locate

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A column with more values than this tells no splits apart but cases or patients, whose ids are no names of splits.
MOST_SPLITS = 12
POOLED = "other splits"


def divided(spec: CohortSpec, table: Table) -> tuple[Table, dict[str, Table], tuple[str, ...]]:
    """Return the rows that are audited, those of each other split by its name, and what a reader must know of it.

    Raises:
        ManifestError: No row belongs to the split.
    """
    if spec.split is None or spec.split_value is None:
        return table, {}, ()
    cells = table[spec.split]
    inside = cells == spec.split_value
    if not inside.any():
        raise ManifestError(
            f"{spec.split}: no row belongs to the split", expected=f"{spec.split_value!r} in some rows",
            got=distinct_text(cells), fix="correct the split's value under [cohort]",
        )  # fmt: skip
    left = int((~inside).sum())
    if not left:
        return table, {}, ()
    names = np.where(cells == "", MISSING_LEVEL, cells)
    values = sorted(set(names[~inside].tolist()))
    remark = f"{left} rows of the manifest belong to other splits and were not audited."
    if len(values) > MOST_SPLITS:
        return table.only(inside), {POOLED: table.only(~inside)}, (remark,)
    return table.only(inside), {v: table.only(names == v) for v in values}, (remark,)


def other_split(
    name: str,
    table: Table,
    *,
    case: str | None,
    patient: str | None,
    image: str | None,
    date: str | None = None,
    images: FileSource | None = None,
) -> OtherSplit:
    """Return one other split.

    Args:
        name: The split's name.
        table: Its rows.
        case: Column of case ids.
        patient: Column of patient ids.
        image: Column of image references.
        date: Column of dates.
        images: Images as the audited cohort reads them, from the folder of this table.
    """
    cells = table[image] if image else None
    return OtherSplit(
        name=name,
        case_ids=table[case] if case else table.numbers.astype(np.str_),
        patient_ids=table[patient] if patient else np.full(table.rows, "", dtype=np.str_),
        patient_declared=patient is not None,
        case_declared=case is not None,
        dates=table[date] if date else None,
        images=None if cells is None or images is None else replace(images, references=cells),
        references=cells,
    )


def read_other(spec: OtherSpec, root: Path, input: InputSpec, faults: list[AuditError]) -> OtherSplit | None:
    """Return the split of a table of its own, None where it cannot be read; what is wrong is added to the faults."""
    path = locate(spec.manifest, root)
    wanted = [c for c in (spec.case, spec.patient, spec.image, spec.date) if c]
    try:
        missing = absent_columns(wanted, read_columns(path))
        if missing:
            faults += missing
            return None
        table = read_table(path, wanted)
    except ManifestError as error:
        faults.append(error)
        return None
    images = FileSource(references=no_cells(), folder=path.parent, root=root, input=input)
    split = other_split(
        spec.name, table, case=spec.case, patient=spec.patient, image=spec.image, date=spec.date, images=images
    )
    return replace(split, foreign=spec.foreign)


def no_cells() -> NDArray[np.str_]:
    """Return a column of no rows."""
    return np.array([], dtype=np.str_)
