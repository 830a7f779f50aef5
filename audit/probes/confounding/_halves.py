"""The halves of a cohort by one level of a confounder, and training sets of any composition from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Cohort
from audit.probes._draws import SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Halves:
    """Cases and controls of a cohort, split into one level of a confounder and all others.

    Args:
        cohort: The cohort, with targets 0 and 1.
        inside: (n,) bool, the cases of the level.
        known: (n,) bool, the cases that have any level.
    """

    cohort: Cohort
    inside: Bools
    known: Bools

    @classmethod
    def of(cls, cohort: Cohort, attribute: str, level: str) -> Halves:
        """Return the halves of a cohort by a level of an attribute."""
        levels = cohort.attributes[attribute].levels
        return cls(cohort=cohort, inside=levels == level, known=levels != MISSING_LEVEL)

    @cached_property
    def label(self) -> Bools:
        """(n,) bool, the positives."""
        return np.asarray(self.cohort.targets == 1)

    def cell(self, label: bool, inside: bool) -> NDArray[np.int64]:
        """Return the cases of one label, of the level or of all others."""
        return np.flatnonzero((self.label == label) & (self.inside == inside) & self.known)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """(n,) 0 to 3: controls and cases of the others, then of the level; -1 without a level."""
        return np.where(self.known, 2 * self.inside + self.label, -1)

    def lacking(self, where: str) -> str | None:
        """Return which cells have too few patients, with the counts, or None."""
        short = []
        for label, kind in ((True, "cases"), (False, "controls")):
            for inside, who in ((True, "of the level"), (False, "of the others")):
                count = int(np.unique(self.cohort.patients[self.cell(label, inside)]).size)
                if count < SMALLEST:
                    short.append(f"{kind} {who}: {count}")
        return f"fewer than {SMALLEST} patients in the {where} cohort among {', '.join(short)}" if short else None

    def drawn(self, shares: tuple[float, float], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return a training set with so large a share of the level among its cases and among its controls.

        Every set has as many cases and as many controls as any other: as many as the smaller half of each has, so that
        sets that hold the level alone, or none of it, can be drawn as well.

        Args:
            shares: Share of the level among cases and among controls.
            rng: Draws them, without replacement.
        """
        rows = []
        for label, share in ((True, shares[0]), (False, shares[1])):
            cells = self.cell(label, True), self.cell(label, False)
            size = min(len(cell) for cell in cells)
            of_level = round(share * size)
            rows += [
                rng.choice(cells[0], of_level, replace=False),
                rng.choice(cells[1], size - of_level, replace=False),
            ]
        return np.sort(np.concatenate(rows))

    @property
    def size(self) -> tuple[int, int]:
        """Cases and controls of every training set."""
        return tuple(min(len(self.cell(label, True)), len(self.cell(label, False))) for label in (True, False))  # type: ignore[return-value]


def leading_level(cohort: Cohort, attribute: str) -> str | None:
    """Return the level whose share among cases is most above that among controls, None with fewer than two levels."""
    levels, label = cohort.attributes[attribute].levels, cohort.targets == 1
    known = levels != MISSING_LEVEL
    names = sorted(set(levels[known].tolist()))
    cases, controls = levels[label & known], levels[~label & known]
    if len(names) < 2 or not cases.size or not controls.size:
        return None
    return str(max(names, key=lambda name: float((cases == name).mean() - (controls == name).mean())))
