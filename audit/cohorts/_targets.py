"""From target cells to class indices, flags or numbers; a value that nobody declared is a fault, not a negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._table import as_numbers
from audit.core import NO_TARGET
from audit.errors import ManifestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Task

FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
_BINARY = ("negative", "positive")
MOST_NAMED = 12
# What other programs write where a table has a gap; a case without a reference standard is no negative.
_GAPS = {"na", "n/a", "nan", "<na>", "null", "missing", "unknown", "not available"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """Targets of all rows.

    Args:
        values: (n,) int, (n, L) int or (n,) float; anything where `reasons` says why the row has none.
        classes: Class names by index.
        reasons: (n,) object, why a row has no target, or None.
        remarks: What a reader must know of how the cells were read.
    """

    values: NDArray[Any]
    classes: tuple[str, ...]
    reasons: NDArray[Any]
    remarks: tuple[str, ...] = ()


def read_targets(
    columns: Sequence[tuple[str, NDArray[np.str_]]], *, task: Task, classes: tuple[str, ...], positive: tuple[str, ...]
) -> Targets:
    """Return the targets of a manifest.

    Args:
        columns: Name and cells of each target column.
        task: The model's task.
        classes: Class names in the order of the model's outputs; () where undeclared.
        positive: Values that count as positive, binary tasks only; every other one is negative, but for an empty
            cell and for what stands for one in other programs, such as "NA".

    Raises:
        ManifestError: A value is no declared class, no positive value occurs, or the number of columns does not fit.
    """
    if task == "multilabel":
        return _multilabel(columns, classes)
    if len(columns) != 1:
        raise ManifestError(
            "target: too many columns", expected=f"one column for a {task} task", got=f"{len(columns)}",
            fix='name one column, or set task = "multilabel"',
        )  # fmt: skip
    name, cells = columns[0]
    if task == "regression":
        return _numbers(cells)
    if task == "binary":
        return _binary(name, cells, classes or _BINARY, positive)
    if task in ("multiclass", "ordinal"):
        return _multiclass(name, cells, classes)
    raise ManifestError(
        f"target: {task} cohorts cannot be read from a manifest yet",
        expected="binary, multiclass, multilabel, ordinal, regression or segmentation", got=task,
        fix="audit the model on one of these tasks",
    )  # fmt: skip


def no_reasons(n: int) -> NDArray[Any]:
    """Return (n,) object, all None."""
    return np.full(n, None, dtype=object)


def _empty(cells: NDArray[np.str_]) -> NDArray[Any]:
    reasons = no_reasons(len(cells))
    reasons[cells == ""] = NO_TARGET
    return reasons


def _numbers(cells: NDArray[np.str_]) -> Targets:
    values, reasons = as_numbers(cells), _empty(cells)
    reasons[np.isnan(values) & (cells != "")] = "target is not a finite number"
    return Targets(values=np.nan_to_num(values), classes=(), reasons=reasons)


def _binary(name: str, cells: NDArray[np.str_], classes: tuple[str, ...], positive: tuple[str, ...]) -> Targets:
    reasons = _empty(cells)
    if positive:
        values = np.isin(cells, list(positive)).astype(np.int64)
        there = set(cells[cells != ""].tolist())
        strange = [p for p in positive if p not in there]
        if strange and len(strange) == len(positive):
            near = get_close_matches(strange[0], sorted(there), n=1)
            raise ManifestError(
                f"{name}: no case has a positive value", expected=f"one of {named_values(positive)}",
                got=named_values(sorted(there)),
                fix=f"did you mean {near[0]!r}?" if near else "correct `positive` under [cohort]",
            )  # fmt: skip
        named = {*positive, *classes}
        gaps = np.array([c.casefold() in _GAPS and c not in named for c in cells.tolist()], dtype=bool)
        reasons[gaps] = NO_TARGET
        others = sorted(set(cells[(cells != "") & ~gaps].tolist()) - set(positive))
        return Targets(values=values, classes=classes, reasons=reasons, remarks=_negatives(name, others))
    lookup = {classes[0]: 0, classes[1]: 1} if len(classes) == 2 else {}
    values = _looked_up(name, cells, [lookup, FLAGS], expected=f"0 or 1, or one of {named_values(classes)}", fix=(
        "say under [cohort] which values count as positive, for example positive = [\"...\"]"
    ))  # fmt: skip
    return Targets(values=values, classes=classes, reasons=reasons)


def _negatives(name: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return which values count as negative, where there are several: nobody has named them."""
    if len(others) > MOST_NAMED:
        # So many are no classes but free text, which may speak of a patient.
        return (f"{name}: {len(others)} different values count as negative.",)
    return (f"{name}: counted as negative are {named_values(others)}.",) if len(others) > 1 else ()


def _multiclass(name: str, cells: NDArray[np.str_], classes: tuple[str, ...]) -> Targets:
    if not classes:
        raise ManifestError(
            f"{name}: the classes are not declared", expected="class names in the order of the model's outputs",
            got="none", fix='declare classes = ["...", "..."] under [model]',
        )  # fmt: skip
    names = {c: i for i, c in enumerate(classes)}
    numbers = {str(i): i for i in range(len(classes))}
    values = _looked_up(
        name, cells, [names, numbers], expected=f"one of {named_values(classes)}, or an index 0 to {len(classes) - 1}",
        fix="correct `classes` under [model], or leave the other cases out of the manifest",
    )  # fmt: skip
    return Targets(values=values, classes=classes, reasons=_empty(cells))


def _multilabel(columns: Sequence[tuple[str, NDArray[np.str_]]], classes: tuple[str, ...]) -> Targets:
    if classes and len(classes) != len(columns):
        raise ManifestError(
            "target: the columns do not fit the classes", expected=f"{len(classes)} columns, one a class",
            got=f"{len(columns)}", fix="name the target columns in the order of `classes`",
        )  # fmt: skip
    names = tuple(name for name, _ in columns)
    reasons = no_reasons(len(columns[0][1]))
    values = []
    for name, cells in columns:
        fix = "write findings as 0 and 1; leave a cell empty where it is not known"
        values.append(_looked_up(name, cells, [FLAGS], expected="0 or 1", fix=fix))
        reasons[cells == ""] = NO_TARGET
    return Targets(values=np.stack(values, axis=1), classes=classes or names, reasons=reasons)


def _looked_up(
    name: str, cells: NDArray[np.str_], lookups: Sequence[dict[str, int]], *, expected: str, fix: str
) -> NDArray[np.int64]:
    """Return the indices by the first lookup that knows every value; two are never mixed.

    Mixing would let a class called "1" and the index 1 mean different things in one column.
    """
    there = sorted(set(cells[cells != ""].tolist()))
    for lookup in lookups:
        known = {v: lookup[v if v in lookup else v.lower()] for v in there if v in lookup or v.lower() in lookup}
        if len(known) == len(there):
            return np.array([known.get(c, 0) for c in cells.tolist()], dtype=np.int64)
    best = max(lookups, key=lambda lookup: sum(v in lookup for v in there))
    strange = [v for v in there if v not in best]
    raise ManifestError(f"{name}: a value that is no class", expected=expected, got=named_values(strange), fix=fix)


def is_gap(cell: str) -> bool:
    """Tell whether a cell is what other programs write where a table has a gap."""
    return cell.casefold() in _GAPS


def named_values(values: Sequence[str], most: int = 6) -> str:
    """Return some values of a column for a message."""
    text = ", ".join(repr(str(v)[:40]) for v in values[:most])
    return text + (f" and {len(values) - most} more" if len(values) > most else "") or "nothing"
