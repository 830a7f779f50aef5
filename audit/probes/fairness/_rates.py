"""Rates at the operating point: of one subgroup, and of a subgroup minus the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._shared import NO_OPERATING_POINT, Contrast, Level, count_patients, share_contrast
from audit.probes._unanswered import Unanswered, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Rate:
    """The share of some cases that count as hits, and what unanswered cases would make of it.

    Args:
        metric: The rate's name.
        rows: (n,) bool, the denominator.
        hits: (n,) bool, or None where no operating point is declared.
        outside: (m,) bool, cases of the denominator among those set aside.
        gone: The cases without an answer.
        failure: What an unanswered case counts as: False where hits are good, True where they are bad.
        nobody: What an empty denominator lacks, for example "positive".
        condition: Condition keys.
    """

    metric: str
    rows: NDArray[np.bool_]
    hits: NDArray[np.bool_] | None
    outside: NDArray[np.bool_]
    gone: Unanswered
    failure: bool
    nobody: str
    condition: dict[str, Scalar]

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return "lower" if self.failure else "higher"

    @property
    def unanswered(self) -> int:
        """Number of unanswered cases in the denominator."""
        return int((self.gone.declined & self.rows).sum()) + int(self.outside.sum())

    def own(self, ctx: ProbeContext, level: Level) -> Estimate:
        """Return the rate of one level."""
        from audit.stats import proportion

        rows, patients = level.members & self.rows, ctx.cohort.patients
        if self.hits is None:
            n_patients = count_patients(patients, rows)
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients)
        if not rows.any():
            return Estimate.absent(f"no {self.nobody} cases", method="none")
        answered = proportion(self.hits[rows], patients[rows], ctx.levels)
        outside = level.aside & self.outside
        count = int((self.gone.declined & rows).sum()) + int(outside.sum())
        if not count:
            return answered
        hits, patients = self._with_failures(ctx, rows, outside)
        return widened(answered, proportion(hits, patients, ctx.levels), count)

    def gap(self, ctx: ProbeContext, *, metric: str = "") -> Contrast:
        """Return the contrast of the rate, its bounds widened for unanswered cases; `<rate>_gap` unless named."""
        plain = share_contrast(ctx, metric or f"{self.metric}_gap", self.rows, self.hits, condition=self.condition)
        if not self.unanswered:
            return plain
        return replace(plain, widen=lambda level, e: widened(e, self.gap_with_failures(ctx, level), self.unanswered))

    def gap_with_failures(self, ctx: ProbeContext, level: Level) -> Estimate:
        """Return the level minus the rest where every unanswered case counts as a failure."""
        from audit.stats import proportion_gap

        if self.hits is None:
            return Estimate.absent(NO_OPERATING_POINT, method="none")
        hits, patients = self._with_failures(ctx, self.rows, self.outside)
        members = np.concatenate([level.members[self.rows], level.aside[self.outside]])
        return proportion_gap(hits, members, patients, ctx.levels)

    def _with_failures(
        self, ctx: ProbeContext, rows: NDArray[np.bool_], outside: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return hits and patients of answered and unanswered cases together."""
        answered = np.zeros(len(rows), dtype=bool) if self.hits is None else self.hits
        inside = np.where(self.gone.declined, self.failure, answered)[rows]
        hits = np.concatenate([inside, np.full(int(outside.sum()), self.failure)])
        return hits, np.concatenate([ctx.cohort.patients[rows], self.gone.patients[outside]])


def rates(view: ClassView, gone: Unanswered, index: int) -> tuple[Rate, Rate, Rate]:
    """Return sensitivity, specificity and the rate of false alarms of one class.

    Args:
        view: The class.
        gone: The cases without an answer.
        index: The place of the class among the views.
    """
    ill = gone.labels[index]
    well = gone.known & ~ill
    right = None if view.decisions is None else view.decisions == view.labels

    def of(metric: str, hits: NDArray[np.bool_] | None, *, positives: bool, failure: bool) -> Rate:
        return Rate(
            metric=metric, hits=hits, rows=view.labels if positives else ~view.labels, failure=failure,
            outside=ill if positives else well, nobody="positive" if positives else "negative", gone=gone,
            condition=view.condition,
        )  # fmt: skip

    return (
        of("sensitivity", right, positives=True, failure=False),
        of("specificity", right, positives=False, failure=False),
        of("fpr", view.decisions, positives=False, failure=True),
    )


def own_rates(ctx: ProbeContext, rate: Rate, levels: Sequence[Level]) -> Iterator[Measurement]:
    """Give the rate of each level."""
    for level in levels:
        yield Measurement.of(
            rate.own(ctx, level), metric=rate.metric, level=ctx.levels.confidence, direction=rate.direction,
            subgroup=level.subgroup, condition=rate.condition,
        )  # fmt: skip


def gaps_with_failures(ctx: ProbeContext, rate: Rate, levels: Sequence[Level]) -> Iterator[Measurement]:
    """Give the gaps of a rate where every unanswered case counts as a failure; nothing where all were answered."""
    if not rate.unanswered or len(levels) < 2:
        return
    everyone = np.concatenate([ctx.cohort.patients[rate.rows], rate.gone.patients[rate.outside]])
    for level in levels:
        members = np.concatenate([level.members[rate.rows], level.aside[rate.outside]])
        yield Measurement.of(
            rate.gap_with_failures(ctx, level), metric=f"{rate.metric}_gap_with_failures",
            level=ctx.levels.confidence, direction="zero", subgroup=level.subgroup,
            condition={**rate.condition, "n_rest": count_patients(everyone, ~members)},
        )  # fmt: skip
