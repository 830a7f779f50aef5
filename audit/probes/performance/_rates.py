"""Rates of decisions, and what follows from them at a prevalence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._prevalence import IN_SAMPLE, at_prevalence, predictive_value, settings, why_not
from audit.probes._shared import NO_OPERATING_POINT, count_patients
from audit.probes._unanswered import Answers, answered, either_way, unanswered, widened, with_failures

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREDICTIVE = ("ppv", "npv", "accuracy")
BAYES = "Bayes, MOVER of Korn-Graubard"
NOBODY = "no case is decided this way"


def given(
    ctx: ProbeContext,
    estimate: Estimate,
    metric: str,
    condition: dict[str, Scalar] | None = None,
    *,
    direction: Direction = "higher",
    unit: str = "",
) -> Measurement:
    """Return the measurement of an estimate at the policy's confidence."""
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition or {}, unit=unit
    )


def rate(ctx: ProbeContext, view: ClassView, *, positives: bool) -> Estimate:
    """Return the sensitivity (or the specificity) of one class at its operating point."""
    return rate_of(ctx, view, view.decisions, positives=positives)


def rate_of(ctx: ProbeContext, view: ClassView, decisions: NDArray[np.bool_] | None, *, positives: bool) -> Estimate:
    """Return the share of positive (or negative) cases that are decided rightly, widened for unanswered ones.

    Args:
        ctx: Gives patients and levels.
        view: The class.
        decisions: (n,) bool, None where no operating point is declared.
        positives: Sensitivity, else specificity.
    """
    plain = rate_in(ctx, answered(ctx, view, decisions), positives=positives)
    failed = with_failures(ctx, view, decisions)
    if failed is None:
        return plain
    count = int((failed.failed & (failed.labels == positives)).sum())
    return widened(plain, rate_in(ctx, failed, positives=positives), count) if count else plain


def rate_in(ctx: ProbeContext, answers: Answers, *, positives: bool) -> Estimate:
    """Return the share of positive (or negative) cases that are decided rightly, of these decisions alone."""
    from audit.stats import proportion

    rows = answers.labels == positives
    if answers.decisions is None:
        n_patients = count_patients(answers.patients, rows)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients)
    if not rows.any():
        return Estimate.absent(f"no {'positive' if positives else 'negative'} cases", method="none")
    return proportion((answers.decisions == answers.labels)[rows], answers.patients[rows], ctx.levels)


def both_labels(ctx: ProbeContext, view: ClassView) -> bool:
    """Tell whether a patient has cases of both labels, so that the two rates are not independent."""
    return answered(ctx, view, None).shared


def predictive(ctx: ProbeContext, views: Sequence[ClassView]) -> Iterator[Measurement]:
    """Give predictive values and accuracy over the declared range of prevalence, else of this sample.

    Without a declared prevalence each metric is also given once without a value: a rule that does not ask for the
    stratum then finds that its number is missing.
    """
    if settings(ctx):
        yield from _at_declared_prevalence(ctx, views[0])
        return
    for metric in PREDICTIVE:
        yield given(ctx, Estimate.absent(why_not(ctx), method="none"), metric)
    yield from _in_sample(ctx, views)


def _at_declared_prevalence(ctx: ProbeContext, view: ClassView) -> Iterator[Measurement]:
    for setting in settings(ctx):
        for metric in PREDICTIVE:
            made = partial(_at_prevalence, ctx, metric, setting.prevalence)
            yield given(ctx, either_way(ctx, view, view.decisions, made), metric, setting.condition)


def _at_prevalence(ctx: ProbeContext, metric: str, share: float, answers: Answers) -> Estimate:
    hit, spared = (rate_in(ctx, answers, positives=positives) for positives in (True, False))
    both, whole = answers.shared, answers.n_patients
    if metric == "ppv":
        return predictive_value(hit, spared, share, shared=both, n_patients=whole, method=BAYES)
    if metric == "npv":
        return predictive_value(spared, hit, 1 - share, shared=both, n_patients=whole, method=BAYES)
    method = "weighted rates, MOVER of Korn-Graubard"
    return at_prevalence(hit, spared, share, shared=both, n_patients=whole, method=method)


