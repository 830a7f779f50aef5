"""Attributes of cases: what a column stands for, and the level of every case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING_LEVEL = "(missing)"
Role = Literal["protected", "confounder", "protocol", "severity", "rater", "repeat", "covariate"]
_COMPARED: frozenset[Role] = frozenset(("protected", "confounder", "protocol"))
ROLES: tuple[Role, ...] = ("protected", "confounder", "protocol", "severity", "rater", "repeat", "covariate")


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """`[cohort.attributes]` of audit.toml: one column and its role.

    Args:
        name: The column's name.
        role: Its role.
        also: Further roles of the same column, for example a protected attribute that is a confounder, too.
        reason: Why it is a confounder.
        bins: Edges for a numeric column; the last bin is closed.
        unit: Unit of a numeric column.
        recorded_by: How it was recorded, for example "self-reported" or "inferred".
        shares: Of a confounder, the share of each level in the balanced cohort; empty: equal shares.
        trained_on: Levels of a protocol that the model learned from; empty where undeclared.
    """

    name: str
    role: Role
    also: tuple[Role, ...] = ()
    reason: str = ""
    bins: tuple[float, ...] = ()
    unit: str = ""
    recorded_by: str = ""
    shares: Mapping[str, float] = field(default_factory=dict, hash=False)
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """One attribute of every case.

    Args:
        spec: The declaration.
        levels: (n,) str, the level of each case, `MISSING_LEVEL` where the cell is empty.
        numbers: (n,) float with NaN where empty, for a numeric column; else None.
        lost: Levels of the manifest of which every case was set aside; what is said of the others is not said of them.
    """

    spec: AttributeSpec
    levels: NDArray[np.str_]
    numbers: NDArray[np.float64] | None = None
    lost: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.spec.name

    @property
    def role(self) -> Role:
        """The declared role."""
        return self.spec.role

    @property
    def roles(self) -> tuple[Role, ...]:
        """All declared roles."""
        return (self.spec.role, *self.spec.also)

    def level_names(self) -> tuple[str, ...]:
        """Levels present or lost, in order: bins as declared, else sorted; the missing level last."""
        present = sorted(
            {*map(str, set(self.levels.tolist())), *self.lost}, key=lambda v: (v == MISSING_LEVEL, _bin_start(v), v)
        )
        return tuple(present)


def kept(attribute: Attribute, rows: NDArray[np.int64], *, set_aside: bool) -> Attribute:
    """Return an attribute of some cases; where the others were set aside, it remembers the levels that went whole."""
    levels = attribute.levels[rows]
    numbers = None if attribute.numbers is None else attribute.numbers[rows]
    lost = attribute.lost
    if set_aside and set(attribute.roles) & _COMPARED:
        left = {str(v) for v in levels}
        lost = tuple(v for v in attribute.level_names() if v not in left and v != MISSING_LEVEL)
    return replace(attribute, levels=levels, numbers=numbers, lost=lost)


def _bin_start(level: str) -> float:
    """Return the number that a bin's label starts with, so that bins sort as numbers."""
    head = level.strip("[(").split(",")[0]
    try:
        return float(head)
    except ValueError:
        return float("inf")


def reads_as_number(text: str) -> bool:
    """Tell whether a cell of a table or the name of a level is a number.

    Args:
        text: What stands there.
    """
    try:
        float(text)
    except ValueError:
        return False
    return True
