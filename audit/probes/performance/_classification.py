"""Performance of a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, Estimate, Measurement, ProbeContext
from audit.probes._unanswered import Unanswered, unanswered, widened, worst_ranking
from audit.probes.performance._missed import draw_missed
from audit.probes.performance._rates import given, predictive, rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 40


def classification(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give AUC and the rates at the operating point of every class, then what depends on prevalence."""
    gone, areas = unanswered(ctx), []
    for view in ctx.clean.views:
        area = _area(ctx, view, gone)
        areas.append(area)
        yield given(ctx, area, "auc", view.condition)
        yield given(ctx, rate(ctx, view, positives=True), "sensitivity", view.condition)
        yield given(ctx, rate(ctx, view, positives=False), "specificity", view.condition)
        _draw(ctx, view)
        draw_missed(ctx, view)
    if len(areas) > 1:
        yield given(ctx, _macro(ctx, areas, gone), "auc_macro")
    yield from predictive(ctx, ctx.clean.views)
    if ctx.card.task == "ordinal":
        yield given(ctx, _kappa(ctx, gone), "weighted_kappa")


def _area(ctx: ProbeContext, view: ClassView, gone: Unanswered) -> Estimate:
    from audit.stats import auc

    plain = auc(view.scores, view.labels, ctx.cohort.patients, ctx.levels)
    return widened(plain, auc(*worst_ranking(ctx, view, gone), ctx.levels), gone.failures) if gone.failures else plain


def _macro(ctx: ProbeContext, areas: list[Estimate], gone: Unanswered) -> Estimate:
    """Return the mean AUC over classes; a mean over those that happen to have a number would hide the others."""
    from audit.stats import mean_auc

    views = ctx.clean.views
    lacking = [f"{view.name} ({area.missing})" for view, area in zip(views, areas, strict=True) if area.value is None]
    if lacking:
        n, patients = len(ctx.cohort), ctx.cohort.n_patients
        reason = f"no mean over classes, since there is no AUC of {', '.join(lacking)}"
        return Estimate.absent(reason, method="none", n=n, n_patients=patients)
    plain = mean_auc([(view.scores, view.labels) for view in views], ctx.cohort.patients, ctx.levels)
    if not gone.failures:
        return plain
    worst = [worst_ranking(ctx, view, gone)[:2] for view in views]
    return widened(plain, mean_auc(worst, gone.patients_of(ctx), ctx.levels), gone.failures)


def _kappa(ctx: ProbeContext, gone: Unanswered) -> Estimate:
    """Return the quadratic weighted kappa of the named grade and the reference grade, grades as categories."""
    named, grades = ctx.clean.scores.argmax(axis=1), ctx.clean.scores.shape[1]
    target = np.asarray(ctx.clean.targets, dtype=np.int64)
    plain = _kappa_of(ctx, named, target, ctx.cohort.patients)
    if not gone.failures:
        return plain
    aside = ctx.cohort.aside
    targets = target if aside is None else gone.with_known(target, aside.targets[gone.known])
    # The grade that lies farthest from the reference costs most.
    farthest = np.where(2 * targets >= grades - 1, 0, grades - 1)
    failed = np.where(gone.failed, farthest, gone.with_known(named, 0))
    return widened(plain, _kappa_of(ctx, failed, targets, gone.patients_of(ctx)), gone.failures)


def _kappa_of(
    ctx: ProbeContext, named: NDArray[np.int64], target: NDArray[np.int64], patients: NDArray[np.int64]
) -> Estimate:
    from audit.stats import bootstrap

    grades = ctx.clean.scores.shape[1]
    cell = target * grades + named
    cost = (np.arange(grades)[:, None] - np.arange(grades)[None, :]) ** 2

    def kappa(weights: NDArray[np.float64]) -> float | None:
        table = np.bincount(cell, weights=weights, minlength=grades * grades).reshape(grades, grades)
        expected = float((cost * np.outer(table.sum(1), table.sum(0))).sum()) / table.sum()
        return None if expected == 0 else 1 - float((cost * table).sum()) / expected

    return bootstrap(
        kappa, patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
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
