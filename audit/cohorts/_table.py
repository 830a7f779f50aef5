"""The manifest as text cells, read strictly: a row that does not fit is a fault, never padded or dropped."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import ManifestError
from audit.storage import Location, fetched

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Some columns of a manifest.

    Args:
        name: The file's name, for messages.
        columns: Every column of the file, also those that were not read.
        cells: (n,) text by column, stripped; "" where the cell is empty.
        numbers: (n,) number of each row in the file, from 0; the case id where no column is declared.
    """

    name: str
    columns: tuple[str, ...]
    cells: Mapping[str, NDArray[np.str_]]
    numbers: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.numbers)

    def __getitem__(self, column: str) -> NDArray[np.str_]:
        return self.cells[column]

    def only(self, inside: NDArray[np.bool_]) -> Table:
        """Return the table of some rows, which keep their numbers."""
        kept = {c: v[inside] for c, v in self.cells.items()}
        return Table(name=self.name, columns=self.columns, cells=kept, numbers=self.numbers[inside])


def read_columns(path: Location) -> tuple[str, ...]:
    """Return the names of a manifest's columns, without reading its rows.

    Args:
        path: CSV (UTF-8, comma) or Parquet file.

    Raises:
        ManifestError: The file is absent, empty, not UTF-8, or names a column twice.
    """
    with _here(path) as file:
        return _columns(file)


def _columns(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() in PARQUET:
        return _parquet_columns(path)
    with _translated(path), path.open(encoding="utf-8-sig", newline="") as stream:
        return _header(csv.reader(stream, strict=True), path.name)


def read_table(path: Location, columns: Sequence[str] | None = None) -> Table:
    """Read columns of a manifest as text.

    Args:
        path: CSV (UTF-8, comma) or Parquet file.
        columns: Columns to read; those that the file does not have are left out. None: all.

    Raises:
        ManifestError: The file is absent, empty or damaged, or a row has more or fewer cells than the header.
    """
    with _here(path) as file:
        return _table(file, columns)


def _table(path: Path, columns: Sequence[str] | None) -> Table:
    there = _columns(path)
    wanted = [c for c in there if columns is None or c in set(columns)]
    if path.suffix.lower() in PARQUET:
        cells, rows = _parquet_cells(path, wanted)
    else:
        cells, rows = _csv_cells(path, there, wanted)
    if rows == 0:
        raise ManifestError(
            f"{path.name} has no rows", expected="a header and at least one case", got="a header alone",
            fix="check that the export was complete",
        )  # fmt: skip
    return Table(name=path.name, columns=there, cells=cells, numbers=np.arange(rows))


@contextmanager
def _here(path: Location) -> Iterator[Path]:
    """Give a manifest as a file of this machine, after checking that it is there and may be one."""
    if isinstance(path, Path) and not path.is_file():
        raise _absent(path)
    _check_suffix(path)
    try:
        with fetched(path) as file:
            yield file
    except (FileNotFoundError, IsADirectoryError):
        raise _absent(path) from None
    except PermissionError:
        raise ManifestError(
            f"{path.name} cannot be read", got="no permission", fix="check the rights that you have there"
        ) from None


def _absent(path: Location) -> ManifestError:
    return ManifestError(
        f"{path.name}: no such file", expected="a CSV or Parquet file", got="nothing at the path given",
        fix="paths are relative to the folder of audit.toml; check the spelling",
    )  # fmt: skip


def _check_suffix(path: Location) -> None:
    if path.suffix.lower() not in (".csv", *PARQUET):
        raise ManifestError(
            f"{path.name}: not a manifest", expected="a file that ends in .csv or .parquet",
            got=f"'{path.suffix}'" if path.suffix else "no suffix", fix="save the table as CSV (UTF-8) or Parquet",
        )  # fmt: skip


class _translated:
    """Turns what a damaged CSV raises into one clear error."""

    def __init__(self, path: Path) -> None:
        self.name = path.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise ManifestError(
                f"{self.name} is not UTF-8 text", expected="UTF-8, with or without a byte order mark",
                got="bytes of another encoding", fix="save it as 'CSV UTF-8', or as Parquet",
            ) from error  # fmt: skip
        if isinstance(error, csv.Error):
            raise ManifestError(
                f"{self.name} is damaged", expected="comma-separated values", got=str(error),
                fix="check that the file is complete and that its quotes are closed",
            ) from error  # fmt: skip
        if isinstance(error, OSError):
            raise ManifestError(
                f"{self.name} cannot be read", got=error.strerror or "", fix="check its permissions"
            ) from error


def _header(reader: Iterator[list[str]], name: str) -> tuple[str, ...]:
    header = next(reader, None)
    if not header or not any(cell.strip() for cell in header):
        raise ManifestError(
            f"{name} is empty", expected="a header with column names", got="no header", fix="export the table again"
        )
    columns = tuple(cell.strip() for cell in header)
    _check_unique(columns, name)
    return columns


def _check_unique(columns: Sequence[str], name: str) -> None:
    twice = sorted(c for c, k in Counter(columns).items() if k > 1)
    if twice:
        shown = ", ".join(repr(c) for c in twice)
        raise ManifestError(
            f"{name} names a column twice", expected="every column once", got=shown, fix="rename or drop one of them"
        )


def _csv_cells(path: Path, there: Sequence[str], wanted: Sequence[str]) -> tuple[dict[str, NDArray[np.str_]], int]:
    places = [there.index(c) for c in wanted]
    kept: list[list[str]] = [[] for _ in wanted]
    rows, ragged = 0, []
    with _translated(path), path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        next(reader)
        for row in reader:
            if not row:
                continue
            rows += 1
            if len(row) != len(there):
                ragged.append((reader.line_num, len(row)))
                continue
            for column, place in zip(kept, places, strict=True):
                column.append(row[place].strip())
    if ragged:
        line, cells = ragged[0]
        raise ManifestError(
            f"{path.name}: {len(ragged)} row(s) with another number of cells than the header",
            expected=f"{len(there)} cells in every row", got=f"{cells} in line {line}",
            fix="quote cells that hold a comma; check that the last line is complete",
        )  # fmt: skip
    return {c: text_array(v) for c, v in zip(wanted, kept, strict=True)}, rows


def text_array(values: Iterable[str]) -> NDArray[np.str_]:
    """Return text as an array, also where there is none."""
    return np.array(list(values), dtype=np.str_)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(
            f"{path.name} is damaged", expected="a Parquet file", got="a file that cannot be read as one",
            fix="write it again; a copy may have been cut short",
        ) from error  # fmt: skip
    _check_unique(columns, path.name)
    return columns


def _parquet_cells(path: Path, wanted: Sequence[str]) -> tuple[dict[str, NDArray[np.str_]], int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(wanted))
        rows = int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(
            f"{path.name} is damaged", expected="a Parquet file", got="a file that cannot be read as one",
            fix="write it again; a copy may have been cut short",
        ) from error  # fmt: skip
    return {c: text_array(as_text(v) for v in table.column(c).to_pylist()) for c in wanted}, rows


def as_text(value: Any) -> str:
    """Return a typed cell as the text that a CSV would hold; "" where it is empty.

    A whole number that was stored as a float, as pandas does once a column has a gap, is written without its ".0":
    the id 17 must not become "17.0" beside a table that says "17".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value).strip()


def as_numbers(cells: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return (n,) float, NaN where a cell is empty or is no finite number."""
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        try:
            number = float(cell)
        except ValueError:
            continue
        if math.isfinite(number) and "_" not in cell:
            out[i] = number
    return out
