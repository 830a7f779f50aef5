"""From attribute cells to levels; a number is binned as declared, never by a rule of our own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from audit.cohorts._table import as_numbers
from audit.core import MISSING_LEVEL, ROLES, Attribute, AttributeSpec
from audit.errors import ManifestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NUMERIC_LEVELS = 12
_FREE = {"covariate", "severity", "repeat", "rater"}


def read_attribute(
    spec: AttributeSpec,
    cells: NDArray[np.str_],
    counted: NDArray[np.bool_] | None = None,
    *,
    patients: NDArray[np.str_] | None = None,
) -> tuple[Attribute, tuple[str, ...]]:
    """Return an attribute and the sentences that a reader of the report must know of it.

    Args:
        spec: The declaration.
        cells: (n,) text, "" where empty.
        counted: (n,) bool, the cases that the sentences count; all by default.
        patients: (n,) text, whose each case is; by default every case is its own patient.

    Raises:
        ManifestError: An unknown role, a number without bins has too many values, bins do not rise, or most patients
            have a value of their own.
    """
    _check_roles(spec)
    numbers = as_numbers(cells)
    filled = cells != ""
    numeric = bool(filled.any()) and bool(np.isfinite(numbers[filled]).all())
    seen = np.ones(len(cells), dtype=bool) if counted is None else counted
    if spec.bins:
        _check_bins(spec)
        levels = binned(numbers, spec.bins)
        outside = seen & filled & (levels == MISSING_LEVEL)
        return Attribute(spec=spec, levels=levels, numbers=numbers), _outside(spec, int(outside.sum()))
    distinct = sorted(set(cells[filled].tolist()))
    levels = np.where(filled, cells, MISSING_LEVEL).astype(np.str_)
    attribute = Attribute(spec=spec, levels=levels, numbers=numbers if numeric else None)
    if set(attribute.roles) <= {"repeat"}:
        # A repeat is named by an id, which no sentence may show.
        return attribute, ()
    owners = int(filled.sum()) if patients is None else len(set(patients[filled].tolist()))
    _check_levels(attribute, distinct, owners, numeric)
    return attribute, _alike(spec, distinct)


def bin_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Return the labels of bins, half-open but for the last, for example "[40, 60)" and "[60, 120]"."""
    ends = [f"{e:g}" for e in edges]
    last = len(ends) - 2
    return tuple(f"[{ends[i]}, {ends[i + 1]}{']' if i == last else ')'}" for i in range(len(ends) - 1))


def binned(numbers: NDArray[np.float64], edges: Sequence[float]) -> NDArray[np.str_]:
    """Return (n,) bin labels, `MISSING_LEVEL` for NaN and for a number outside all bins.

    Args:
        numbers: (n,) float.
        edges: Rising; the last bin includes its upper edge.
    """
    bounds = np.asarray(edges, dtype=np.float64)
    index = np.searchsorted(bounds, numbers, side="right") - 1
    index[numbers == bounds[-1]] = len(bounds) - 2
    valid = (index >= 0) & (index < len(bounds) - 1) & np.isfinite(numbers)
    labels = np.array([*bin_labels(edges), MISSING_LEVEL])
    chosen: NDArray[np.str_] = labels[np.where(valid, index, len(labels) - 1)]
    return chosen


def _check_roles(spec: AttributeSpec) -> None:
    for role in (spec.role, *spec.also):
        if role not in ROLES:
            near = get_close_matches(str(role), ROLES, n=1)
            raise ManifestError(
                f"{spec.name}: unknown role", expected=f"one of {', '.join(ROLES)}", got=repr(role),
                fix=f"did you mean {near[0]!r}?" if near else "correct the role",
            )  # fmt: skip


def _check_bins(spec: AttributeSpec) -> None:
    rising = all(a < b for a, b in zip(spec.bins, spec.bins[1:], strict=False))
    if len(spec.bins) < 2 or not rising:
        raise ManifestError(
            f"{spec.name}: bins that cannot be used", expected="two or more rising edges", got=str(list(spec.bins)),
            fix="for example bins = [0, 40, 60, 120]",
        )  # fmt: skip


def _check_levels(attribute: Attribute, distinct: Sequence[str], owners: int, numeric: bool) -> None:
    spec, free = attribute.spec, set(attribute.roles) <= _FREE
    if len(distinct) <= MAX_NUMERIC_LEVELS or (numeric and free):
        return
    if numeric:
        raise ManifestError(
            f"{spec.name}: a number without bins", expected=f"bins, or at most {MAX_NUMERIC_LEVELS} distinct values",
            got=f"{len(distinct)} distinct values",
            fix=f'{spec.name} = {{ role = "{spec.role}", bins = [...] }} under [cohort.attributes]',
        )  # fmt: skip
    if 2 * len(distinct) > owners:
        raise ManifestError(
            f"{spec.name}: nearly every case has a value of its own",
            expected="a column whose values many patients share",
            got=f"{len(distinct)} distinct values of {owners} patients",
            fix="take it out of [cohort.attributes]; it looks like an id, which must not stand in a report",
        )  # fmt: skip


def _outside(spec: AttributeSpec, count: int) -> tuple[str, ...]:
    if not count:
        return ()
    noun, verb = ("case has", "counts") if count == 1 else ("cases have", "count")
    span = f"{spec.bins[0]:g} to {spec.bins[-1]:g}"
    return (f"{spec.name}: {count} {noun} a value that is no number within {span} and {verb} as {MISSING_LEVEL}.",)


def _alike(spec: AttributeSpec, distinct: Sequence[str]) -> tuple[str, ...]:
    same = defaultdict(list)
    for level in distinct:
        same[level.casefold()].append(level)
    pairs = [" and ".join(repr(v) for v in group) for group in same.values() if len(group) > 1]
    return (f"{spec.name}: levels that differ only in upper and lower case ({'; '.join(pairs)}).",) if pairs else ()
