"""Columns beside the target: readings of raters, answers of comparators, follow-up, and yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from audit.cohorts._table import as_numbers
from audit.cohorts._targets import FLAGS, MOST_NAMED, Targets, is_gap, named_values, no_reasons
from audit.core import NO_TARGET, YES, Comparator, ComparatorValues
from audit.errors import ManifestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Task

# What one column of a comparator can say of a task; a task that is not named has no comparators.
COMPARABLE: Mapping[str, tuple[str, ...]] = {
    "binary": ("probabilities", "value", "decision"),
    "multiclass": ("decision",),
    "ordinal": ("decision",),
    "regression": ("value",),
    "survival": ("probabilities", "value"),
}
_NO = ("0", "0.0", "false", "no", "")
RATED: tuple[Task, ...] = ("binary", "multiclass", "ordinal")
MEASURED: tuple[Task, ...] = ("regression", "segmentation")
"""Of these a reader gives a number, of a segmentation its volume."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What the cells of a reader's column may say.

    Args:
        lookups: Class index by cell; the first that knows every cell of a column holds. None: numbers.
    """

    lookups: tuple[Mapping[str, int], ...] | None

    def read(self, where: str, cells: NDArray[np.str_]) -> NDArray[np.float64]:
        """Return (n,) class indices or numbers, NaN where a cell is empty or stands for a gap.

        Args:
            where: What messages call the column.
            cells: (n,) text.

        Raises:
            ManifestError: A cell says what the target's vocabulary does not have.
        """
        if self.lookups is None:
            return numbers(where, cells)
        there = sorted({c for c in cells.tolist() if c})
        for lookup in self.lookups:
            known = {v: found for v in there if (found := _found(v, lookup)) is not None}
            if all(v in known or is_gap(v) for v in there):
                return np.array([known.get(c, np.nan) for c in cells.tolist()], dtype=np.float64)
        words = [w for lookup in self.lookups for w in lookup]
        best = max(self.lookups, key=lambda lookup: sum(_found(v, lookup) is not None for v in there))
        strange = [v for v in there if _found(v, best) is None and not is_gap(v)]
        near = get_close_matches(strange[0], words, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "write readings as the target's values"
        raise ManifestError(
            f"{where}: a value that the target does not have", expected=f"one of {named_values(list(best))}",
            got=_strange(strange), fix=hint,
        )  # fmt: skip


def vocabulary(
    task: Task, classes: Sequence[str], positive: Sequence[str] = (), cells: NDArray[np.str_] | None = None
) -> Vocabulary | None:
    """Return what a reader's column may say, None for a task whose answer is not one cell.

    Args:
        task: The model's task.
        classes: Class names by index.
        positive: Values of the target that count as positive.
        cells: (n,) cells of the target, where `positive` tells them apart.
    """
    if task in MEASURED:
        return Vocabulary(lookups=None)
    if task not in RATED:
        return None
    names = {name: i for i, name in enumerate(classes)}
    if task != "binary":
        return Vocabulary(lookups=(names, {str(i): i for i in range(len(classes))}))
    if not positive:
        return Vocabulary(lookups=(names, FLAGS))
    said = [] if cells is None else [c for c in set(cells.tolist()) if c and (c in positive or not is_gap(c))]
    own = {**{c: int(c in positive) for c in sorted(said)}, **dict.fromkeys(positive, 1)}
    # Where 0 is the positive value, flags would turn a reader round.
    agreeing = [
        words for words in (names, FLAGS) if all(own.get(word, index) == index for word, index in words.items())
    ]
    return Vocabulary(lookups=(own, *agreeing))


def _found(value: str, lookup: Mapping[str, int]) -> int | None:
    return lookup.get(value, lookup.get(value.lower()))


def check_comparator(spec: Comparator, task: Task) -> None:
    """Check that a comparator's answers can be held against a model of a task.

    Raises:
        ManifestError: They cannot, or its threshold is not on its own scale.
    """
    where, allowed, point = f"cohort.comparators.{spec.name}", COMPARABLE.get(task, ()), spec.operating_point
    if spec.output not in allowed:
        raise ManifestError(
            f"{where}: does not go with the task", got=repr(spec.output),
            expected=f"{' or '.join(allowed)} for task {task!r}" if allowed else f"no comparator for task {task!r}",
            fix="correct its output" if allowed else "take it out",
        )  # fmt: skip
    if point is not None and spec.output == "decision":
        raise ManifestError(
            f"{where}: a threshold on decisions", expected="no operating_point for output 'decision'", got=f"{point:g}",
            fix="take it out",
        )  # fmt: skip
    if point is not None and not (0 <= point <= 1 or spec.output == "value"):
        raise ManifestError(
            f"{where}: operating_point is not a probability", expected="a number from 0 to 1", got=f"{point:g}",
            fix="give the threshold on the comparator's own scale",
        )  # fmt: skip


def read_comparator(spec: Comparator, cells: NDArray[np.str_], words: Vocabulary | None) -> ComparatorValues:
    """Return what a comparator said of every case.

    Args:
        spec: The declaration.
        cells: (n,) text, "" where it said nothing.
        words: What a decision may be called.

    Raises:
        ManifestError: No cell is filled, or one is no answer of the declared kind.
    """
    where = f"cohort.comparators.{spec.name}"
    if not (cells != "").any():
        raise ManifestError(
            f"{where}: column {spec.column!r} is empty", expected="an answer to some cases", got="none",
            fix="correct the column, or take the comparator out",
        )  # fmt: skip
    if spec.output == "decision":
        values = (words or Vocabulary(lookups=(FLAGS,))).read(where, cells)
    else:
        values = numbers(where, cells)
    if spec.output == "probabilities":
        _none(where, (values < 0) | (values > 1), "outside [0, 1]", 'a probability, or output = "value"')
    return ComparatorValues(spec=spec, values=values)


def numbers(where: str, cells: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return (n,) float, NaN where a cell is empty or stands for a gap.

    Raises:
        ManifestError: A cell is no finite number.
    """
    values = as_numbers(cells)
    filled = np.array([bool(c) and not is_gap(c) for c in cells.tolist()], dtype=bool)
    _none(where, filled & np.isnan(values), "no finite number", "finite numbers; a cell that is not known is empty")
    return values


