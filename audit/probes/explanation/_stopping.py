"""Maps of a few patients after the other, until every rule on them is settled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels, Measurement, ProbeContext
from audit.explain import Paired
from audit.probes._stopping import covering, drawn_order, looks
from audit.stats import Drawn, mean_so_far

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 16
"""Patients between two looks: few cases are explained in all, and each costs much."""


def may_stop(ctx: ProbeContext) -> bool:
    """Tell whether the cases can be taken up one block after the other: the scores must have a known range."""
    return ctx.stop is not None and ctx.card.task != "regression"


@dataclass(frozen=True, kw_only=True, eq=False)
class Early:
    """What is fixed before the first patient, and how far it went.

    Args:
        cases: (n,) all cases that there are, in drawn order.
        ends: Cases that are explained after each block of patients.
        drawn: Patients and their cases at most.
        seen: Cases that have been looked at.
        planned: Patients that there were to look at.
    """

    cases: NDArray[np.int64]
    ends: tuple[int, ...]
    drawn: Drawn
    seen: int
    planned: int

    @classmethod
    def of(cls, ctx: ProbeContext, cases: NDArray[np.int64]) -> Early:
        """Draw the order of the patients of some cases."""
        placed = cases[drawn_order(ctx.cohort.patients[cases], ctx.rng)]
        patients = ctx.cohort.patients[placed]
        drawn = Drawn.of(patients)
        return cls(cases=placed, ends=looks(patients, BLOCK), drawn=drawn, seen=0, planned=drawn.patients)

    def at(self, seen: int, patients: NDArray[np.int64] | None = None) -> Early:
        """Return the same after so many cases.

        Args:
            seen: Cases looked at.
            patients: Patient codes of the cases that have something to explain, once all have been looked at.
        """
        planned = self.planned if patients is None else int(np.unique(patients).size)
        return replace(self, seen=seen, planned=planned)

    def settled(self, ctx: ProbeContext, measurements: Iterable[Measurement]) -> bool:
        """Tell whether every rule on some measurements is settled."""
        stop = ctx.stop
        return stop is not None and stop.settled([m for m in measurements if m.metric in stop.metrics])

    def paired(self, metric: str) -> Paired:
        """Return what bounds the difference of two areas of a score in [0, 1], or of two differences of areas."""
        most = 2.0 if metric.startswith("ranking") else 1.0

        def differ(
            a: NDArray[np.float64], b: NDArray[np.float64], patients: NDArray[np.int64], levels: Levels
        ) -> Estimate:
            # An area is a sum, which may leave its range by what rounding leaves.
            apart = np.clip(a - b, -most, most)
            return mean_so_far(apart, patients, levels, self.drawn, support=(-most, most))

        return differ

    def other(self, estimate: Estimate) -> Estimate:
        """Return a mean of scores: as it is after all patients, without a bound before."""
        return covering(estimate, 0.0, 1.0) if self.seen < self.cases.size else estimate
