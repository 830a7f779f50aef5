"""The model against a comparator on the same cases, paired by patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, ComparatorValues, Estimate, ProbeContext
from audit.probes._shared import NO_OPERATING_POINT, count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_RANKING = "the comparator answers yes or no, which ranks nobody"
NO_POINT = "no operating point is declared for the comparator"
NO_VALUE = "the comparator does not answer with a value in the unit of the target"
SILENT = "the comparator answered none of these cases"


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a comparator said of the cases of a binary task.

    Args:
        name: What it is called.
        known: (n,) bool, the cases that it answered.
        scores: (n,) its ranking, None where it answers yes or no.
        decisions: (n,) bool, None where no operating point is declared; of no meaning where it gave no answer.
    """

    name: str
    known: NDArray[np.bool_]
    scores: NDArray[np.float64] | None
    decisions: NDArray[np.bool_] | None


def answers(given: ComparatorValues) -> Answers:
    """Return a comparator's ranking and decisions."""
    values, spec = given.values, given.spec
    known = np.isfinite(values)
    if spec.output == "decision":
        return Answers(name=spec.name, known=known, scores=None, decisions=values == 1)
    decided = None
    if spec.operating_point is not None:
        decided = np.where(known, values, -np.inf) >= spec.operating_point
    return Answers(name=spec.name, known=known, scores=values, decisions=decided)


def auc_advantage(ctx: ProbeContext, view: ClassView, other: Answers) -> Estimate:
    """Return the model's AUC minus the comparator's on the cases that both answered."""
    from audit.stats import auc_difference

    rows = other.known
    if other.scores is None or not rows.any():
        return _absent(ctx, rows, NO_RANKING if other.scores is None else SILENT)
    found = auc_difference(
        view.scores[rows], other.scores[rows], view.labels[rows], ctx.cohort.patients[rows], ctx.levels
    )
    return _noted(found, rows)


def advantage_at_horizon(ctx: ProbeContext, given: ComparatorValues, horizon: float) -> Estimate:
    """Return the model's AUC at the horizon minus the comparator's on the cases that both answered.

    The cohort must have time and event.
    """
    from audit.stats import Followed, auc_difference_at_horizon

    cohort, rows = ctx.cohort, np.isfinite(given.values)
    if given.spec.output == "decision" or not rows.any() or cohort.time is None or cohort.event is None:
        return _absent(ctx, rows, NO_RANKING if given.spec.output == "decision" else SILENT)
    cases = Followed(
        risk=ctx.clean.scores[rows], time=cohort.time[rows], event=cohort.event[rows], patients=cohort.patients[rows],
        horizon=horizon,
    )  # fmt: skip
    found = auc_difference_at_horizon(
        cases, given.values[rows], ctx.levels, ctx.rng, resamples=ctx.budget.resamples
    )  # fmt: skip
    return _noted(found, rows)


def rate_advantage(ctx: ProbeContext, view: ClassView, other: Answers, *, positives: bool) -> Estimate:
    """Return the model's sensitivity (or specificity) minus the comparator's, each at its own operating point."""
    from audit.stats import rate_difference

    asked = view.labels if positives else ~view.labels
    rows = asked & other.known
    if view.decisions is None or other.decisions is None:
        return _absent(ctx, rows, NO_OPERATING_POINT if view.decisions is None else NO_POINT)
    if not rows.any():
        kind = "positive" if positives else "negative"
        return _absent(ctx, rows, SILENT if asked.any() else f"no {kind} cases")
    own, theirs = (d[rows] == view.labels[rows] for d in (view.decisions, other.decisions))
    return _noted(rate_difference(own, theirs, ctx.cohort.patients[rows], ctx.levels), rows[asked])


def nearer(ctx: ProbeContext, given: ComparatorValues) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the absolute errors of the comparator and of the model, (n,), NaN where the comparator is silent."""
    reference = np.asarray(ctx.clean.targets, dtype=np.float64)
    own = np.abs(ctx.clean.scores - reference)
    return np.abs(given.values - reference), np.where(np.isfinite(given.values), own, np.nan)


def mae_advantage(ctx: ProbeContext, given: ComparatorValues) -> Estimate:
    """Return how much smaller the model's mean absolute error is than the comparator's."""
    from audit.stats import paired_difference

    theirs, own = nearer(ctx, given)
    rows = np.isfinite(theirs)
    if given.spec.output != "value" or not rows.any():
        return _absent(ctx, rows, SILENT if given.spec.output == "value" else NO_VALUE)
    return _noted(paired_difference(theirs[rows], own[rows], ctx.cohort.patients[rows], ctx.levels), rows)


def _absent(ctx: ProbeContext, rows: NDArray[np.bool_], reason: str) -> Estimate:
    patients = count_patients(ctx.cohort.patients, rows)
    return Estimate.absent(reason, method="none", n=int(rows.sum()), n_patients=patients)


def _noted(estimate: Estimate, known: NDArray[np.bool_]) -> Estimate:
    """Return the estimate, with the cases that the comparator did not answer in the method's name."""
    silent = int((~known).sum())
    if not silent:
        return estimate
    return replace(estimate, method=f"{estimate.method}; {silent} left out where the comparator is silent")
