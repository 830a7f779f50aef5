"""Levels of one confounder, or of all declared confounders together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, ClassView
from audit.probes._shared import SINGLE_LEVEL, count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOINT = "(joint)"
SMALLEST = 20
NAMED = 4
# What more than this share of cases hides may be just the cases in which leaning shows.
MOST_WITHOUT = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """A partition of the cases by a confounder.

    Args:
        attribute: The confounder's name, or `JOINT`.
        names: Levels.
        codes: (n,) index into `names`, -1 for cases without a level.
    """

    attribute: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) bool, the cases that have a level."""
        return self.codes >= 0

    def method(self, name: str) -> str:
        """Return the method's name with the number of cases that had to be left out, if any."""
        left_out = int((~self.known).sum())
        return f"{name}; {left_out} cases without a level left out" if left_out else name

    def unknown(self, rows: NDArray[np.bool_], kind: str = "cases") -> str | None:
        """Return that too many of some cases (n,) bool have no level, with the counts, or None."""
        without, n = int((rows & ~self.known).sum()), int(rows.sum())
        if without <= MOST_WITHOUT * n:
            return None
        return f"{without} of {n} {kind} have no level, more than {100 * MOST_WITHOUT:g} %"

    def lacking(self, view: ClassView, patients: NDArray[np.int64]) -> str | None:
        """Return why levels cannot be compared, with the counts, or None.

        Every level must have enough patients among its cases and among its controls, and hardly any of either may
        lack a level: leaving many out would answer for another population than the one that was declared.
        """
        if len(self.names) < 2:
            return SINGLE_LEVEL
        for kind, rows in (("cases", view.labels), ("controls", ~view.labels)):
            reason = self.unknown(rows, kind)
            if reason:
                return reason
        short = []
        for code, name in enumerate(self.names):
            for kind, rows in (("cases", view.labels), ("controls", ~view.labels)):
                count = count_patients(patients, rows & (self.codes == code))
                if count < SMALLEST:
                    short.append(f"{kind} {name}: {count}")
        if not short:
            return None
        more = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        return f"fewer than {SMALLEST} patients in {', '.join(short[:NAMED])}{more}"


def strata_of(attribute: Attribute) -> Strata:
    """Return the strata of one confounder; cases without a level are in none of them."""
    names = tuple(name for name in attribute.level_names() if name != MISSING_LEVEL)
    codes = np.full(len(attribute.levels), -1, dtype=np.int64)
    for code, name in enumerate(names):
        codes[attribute.levels == name] = code
    return Strata(attribute=attribute.name, names=names, codes=codes)


def joint(parts: Sequence[Strata]) -> Strata:
    """Return the strata of the combinations of levels that occur, and an empty one for each level that is lost."""
    known = np.all([part.known for part in parts], axis=0)
    label = np.array([" ".join(part.names[part.codes[i]] for part in parts) for i in np.flatnonzero(known)], dtype=str)
    codes = np.full(len(known), -1, dtype=np.int64)
    rows = np.stack([part.codes[known] for part in parts], axis=1)
    found, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    codes[known] = inverse.reshape(-1)
    # A level of which every case was set aside is in no combination; the others must not answer for it.
    lost = tuple(name for part in parts for code, name in enumerate(part.names) if not (part.codes == code).any())
    return Strata(attribute=JOINT, names=(*(str(label[i]) for i in first[: len(found)]), *lost), codes=codes)


def all_strata(attributes: Sequence[Attribute]) -> Iterator[Strata]:
    """Give the strata of every confounder, then those of all of them together."""
    single = [strata_of(attribute) for attribute in attributes]
    yield from single
    # A confounder with one level adds nothing to the combinations, but must not take their name off the report.
    varying = [part for part in single if len(part.names) > 1]
    if varying:
        yield joint(varying)
