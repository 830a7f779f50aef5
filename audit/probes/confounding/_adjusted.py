"""What a confounder costs where everything else that is declared is equally frequent in all of its levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext
from audit.probes._shared import count_patients
from audit.probes.confounding._cells import Cells
from audit.probes.confounding._strata import SMALLEST, Strata, joint
from audit.stats import GroupSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_SHARED = 0.5
SMALLEST_CELL = 5


class Standardising:
    """Weights under which other attributes are equally frequent in every level of a confounder, within each class.

    A case of class y, level a and stratum s weighs p(s given y) / p(s given y and a). How the strata go with the class
    stays as it is, so the signal that a true risk factor carries is kept.

    Args:
        groups: (n,) class and level of each case, as one code.
        classes: (n,) class of each case.
        strata: (n,) stratum of each case.
    """

    def __init__(self, groups: NDArray[np.int64], classes: NDArray[np.int64], strata: NDArray[np.int64]) -> None:
        size = int(strata.max()) + 1
        # What a case weighs depends on its class, level and stratum alone: one small table a resample is enough.
        _, first, cell = np.unique(groups * size + strata, return_index=True, return_inverse=True)
        self._cell = cell.reshape(-1)
        self._sums = GroupSums(self._cell, len(first))
        self._of = [_members(np.unique(codes[first], return_inverse=True)[1].reshape(-1))
                    for codes in (groups, classes, classes * size + strata)]  # fmt: skip

    def weights(self, weights: Floats) -> Floats:
        """Return (b, n) weights after standardisation, from (b, n) weights before it."""
        cell = self._sums(weights)
        group, whole, row = (cell @ of @ of.T for of in self._of)
        held = cell > 0
        top, bottom = np.where(held, row * group, 0.0), np.where(held, cell * whole, 1.0)
        out: Floats = top[:, self._cell] * weights
        out /= bottom[:, self._cell]
        return out


def _members(codes: NDArray[np.int64]) -> Floats:
    out = np.zeros((len(codes), int(codes.max()) + 1))
    out[np.arange(len(codes)), codes] = 1.0
    return out


def adjusted_cost(ctx: ProbeContext, strata: Strata, view: ClassView, others: Sequence[Strata]) -> Estimate:
    """Return the confounder cost with the other attributes equally frequent in every level, given the class.

    Args:
        ctx: The probe's context.
        strata: The confounder.
        view: The class.
        others: What it is adjusted for, at least one.
    """
    from audit.stats import bootstrap

    names = ", ".join(other.attribute for other in others)
    method = f"adjusted for {names}: weights p(stratum given class) / p(stratum given class and level)"
    rows, reason = comparable_rows(ctx, strata, view, joint(others))
    n_patients = count_patients(ctx.cohort.patients, rows)
    if reason:
        return Estimate.absent(reason, method=method, n=int(rows.sum()), n_patients=n_patients)
    labels, codes = view.labels[rows], strata.codes[rows]
    cells = Cells(view.scores[rows], labels, codes, strata.weights)
    group = labels * len(strata.names) + codes
    by = Standardising(group, labels.astype(np.int64), np.unique(joint(others).codes[rows], return_inverse=True)[1])

    def cost(weights: Floats) -> Floats:
        adjusted = by.weights(weights)
        return cells.within(adjusted) - cells.balanced(adjusted)

    own = by.weights(np.ones((1, int(rows.sum()))))[0]
    left = int((strata.known & ~rows).sum())
    facts = f"effective n {own.sum() ** 2 / (own**2).sum():.0f}, {left} cases without a counterpart left out"
    return bootstrap(
        cost, ctx.cohort.patients[rows], ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
        method=f"{method}; {facts}; patient bootstrap", vectorised=True,
    )  # fmt: skip


def comparable_rows(
    ctx: ProbeContext, strata: Strata, view: ClassView, other: Strata
) -> tuple[NDArray[np.bool_], str | None]:
    """Return (n,) bool, the cases in strata that hold every level of their class, and why they are too few, or None."""
    patients, both = ctx.cohort.patients, strata.known & other.known
    rows = np.zeros(len(both), dtype=bool)
    for labelled in (view.labels, ~view.labels):
        for stratum in range(len(other.names)):
            inside = both & labelled & (other.codes == stratum)
            counts = [count_patients(patients, inside & (strata.codes == c)) for c in range(len(strata.names))]
            if min(counts, default=0) >= SMALLEST_CELL:
                rows |= inside
    for kind, side in (("cases", view.labels), ("controls", ~view.labels)):
        for code, name in enumerate(strata.names):
            whole = side & (strata.codes == code)
            held = whole & rows
            if count_patients(patients, held) < SMALLEST or held.sum() < LEAST_SHARED * whole.sum():
                return rows, (
                    f"only {int(held.sum())} of {int(whole.sum())} {kind} of {name} are in strata of the other "
                    f"attributes in which every level has {SMALLEST_CELL} patients"
                )
    return rows, None
