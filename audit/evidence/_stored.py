"""predictions.parquet, read with distrust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import MISSING_LEVEL, StoredPredictions, StoredRows
from audit.errors import EvidenceError
from audit.evidence._predictions import ASIDE, CLEAN, FORMAT, META, UNVERIFIED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 4 * 2**30
"""Size that the columns may have in memory; a file that claims more was not written by this program."""
_COLUMNS = ("condition", "case", "patient", "patient_code", "ungradable", "reference", "reason")
_KINDS = ("attribute.", "number.", "rater.", "comparator.")
_FIX = "run the audit again, or take the folder from where it was made"


def read_predictions(source: Path | bytes) -> StoredPredictions:
    """Return what predictions.parquet holds.

    Args:
        source: The file, or its bytes.

    Raises:
        EvidenceError: It cannot be read, lacks a column, or was written before it held what numbers are made from.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(BytesIO(source) if isinstance(source, bytes) else source)
        metadata = file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if size > MOST_BYTES:
            raise EvidenceError("predictions.parquet is too large", expected=f"at most {MOST_BYTES} bytes",
                                got=str(size), fix=_FIX)  # fmt: skip
        about = _about(metadata.metadata or {})
        return _typed(file.read(), about)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError(
            "predictions.parquet cannot be read", expected="what 'audit run' wrote",
            got=f"{type(error).__name__}: {error}"[:160], fix=_FIX,
        ) from error  # fmt: skip


def _about(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    about = json.loads(metadata[META]) if META in metadata else {"format": 1}
    if about["format"] != FORMAT:
        newer = about["format"] > FORMAT
        raise EvidenceError(
            "predictions.parquet is of another format", expected=f"format {FORMAT}", got=f"format {about['format']}",
            fix="update imaging-audit" if newer else "run the audit again with this version",
        )  # fmt: skip
    return dict(about)


def _typed(table: Any, about: Mapping[str, Any]) -> StoredPredictions:
    import numpy as np

    columns = {name: table.column(name) for name in table.column_names}
    if len(columns) != len(table.column_names):
        raise ValueError("a column stands twice")
    conditions = np.asarray(columns["condition"].to_pylist(), dtype=object)
    outputs = tuple(about["outputs"])

    def rows(name: str) -> StoredRows | None:
        index = np.flatnonzero(conditions == name)
        if not index.size:
            return None
        return _rows({k: v.take(index) for k, v in columns.items()}, outputs, tuple(about["targets"]))

    clean = rows(CLEAN)
    if clean is None or not outputs:
        raise ValueError("no case that was used")
    known = {CLEAN, UNVERIFIED, ASIDE}
    others = tuple(dict.fromkeys(str(c) for c in conditions if c not in known))
    return StoredPredictions(
        outputs=outputs, clean=clean, aside=rows(ASIDE), unverified=rows(UNVERIFIED), conditions=others,
        absent=tuple(name for name in about.get("columns", ()) if name not in columns),
        unknown=tuple(c for c in columns if c not in {*_COLUMNS, *outputs, *about["targets"]} and _of_no_kind(c)),
    )  # fmt: skip


def _of_no_kind(column: str) -> bool:
    return not column.startswith(_KINDS)


def _rows(columns: Mapping[str, Any], outputs: tuple[str, ...], targets: tuple[str, ...]) -> StoredRows:
    import numpy as np

    def starting(prefix: str) -> dict[str, Any]:
        return {k.removeprefix(prefix): v for k, v in columns.items() if k.startswith(prefix)}

    stacked = [_target(columns[name]) for name in targets]
    return StoredRows(
        case=_texts(columns["case"]),
        patient=_texts(columns["patient"]),
        codes=np.asarray(columns["patient_code"].to_pylist(), dtype=np.int64),
        raw=np.stack([_floats(columns[name]) for name in outputs], axis=1),
        targets=stacked[0] if len(stacked) == 1 else np.stack(stacked, axis=1),
        levels={k: _texts(v, MISSING_LEVEL) for k, v in starting("attribute.").items()},
        numbers={k: _floats(v) for k, v in starting("number.").items()},
        raters={k: _floats(v) for k, v in starting("rater.").items()},
        comparators={k: _floats(v) for k, v in starting("comparator.").items()},
        ungradable=_flags(columns.get("ungradable")),
        reference=_given(columns.get("reference")),
        reason=_given(columns.get("reason")),
    )


def _floats(column: Any) -> NDArray[np.float64]:
    import numpy as np

    return np.array([np.nan if v is None else float(v) for v in column.to_pylist()], dtype=np.float64)


def _texts(column: Any, empty: str = "") -> NDArray[np.str_]:
    import numpy as np

    return np.array([empty if v is None else str(v) for v in column.to_pylist()], dtype=np.str_)


def _flags(column: Any) -> NDArray[np.bool_] | None:
    import numpy as np

    return None if column is None or column.null_count == len(column) else np.array(column.to_pylist(), dtype=bool)


def _given(column: Any) -> NDArray[np.str_] | None:
    return None if column is None or column.null_count == len(column) else _texts(column)


def _target(column: Any) -> NDArray[Any]:
    """Return targets as they were: whole numbers as such, -1 or NaN where one is unknown."""
    import numpy as np

    values = column.to_pylist()
    if all(v is None or isinstance(v, (bool, int)) for v in values):
        return np.array([-1 if v is None else int(v) for v in values], dtype=np.int64)
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
