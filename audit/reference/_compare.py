"""Figures of a model that was built again, beside the shipped ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audit.reference._system import Figure

_EQUAL = 1e-3


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One figure, twice.

    Attributes:
        name: Of the figure.
        shipped: None where the shipped model has no such figure.
        rebuilt: None where the rebuilt model has no such figure.
    """

    name: str
    shipped: Figure | None
    rebuilt: Figure | None

    @property
    def agrees(self) -> bool:
        """Whether the rebuilt value lies in the shipped interval; one without an interval must be equal."""
        if self.shipped is None or self.rebuilt is None:
            return False
        was, now = self.shipped, self.rebuilt
        if was.value is None or now.value is None:
            return was.value is now.value
        if was.low is None or was.high is None:
            return math.isclose(was.value, now.value, rel_tol=_EQUAL, abs_tol=1e-9)
        return was.low <= now.value <= was.high


def compare(shipped: Sequence[Figure], rebuilt: Sequence[Figure]) -> tuple[Compared, ...]:
    """Return every figure of either model, in the order of the shipped one."""
    was, now = {f.name: f for f in shipped}, {f.name: f for f in rebuilt}
    return tuple(Compared(name=n, shipped=was.get(n), rebuilt=now.get(n)) for n in dict.fromkeys([*was, *now]))


def lines(rows: Sequence[Compared]) -> tuple[str, ...]:
    """Return the comparison as lines of text: name, shipped, rebuilt, n, and whether they agree."""
    table = [("figure (phantom)", "shipped", "rebuilt", "n", "")]
    for row in rows:
        some = row.rebuilt or row.shipped
        n = "" if some is None else f"{some.n} of {some.n_patients} patients"
        table.append(
            (
                row.name,
                said(row.shipped),
                said(row.rebuilt),
                n,
                "" if row.agrees else "new" if row.shipped is None else "differs",
            )
        )
    widths = [max(len(line[i]) for line in table) for i in range(4)]
    return tuple(
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[4]]).rstrip() for line in table
    )


def said(figure: Figure | None) -> str:
    """Return a figure with its interval, such as "0.812 (0.79 to 0.83)"."""
    if figure is None:
        return "absent"
    if figure.value is None:
        return "none"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3g}"
    return f"{figure.value:.3g} ({figure.low:.3g} to {figure.high:.3g})"
