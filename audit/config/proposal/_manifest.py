"""What the columns of a manifest seem to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.cohorts import Table, read_attribute, read_columns, read_table
from audit.config._check import other_separator
from audit.config._faults import did_you_mean, listed, one_line, shown
from audit.config.proposal import _words
from audit.core import AttributeSpec, Role
from audit.errors import ManifestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_LEVELS = 20
_FEW = 12


@dataclass(frozen=True, kw_only=True)
class Column:
    """An attribute as it is proposed.

    Args:
        name: The column.
        role: Its role.
        levels: Number of distinct values that are not empty.
        empty: Number of empty cells.
        bins: Edges for a numeric column.
    """

    name: str
    role: Role
    levels: int
    empty: int
    bins: tuple[float, ...] = ()

    def attribute(self, table: Table) -> NDArray[np.str_]:
        """Return the level of every case, as a run will have it.

        Raises:
            ManifestError: The column cannot be an attribute.
        """
        spec = AttributeSpec(name=self.name, role=self.role, bins=self.bins)
        return read_attribute(spec, table[self.name])[0].levels


@dataclass(frozen=True, kw_only=True, eq=False)
class Manifest:
    """What was found in a manifest; None where nothing fits.

    Args:
        path: The file.
        table: All its cells.
        target: Column of the reference standard.
        image, mask, case, patient, method, split: Columns.
        split_value: The split's value that is audited.
        attributes: Columns with a role.
        ignored: Columns that no role was found for.
    """

    path: Path
    table: Table
    target: str
    image: str | None
    mask: str | None
    case: str | None
    patient: str | None
    method: str | None
    split: str | None
    split_value: str | None
    attributes: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = field(default=())

    @property
    def levels(self) -> list[str]:
        """Distinct values of the target, sorted, numbers as numbers."""
        return sorted({str(v) for v in self.table[self.target] if v}, key=_as_sorted)


def _as_sorted(level: str) -> tuple[bool, float, str]:
    try:
        return False, float(level), level
    except ValueError:
        return True, 0.0, level


def look(path: Path, target: str | None) -> Manifest:
    """Look at every column of a manifest.

    Args:
        path: CSV or Parquet file.
        target: Column of the reference standard where the user names it.

    Raises:
        ManifestError: The file cannot be read, or no column looks like the reference standard.
    """
    separated = other_separator(read_columns(path), path.name)
    if separated is not None:
        raise separated
    table = read_table(path)
    split, split_value = _split(table)
    if split is not None and split_value is not None:
        table = table.only(np.asarray(table[split] == split_value))
    wanted = _target(table, target)
    # A column that serves as one thing is not offered as another.
    taken: list[str] = [c for c in (wanted, split) if c]
    found: dict[str, str | None] = {}
    for key, pick in (("mask", _mask), ("image", _image), ("patient", _patient), ("case", _case), ("method", _method)):
        found[key] = pick(table, [c for c in table.columns if c not in taken])
        taken += [c for c in (found[key],) if c]
    rest = [c for c in table.columns if c not in taken]
    attributes = tuple(a for a in (_attribute(table, c) for c in rest) if a is not None and _usable(table, a))
    ignored = tuple(c for c in rest if c not in {a.name for a in attributes})
    return Manifest(
        path=path, table=table, target=wanted, split=split, split_value=split_value, attributes=attributes,
        ignored=ignored, **found,
    )  # fmt: skip


def best(names: Iterable[str], words: tuple[str, ...]) -> str | None:
    """Return the name that stands earliest among the words, None where none does."""
    ranked = [(r, n) for n in names if (r := _words.rank(n, words)) is not None]
    return min(ranked)[1] if ranked else None


def _target(table: Table, target: str | None) -> str:
    if target is not None and target in table.columns:
        return target
    if target is not None:
        raise ManifestError(
            f"{one_line(table.name)}: no column {shown(target)}", expected=f"one of {listed(table.columns)}",
            got=shown(target), fix=did_you_mean(target, table.columns, "correct the name"),
        )  # fmt: skip
    named = best([c for c in table.columns if _levels(table, c) >= 2], _words.TARGETS)
    constant = best(table.columns, _words.TARGETS)
    if named is None and constant is not None:
        raise ManifestError(
            f"{one_line(table.name)}: column {shown(constant)} has one value only", expected="two classes or more",
            got=f"{_levels(table, constant)} value",
            fix="add --target with another column, or cases of the other class",
        )  # fmt: skip
    if named is None:
        few = [c for c in table.columns if 2 <= _levels(table, c) <= _MOST_LEVELS]
        raise ManifestError(
            f"{one_line(table.name)}: no column looks like the reference standard",
            expected=f"--target with one of {listed(table.columns)}", got="no --target",
            fix=f"add --target {one_line((few or table.columns)[-1])}, for example",
        )  # fmt: skip
    return named


def _levels(table: Table, column: str) -> int:
    return len({str(v) for v in table[column] if v})


def _files(table: Table, names: list[str]) -> list[str]:
    return [c for c in names if _share(table[c]) > 0.5]


def _share(cells: NDArray[np.str_]) -> float:
    some = [str(c) for c in cells[:500] if c]
    return sum(bool(_words.FILE_NAME.search(c)) for c in some) / max(len(some), 1)


def _is_mask(name: str) -> bool:
    return any(word in _words.folded(name).split("_") for word in _words.MASKS)


def _mask(table: Table, names: list[str]) -> str | None:
    masks = [c for c in _files(table, names) if _is_mask(c)]
    return best(masks, _words.MASKS) or (masks[0] if masks else None)


def _image(table: Table, names: list[str]) -> str | None:
    files = [c for c in _files(table, names) if not _is_mask(c)]
    # Folders of DICOM series have no suffix; there the column's name must do.
    return best(files, _words.IMAGES) or (files[0] if files else best(names, _words.IMAGES[:8]))


def _patient(table: Table, names: list[str]) -> str | None:
    return best([c for c in names if _levels(table, c) > 1], _words.PATIENTS)


def _case(table: Table, names: list[str]) -> str | None:
    unique = [c for c in names if len(set(table[c].tolist())) == table.rows and all(table[c])]
    return best(unique, _words.CASES)


def _method(table: Table, names: list[str]) -> str | None:
    return best([c for c in names if _levels(table, c) <= _MOST_LEVELS], _words.METHODS)


def _split(table: Table) -> tuple[str | None, str | None]:
    column = best([c for c in table.columns if 2 <= _levels(table, c) <= 6], _words.SPLITS)
    if column is None:
        return None, None
    there = Counter(str(v) for v in table[column])
    value = next((v for w in _words.SPLIT_VALUES for v in there if v.casefold() == w), None)
    return (column, value) if value is not None else (None, None)


def _attribute(table: Table, name: str) -> Column | None:
    role, cells = _words.role_of(name), table[name]
    if role is None:
        return None
    filled = [str(c) for c in cells if c]
    levels, empty = len(set(filled)), len(cells) - len(filled)
    numbers = _numbers(filled)
    if numbers is not None and levels > _FEW:
        bins = _bins(name, numbers)
        return Column(name=name, role=role, levels=levels, empty=empty, bins=bins) if bins else None
    if not 2 <= levels <= _MOST_LEVELS:
        return None
    return Column(name=name, role=role, levels=levels, empty=empty)


def _usable(table: Table, column: Column) -> bool:
    try:
        column.attribute(table)
    except ManifestError:
        return False
    return True


def _numbers(cells: list[str]) -> NDArray[np.float64] | None:
    try:
        values = np.array([float(c) for c in cells])
    except ValueError:
        return None
    return values if len(values) and bool(np.isfinite(values).all()) else None


def _bins(name: str, values: NDArray[np.float64]) -> tuple[float, ...]:
    low, high = float(values.min()), float(values.max())
    if "age" in _words.folded(name).split("_") and low >= 0 and high <= 120:
        return (0.0, 40.0, 60.0, 120.0)
    inner = np.quantile(values, [1 / 3, 2 / 3])
    edges = sorted({float(f"{e:.3g}") for e in inner if low < e < high})
    # The outer edges are widened a little: the case that defined them must stay inside after rounding.
    pad = 0.01 * (high - low)
    outer = (float(f"{low - pad:.6g}"), float(f"{high + pad:.6g}"))
    return (outer[0], *[e for e in edges if outer[0] < e < outer[1]], outer[1])
