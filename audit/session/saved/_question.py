"""Which question a target and its scores answer: two classes, several, or a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Task
from audit.errors import InputError
from audit.session.saved._asked import Asked, listed

if TYPE_CHECKING:
    from audit.cohorts import Table

_YES, _NO = {"1", "1.0", "true"}, {"0", "0.0", "false"}
_FLAGS = _YES | _NO
_GAPS = {"na", "n/a", "nan", "<na>", "null", "missing", "unknown", "not available"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """The task, and what the values of the target mean.

    Args:
        task: binary, multiclass or regression.
        classes: Names by index.
        positive: Values of the target that count as positive; empty where 0 and 1 or the classes' names stand there.
    """

    task: Task
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()


def question_of(table: Table, asked: Asked) -> Question:
    """Return what the target and the scores ask.

    Raises:
        InputError: The target has one value, or it is open which of its values count as positive.
    """
    if len(set(asked.classes)) < len(asked.classes):
        raise InputError(
            "--classes has a name twice", expected="a name of its own for each class", got=listed(asked.classes),
            fix="correct one of them",
        )  # fmt: skip
    there = _levels(table, asked)
    if len(there) < 2:
        one = f"{there[0]!r} in all {table.rows} rows" if there else "empty cells"
        raise InputError(
            f"{table.name}: column '{asked.target}' has {'one value' if there else 'no value'}",
            expected="cases of two classes or more", got=one,
            fix="name another column, or add cases of the other class",
        )  # fmt: skip
    if len(asked.scores) > 2:
        return _several(table, asked, there)
    if _is_number(asked, there):
        return Question(task="regression")
    return _two(table, asked, there)


def _levels(table: Table, asked: Asked) -> list[str]:
    """Return the distinct values of the target; what stands for a gap is one unless it is named as a class."""
    named = {*asked.positive, *asked.classes}
    return sorted({str(v) for v in table[asked.target] if v and (str(v).casefold() not in _GAPS or v in named)})


def numbers_of(cells: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return (n,) float, NaN where a cell holds no finite number."""
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        try:
            value = float(cell)
        except ValueError:
            continue
        if math.isfinite(value):
            out[i] = value
    return out


def _is_number(asked: Asked, there: Sequence[str]) -> bool:
    numeric = bool(np.isfinite(numbers_of(there)).all())
    return numeric and len(there) > 2 and asked.output == "value" and not asked.positive and not asked.classes


def _two(table: Table, asked: Asked, there: list[str]) -> Question:
    pair = len(asked.scores) == 2
    names = asked.classes or (pair and (_matched(asked.scores, there) or asked.scores)) or ()
    if asked.classes and len(asked.classes) != 2:
        raise InputError(
            f"--classes names {len(asked.classes)} classes", expected="two, the negative one first",
            got=listed(asked.classes), fix="name both classes, or one column of scores a class",
        )  # fmt: skip
    if asked.positive:
        _check_positive(asked, there)
        _check_order(asked, names)
        others = [v for v in there if v not in asked.positive]
        negative = others[0] if len(others) == 1 else "other"
        own = ("negative", "positive") if set(there) <= _FLAGS else (negative, asked.positive[0])
        return Question(task="binary", classes=asked.classes or own, positive=asked.positive)
    if names and set(there) <= set(names):
        return Question(task="binary", classes=tuple(names), positive=(names[1],))
    if {v.casefold() for v in there} <= _FLAGS:
        yes = tuple(v for v in there if v.casefold() in _YES)
        return Question(task="binary", classes=tuple(names) or ("negative", "positive"), positive=yes)
    if len(there) == 2:
        raise InputError(
            f"{table.name}: which value of '{asked.target}' is the positive one is not said",
            expected="--positive with one of them", got=" and ".join(repr(v) for v in there),
            fix=f'add --positive "{there[1]}", if that is what the score is for',
        )  # fmt: skip
    number = bool(np.isfinite(numbers_of(there)).all())
    fix = "add --output value for a number that is predicted" if number else "add --positive with one or more of them"
    raise InputError(
        f"{table.name}: column '{asked.target}' has {len(there)} different values and there is one score",
        expected="0 and 1, or --positive, or one column of scores a class", got=listed(there[:12]), fix=fix,
    )  # fmt: skip


def _check_positive(asked: Asked, there: list[str]) -> None:
    strange = [p for p in asked.positive if p not in there]
    if strange:
        raise InputError(
            f"--positive: no row of '{asked.target}' has the value {strange[0]!r}", expected=f"one of {listed(there)}",
            got=repr(strange[0]), fix="correct the value; capitals count",
        )  # fmt: skip
    if not set(there) - set(asked.positive):
        raise InputError(
            f"--positive: every row of '{asked.target}' is positive", expected="some values of the other class",
            got=listed(asked.positive), fix="leave the negative ones out of --positive",
        )  # fmt: skip


def _check_order(asked: Asked, names: Sequence[str]) -> None:
    if len(names) == 2 and names[0] in asked.positive and names[1] not in asked.positive:
        raise InputError(
            f"--positive names {names[0]!r}, which comes first", expected="the negative class first, in both lists",
            got=listed(names), fix="turn the order of --score (and --classes) round",
        )  # fmt: skip


def _several(table: Table, asked: Asked, there: list[str]) -> Question:
    if asked.positive:
        raise InputError(
            "--positive goes with one score, or with two", expected="no --positive, since each class has its score",
            got=f"{len(asked.scores)} scores", fix="take it out",
        )  # fmt: skip
    if asked.classes and len(asked.classes) != len(asked.scores):
        raise InputError(
            "--classes and --score differ in number", expected=f"{len(asked.scores)} classes, one a score",
            got=f"{len(asked.classes)}", fix="name the classes in the order of the scores",
        )  # fmt: skip
    names = asked.classes or _matched(asked.scores, there) or asked.scores
    indices = {str(i) for i in range(len(names))}
    strange = [v for v in there if v not in names]
    if strange and not set(there) <= indices:
        raise InputError(
            f"{table.name}: column '{asked.target}' holds {strange[0]!r}, which is no class",
            expected=f"one of {listed(names)}, or an index from 0", got=listed(there[:12]),
            fix="name the classes as the column does, with --classes, in the order of the scores",
        )  # fmt: skip
    return Question(task="multiclass", classes=tuple(names))


def _matched(scores: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """Return the class that the name of each score ends with, empty where one has none or two."""
    found = []
    for name in scores:
        mine = [v for v in there if name.casefold() == v.casefold() or name.casefold().endswith("_" + v.casefold())]
        if len(mine) != 1:
            return ()
        found.append(mine[0])
    return tuple(found) if len(set(found)) == len(found) else ()
