"""Cases that the model did not answer: whose they are, and what a number becomes when they count as failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext, class_views
from audit.probes._shared import levels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOST_TRACK = "cases were set aside, and whose they are is not known"


@dataclass(frozen=True, kw_only=True, eq=False)
class Unanswered:
    """The cases without an answer of a cohort of n cases of which m further ones were set aside.

    Args:
        declined: (n,) bool, cases that have a score though the model, or its quality gate, declined to answer.
        outside: (m,) bool, cases set aside that the model owes an answer: their target is known, or it declined.
        known: (m,) bool, those of them whose target is known, which can count as failures.
        patients: (m,) patient codes.
        labels: (m,) bool by class view: the reference standard; False where unknown.
    """

    declined: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    known: NDArray[np.bool_]
    patients: NDArray[np.int64]
    labels: tuple[NDArray[np.bool_], ...]

    @property
    def count(self) -> int:
        """Number of cases without an answer."""
        return int(self.declined.sum()) + int(self.outside.sum())


def unanswered(ctx: ProbeContext) -> Unanswered:
    """Return the cases of a cohort that the model did not answer.

    A case that was set aside because nobody knows its reference standard owes nothing to the model; it is counted
    only where the model declined it, too.
    """
    cohort, n = ctx.cohort, len(ctx.cohort)
    declined = np.zeros(n, dtype=bool) if cohort.ungradable is None else cohort.ungradable
    aside = cohort.aside
    if aside is None:
        empty = np.zeros(0, dtype=bool)
        labels = tuple(empty for _ in ctx.clean.views)
        return Unanswered(
            declined=declined, outside=empty, known=empty, patients=np.zeros(0, dtype=np.int64), labels=labels
        )
    refused = np.zeros(len(aside), dtype=bool) if aside.ungradable is None else aside.ungradable
    shape = (len(aside), *ctx.clean.scores.shape[1:])
    views = class_views(np.zeros(shape), aside.targets, ctx.card)
    return Unanswered(
        declined=declined, outside=aside.known | refused, known=aside.known, patients=aside.patients,
        labels=tuple(view.labels & aside.known for view in views),
    )  # fmt: skip


def widened(answered: Estimate, failed: Estimate, count: int) -> Estimate:
    """Return the answered cases' value with bounds that hold with the unanswered ones as failures, too.

    Args:
        answered: From the answered cases alone.
        failed: With the unanswered ones as failures.
        count: Number of unanswered cases in the denominator.
    """
    if answered.value is None:
        return answered
    method = f"{answered.method}, widened to hold with {_cases(count)} left out and counted as failures"
    if failed.value is None:
        reason = f"with {_cases(count)} counted as failures: {failed.missing}"
        return Estimate.absent(reason, method=method, n=answered.n, n_patients=answered.n_patients, k=answered.k)
    other = {level: (low, high) for level, low, high in failed.curve}
    curve = tuple((level, min(low, other[level][0]), max(high, other[level][1])) for level, low, high in answered.curve)
    return Estimate(
        value=answered.value, curve=curve, method=method, n=answered.n, n_patients=answered.n_patients, k=answered.k
    )


def _cases(count: int) -> str:
    return f"{count} unanswered case" + ("" if count == 1 else "s")


def share_unanswered(ctx: ProbeContext, attribute: Attribute, gone: Unanswered) -> Iterator[Measurement]:
    """Give the share of each level's cases that the model did not answer."""
    from audit.stats import proportion

    cohort = ctx.cohort
    lost_track = cohort.aside is None and bool(cohort.ledger.set_aside)
    for level in levels_of(attribute, cohort.aside):
        outside = level.aside & gone.outside
        missed = np.concatenate([gone.declined[level.members], np.ones(int(outside.sum()), dtype=bool)])
        patients = np.concatenate([cohort.patients[level.members], gone.patients[outside]])
        if lost_track:
            n, n_patients = len(patients), int(np.unique(patients).size)
            estimate = Estimate.absent(LOST_TRACK, method="none", n=n, n_patients=n_patients)
        else:
            estimate = proportion(missed, patients, ctx.levels)
        yield Measurement.of(
            estimate, metric="share_not_answered", level=ctx.levels.confidence, direction="lower",
            subgroup=level.subgroup,
        )  # fmt: skip
