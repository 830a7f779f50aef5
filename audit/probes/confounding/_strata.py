"""Levels of one confounder, or of all declared confounders together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, ClassView, Cohort
from audit.core.binning import equal_mass_bins
from audit.probes._shared import SINGLE_LEVEL, count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOINT = "(joint)"
SMALLEST = 20
NAMED = 4
# What more than this share of cases hides may be just the cases in which leaning shows.
MOST_WITHOUT = 0.05
FIFTHS, PIECES = 5, 4
FEW_VALUES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """A partition of the cases by a confounder.

    Args:
        attribute: The confounder's name, or `JOINT`.
        names: Levels.
        codes: (n,) index into `names`, -1 for cases without a level.
        parts: The confounders that it is made of.
        numbers: (n,) NaN where unknown, of a confounder that is a number and was cut here; else None.
        shares: Declared share of each level in the balanced cohort, in the order of `names`; empty: equal shares.
    """

    attribute: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    parts: tuple[str, ...] = ()
    numbers: NDArray[np.float64] | None = None
    shares: tuple[float, ...] = ()

    @property
    def weights(self) -> NDArray[np.float64]:
        """(levels,) share of each level in the balanced cohort; they add up to 1."""
        given = np.array(self.shares or [1.0] * max(1, len(self.names)), dtype=np.float64)
        out: NDArray[np.float64] = given / given.sum()
        return out

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) bool, the cases that have a level."""
        return self.codes >= 0

    def method(self, name: str) -> str:
        """Return the method's name with declared shares, and the number of cases that had to be left out, if any."""
        if self.shares:
            each = ", ".join(f"{n} {s:.3g}" for n, s in zip(self.names, self.weights, strict=True))
            name = f"{name}; declared shares {each}"
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
        undeclared = [name for name, share in zip(self.names, self.shares, strict=bool(self.shares)) if share <= 0]
        if undeclared:
            return f"no share of the balanced cohort is declared for {', '.join(undeclared[:NAMED])}"
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


def strata_of(attribute: Attribute, pieces: int = FIFTHS) -> Strata:
    """Return the strata of one attribute; cases without a level are in none of them.

    Args:
        attribute: The attribute.
        pieces: Into how many pieces of about as many cases a number without declared bins is cut.
    """
    if is_continuous(attribute):
        return _cut(attribute, pieces)
    names = tuple(name for name in attribute.level_names() if name != MISSING_LEVEL)
    codes = np.full(len(attribute.levels), -1, dtype=np.int64)
    for code, name in enumerate(names):
        codes[attribute.levels == name] = code
    declared = attribute.spec.shares
    # A declared level without a case stays: what is balanced without it is not what was declared.
    names = (*names, *(name for name in declared if name not in names))
    shares = tuple(declared.get(name, 0.0) for name in names) if declared else ()
    return Strata(attribute=attribute.name, names=names, codes=codes, parts=(attribute.name,), shares=shares)


def is_continuous(attribute: Attribute) -> bool:
    """Return whether an attribute is a number with many values for which no bins are declared."""
    numbers = attribute.numbers
    if numbers is None or attribute.spec.bins:
        return False
    return np.unique(numbers[np.isfinite(numbers)]).size > FEW_VALUES


def _cut(attribute: Attribute, pieces: int) -> Strata:
    assert attribute.numbers is not None
    numbers = np.asarray(attribute.numbers, dtype=np.float64)
    known = np.isfinite(numbers)
    codes = np.full(len(numbers), -1, dtype=np.int64)
    codes[known] = equal_mass_bins(numbers[known], pieces)
    names = []
    for code in range(int(codes.max()) + 1):
        inside = numbers[codes == code]
        names.append(f"{inside.min():.4g} to {inside.max():.4g}")
    return Strata(attribute=attribute.name, names=tuple(names), codes=codes, parts=(attribute.name,), numbers=numbers)


def strata_for(attribute: Attribute, views: Sequence[ClassView], patients: NDArray[np.int64]) -> Strata:
    """Return the strata of one confounder; a number is cut into the most pieces, five to two, that every class fills.

    How many pieces depends on numbers of patients only, never on what the model said.
    """
    tried = [
        strata_of(attribute, pieces) for pieces in (range(FIFTHS, 1, -1) if is_continuous(attribute) else (FIFTHS,))
    ]
    filled = (s for s in tried if all(s.lacking(view, patients) is None for view in views))
    return next(filled, tried[0])


def joint(parts: Sequence[Strata]) -> Strata:
    """Return the strata of the combinations of levels that occur, and an empty one for each level that is lost."""
    known = np.all([part.known for part in parts], axis=0)
    codes = np.full(len(known), -1, dtype=np.int64)
    rows = np.stack([part.codes[known] for part in parts], axis=1)
    found, inverse = np.unique(rows, axis=0, return_inverse=True)
    names = (" ".join(part.names[c] for part, c in zip(parts, row, strict=True)) for row in found.tolist())
    codes[known] = inverse.reshape(-1)
    # A level of which every case was set aside is in no combination; the others must not answer for it.
    lost = tuple(name for part in parts for code, name in enumerate(part.names) if not (part.codes == code).any())
    shares: tuple[float, ...] = ()
    if any(part.shares for part in parts):
        by_part = [part.weights[found[:, i]] for i, part in enumerate(parts)]
        shares = (*(float(v) for v in np.prod(by_part, axis=0)), *(0.0 for _ in lost))
    return Strata(
        attribute=JOINT, names=(*names, *lost), codes=codes,
        parts=tuple(part.attribute for part in parts), shares=shares,
    )  # fmt: skip


def all_strata(
    attributes: Sequence[Attribute], views: Sequence[ClassView] = (), patients: NDArray[np.int64] | None = None
) -> Iterator[Strata]:
    """Give the strata of every confounder, then those of all of them together."""
    if patients is None:
        single = [strata_of(attribute) for attribute in attributes]
    else:
        single = [strata_for(attribute, views, patients) for attribute in attributes]
    yield from single
    # A confounder with one level adds nothing to the combinations, but must not take their name off the report.
    varying = [part for part in single if len(part.names) > 1]
    if varying:
        yield joint(varying)


def beside(cohort: Cohort, strata: Strata) -> tuple[Strata, ...]:
    """Return the strata of what a confounder is adjusted for: declared covariates and the other confounders."""
    others = [a for a in cohort.by_role("covariate", "confounder") if a.name not in strata.parts]
    found = [strata_of(a, PIECES) for a in others]
    return tuple(s for s in found if len(s.names) > 1)