def _in_sample(ctx: ProbeContext, views: Sequence[ClassView]) -> Iterator[Measurement]:
    for view in views:
        condition = {**view.condition, "stratum": IN_SAMPLE}
        for metric, called in (("ppv", True), ("npv", False)):
            right = either_way(ctx, view, view.decisions, partial(_right_among, ctx, called))
            yield given(ctx, right, metric, condition)
        if ctx.card.task in ("binary", "multilabel"):
            right = either_way(ctx, view, view.decisions, partial(_accuracy, ctx))
            yield given(ctx, right, "accuracy", condition)
    if ctx.card.task in ("multiclass", "ordinal"):
        yield given(ctx, _accuracy_of_classes(ctx), "accuracy", {"stratum": IN_SAMPLE})


def _right_among(ctx: ProbeContext, called: bool, answers: Answers) -> Estimate:
    from audit.stats import proportion

    if answers.decisions is None:
        return Estimate.absent(NO_OPERATING_POINT, method="none")
    rows = answers.decisions == called
    if not rows.any():
        return Estimate.absent(NOBODY, method="none")
    return proportion(answers.labels[rows] == called, answers.patients[rows], ctx.levels)


def _accuracy(ctx: ProbeContext, answers: Answers) -> Estimate:
    from audit.stats import proportion

    if answers.decisions is None:
        n, n_patients = len(answers.labels), answers.n_patients
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=n_patients)
    return proportion(answers.decisions == answers.labels, answers.patients, ctx.levels)


def _accuracy_of_classes(ctx: ProbeContext) -> Estimate:
    from audit.stats import proportion

    right = np.asarray(ctx.clean.scores.argmax(axis=1) == ctx.clean.targets, dtype=bool)
    plain, gone = proportion(right, ctx.cohort.patients, ctx.levels), unanswered(ctx)
    if not gone.failures:
        return plain
    failed = gone.with_known(right & ~gone.declined, False)
    return widened(plain, proportion(failed, gone.patients_of(ctx), ctx.levels), gone.failures)


UNBOUNDED = 1e9
"""Stands for infinity, which no measurement can hold; met beyond the strictest rung of the rates only."""


def likelihood_ratios(ctx: ProbeContext, view: ClassView) -> tuple[Estimate, Estimate]:
    """Return the positive and the negative likelihood ratio of one class at its operating point.

    They are the odds of the predictive values at a prevalence of one half, so that their intervals are those of
    Bayes' theorem: the positive one is sensitivity / (1 - specificity), the negative (1 - sensitivity) / specificity.
    """
    return (
        either_way(ctx, view, view.decisions, partial(_likelihood_ratio, ctx, True)),
        either_way(ctx, view, view.decisions, partial(_likelihood_ratio, ctx, False)),
    )


def _likelihood_ratio(ctx: ProbeContext, positive: bool, answers: Answers) -> Estimate:
    hit, spared = (rate_in(ctx, answers, positives=positives) for positives in (True, False))
    method = "MOVER of Korn-Graubard, log scale"
    made = partial(predictive_value, shared=answers.shared, n_patients=answers.n_patients, method=method)
    if positive:
        return _odds(made(hit, spared, 0.5), "no false alarm was seen, so the ratio is unbounded")
    return _odds(made(spared, hit, 0.5), "no negative case was spared, so the ratio is unbounded", turned=True)


def _odds(share: Estimate, unbounded: str, *, turned: bool = False) -> Estimate:
    """Return the odds of a share, or their inverse; an infinite value is absent for the given reason."""
    if share.value is None:
        return share
    curve = tuple(
        (level, _odd(high, turned), _odd(low, turned)) if turned else (level, _odd(low, turned), _odd(high, turned))
        for level, low, high in share.curve
    )
    value = _odd(share.value, turned)
    if value >= UNBOUNDED:
        return Estimate.absent(unbounded, method=share.method, n=share.n, n_patients=share.n_patients)
    return Estimate(value=value, curve=curve, method=share.method, n=share.n, n_patients=share.n_patients)


def _odd(share: float, turned: bool) -> float:
    top, bottom = (1 - share, share) if turned else (share, 1 - share)
    return min(top / bottom, UNBOUNDED) if bottom > 0 else UNBOUNDED
