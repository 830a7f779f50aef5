"""What makers of figures from stored arrays share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import StoredArtifact
from audit.report._chart import Row
from audit.report._numbers import decimals_for, number, range_text
from audit.report._words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
MOST_POINTS, MOST_SERIES = 120, 4


def floats(values: NDArray[Any], most: int = MOST_POINTS) -> tuple[float, ...]:
    """Return numbers for a curve, evenly thinned where they are more than a picture shows.

    Raises:
        ValueError: A number is not finite.
    """
    array = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers")
    if len(array) > most:
        array = array[np.unique(np.linspace(0, len(array) - 1, most).astype(int))]
    return tuple(float(f"{v:.4g}") for v in array)


def known(arrays: Arrays, *names: str) -> NDArray[np.bool_]:
    """Return in which rows all of these columns have a number."""
    return np.asarray(np.all([np.isfinite(np.asarray(arrays[k], dtype=float)) for k in names], axis=0), dtype=np.bool_)


def largest(names: NDArray[Any], weights: NDArray[Any]) -> tuple[list[str], int]:
    """Return at most four names with the largest sums of weights, in their order, and how many names there are."""
    words = np.asarray(names).astype(str)
    there = list(dict.fromkeys(words.tolist()))
    sums = {name: float(np.nansum(np.asarray(weights, dtype=float)[words == name])) for name in there}
    kept = sorted(there, key=lambda name: -sums[name])[:MOST_SERIES]
    return [name for name in there if name in kept], len(there)


def meta_number(artifact: StoredArtifact, key: str) -> float | None:
    """Return a number of an artifact's facts, None where there is none."""
    value = artifact.meta.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def interval_rows(labels: list[str], arrays: Arrays, value: str, low: str, high: str) -> Iterator[Row]:
    """Yield a row of a forest plot for each row of the arrays.

    Raises:
        KeyError: A column is absent.
    """
    columns = [np.asarray(arrays[k], dtype=float) for k in (value, low, high)]
    patients = np.asarray(arrays["n_patients"]) if "n_patients" in arrays else None
    for i, label in enumerate(labels):
        middle, least, most = (float(c[i]) for c in columns)
        counts = plural(int(patients[i]), "patient") if patients is not None else ""
        if not np.isfinite([middle, least, most]).all():
            yield Row(label=label, text="", value=None, counts=counts, reason="no number")
            continue
        text = f"{number(middle, decimals_for(least, most))} ({range_text(least, most)})"
        yield Row(label=label, text=text, value=middle, low=least, high=most, counts=counts)


def farthest(
    rows: Sequence[Row], most: int, reference: float | None, *, groups: Sequence[str] | None = None, head: int = 0,
    distances: Sequence[float] | None = None,
) -> tuple[list[Row], str]:  # fmt: skip
    """Return the rows that a picture shows, those that deviate most first, and what it leaves out in words.

    Args:
        rows: All of them; where they fit they stay as they are.
        most: Rows that stay legible in one picture.
        reference: What the distance is taken from, None for the middle of the values.
        groups: (rows,) rows of one group stay together, in their order, unless a group alone would fill the picture.
        head: Rows at the top that stay there in any case.
        distances: (rows,) how far each deviates, in place of the distance of its value from the reference.
    """
    if len(rows) <= most:
        return list(rows), ""
    values = [r.value for r in rows]
    there = sorted(v for v in values if v is not None)
    middle = there[len(there) // 2] if reference is None and there else reference or 0.0
    far = [-1.0 if v is None else abs(v - middle) for v in values] if distances is None else list(distances)
    named = list(groups or map(str, range(len(rows))))
    if max(named.count(name) for name in set(named)) > most // 2:
        named = list(map(str, range(len(rows))))
    members: dict[str, list[int]] = {}
    for i in range(head, len(rows)):
        members.setdefault(named[i], []).append(i)
    ranked = sorted(members.values(), key=lambda own: -max(far[i] for i in own))
    shown = list(range(head))
    for own in ranked:
        if len(shown) + len(own) > most:
            break
        shown += own
    where = f" from {number(reference)}" if reference is not None and distances is None else ""
    said = f" The {len(shown)} of {len(rows)} rows that deviate most{where}, the farthest first; all are stored."
    return [rows[i] for i in shown], said
