"""Performance of a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._prevalence import at_prevalence, predictive_value, settings, why_not
from audit.probes._shared import NO_OPERATING_POINT, count_patients
from audit.probes.performance._missed import draw_missed

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREDICTIVE = ("ppv", "npv", "accuracy")
BINS = 40


def _given(
    ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar] | None = None
) -> Measurement:
    better: Direction = "higher"
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=better, condition=condition or {}
    )


def classification(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give AUC and the rates at the operating point of every class, then what depends on prevalence."""
    from audit.stats import auc

    for view in ctx.clean.views:
        area = auc(view.scores, view.labels, ctx.cohort.patients, ctx.levels)
        yield _given(ctx, area, "auc", view.condition)
        yield _given(ctx, rate(ctx, view, positives=True), "sensitivity", view.condition)
        yield _given(ctx, rate(ctx, view, positives=False), "specificity", view.condition)
        _draw(ctx, view)
        draw_missed(ctx, view)
    if settings(ctx):
        yield from _at_declared_prevalence(ctx, ctx.clean.views[0])
    else:
        for metric in PREDICTIVE:
            yield _given(ctx, Estimate.absent(why_not(ctx), method="none"), metric)
        yield from _in_sample(ctx)
    if ctx.card.task == "ordinal":
        yield _given(ctx, _kappa(ctx), "weighted_kappa")


def rate(ctx: ProbeContext, view: ClassView, *, positives: bool) -> Estimate:
    """Return the sensitivity (or the specificity) of one class at its operating point."""
    rows = view.labels if positives else ~view.labels
    return _share(ctx, view, rows, None if view.decisions is None else view.decisions == view.labels, positives)


def _share(
    ctx: ProbeContext, view: ClassView, rows: NDArray[np.bool_], hits: NDArray[np.bool_] | None, positives: bool
) -> Estimate:
    from audit.stats import proportion

    patients = ctx.cohort.patients
    if hits is None:
        n_patients = count_patients(patients, rows)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients)
    if not rows.any():
        return Estimate.absent(f"no {'positive' if positives else 'negative'} cases", method="none")
    return proportion(hits[rows], patients[rows], ctx.levels)


def _at_declared_prevalence(ctx: ProbeContext, view: ClassView) -> Iterator[Measurement]:
    patients = ctx.cohort.patients
    hit, spared = rate(ctx, view, positives=True), rate(ctx, view, positives=False)
    both = np.intersect1d(patients[view.labels], patients[~view.labels]).size > 0
    whole = int(np.unique(patients).size)
    for setting in settings(ctx):
        share = setting.prevalence
        made = partial(predictive_value, shared=both, n_patients=whole, method="Bayes, MOVER of Korn-Graubard")
        yield _given(ctx, made(hit, spared, share), "ppv", setting.condition)
        yield _given(ctx, made(spared, hit, 1 - share), "npv", setting.condition)
        accuracy = at_prevalence(
            hit, spared, share, shared=both, n_patients=whole, method="weighted rates, MOVER of Korn-Graubard"
        )
        yield _given(ctx, accuracy, "accuracy", setting.condition)


def _in_sample(ctx: ProbeContext) -> Iterator[Measurement]:
    from audit.stats import proportion

    for view in ctx.clean.views:
        for metric, called in (("ppv_in_sample", True), ("npv_in_sample", False)):
            rows = np.zeros(len(view.labels), bool) if view.decisions is None else view.decisions == called
            if view.decisions is None:
                estimate = Estimate.absent(NO_OPERATING_POINT, method="none")
            elif not rows.any():
                estimate = Estimate.absent("no case is decided this way", method="none")
            else:
                estimate = proportion(view.labels[rows] == called, ctx.cohort.patients[rows], ctx.levels)
            yield _given(ctx, estimate, metric, view.condition)
        if ctx.card.task in ("binary", "multilabel"):
            yield _given(ctx, _accuracy(ctx, view.decisions, view.labels), "accuracy_in_sample", view.condition)
    if ctx.card.task in ("multiclass", "ordinal"):
        named = ctx.clean.scores.argmax(axis=1)
        yield _given(ctx, _accuracy(ctx, named, ctx.clean.targets), "accuracy_in_sample")


def _accuracy(ctx: ProbeContext, decided: NDArray[np.generic] | None, targets: NDArray[np.generic]) -> Estimate:
    from audit.stats import proportion

    if decided is None:
        whole = int(np.unique(ctx.cohort.patients).size)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=len(targets), n_patients=whole)
    return proportion(np.asarray(decided == targets, dtype=bool), ctx.cohort.patients, ctx.levels)


def _kappa(ctx: ProbeContext) -> Estimate:
    """Return the quadratic weighted kappa of the named grade and the reference grade, grades as categories."""
    from audit.stats import bootstrap

    named, grades = ctx.clean.scores.argmax(axis=1), ctx.clean.scores.shape[1]
    cell = np.asarray(ctx.clean.targets, dtype=np.int64) * grades + named
    cost = (np.arange(grades)[:, None] - np.arange(grades)[None, :]) ** 2

    def kappa(weights: NDArray[np.float64]) -> float | None:
        table = np.bincount(cell, weights=weights, minlength=grades * grades).reshape(grades, grades)
        expected = float((cost * np.outer(table.sum(1), table.sum(0))).sum()) / table.sum()
        return None if expected == 0 else 1 - float((cost * table).sum()) / expected

    return bootstrap(
        kappa, ctx.cohort.patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
        method="quadratic weighted kappa, patient bootstrap",
    )  # fmt: skip


def _draw(ctx: ProbeContext, view: ClassView) -> None:
    from audit.metrics import roc_curve

    named = view.name or ""
    about: dict[str, Any] = {"class": named, "operating_point": view.operating_point}
    if view.labels.any() and not view.labels.all():
        curve = roc_curve(view.scores, view.labels)
        ctx.sink.artifact("roc_curve", f"ROC curve {named}".strip(), {"fpr": curve.fpr, "tpr": curve.tpr}, **about)
    if ctx.card.output == "value":
        # A figure from 0 to 1 would heap all values of another scale at its ends.
        return
    edges = np.linspace(0, 1, BINS + 1)
    # Scores are shares here; a tolerance of rounding must not push one out of the outer bins.
    inside = np.clip(view.scores, 0, 1)
    ctx.sink.artifact(
        "score_distribution",
        f"Scores by reference standard {named}".strip(),
        {
            "edges": edges,
            "negatives": np.histogram(inside[~view.labels], edges)[0],
            "positives": np.histogram(inside[view.labels], edges)[0],
        },
        **about,
    )
