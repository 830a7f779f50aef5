"""Kind `predictions`: saved outputs of a model that is not here."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import ModelError
from audit.models._declare import make_card, model_file
from audit.models._digest import model_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

ABSENT = "no saved prediction for this case"
EMPTY = "the score is empty"
NO_NUMBER = "the score is no number"
OUTSIDE = "the score is outside [0, 1]"


class SavedPredictions:
    """Saved outputs by case; they can be read, and nothing can be asked.

    Args:
        spec: The declaration.
        case_ids: (m,) ids in the order of the file, unique.
        raw: (m, k) outputs, NaN rows where there is a reason.
        reasons: Why a case has no output, None where it has one.
    """

    def __init__(
        self, spec: ModelSpec, case_ids: Sequence[str], raw: NDArray[np.float64], reasons: Sequence[str | None]
    ) -> None:
        self._spec, self._ids, self._raw, self._reasons = spec, tuple(case_ids), raw, tuple(reasons)
        self._rows = {case: row for row, case in enumerate(self._ids)}
        notes = ("saved outputs; the model itself was not run",)
        self._card = make_card(spec, access=Access.SAVED, digest=self.state_digest(), notes=notes)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    def raw_for(self, case_ids: Sequence[str]) -> tuple[NDArray[np.float64], tuple[str | None, ...]]:
        """Return the saved outputs of some cases.

        Args:
            case_ids: (n,) ids.

        Returns:
            (n, k) raw outputs with NaN rows where there is none, and the reason for each of these rows.
        """
        rows = [self._rows.get(str(case)) for case in case_ids]
        raw = np.full((len(rows), self._raw.shape[1]), np.nan)
        reasons: list[str | None] = []
        for i, row in enumerate(rows):
            reasons.append(ABSENT if row is None else self._reasons[row])
            if row is not None:
                raw[i] = self._raw[row]
        return raw, tuple(reasons)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Refuse: saved outputs cannot answer for an image.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            "saved predictions cannot be asked about images", expected="a model that can be run",
            got='kind = "predictions"', fix="leave out probes that need the model, or declare the model itself",
        )  # fmt: skip

    def state_digest(self) -> str:
        """Return the digest of the table in memory, whatever the order of its rows, and of the declaration."""
        parts = [
            (f"case|{case}|{self._reasons[row] or ''}", np.ascontiguousarray(self._raw[row], dtype="<f8").tobytes())
            for case, row in self._rows.items()
        ]
        return model_digest(parts, self._spec)


def load_predictions(spec: ModelSpec, root: Path) -> SavedPredictions:
    """Return the saved predictions of a CSV or Parquet file.

    Args:
        spec: The declaration, with `path`, `scores` and, unless the row number is the case's id, `case`.
        root: The folder of audit.toml.

    Raises:
        ModelError: The file cannot be read, lacks a column, names a case twice, or has another number of scores than
            the declared classes.
    """
    file = model_file(spec, root)
    table = _read(file)
    wanted = [*([spec.case] if spec.case else []), *spec.scores]
    _check_columns(table, wanted, spec)
    ids = [_text(v) for v in table[spec.case]] if spec.case else [str(i) for i in range(len(table))]
    _check_ids(ids, file.name)
    raw, reasons = _numbers(table, spec)
    return SavedPredictions(spec, ids, raw, reasons)


def _read(file: Path) -> DataFrame:
    import pandas as pd

    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            import pyarrow as pa

            try:
                return pd.read_parquet(file)
            except pa.ArrowException as error:
                raise ModelError(f"{file.name} is no readable Parquet file", got=type(error).__name__) from error
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        if not isinstance(table.index, pd.RangeIndex):
            # pandas takes the first column for row names where all rows have one cell more than the heading.
            raise ValueError("rows with more cells than the heading")
        return table
    except (ValueError, OSError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"{file.name} cannot be read", expected="a CSV file in UTF-8 with as many cells in each row, or Parquet",
            got=str(error).splitlines()[0][:200] if str(error) else type(error).__name__, fix="write the file again",
        ) from error  # fmt: skip


def _check_columns(table: DataFrame, wanted: Sequence[str], spec: ModelSpec) -> None:
    there = [str(c) for c in table.columns]
    if not spec.scores:
        raise ModelError(
            'kind = "predictions" needs the columns of scores', expected='[model] score = "column"',
            got=f"a file with {', '.join(there[:12])}", fix="name the column, or scores = [...] for several",
        )  # fmt: skip
    for column in wanted:
        if column not in there:
            near = difflib.get_close_matches(column, there, n=1)
            raise ModelError(
                f"the saved predictions have no column {column!r}", expected="one of the file's columns",
                got=f"a file with {', '.join(there[:12])}", fix=f"did you mean {near[0]!r}?" if near else "",
            )  # fmt: skip
    k, classes = len(spec.scores), len(spec.classes)
    allowed = {"binary": {1, 2}, "regression": {1}, "survival": {1}}.get(spec.task, {classes} if classes else {k})
    if k not in allowed:
        raise ModelError(
            "the number of score columns does not fit the task",
            expected=f"{' or '.join(str(a) for a in sorted(allowed))} for task {spec.task!r}", got=str(k),
            fix="list one score column a class, in the order of classes",
        )  # fmt: skip


def _check_ids(ids: Sequence[str], name: str) -> None:
    twice = len(ids) - len(set(ids))
    if twice:
        raise ModelError(
            f"{name} names cases more than once", expected="one row a case", got=f"{twice} rows too many",
            fix="keep one prediction a case",
        )  # fmt: skip


def _text(value: Any) -> str:
    """Return an id as the cohort's reader does; a whole number in a float column does not become "1.0"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _numbers(table: DataFrame, spec: ModelSpec) -> tuple[NDArray[np.float64], list[str | None]]:
    """Return the scores and, for each case whose scores cannot be used, the first reason."""
    raw = np.full((len(table), len(spec.scores)), np.nan)
    reasons: list[str | None] = [None] * len(table)
    for column, name in enumerate(spec.scores):
        for row, cell in enumerate(table[name]):
            number, reason = _number(cell, bounded=spec.output in ("probabilities", "mask_probabilities"))
            raw[row, column] = number
            reasons[row] = reasons[row] or reason
    raw[[i for i, reason in enumerate(reasons) if reason]] = np.nan
    return raw, reasons


def _number(cell: Any, *, bounded: bool) -> tuple[float, str | None]:
    text = str(cell).strip()
    # An empty cell of a Parquet file arrives as None or NaN, that of a CSV file as an empty text.
    if cell is None or text in ("", "<NA>") or (not isinstance(cell, str) and cell != cell):
        return np.nan, EMPTY
    try:
        number = float(text)
    except ValueError:
        return np.nan, NO_NUMBER
    if not np.isfinite(number):
        return np.nan, NO_NUMBER
    if bounded and not 0 <= number <= 1:
        return np.nan, OUTSIDE
    return number, None
