"""PERF005 no-better-than-comparator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    ClassView,
    ComparatorValues,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
)
from audit.probes.performance._comparators import (
    Answers,
    advantage_at_horizon,
    answers,
    auc_advantage,
    mae_advantage,
    nearer,
    rate_advantage,
)
from audit.probes.performance._rates import given

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_COMPARATOR = "no comparator is declared in [cohort.comparators]"
NO_FOLLOW_UP = "the cohort has no time and event"
NO_HORIZON = "no horizon is declared in [model]"
MODEL = "the model"


class NoBetterThanComparator(Probe):
    """Whether the model is any better than what is there already, on the same cases.

    What it measures:
        For each comparator that is declared (a reader, an older model, a score of a few clinical facts): the model's
        AUC minus the comparator's (`auc_advantage`), and, each at its own operating point, the model's sensitivity and
        specificity minus the comparator's (`sensitivity_advantage`, `specificity_advantage`). For a real value: the
        comparator's mean absolute error minus the model's (`mae_advantage`), so that above 0 the model is nearer to
        the reference. For a risk at a horizon: the AUC at the horizon, weighted against censoring, minus the
        comparator's (`auc_advantage`). The comparator is named by the condition `parameter`. Everything is paired: both
        answered the same cases, and the interval is that of the difference by patient, never two intervals side by
        side.

    Why it matters clinically:
        A network with an AUC of 0.85 looks useful until age and sex alone reach 0.84. A model that is no better than
        the reader who is there anyway, or than the measurement on the report, adds cost and new kinds of error.

    Known problems:
        A comparator that was fitted on these very cases looks better than it is; its answers should be out of fold by
        patient, which cannot be checked from here. Cases that a comparator did not answer are left out of that pair and
        counted in the method; if they were the hard ones, the comparison flatters the comparator. Two rates at two
        operating points are a trade: more sensitivity for less specificity may be no progress, so rules should ask for
        both. Intervals of the rates hold one pseudo-patient at the worst value and are wide in small cohorts. A
        comparator that answers yes or no has no AUC.

    Example:
        The model finds 88 of 100 cancers, the radiologist at first reading 80 of the same: `sensitivity_advantage` is
        0.08 for `parameter = "radiologist"`. A rule that asks for `min = -0.05` wants proof of no more than five per
        cent fewer.

    References:
        - DeLong, DeLong and Clarke-Pearson 1988, Comparing the areas under two or more correlated receiver operating
          characteristic curves: a nonparametric approach, Biometrics 44.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Zou 2007, Toward using confidence intervals to compare correlations, Psychological Methods 12.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF005",
        name="no-better-than-comparator",
        family="PERF",
        tasks=("binary", "regression", "survival"),
        metrics=("auc_advantage", "sensitivity_advantage", "specificity_advantage", "mae_advantage"),
        title="Against comparators",
        question="Is it any better than what is there already?",
        method=(
            "Model minus comparator on the same cases, paired by patient: AUC by clustered DeLong covariances, rates "
            "by discordant cases, errors by the mean of differences between patients, AUC at a horizon by the patient "
            "bootstrap."
        ),
        limits=(
            "A comparator that was fitted on these cases looks better than it is, which cannot be seen from here; "
            "cases that it did not answer are left out."
        ),
        references=("DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44", "Obuchowski 1997, Biometrics 53"),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the model against every comparator; see `Probe.run`."""
        if not ctx.cohort.comparators:
            raise NotApplicable(NO_COMPARATOR)
        measure = {"regression": _errors, "survival": _risks}.get(ctx.card.task, _classes)
        return measure(ctx, tuple(ctx.cohort.comparators.values()))


def _classes(ctx: ProbeContext, comparators: tuple[ComparatorValues, ...]) -> Iterator[Measurement]:
    (view,) = ctx.clean.views
    rows = []
    for other in map(answers, comparators):
        found = {
            "auc_advantage": auc_advantage(ctx, view, other),
            "sensitivity_advantage": rate_advantage(ctx, view, other, positives=True),
            "specificity_advantage": rate_advantage(ctx, view, other, positives=False),
        }
        for metric, estimate in found.items():
            yield given(ctx, estimate, metric, {"parameter": other.name})
            rows.append((other.name, metric, estimate))
        _draw_roc(ctx, view, other)
    _draw_advantages(ctx, rows)


def _errors(ctx: ProbeContext, comparators: tuple[ComparatorValues, ...]) -> Iterator[Measurement]:
    rows = []
    for other in comparators:
        estimate = mae_advantage(ctx, other)
        yield given(ctx, estimate, "mae_advantage", {"parameter": other.spec.name})
        rows.append((other.spec.name, "mae_advantage", estimate))
        theirs, own = nearer(ctx, other)
        known = np.isfinite(theirs)
        if known.any():
            ctx.sink.artifact(
                "paired_errors", f"Absolute errors of the model and of {other.spec.name}, by share of cases",
                {
                    "share": np.linspace(0, 1, 101), "model": np.quantile(own[known], np.linspace(0, 1, 101)),
                    "comparator": np.quantile(theirs[known], np.linspace(0, 1, 101)),
                },
                parameter=other.spec.name, n=int(known.sum()),
            )  # fmt: skip
    _draw_advantages(ctx, rows)


def _risks(ctx: ProbeContext, comparators: tuple[ComparatorValues, ...]) -> Iterator[Measurement]:
    horizon = ctx.card.horizon
    if ctx.cohort.time is None or horizon is None:
        raise NotApplicable(NO_FOLLOW_UP if ctx.cohort.time is None else NO_HORIZON)
    rows = []
    for other in comparators:
        estimate = advantage_at_horizon(ctx, other, horizon)
        yield given(ctx, estimate, "auc_advantage", {"parameter": other.spec.name})
        rows.append((other.spec.name, "auc_advantage", estimate))
    _draw_advantages(ctx, rows)


def _draw_advantages(ctx: ProbeContext, rows: list[tuple[str, str, Estimate]]) -> None:
    known = [(name, metric, e, e.bounds(ctx.levels.pointwise)) for name, metric, e in rows if e.value is not None]
    if not known:
        return
    columns: dict[str, list[Any]] = {k: [] for k in ("comparator", "metric", "value", "low", "high", "n", "n_patients")}
    for name, metric, estimate, bounds in known:
        row = (name, metric, estimate.value, *(bounds or (np.nan, np.nan)), estimate.n, estimate.n_patients)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    arrays = {name: np.array(values) for name, values in columns.items()}
    ctx.sink.artifact("comparator_advantages", "The model minus each comparator, on the same cases", arrays)


def _draw_roc(ctx: ProbeContext, view: ClassView, other: Answers) -> None:
    """Keep both ROC curves on the cases that both answered, and the points that they are used at."""
    from audit.metrics import roc_curve

    rows = other.known
    labels = view.labels[rows]
    if not labels.any() or labels.all():
        return
    curves: dict[str, list[NDArray[Any]]] = {"fpr": [], "tpr": [], "class": []}
    for name, scores in ((MODEL, view.scores), (other.name, other.scores)):
        if scores is not None:
            curve = roc_curve(scores[rows], labels)
            for column, values in zip(curves, (curve.fpr, curve.tpr, np.full(len(curve.fpr), name)), strict=True):
                curves[column].append(values)
    about: dict[str, Any] = {"parameter": other.name, "n": int(rows.sum())}
    for who, decisions in (("model", view.decisions), ("comparator", other.decisions)):
        if decisions is not None:
            about[f"{who}_tpr"] = float(decisions[rows][labels].mean())
            about[f"{who}_fpr"] = float(decisions[rows][~labels].mean())
    arrays = {name: np.concatenate(parts) for name, parts in curves.items()}
    ctx.sink.artifact("roc_curve", f"ROC curves of the model and of {other.name}", arrays, **about)
