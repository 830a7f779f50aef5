"""From a table and what is said of it to a model, a cohort, and the sentences that a reader must know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.core import AttributeSpec, CohortSpec, ModelSpec, OutputKind
from audit.errors import InputError
from audit.session.saved._asked import Asked, read_asked
from audit.session.saved._question import Question, numbers_of, question_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.cohorts import Table
    from audit.config.proposal import Offered

ASSUMED_POINT = 0.5
_FIRST = 5
_MANY, _FEW = 20, 5
# Share of rows with a score of their own above which equal rows are no chance; half, so that a table that stands twice
# is seen.
_DISTINCT = 0.9


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What a table of saved predictions is taken for.

    Args:
        model: `[model]` of the audit.
        cohort: `[cohort]` of the audit.
        remarks: Sentences for the report and the first screen.
        offered: Columns that nobody named.
    """

    model: ModelSpec
    cohort: CohortSpec
    remarks: tuple[str, ...]
    offered: Offered


def understand(path: Path, asked: Asked, *, assume: bool) -> Understood:
    """Read a table and say what it is taken for.

    Args:
        path: CSV or Parquet file.
        asked: Names of its columns.
        assume: Whether a threshold of 0.5 is assumed where none is named. Under a policy it is not: a rule must not
            pass at a threshold that nobody chose.

    Raises:
        InputError: The file cannot be used, or leaves open what it means.
    """
    from audit.config.proposal import offered_columns, protected_attribute

    table = read_asked(path, asked)
    question = question_of(table, asked)
    output = _output(table, asked, question)
    _check_cases(table, asked)
    attributes = tuple(protected_attribute(table, name) for name in asked.attributes)
    for spec in attributes:
        _check_levels(table, spec)
    point, source, assumed = _point(asked, question, output, assume=assume)
    remarks = [*_gaps(table, asked), *_decisions(table, asked, question), *assumed]
    remarks += [*_cut(path), *_doubled(table, asked)]
    remarks += [_binned(a.name, a.bins) for a in attributes if a.bins]
    remarks += [
        f"{a.name} has one value only, so there is nothing to compare it with."
        for a in attributes
        if len({str(v) for v in table[a.name] if v}) < 2
    ]
    model = ModelSpec(
        kind="predictions", task=question.task, output=output, path=path.name, classes=question.classes,
        operating_point=point, operating_point_source=source, case=asked.case, scores=asked.scores,
    )  # fmt: skip
    cohort = CohortSpec(
        manifest=path.name, target=(asked.target,), case=asked.case, patient=asked.patient,
        positive=question.positive, attributes=attributes,
    )  # fmt: skip
    offered = offered_columns(table, list(asked.columns))
    return Understood(model=model, cohort=cohort, remarks=tuple(remarks), offered=offered)


def _output(table: Table, asked: Asked, question: Question) -> OutputKind:
    """Return what the scores are; what was not said is held against the numbers, never guessed from them."""
    if asked.output == "value" and question.task == "multiclass":
        raise InputError(
            "--output value does not go with several classes", expected="probabilities or logits", got="value",
            fix="give a probability or a logit for each class",
        )  # fmt: skip
    for name in asked.scores:
        numbers = numbers_of(table[name].tolist())
        if not np.isfinite(numbers).any():
            raise InputError(
                f"{table.name}: column '{name}' holds no number", expected="a score in each row",
                got=repr(str(table[name][0])[:40]), fix="name the column of scores with --score",
            )  # fmt: skip
        if asked.output is None:
            _check_range(table.name, name, numbers)
    return asked.output or "probabilities"


def _check_range(source: str, name: str, numbers: NDArray[np.float64]) -> None:
    outside = np.flatnonzero((numbers < 0) | (numbers > 1))
    if not outside.size:
        return
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    shares = low >= 0 and 1 < high <= 100
    fix = "add --output logits (before sigmoid or softmax) or --output value (a number on a scale of its own)"
    raise InputError(
        f"{source}: {outside.size} of {len(numbers)} scores in '{name}' are no probabilities ({_rows(outside)})",
        expected="numbers from 0 to 1", got=f"numbers from {low:.4g} to {high:.4g}",
        fix="divide percentages by 100, or add --output value" if shares else fix,
    )  # fmt: skip


def _rows(index: NDArray[np.int64]) -> str:
    """Return the first of some rows, counted from 1 below the header."""
    first = ", ".join(str(i + 1) for i in index[:_FIRST])
    return f"row{'s' if len(index) > 1 else ''} {first}" + (", …" if len(index) > _FIRST else "")


