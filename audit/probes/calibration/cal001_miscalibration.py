"""CAL001 miscalibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    ClassView,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.core.binning import equal_mass_bins
from audit.probes._prevalence import Setting, at_prevalence, settings, why_not

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
NEAREST = 1e-6


class Miscalibration(Probe):
    """Whether a score of 0.3 means that three patients in ten are ill.

    What it measures:
        The calibration slope (1 where scores are neither too extreme nor too timid), the intercept at slope 1 (0 where
        they are right on average), the Brier score, and the expected calibration error, debiased. What depends on how
        many patients are ill, the intercept and the Brier score, is given at the declared prevalence of the intended
        use, with cases weighted to it; the calibration error is then that of scores moved by the same prior shift.
        Where no prevalence is declared they are of this sample and have names that say so (`intercept_in_sample`,
        `brier_in_sample`). The ends of the declared range are not used: no scores are right at two prevalences.

    Why it matters clinically:
        A risk that is read by a person, or added to others, or compared with a threshold from another hospital, must
        mean what it says. An overconfident model sends people home at "1 %" of whom one in ten is ill.

    Known problems:
        A good Brier score is not calibration: it mixes calibration with ranking. The calibration error depends on the
        number of bins and describes; slope and intercept are what a rule should judge. Scores of exactly 0 or 1 are
        moved by a millionth before the logit is taken. Weighting to a prevalence assumes that ill patients here are
        like ill patients there, and healthy ones like healthy ones. Where the scores separate the classes there is
        no slope.

    Example:
        A model answers with four times the right logit. Its AUC is that of a perfect one; its `slope` is 0.25, far
        under a limit of 0.8.

    References:
        - Cox 1958, Two further applications of a model for binary regression, Biometrika 45.
        - Van Calster and others 2019, Calibration: the Achilles heel of predictive analytics, BMC Medicine 17.
        - Kumar, Liang and Ma 2019, Verified uncertainty calibration, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CAL001",
        name="miscalibration",
        family="CAL",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        metrics=("slope", "intercept", "brier", "ece", "intercept_in_sample", "brier_in_sample"),
        title="Miscalibration",
        question="Does a score mean what it says?",
        method=(
            "Logistic recalibration on the logit of the score with the cluster sandwich, t; Brier score by cluster t; "
            "debiased calibration error in ten bins of equal mass, patient bootstrap."
        ),
        limits="Calibration on average over this cohort: a subgroup may be miscalibrated where the whole is not.",
        references=(
            "Cox 1958, Biometrika 45",
            "Van Calster and others 2019, BMC Medicine 17",
            "Kumar, Liang and Ma 2019, NeurIPS",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the calibration of every class; see `Probe.run`.

        Raises:
            NotApplicable: The model gives a value that claims to be no probability.
        """
        if ctx.card.output == "value":
            raise NotApplicable("the model gives a value on a scale of its own, which claims to be no probability")
        at = settings(ctx)
        if at:
            return _at_declared(ctx, ctx.clean.views[0], at[0])
        return _in_sample(ctx)


def _given(
    ctx: ProbeContext, estimate: Estimate, metric: str, direction: Direction, condition: dict[str, Scalar]
) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition
    )


def _in_sample(ctx: ProbeContext) -> Iterator[Measurement]:
    from audit.stats import brier, calibration

    for metric in ("intercept", "brier"):
        yield _given(ctx, Estimate.absent(why_not(ctx), method="none"), metric, "none", {})
    patients = ctx.cohort.patients
    for view in ctx.clean.views:
        scores = _shares(view)
        fit = calibration(scores, view.labels, patients, ctx.levels)
        yield _given(ctx, fit.slope, "slope", "none", view.condition)
        yield _given(ctx, fit.intercept, "intercept_in_sample", "zero", view.condition)
        score = brier(scores, view.labels, patients, ctx.levels)
        yield _given(ctx, score, "brier_in_sample", "lower", view.condition)
        yield _given(ctx, _ece(ctx, scores, view.labels), "ece", "lower", view.condition)
        _draw(ctx, view, scores, {})


def _at_declared(ctx: ProbeContext, view: ClassView, at: Setting) -> Iterator[Measurement]:
    from audit.stats import calibration

    patients, scores, labels = ctx.cohort.patients, _shares(view), view.labels
    yield _given(ctx, calibration(scores, labels, patients, ctx.levels).slope, "slope", "none", {})
    fit = calibration(scores, labels, patients, ctx.levels, prevalence=at.prevalence)
    yield _given(ctx, fit.intercept, "intercept", "zero", at.condition)
    yield _given(ctx, _brier(ctx, scores, labels, at.prevalence), "brier", "lower", at.condition)
    moved = _moved(scores, labels, at.prevalence)
    yield _given(ctx, _ece(ctx, moved, labels), "ece", "lower", at.condition)
    _draw(ctx, view, moved, at.condition)


def _shares(view: ClassView) -> NDArray[np.float64]:
    # A softmax may exceed 1 by rounding; anything more is set aside before a probe sees it.
    return np.clip(view.scores, 0.0, 1.0)


def _ece(ctx: ProbeContext, scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> Estimate:
    from audit.stats import ece

    return ece(scores, labels, ctx.cohort.patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples)


def _brier(ctx: ProbeContext, scores: NDArray[np.float64], labels: NDArray[np.bool_], prevalence: float) -> Estimate:
    """Return the Brier score of a cohort with that share of positives."""
    from audit.stats import mean

    patients, squares = ctx.cohort.patients, (scores - labels) ** 2
    each = [mean(squares[rows], patients[rows], ctx.levels, support=(0.0, 1.0)) for rows in (labels, ~labels)]
    both = np.intersect1d(patients[labels], patients[~labels]).size > 0
    return at_prevalence(
        each[0], each[1], prevalence, shared=both, n_patients=int(np.unique(patients).size),
        method="weighted cluster t with a pseudo-patient, MOVER",
    )  # fmt: skip


def _moved(scores: NDArray[np.float64], labels: NDArray[np.bool_], prevalence: float) -> NDArray[np.float64]:
    """Return scores that are right at a prevalence as they would have to be in this sample (prior shift)."""
    share = float(np.mean(labels))
    if not 0 < share < 1:
        return scores
    inside = np.clip(scores, NEAREST, 1 - NEAREST)
    odds = inside / (1 - inside) * (share / (1 - share)) / (prevalence / (1 - prevalence))
    out: NDArray[np.float64] = odds / (1 + odds)
    return out


def _draw(ctx: ProbeContext, view: ClassView, scores: NDArray[np.float64], condition: dict[str, Scalar]) -> None:
    """Keep the observed share by bin of equal mass; a bin without an interval spans all that is possible."""
    from audit.stats import proportion

    code = equal_mass_bins(scores, BINS)
    columns: dict[str, list[float]] = {"predicted": [], "observed": [], "low": [], "high": [], "n": []}
    for index in range(int(code.max()) + 1):
        rows = code == index
        share = proportion(view.labels[rows], ctx.cohort.patients[rows], ctx.levels)
        low, high = share.bounds(ctx.levels.pointwise) or (0.0, 1.0)
        row = (scores[rows].mean(), view.labels[rows].mean(), low, high, rows.sum())
        for name, value in zip(columns, row, strict=True):
            columns[name].append(float(value))
    about: dict[str, Any] = {**view.condition, **condition}
    ctx.sink.artifact(
        "reliability_curve", "Observed share of positives by score, bins of equal mass",
        {name: np.array(values) for name, values in columns.items()}, **about,
    )  # fmt: skip
