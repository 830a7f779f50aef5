"""Severities of a few patients after the other, until every rule on them is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import CLASSIFICATION, Estimate, Levels, Measurement, Predictions, ProbeContext
from audit.probes._stopping import covering, drawn_order, looks
from audit.probes._unanswered import unanswered
from audit.probes.shift._severities import Tried
from audit.probes.shift._simulated import Simulated, simulate
from audit.stats import Drawn, mean_so_far, share_so_far

if TYPE_CHECKING:
    from numpy.typing import NDArray

Told = Callable[[Simulated, "Early"], Iterator[Measurement]]
"""From what is known so far to the measurements that rules may wait for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Early:
    """What was fixed before the first patient, for numbers of those who were looked at so far.

    Args:
        whole: The context of all cases that there are, in drawn order; those looked at are the first of them.
        seen: How many have been looked at.
    """

    whole: ProbeContext
    seen: int

    @property
    def stopped(self) -> bool:
        """Whether some were not looked at."""
        return self.seen < len(self.whole.cohort)

    def patients(self, index: int, *, positives: bool) -> NDArray[np.int64]:
        """Return the patients of all cases that have, or do not have, the finding of a class view."""
        labels = self.whole.clean.views[index].labels
        return self.whole.cohort.patients[labels if positives else ~labels]

    def share(
        self, hits: NDArray[np.bool_], patients: NDArray[np.int64], levels: Levels, planned: NDArray[np.int64]
    ) -> Estimate:
        """Return a share with bounds that hold whenever one stops.

        Args:
            hits: (m,) True where the case counts.
            patients: (m,) patient codes.
            levels: Levels of the bounds.
            planned: Patient codes of all such cases that there are.
        """
        return share_so_far(hits, patients, levels, Drawn.of(planned))

    def change(
        self, now: NDArray[np.bool_], then: NDArray[np.bool_], patients: NDArray[np.int64], levels: Levels,
        planned: NDArray[np.int64],
    ) -> Estimate:  # fmt: skip
        """Return a paired change of a share, likewise; see `share`."""
        difference = now.astype(np.float64) - then.astype(np.float64)
        return mean_so_far(difference, patients, levels, Drawn.of(planned), support=(-1.0, 1.0))

    def other(self, estimate: Estimate, least: float, most: float) -> Estimate:
        """Return a number of another kind: as it is after all patients, without a bound before."""
        return covering(estimate, least, most) if self.stopped else estimate


def may_stop(ctx: ProbeContext, fewer: ProbeContext) -> bool:
    """Tell whether the cases can be taken up one block after the other.

    Where cases have no answer every number allows for all of them, and values and masks have no bound of this kind: all
    patients are looked at then, and the numbers are those of a fixed number of patients.
    """
    return ctx.stop is not None and ctx.card.task in CLASSIFICATION and unanswered(fewer).count == 0


def simulate_until(
    ctx: ProbeContext, fewer: ProbeContext, cases: NDArray[np.int64], tried: Sequence[Tried], told: Told
) -> tuple[Simulated, Early]:
    """Answer block after block of patients under every acquisition, until every rule is settled or none is left.

    Args:
        ctx: The probe's context.
        fewer: The context of the cases alone.
        cases: (m,) their indices in the whole cohort.
        tried: Acquisitions.
        told: Gives what rules may wait for.

    Returns:
        The answers of those who were looked at, in drawn order, and what was fixed beforehand.
    """
    order = drawn_order(fewer.cohort.patients, ctx.rng)
    whole, placed = taken(fewer, order), cases[order]
    ends = looks(whole.cohort.patients)
    parts: list[Simulated] = []
    for start, end in zip((0, *ends[:-1]), ends, strict=True):
        rows = np.arange(start, end)
        parts.append(simulate(taken(whole, rows), placed[rows], tried))
        made = _joined(parts, taken(whole, np.arange(end)), placed[:end])
        early = Early(whole=whole, seen=end)
        if ctx.stop is not None and end < ends[-1] and ctx.stop.settled(list(told(made, early))):
            break
    return made, early


def taken(ctx: ProbeContext, rows: NDArray[np.int64]) -> ProbeContext:
    """Return the context of some of its cases, in this order."""
    clean = Predictions(
        raw=ctx.clean.raw[rows], card=ctx.clean.card, targets=ctx.clean.targets[rows], columns=ctx.clean.columns
    )
    return replace(ctx, cohort=ctx.cohort.subset(rows), clean=clean)


def _joined(parts: Sequence[Simulated], ctx: ProbeContext, cases: NDArray[np.int64]) -> Simulated:
    """Return the answers of several blocks as one; what shows a few examples is that of the first block."""
    sizes = np.array([len(part.cases) for part in parts])
    changed = np.stack([part.changed for part in parts])
    return Simulated(
        ctx=ctx, cases=cases, seeds=np.concatenate([part.seeds for part in parts]),
        raw=np.concatenate([part.raw for part in parts], axis=1), similarity=parts[0].similarity,
        examples=parts[0].examples, changed=(changed * sizes[:, None]).sum(axis=0) / sizes.sum(),
        repeated=max(part.repeated for part in parts),
    )  # fmt: skip
