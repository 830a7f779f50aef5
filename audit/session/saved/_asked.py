"""What a user says of a table of saved predictions, and whether the table has it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.core import OutputKind
from audit.errors import InputError

if TYPE_CHECKING:
    from audit.cohorts import Table

_LISTED = 30


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Names of columns, and what their values mean.

    Args:
        target: Column of the reference standard.
        scores: Column of scores; one a class for more than two classes.
        patient: Column of patients; None: every case is its own patient.
        case: Column of case ids; None: the row number.
        attributes: Columns that are audited as protected attributes.
        positive: Values of the target that count as positive.
        classes: Names of the classes, in the order of the scores.
        output: What the scores are; None: probabilities, and a score outside [0, 1] is an error of the user.
        operating_point: Threshold on the probability scale, or on the scores where they are values.
    """

    target: str
    scores: tuple[str, ...]
    patient: str | None = None
    case: str | None = None
    attributes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    output: OutputKind | None = None
    operating_point: float | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The option that names each column, by column."""
        named = {self.target: "--target"} | dict.fromkeys(self.scores, "--score")
        named |= {c: word for c, word in ((self.patient, "--patient"), (self.case, "--case")) if c is not None}
        return named | {c: "--attributes" for c in self.attributes if c not in named}


def read_asked(path: Path, asked: Asked) -> Table:
    """Return all cells of a table that has every column asked for.

    Args:
        path: CSV or Parquet file.
        asked: The columns.

    Raises:
        InputError: There is no such file, it cannot be read, lacks a column, or a column is named for two things.
    """
    from audit.cohorts import read_columns, read_table

    _check_path(path)
    there = read_columns(path)
    _check_separator(there, path.name)
    _check_names(asked, there, path.name)
    return read_table(path)


def listed(names: Sequence[str]) -> str:
    """Return names with commas, cut after thirty and each after forty characters, on one line."""
    every = ["".join(c if c.isprintable() else " " for c in str(n))[:40] for n in names]
    rest = f", … ({len(every)} in all)" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + rest


def _check_path(path: Path) -> None:
    if path.is_file():
        return
    place = os.path.abspath(path)  # noqa: PTH100 - as typed, links not followed
    folder = path.resolve().parent
    names = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    otherwise = "correct the path" if names else f"there is no folder {folder}"
    raise InputError(
        f"no such file '{path}'", expected="a CSV or Parquet file",
        got=f"{'a folder' if path.is_dir() else 'nothing'} at {place}",
        fix=f"did you mean '{near[0]}'?" if near else otherwise,
    )  # fmt: skip


def _check_separator(there: Sequence[str], name: str) -> None:
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(there) == 1 and mark in there[0]:
            raise InputError(
                f"{name}: cells are separated by {word}", expected="commas", got=listed(there),
                fix="save it again with commas between cells and points in decimals, or as Parquet",
            )  # fmt: skip


def _check_names(asked: Asked, there: Sequence[str], name: str) -> None:
    absent = [(column, word) for column, word in asked.columns.items() if column not in there]
    if absent:
        hints = [f"{word} {near}" for column, word in absent if (near := _nearest(column, there))]
        what = " and ".join(f"'{column}' ({word})" for column, word in absent)
        raise InputError(
            f"{name}: no column {what}", expected=f"one of {listed(there)}",
            fix=f"did you mean {' and '.join(hints)}?" if hints else "correct the name",
        )  # fmt: skip
    parts = [asked.target, *asked.scores, *(c for c in (asked.patient, asked.case) if c), *asked.attributes]
    twice = sorted({c for c in parts if parts.count(c) > 1} - ({asked.case} if asked.case == asked.patient else set()))
    if twice:
        raise InputError(
            f"{name}: column {twice[0]!r} is named for two things", expected="a column of its own for each",
            got=" and ".join(parts_of(asked, twice[0])), fix="correct one of them",
        )  # fmt: skip


def parts_of(asked: Asked, column: str) -> list[str]:
    """Return every option that names a column."""
    given = {
        "--target": (asked.target,), "--score": asked.scores, "--patient": (asked.patient,), "--case": (asked.case,),
        "--attributes": asked.attributes,
    }  # fmt: skip
    return [word for word, columns in given.items() for c in columns if c == column]


def _nearest(column: str, there: Sequence[str]) -> str | None:
    by_fold = {c.casefold(): c for c in there}
    close = difflib.get_close_matches(column.casefold(), list(by_fold), n=1, cutoff=0.5)
    return by_fold[close[0]] if close else None
