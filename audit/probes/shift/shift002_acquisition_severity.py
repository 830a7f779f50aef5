"""SHIFT002 acquisition-severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition import Knob, describe, frame_of
from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._images import load_images
from audit.probes.shift._critical import critical, worst
from audit.probes.shift._losses import Quantity, quantities
from audit.probes.shift._severities import COMBINED, Tried, knobs_asked, severities, together
from audit.probes.shift._severity_figures import Curve, curves, parameters, summary, trials
from audit.probes.shift._simulated import TOLERANCE, Simulated, sampled, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NO_ENVELOPE = "no range in clinical use is declared: [envelope.knobs] says how far each property of the scanner varies"
NO_TOLERATED = "no tolerated loss is declared: [envelope] tolerated_drop"
ONLY_UNDIAGNOSTIC = "every severity in this direction is beyond what is diagnostic"


class AcquisitionSeverity(Probe):
    """What another scanner, dose or protocol does to the model, one physical property at a time and several at once.

    What it measures:
        The images of a sample of patients are changed as another acquisition would have changed them: noise, dose, bias
        field, kernel, contrast, motion, focus, stain and what else `docs/acquisition` lists for the modality, in
        physical units. `performance` is the AUC, the sensitivity or the specificity at the deployed threshold (for
        other tasks the mean absolute error or Dice; `stratum` says which) under each knob (`parameter`) and `severity`;
        `performance_change` is that minus the same number on the unchanged images of the same patients, paired.
        `critical_severity` is the severity at which more than `[envelope] tolerated_drop` is lost, in the direction
        that `protocol` names ("more" or "less" than 0); the direction whose critical severity is nearest to 0, counted
        in ranges in clinical use, fails first. With two or more declared knobs all are turned at once, at corners of
        their ranges and at places within: `parameter = "(combined)"` is the worst of those tried. Severities beyond the
        range that `[envelope]` declares have the metrics `performance_exploratory` and
        `performance_change_exploratory`, on which no rule can block; those that are declared undiagnostic have
        `protocol = "undiagnostic"` beside them. Without an envelope all severities are exploratory.

    Why it matters clinically:
        The next hospital has another scanner, a lower dose or a faster sequence. A model that was never shown it fails
        without a warning, on images that every radiologist reads without trouble. The severity at which that begins
        says which of the protocols in use need a validation of their own.

    Known problems:
        A simulation: what each one leaves out stands on its page. What is changed has been acquired and stored once
        already, so that added noise comes on top of the noise that is there. A property that the cohort varies itself
        is varied around it. The sample of patients is as large as the budget allows, and `n_patients` of a measurement
        counts the sample. Where the model as it is cannot be told from chance, or the number is too low to fall by what
        is tolerated, a loss would mean nothing and the change has no value. Bounds of `critical_severity` are
        severities that were tried and hold where the loss grows with the severity. A Dice is that of the cases with a
        reference that is not empty. The worst of the combined acquisitions is the worst of those tried, not of all.

    Example:
        A model reads lesions by their absolute brightness. At `parameter = "mr_gain"`, `severity = -0.2`,
        `performance_change` of the sensitivity is -0.41; `critical_severity` is 0.06 for `protocol = "less"`, while
        noise of 10 % of the signal changes nothing.

    References:
        - Pérez-García, Sparks and Ourselin 2021, TorchIO, Computer Methods and Programs in Biomedicine 208.
        - Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and perturbations,
          arXiv:1903.12261.
        - DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53.
        - Berger 1982, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT002",
        name="acquisition-severity",
        family="SHIFT",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=(
            "performance", "performance_change", "critical_severity", "performance_exploratory",
            "performance_change_exploratory",
        ),
        descriptive=("performance_exploratory", "performance_change_exploratory"),
        title="Changed acquisitions",
        question="Which change of the scanner breaks it, and when?",
        method=(
            "Physical models of the acquisition in declared units; paired changes against the same images unchanged, "
            "patients as the unit; critical severity by inverting the bounds of the loss."
        ),
        limits=(
            "Simulated changes of images that were acquired once already; knobs that are not simulated, and "
            "combinations that were not tried, are not covered."
        ),
        references=(
            "Pérez-García, Sparks and Ourselin 2021, Computer Methods and Programs in Biomedicine 208",
            "Hendrycks and Dietterich 2019, arXiv:1903.12261",
            "Obuchowski 1997, Biometrics 53",
            "Berger 1982, Technometrics 24",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Simulate, answer, and compare; see `Probe.run`."""
        if ctx.cohort.images is None:
            raise NotApplicable("the cohort has no images")
        first = load_images(ctx.cohort, np.arange(1))[0]
        spec = describe(first, frame_of(ctx.card.input, ctx.cohort.spacing_mm), noise=False)
        knobs, lacking = knobs_asked(ctx, spec)
        brief = ctx.budget.profile == "smoke"
        single = [t for knob in knobs for t in severities(knob, ctx.envelope.knobs.get(knob.name), brief=brief)]
        combined = list(together(ctx, knobs))
        fewer, cases = sampled(ctx)
        made = simulate(fewer, cases, [*single, *combined])
        yield from _undeclared(ctx, lacking)
        asked = [_steady(q, made) for q in quantities(fewer)]
        drawn = []
        for quantity in asked:
            rows = [_rows(made, t, quantity) for t in range(len(single))]
            for one, (value, change) in zip(single, rows, strict=True):
                yield from _one(ctx, one, quantity, value, change)
            changes = [change for _, change in rows]
            for knob in knobs:
                mine = [(t.turned[0][1], t, c) for t, c in zip(single, changes, strict=True) if t.turned[0][0] is knob]
                found = dict(_critical(ctx, knob, mine, higher=quantity.higher))
                for way, estimate in found.items():
                    yield _severity(ctx, knob, way, quantity, estimate)
                drawn.append(Curve(knob=knob, quantity=quantity, path=tuple(mine), critical=found))
            yield from _combined(ctx, made, combined, len(single), quantity)
        curves(ctx, drawn, made, single)
        summary(ctx, drawn, made, single)
        trials(ctx, combined, made, len(single), asked)
        parameters(ctx, [*single, *combined], made)
        if ctx.card.task != "segmentation":
            for t, one in enumerate([*single, *combined]):
                if one.standing == "in use":
                    ctx.sink.predictions(one.name, cases, made.raw[t])


def _steady(quantity: Quantity, made: Simulated) -> Quantity:
    """Return a quantity whose change means nothing where unchanged images are answered otherwise than before."""
    if made.repeated <= TOLERANCE or quantity.reason:
        return quantity
    why = f"unchanged images are answered otherwise than before (largest difference {made.repeated:.2g})"
    return replace(quantity, reason=why)


def _rows(made: Simulated, t: int, quantity: Quantity) -> tuple[Estimate, Estimate]:
    value, change = quantity.value(made.raw[t]), quantity.change(made.raw[t])
    if quantity.reason:
        change = Estimate.absent(quantity.reason, method=change.method, n=change.n, n_patients=change.n_patients)
    return value, change


def _undeclared(ctx: ProbeContext, lacking: dict[str, str]) -> Iterator[Measurement]:
    """Give what a rule would look for and cannot find, with the reason."""
    level = ctx.levels.confidence
    for name, why in lacking.items():
        for metric in ("performance", "performance_change", "critical_severity"):
            absent = Estimate.absent(why, method="none")
            yield Measurement.of(absent, metric=metric, level=level, condition={"parameter": name})
    if not ctx.envelope.knobs:
        for metric in ("performance", "performance_change"):
            yield Measurement.of(Estimate.absent(NO_ENVELOPE, method="none"), metric=metric, level=level)
    if ctx.envelope.tolerated_drop is None:
        absent = Estimate.absent(NO_TOLERATED, method="none")
        yield Measurement.of(absent, metric="critical_severity", level=level)


def _one(
    ctx: ProbeContext, tried: Tried, quantity: Quantity, value: Estimate, change: Estimate
) -> Iterator[Measurement]:
    ((knob, severity),) = tried.turned
    condition: dict[str, Scalar] = {
        **quantity.condition, "parameter": knob.name, "severity": severity, "stratum": quantity.stratum
    }  # fmt: skip
    if tried.standing == "undiagnostic":
        condition["protocol"] = tried.standing
    suffix = "" if tried.standing == "in use" else "_exploratory"
    for metric, estimate in (("performance", value), ("performance_change", change)):
        yield Measurement.of(
            estimate, metric=metric + suffix, level=ctx.levels.confidence, unit=quantity.unit, condition=condition,
            direction=quantity.direction,
        )  # fmt: skip


def _critical(
    ctx: ProbeContext, knob: Knob, path: Sequence[tuple[float, Tried, Estimate]], *, higher: bool
) -> Iterator[tuple[str, Estimate]]:
    """Give the critical severity of a knob in each direction in which it was turned."""
    tolerated = ctx.envelope.tolerated_drop
    if tolerated is None:
        return
    for way, sign, furthest in (("more", 1, knob.most), ("less", -1, -knob.least)):
        all_of_them = [(abs(s), t, c) for s, t, c in path if s * sign > 0]
        if not all_of_them:
            continue
        readable = sorted(((s, c) for s, t, c in all_of_them if t.standing != "undiagnostic"), key=lambda p: p[0])
        if not readable:
            yield way, Estimate.absent(ONLY_UNDIAGNOSTIC, method="none")
            continue
        yield way, critical(readable, tolerated, furthest=furthest, higher=higher, levels=ctx.levels)


def _severity(ctx: ProbeContext, knob: Knob, way: str, quantity: Quantity, estimate: Estimate) -> Measurement:
    condition: dict[str, Scalar] = {
        **quantity.condition, "parameter": knob.name, "protocol": way, "stratum": quantity.stratum
    }  # fmt: skip
    return Measurement.of(
        estimate, metric="critical_severity", level=ctx.levels.confidence, unit=knob.unit, direction="higher",
        condition=condition,
    )  # fmt: skip


def _combined(
    ctx: ProbeContext, made: Simulated, combined: Sequence[Tried], start: int, quantity: Quantity
) -> Iterator[Measurement]:
    """Give the worst of the acquisitions in which all declared knobs were turned."""
    if not combined:
        return
    rows = [_rows(made, start + t, quantity) for t in range(len(combined))]
    condition: dict[str, Scalar] = {**quantity.condition, "parameter": COMBINED, "stratum": quantity.stratum}
    ends = (0.0, 1.0) if quantity.higher else (0.0, quantity.most)
    for metric, estimates, (least, most) in (
        ("performance", [value for value, _ in rows], ends),
        ("performance_change", [change for _, change in rows], (quantity.least, quantity.most)),
    ):
        _, estimate = worst(estimates, higher=quantity.higher, least=least, most=most, levels=ctx.levels)
        yield Measurement.of(
            estimate, metric=metric, level=ctx.levels.confidence, unit=quantity.unit, condition=condition,
            direction=quantity.direction,
        )  # fmt: skip
