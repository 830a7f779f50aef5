"""Rates of decisions, and what follows from them at a prevalence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._prevalence import IN_SAMPLE, at_prevalence, predictive_value, settings, why_not
from audit.probes._shared import NO_OPERATING_POINT, count_patients

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
    return rate_of(ctx, view.labels, view.decisions, positives=positives)


def rate_of(
    ctx: ProbeContext, labels: NDArray[np.bool_], decisions: NDArray[np.bool_] | None, *, positives: bool
) -> Estimate:
    """Return the share of positive (or negative) cases that are decided rightly.

    Args:
        ctx: Gives patients and levels.
        labels: (n,) bool.
        decisions: (n,) bool, None where no operating point is declared.
        positives: Sensitivity, else specificity.
    """
    from audit.stats import proportion

    patients, rows = ctx.cohort.patients, labels if positives else ~labels
    if decisions is None:
        n_patients = count_patients(patients, rows)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients)
    if not rows.any():
        return Estimate.absent(f"no {'positive' if positives else 'negative'} cases", method="none")
    return proportion((decisions == labels)[rows], patients[rows], ctx.levels)


def both_labels(ctx: ProbeContext, view: ClassView) -> bool:
    """Tell whether a patient has cases of both labels, so that the two rates are not independent."""
    patients = ctx.cohort.patients
    return bool(np.intersect1d(patients[view.labels], patients[~view.labels]).size)


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
    hit, spared = rate(ctx, view, positives=True), rate(ctx, view, positives=False)
    both, whole = both_labels(ctx, view), int(np.unique(ctx.cohort.patients).size)
    for setting in settings(ctx):
        share = setting.prevalence
        made = partial(predictive_value, shared=both, n_patients=whole, method=BAYES)
        yield given(ctx, made(hit, spared, share), "ppv", setting.condition)
        yield given(ctx, made(spared, hit, 1 - share), "npv", setting.condition)
        accuracy = at_prevalence(
            hit, spared, share, shared=both, n_patients=whole, method="weighted rates, MOVER of Korn-Graubard"
        )
        yield given(ctx, accuracy, "accuracy", setting.condition)


def _in_sample(ctx: ProbeContext, views: Sequence[ClassView]) -> Iterator[Measurement]:
    for view in views:
        condition = {**view.condition, "stratum": IN_SAMPLE}
        for metric, called in (("ppv", True), ("npv", False)):
            yield given(ctx, _right_among(ctx, view, called), metric, condition)
        if ctx.card.task in ("binary", "multilabel"):
            yield given(ctx, _accuracy(ctx, view.decisions, view.labels), "accuracy", condition)
    if ctx.card.task in ("multiclass", "ordinal"):
        named = ctx.clean.scores.argmax(axis=1)
        yield given(ctx, _accuracy(ctx, named, ctx.clean.targets), "accuracy", {"stratum": IN_SAMPLE})


def _right_among(ctx: ProbeContext, view: ClassView, called: bool) -> Estimate:
    from audit.stats import proportion

    if view.decisions is None:
        return Estimate.absent(NO_OPERATING_POINT, method="none")
    rows = view.decisions == called
    if not rows.any():
        return Estimate.absent(NOBODY, method="none")
    return proportion(view.labels[rows] == called, ctx.cohort.patients[rows], ctx.levels)


def _accuracy(ctx: ProbeContext, decided: NDArray[np.generic] | None, targets: NDArray[np.generic]) -> Estimate:
    from audit.stats import proportion

    if decided is None:
        whole = int(np.unique(ctx.cohort.patients).size)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=len(targets), n_patients=whole)
    return proportion(np.asarray(decided == targets, dtype=bool), ctx.cohort.patients, ctx.levels)


UNBOUNDED = 1e9
"""Stands for infinity, which no measurement can hold; met beyond the strictest rung of the rates only."""


def likelihood_ratios(ctx: ProbeContext, view: ClassView) -> tuple[Estimate, Estimate]:
    """Return the positive and the negative likelihood ratio of one class at its operating point.

    They are the odds of the predictive values at a prevalence of one half, so that their intervals are those of
    Bayes' theorem: the positive one is sensitivity / (1 - specificity), the negative (1 - sensitivity) / specificity.
    """
    hit, spared = rate(ctx, view, positives=True), rate(ctx, view, positives=False)
    both, whole = both_labels(ctx, view), int(np.unique(ctx.cohort.patients).size)
    made = partial(predictive_value, shared=both, n_patients=whole, method="MOVER of Korn-Graubard, log scale")
    up, down = made(hit, spared, 0.5), made(spared, hit, 0.5)
    return _odds(up, "no false alarm was seen, so the ratio is unbounded"), _odds(
        down, "no negative case was spared, so the ratio is unbounded", turned=True
    )


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
