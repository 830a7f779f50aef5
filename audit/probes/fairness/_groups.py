"""Subgroups that share levels of several attributes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from audit.core import Attribute, ProbeContext
from audit.probes._shared import Level, aside_levels

Partition = tuple[str, tuple[Level, ...]]


def intersections(
    ctx: ProbeContext, attributes: Sequence[Attribute], *, orders: Sequence[int]
) -> tuple[Partition, ...]:
    """Return the subgroups that share levels of two or more attributes, a partition of the cases each combination.

    Args:
        ctx: The probe's context.
        attributes: Attributes; those of one level are left out, as they cross nothing.
        orders: How many attributes are crossed, for example (2, 3).

    Returns:
        Name and subgroups. A subgroup is there if the manifest had a case of it, be it one that was set aside.
    """
    varied = [a for a in attributes if len(a.level_names()) > 1]
    chosen = (several for order in orders for several in combinations(varied, order))
    return tuple((" x ".join(a.name for a in several), _cells(ctx, several)) for several in chosen)


def _cells(ctx: ProbeContext, attributes: Sequence[Attribute]) -> tuple[Level, ...]:
    names = [list(a.level_names()) for a in attributes]
    inside = _codes([a.levels for a in attributes], names)
    outside = _codes([aside_levels(a, ctx.cohort.aside) for a in attributes], names)
    title = " x ".join(a.name for a in attributes)
    cells = []
    for code in np.unique(np.concatenate([inside, outside])):
        index = np.unravel_index(int(code), [len(n) for n in names])
        levels = {a.name: n[int(i)] for a, n, i in zip(attributes, names, index, strict=True)}
        cells.append(
            Level(
                attribute=title, name=", ".join(levels.values()), members=inside == code, aside=outside == code,
                of=levels,
            )
        )  # fmt: skip
    return tuple(cells)


def _codes(levels: Sequence[np.ndarray], names: Sequence[list[str]]) -> np.ndarray:
    """Return one code a case for its combination of levels."""
    total = np.zeros(len(levels[0]), dtype=np.int64)
    for values, own in zip(levels, names, strict=True):
        place = {name: i for i, name in enumerate(own)}
        total = total * len(own) + np.array([place[str(v)] for v in values], dtype=np.int64)
    return total
