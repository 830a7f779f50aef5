"""Cases that the model did not answer: whose they are, and what a number becomes when they count as failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, ProbeContext, class_views
from audit.probes._shared import Contrast, levels_of

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

    @property
    def failures(self) -> int:
        """Number of cases that can count as failures: those of known target."""
        return int(self.declined.sum()) + int(self.known.sum())

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(n + known,) bool, the failures among the cases of the cohort and those aside whose target is known."""
        return self.with_known(self.declined, True)

    def with_known(self, inside: NDArray[Any], outside: Any) -> NDArray[Any]:
        """Return (n + known, ...) what is `inside` for the cohort's cases, then `outside` for each known one aside."""
        more = np.broadcast_to(np.asarray(outside), (int(self.known.sum()), *inside.shape[1:]))
        return np.concatenate([inside, more.astype(inside.dtype, copy=False)])

    def patients_of(self, ctx: ProbeContext) -> NDArray[np.int64]:
        """Return (n + known,) patient codes."""
        return self.with_known(ctx.cohort.patients, self.patients[self.known])


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
    method = answered.method
    if _cases(count) not in method:
        method = f"{method}, widened to hold with {_cases(count)} left out and counted as failures"
    if failed.value is None:
        reason = f"with {_cases(count)} counted as failures: {failed.missing}"
        return Estimate.absent(reason, method=method, n=answered.n, n_patients=answered.n_patients, k=answered.k)
    other = {level: (low, high) for level, low, high in failed.curve}
    curve = tuple((level, min(low, other[level][0]), max(high, other[level][1])) for level, low, high in answered.curve)
    return Estimate(
        value=answered.value, curve=curve, method=method, n=answered.n, n_patients=answered.n_patients, k=answered.k
    )


def unbounded(answered: Estimate, count: int) -> Estimate:
    """Return the answered cases' value where nothing bounds what an unanswered case would have made of it.

    An error without a largest possible size has no value for a failure, and no finite bound would be true: the number
    is absent, and the reason tells it for the answered cases.
    """
    if answered.value is None or not count:
        return answered
    reason = (
        f"{_cases(count)} of known reference, and no error is too large for them to have had; among the "
        f"{answered.n} answered it is {answered.value:.4g}"
    )
    return Estimate.absent(reason, method=answered.method, n=answered.n, n_patients=answered.n_patients)


def unbounded_contrast(contrast: Contrast, count: int) -> Contrast:
    """Return a contrast without numbers where an unanswered case could have had any error; see `unbounded`."""
    return replace(contrast, widen=lambda _, answered: unbounded(answered, count)) if count else contrast


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Decisions on one class, those of the answered cases or with the unanswered ones as failures.

    Args:
        labels: (m,) bool.
        decisions: (m,) bool, None where no operating point is declared.
        patients: (m,) patient codes.
        failed: (m,) bool, the cases without an answer.
    """

    labels: NDArray[np.bool_]
    decisions: NDArray[np.bool_] | None
    patients: NDArray[np.int64]
    failed: NDArray[np.bool_]

    @property
    def shared(self) -> bool:
        """Whether a patient has cases of both labels, so that the two rates are not independent."""
        return bool(np.intersect1d(self.patients[self.labels], self.patients[~self.labels]).size)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(np.unique(self.patients).size)


def answered(ctx: ProbeContext, view: ClassView, decisions: NDArray[np.bool_] | None) -> Answers:
    """Return the decisions as the model gave them."""
    nobody = np.zeros(len(view.labels), dtype=bool)
    return Answers(labels=view.labels, decisions=decisions, patients=ctx.cohort.patients, failed=nobody)


def with_failures(
    ctx: ProbeContext, view: ClassView, decisions: NDArray[np.bool_] | None, *, called: bool | None = None
) -> Answers | None:
    """Return the decisions with every unanswered case decided wrongly, or called one way; None where there is none."""
    gone = unanswered(ctx)
    if not gone.failures:
        return None
    labels = gone.with_known(view.labels, gone.labels[place_of(ctx, view)][gone.known])
    if decisions is not None:
        wrong = ~labels if called is None else np.full(len(labels), called)
        decisions = np.where(gone.failed, wrong, gone.with_known(decisions, False))
    return Answers(labels=labels, decisions=decisions, patients=gone.patients_of(ctx), failed=gone.failed)


def place_of(ctx: ProbeContext, view: ClassView) -> int:
    """Return the place of a class among the views."""
    return [other.name for other in ctx.clean.views].index(view.name)


def either_way(
    ctx: ProbeContext, view: ClassView, decisions: NDArray[np.bool_] | None, estimate: Callable[[Answers], Estimate],
    *, neutral: bool = False,
) -> Estimate:  # fmt: skip
    """Return an estimate of the answered cases, with bounds that hold with the unanswered ones as failures, too.

    Args:
        ctx: The probe's context.
        view: The class.
        decisions: (n,) bool, None where no operating point is declared.
        estimate: From decisions to the estimate.
        neutral: For a number that is neither good nor bad: the unanswered count as all called, and as none called.
    """
    found = estimate(answered(ctx, view, decisions))
    for called in (True, False) if neutral else (None,):
        failed = with_failures(ctx, view, decisions, called=called)
        if failed is not None:
            found = widened(found, estimate(failed), int(failed.failed.sum()))
    return found


def worst_ranking(
    ctx: ProbeContext, view: ClassView, gone: Unanswered
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return scores, labels and patients (n + known,) with unanswered cases ranked last if ill and first if well."""
    labels = gone.with_known(view.labels, gone.labels[place_of(ctx, view)][gone.known])
    beyond = [] if view.operating_point is None else [view.operating_point]
    low, high = min([view.scores.min(), *beyond]) - 1, max([view.scores.max(), *beyond]) + 1
    # The ill last and the well first: nothing that the model might have said is ranked worse.
    scores = np.where(gone.failed, np.where(labels, low, high), gone.with_known(view.scores, 0.0))
    return scores, labels, gone.patients_of(ctx)


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
