"""PERF002 operating-point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from audit.core import ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.performance._chosen import CHOICES, Chosen, choose
from audit.probes.performance._rates import PREDICTIVE, given, likelihood_ratios, predictive, rate, rate_of

OPTIMISTIC = "chosen on this cohort, optimistic"
POINTS = 48
UNDECLARED = "where the operating point comes from is not declared"
TRAINED = "the operating point was chosen on training cases, whose scores are surer than those of new patients"


class OperatingPoint(Probe):
    """What the model does to patients at the threshold that it is deployed with.

    What it measures:
        At the declared operating point: sensitivity, specificity, both likelihood ratios, and at the declared
        prevalence over its range the predictive values and the accuracy (without a declared prevalence those of this
        sample, under `stratum = "in this sample"`, on which no rule may rest). The figure shows sensitivity and
        specificity with their intervals at thresholds around the point. Beside it, for reading only and labelled
        optimistic because they are looked up on these very cases: how far the declared point is from the one that
        this cohort would choose by Youden's index, and from those at which it reaches a sensitivity or a specificity
        of 0.9 (`threshold_offset`, declared minus chosen, in the unit of the score), and how much of the sum of both
        rates the declared point gives away against the best of this cohort (`youden_loss`). `faults` counts what is
        wrong with the provenance of the point: that it is not declared, or that it was chosen on training cases.
        Bounds of rates and of what rests on them hold without the unanswered cases and with them decided wrongly;
        offsets and loss are those of the answered ones.

    Why it matters clinically:
        Patients meet a model at one threshold. A model that ranks well may still miss half of the disease there, for
        example because the threshold was chosen at another hospital, on an enriched sample, or left at 0.5.

    Known problems:
        A threshold that is moved to the best point of this cohort and then measured on it looks better than it is:
        the offsets say where to look, not what to deploy. An operating point chosen on the audited cases is refused
        before the run; that a declared provenance is true cannot be seen from here. The likelihood ratios have no
        number where no false alarm was seen. Equal weights of both rates, as in Youden's index, are seldom those of
        the clinic.

    Example:
        A model for melanoma is deployed at 0.31, "validation split". Here it finds 53 of 114: `sensitivity` 0.46
        (0.38 to 0.56), and `threshold_offset` for `parameter = "sensitivity 0.9"` is +0.24: at this hospital the
        threshold would have to be near 0.07 to find nine of ten.

    References:
        - Youden 1950, Index for rating diagnostic tests, Cancer 3.
        - Korn and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts
          estimated from survey data, Survey Methodology 24.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
        - Deeks and Altman 2004, Diagnostic tests 4: likelihood ratios, BMJ 329.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF002",
        name="operating-point",
        family="PERF",
        version=2,
        tasks=("binary", "multilabel"),
        needs=("operating_point",),
        metrics=(
            "sensitivity", "specificity", "positive_likelihood_ratio", "negative_likelihood_ratio", "ppv", "npv",
            "accuracy", "threshold_offset", "youden_loss", "faults",
        ),
        at_prevalence=PREDICTIVE,
        descriptive=("threshold_offset", "youden_loss"),
        title="Operating point",
        question="What does it do to patients at the threshold that it is deployed with?",
        method=(
            "Rates by Korn-Graubard at the declared point, likelihood ratios and predictive values by variance "
            "estimates recovery; points that this cohort would choose are looked up anew in every resample of patients."
        ),
        limits=(
            "Points chosen on this cohort are optimistic and for reading only; whether the declared provenance is true "
            "cannot be seen from the cases."
        ),
        references=("Youden 1950, Cancer 3", "Korn and Graubard 1998, Survey Methodology 24"),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every class that has an operating point; see `Probe.run`."""
        if all(view.decisions is None for view in ctx.clean.views):
            raise NotApplicable(NO_OPERATING_POINT)
        return _measured(ctx)


def _measured(ctx: ProbeContext) -> Iterator[Measurement]:
    for view in ctx.clean.views:
        yield given(ctx, rate(ctx, view, positives=True), "sensitivity", view.condition)
        yield given(ctx, rate(ctx, view, positives=False), "specificity", view.condition)
        up, down = likelihood_ratios(ctx, view)
        yield given(ctx, up, "positive_likelihood_ratio", view.condition)
        yield given(ctx, down, "negative_likelihood_ratio", view.condition, direction="lower")
        yield from _against_own_choice(ctx, view)
    yield from predictive(ctx, ctx.clean.views)
    yield _provenance(ctx)


def _against_own_choice(ctx: ProbeContext, view: ClassView) -> Iterator[Measurement]:
    point, condition = view.operating_point, {**view.condition, "stratum": OPTIMISTIC}
    if point is None or not view.labels.any() or view.labels.all():
        reason = NO_OPERATING_POINT if point is None else "there are cases of one class only"
        nothing = Estimate.absent(reason, method="none", n=len(view.labels), n_patients=ctx.cohort.n_patients)
        for choice in CHOICES:
            yield given(ctx, nothing, "threshold_offset", {**condition, "parameter": choice}, direction="none")
        yield given(ctx, nothing, "youden_loss", condition, direction="lower")
        return
    chosen = choose(ctx, view, point)
    for choice, offset in zip(CHOICES, chosen.offsets, strict=True):
        yield given(ctx, offset, "threshold_offset", {**condition, "parameter": choice}, direction="none")
    yield given(ctx, chosen.youden_loss, "youden_loss", condition, direction="lower")
    _draw(ctx, view, point, chosen)


def _provenance(ctx: ProbeContext) -> Measurement:
    card = ctx.card
    faults = []
    if not card.operating_point_source and not card.operating_point_chosen_on:
        faults.append(UNDECLARED)
    if card.operating_point_chosen_on == "training":
        faults.append(TRAINED)
    if faults:
        ctx.sink.artifact("faults", "Provenance of the operating point", {"fault": np.array(faults)})
    counted = Estimate.counted(len(faults), n=len(ctx.cohort), n_patients=ctx.cohort.n_patients)
    return given(ctx, counted, "faults", direction="lower")


def _draw(ctx: ProbeContext, view: ClassView, point: float, chosen: Chosen) -> None:
    """Keep both rates along the thresholds, and the points of note."""
    distinct = np.unique(view.scores)
    spread = distinct[np.unique(np.linspace(0, len(distinct) - 1, POINTS).astype(int))]
    columns: dict[str, list[float]] = {}
    for threshold in np.union1d(spread, [point]):
        called = view.scores >= threshold
        row = {"threshold": float(threshold), "called_positive": float(called.mean())}
        for name, positives in (("sensitivity", True), ("specificity", False)):
            share = rate_of(ctx, view, called, positives=positives)
            low, high = share.bounds(ctx.levels.pointwise) or (0.0, 1.0)
            row |= {
                name: float("nan") if share.value is None else share.value,
                f"{name}_low": low,
                f"{name}_high": high,
            }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    named = f" {view.name}" if view.name else ""
    about: dict[str, Any] = {
        **view.condition, "operating_point": point, "source": ctx.card.operating_point_source,
        "chosen_on": ctx.card.operating_point_chosen_on,
    }  # fmt: skip
    ctx.sink.artifact(
        "operating_curve", f"Sensitivity and specificity by threshold{named}",
        {name: np.array(values) for name, values in columns.items()}, **about,
    )  # fmt: skip
    declared = [rate(ctx, view, positives=positives).value for positives in (True, False)]
    rates = [np.nan if value is None else value for value in declared]
    ctx.sink.artifact(
        "operating_points",
        f"The declared point and those that this cohort would choose{named}",
        {
            "point": np.array(["declared", *CHOICES]),
            "threshold": np.append(point, chosen.thresholds),
            "sensitivity": np.append(rates[0], chosen.sensitivity),
            "specificity": np.append(rates[1], chosen.specificity),
        },
        **about,
    )