def _none(where: str, wrong: NDArray[np.bool_], what: str, wanted: str) -> None:
    """Refuse rows that are wrong; they are named by number, since a wrong column may hold ids."""
    rows = np.flatnonzero(wrong)
    if rows.size:
        shown = ", ".join(str(r) for r in rows[:5]) + (" ..." if rows.size > 5 else "")
        raise ManifestError(
            f"{where}: {rows.size} row(s) hold {what}", expected=wanted, got=f"row(s) {shown}",
            fix="correct the cells, or the name of the column",
        )  # fmt: skip


def _strange(values: Sequence[str]) -> str:
    # So many are no words of a vocabulary but free text or ids, which no message may show.
    return named_values(values) if len(values) <= MOST_NAMED else f"{len(values)} different values"


def read_flags(where: str, cells: NDArray[np.str_], yes: Sequence[str] = YES) -> NDArray[np.bool_]:
    """Return (n,) bool, True where a cell says yes; an empty cell says no.

    Args:
        where: What messages call the column.
        cells: (n,) text.
        yes: What says yes; where these are the usual words, any other but the usual ones for no is a fault.

    Raises:
        ManifestError: A cell says neither.
    """
    folded = [c.casefold() for c in cells.tolist()]
    wanted = {y.casefold() for y in yes}
    if wanted == set(YES):
        strange = sorted({c for c, f in zip(cells.tolist(), folded, strict=True) if f not in wanted and f not in _NO})
        if strange:
            raise ManifestError(
                f"{where}: neither yes nor no", expected="1, true or yes, and 0, false, no or an empty cell",
                got=_strange(strange), fix="write the cells as 1 and 0",
            )  # fmt: skip
    return np.array([f in wanted for f in folded], dtype=bool)


def read_planes(where: str, cells: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return (n,) indices of planes, -1 where the cell is empty.

    Args:
        where: What messages call the column.
        cells: (n,) text.

    Raises:
        ManifestError: A cell holds no whole number of at least 0.
    """
    numbers = as_numbers(cells)
    there = cells != ""
    wrong = there & ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    if wrong.any():
        raise ManifestError(
            f"{where}: no index of a plane", expected="whole numbers from 0, or empty cells",
            got=_strange(sorted(set(cells[wrong].tolist()))), fix="count planes along the first axis, from 0",
        )  # fmt: skip
    return np.where(there, numbers, -1).astype(np.int64)


def read_follow_up(time: NDArray[np.str_], event: NDArray[np.str_], names: tuple[str, str]) -> Targets:
    """Return (n, 2) times and events of a survival task; a case that lacks either has no target.

    Args:
        time: (n,) cells of follow-up times, 0 or more.
        event: (n,) cells, yes where the event was seen at that time and no where the case was censored.
        names: Names of both columns.

    Raises:
        ManifestError: A time is no number or below 0, or an event is neither yes nor no.
    """
    values = numbers(f"cohort.time ({names[0]})", time)
    _none(f"cohort.time ({names[0]})", values < 0, "a time below 0", "times of 0 or more since the image")
    empty = np.array([not c or is_gap(c) for c in event.tolist()], dtype=bool)
    seen = read_flags(f"cohort.event ({names[1]})", np.where(empty, "", event).astype(np.str_))
    reasons = no_reasons(len(values))
    reasons[empty | np.isnan(values)] = NO_TARGET
    return Targets(
        values=np.stack([np.nan_to_num(values), seen.astype(np.float64)], axis=1), classes=(), reasons=reasons
    )
