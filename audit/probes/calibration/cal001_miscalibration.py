"""CAL001 miscalibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._prevalence import why_not
from audit.probes.calibration._measures import (
    Basis,
    bases,
    brier_of,
    ece_of,
    given,
    intercept_of,
    reliability,
    shares,
    slope_of,
)

MIXED: dict[str, Direction] = {"intercept": "zero", "brier": "lower"}


class Miscalibration(Probe):
    """Whether a score of 0.3 means that three patients in ten are ill.

    What it measures:
        The calibration slope (1 where scores are neither too extreme nor too timid), the intercept at slope 1 (0 where
        they are right on average), the Brier score, and the expected calibration error, debiased. What depends on how
        many patients are ill, the intercept and the Brier score, is given at the declared prevalence of the intended
        use, with cases weighted to it; the calibration error is then that of scores moved by the same prior shift.
        The Brier score is given at the ends of the declared range too. No scores are right at two prevalences, so the
        intercept at the ends has a name of its own, `intercept_over_range`: how far off the scores would be there.
        Where no prevalence is declared both numbers are missing, and those of this sample stand beside them under
        `stratum = "in this sample"`, where no rule can PASS on them. The figure shows the observed
        share of positives in bins of equal mass with its interval and its counts; scores of exactly 0 and 1 are
        inside.

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
        version=3,
        metrics=("slope", "intercept", "intercept_over_range", "brier", "ece"),
        at_prevalence=("intercept", "intercept_over_range", "brier"),
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
        return (measured for view in ctx.clean.views for measured in _class(ctx, view))


def _class(ctx: ProbeContext, view: ClassView) -> Iterator[Measurement]:
    scores, everyone = shares(view), np.ones(len(view.labels), dtype=bool)
    at, *ends = bases(ctx, view)
    if at.prevalence is None:
        # A rule that does not ask for the stratum then finds that its number is missing.
        for metric, direction in MIXED.items():
            nothing = Estimate.absent(why_not(ctx), method="none", n=len(scores), n_patients=ctx.cohort.n_patients)
            yield given(ctx, nothing, metric, direction, view.condition)
    slope = slope_of(ctx, scores, view.labels, everyone)
    yield given(ctx, slope, "slope", "none", view.condition)
    intercept = intercept_of(ctx, scores, at, everyone)
    yield given(ctx, intercept, "intercept", "zero", {**view.condition, **at.condition})
    for end in ends:
        there = intercept_of(ctx, scores, end, everyone)
        yield given(ctx, there, "intercept_over_range", "zero", {**view.condition, **end.condition})
    for basis in (at, *ends):
        score = brier_of(ctx, scores, basis, everyone)
        yield given(ctx, score, "brier", "lower", {**view.condition, **basis.condition})
    about = at.condition if at.prevalence is not None else {}
    yield given(ctx, ece_of(ctx, scores, at, everyone), "ece", "lower", {**view.condition, **about})
    _draw(ctx, view, at, slope, intercept)


def _draw(ctx: ProbeContext, view: ClassView, at: Basis, slope: Estimate, intercept: Estimate) -> None:
    rows = list(reliability(ctx, at.moved(shares(view)), view.labels, np.ones(len(view.labels), dtype=bool)))
    about: dict[str, Any] = {**view.condition, **at.condition}
    for name, fitted in (("slope", slope), ("intercept", intercept)):
        if fitted.value is not None:
            about[name] = fitted.value
    if rows:
        ctx.sink.artifact(
            "reliability_curve", "Observed share of positives by score, bins of equal mass",
            {name: np.array([row[name] for row in rows]) for name in rows[0]}, **about,
        )  # fmt: skip