def _check_cases(table: Table, asked: Asked) -> None:
    if asked.case is None:
        return
    ids = table[asked.case]
    empty = np.flatnonzero(ids == "")
    if empty.size:
        raise InputError(
            f"{table.name}: column '{asked.case}' is empty in {empty.size} of {len(ids)} rows ({_rows(empty)})",
            expected="an id for every case", got="empty cells", fix="fill them, or leave --case out",
        )  # fmt: skip
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    twice = np.flatnonzero(first[inverse] != np.arange(len(ids)))
    if twice.size:
        raise InputError(
            f"{table.name}: {twice.size} rows repeat an id of '{asked.case}' ({_rows(twice)})",
            expected="every case once", got=f"{len(ids) - twice.size} different ids in {len(ids)} rows",
            fix="keep one row a case; name patients with --patient",
        )  # fmt: skip


def _check_levels(table: Table, spec: AttributeSpec) -> None:
    levels = {str(v) for v in table[spec.name] if v}
    if not spec.bins and len(levels) > _MANY and len(levels) * _FEW > table.rows:
        raise InputError(
            f"{table.name}: column '{spec.name}' has {len(levels)} different values in {table.rows} rows",
            expected=f"at most {_MANY}, or {_FEW} rows for each", got="what looks like an id",
            fix="take it out of --attributes; ids must not stand in a report",
        )  # fmt: skip


def _point(
    asked: Asked, question: Question, output: OutputKind, *, assume: bool
) -> tuple[float | None, str, tuple[str, ...]]:
    if asked.operating_point is not None:
        if not math.isfinite(asked.operating_point):
            raise InputError(
                "--operating-point is no number", expected="the threshold in use", got=f"{asked.operating_point:g}",
                fix="give a finite number, or leave it out",
            )  # fmt: skip
        if output != "value" and not 0 <= asked.operating_point <= 1:
            raise InputError(
                "--operating-point is no probability", expected="a number from 0 to 1, after sigmoid",
                got=f"{asked.operating_point:g}", fix="give the threshold on the probability scale",
            )  # fmt: skip
        return asked.operating_point, "named on the command line", ()
    if question.task != "binary":
        return None, "", ()
    if output == "value" or not assume:
        said = "No threshold is declared, so sensitivity and specificity are not measured: add --operating-point."
        return None, "", (said,)
    said = f"The threshold of {ASSUMED_POINT} is assumed, not declared: name the one in use with --operating-point."
    return ASSUMED_POINT, "assumed, not declared", (said,)


def _gaps(table: Table, asked: Asked) -> Iterator[str]:
    """Give a sentence for each column whose gaps cost cases."""
    for name in asked.scores:
        lacking = np.flatnonzero(~np.isfinite(numbers_of(table[name].tolist())))
        if lacking.size:
            yield f"{name}: no number in {lacking.size} of {table.rows} rows ({_rows(lacking)}); they are set aside."
    for column, word in ((asked.target, "no value"), (asked.patient, "no patient")):
        empty = np.flatnonzero(table[column] == "") if column else np.zeros(0, dtype=np.int64)
        if empty.size:
            yield f"{column}: {word} in {empty.size} of {table.rows} rows ({_rows(empty)}); they are set aside."


def _decisions(table: Table, asked: Asked, question: Question) -> Iterator[str]:
    if question.task != "binary" or len(asked.scores) > 1:
        return
    numbers = numbers_of(table[asked.scores[0]].tolist())
    if set(np.unique(numbers[np.isfinite(numbers)]).tolist()) <= {0.0, 1.0}:
        yield f"{asked.scores[0]} holds decisions (0 and 1), no scores: AUC and calibration say little of the model."


def _cut(path: Path) -> Iterator[str]:
    """Give a sentence on a text that ends within a line, as it does where a copy was cut short."""
    if path.suffix.lower() == ".csv" and not path.read_bytes().endswith((b"\n", b"\r")):
        yield f"{path.name} does not end with a line break: if it was cut short, its last row is not what it was."


def _doubled(table: Table, asked: Asked) -> Iterator[str]:
    """Give a sentence on rows that equal another one in every cell; a table that stands twice looks twice as sure.

    Scores of few values, say grades, make equal rows by themselves, and nothing is said.
    """
    if len(np.unique(table[asked.scores[0]])) * 2 < table.rows * _DISTINCT:
        return
    first: dict[tuple[str, ...], int] = {}
    rows = zip(*(table[c].tolist() for c in table.columns), strict=True)
    again = np.flatnonzero([first.setdefault(row, i) != i for i, row in enumerate(rows)])
    if again.size:
        said = f"{again.size} of {table.rows} rows equal an earlier one in every cell ({_rows(again)})"
        yield f"{said}: if they are the same cases, every interval is too narrow."


def _binned(name: str, bins: Sequence[float]) -> str:
    rule = "ages are cut at 40 and 60" if list(bins) == [0.0, 40.0, 60.0, 120.0] else "cut into thirds of the rows"
    return f"{name}: a number, grouped by a rule of this command ({rule}): {', '.join(f'{b:g}' for b in bins)}."
