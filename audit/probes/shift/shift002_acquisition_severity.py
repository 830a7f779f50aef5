"""SHIFT002 acquisition-severity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition import Knob, describe, frame_of
from audit.core import Access, Arrays, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._images import load_images
from audit.probes._parted import alone, tell, told
from audit.probes.shift._critical import critical, worst
from audit.probes.shift._losses import Quantity, quantities, steady
from audit.probes.shift._severities import COMBINED, Tried, corners, knobs_asked, severities, together
from audit.probes.shift._severity_figures import Curve, curves, parameters, summary, trials
from audit.probes.shift._simulated import Simulated, sampled, simulate
from audit.probes.shift._stopping import Early, may_stop, simulate_until

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NO_ENVELOPE = "no range in clinical use is declared: [envelope.knobs] says how far each property of the scanner varies"
LEAST_CHANGED = 0.5
_MOST_CORNERS = 3
UNTOUCHED = "it leaves the stored images as they were: only {share:.0%} of them are changed, so it was not tried"
NO_TOLERATED = "no tolerated loss is declared: [envelope] tolerated_drop"
ONLY_UNDIAGNOSTIC = "every severity in this direction is beyond what is diagnostic"


class AcquisitionSeverity(Probe):
    """What another scanner, dose or protocol does to the model, one physical property at a time and several at once.

    What it measures:
        The images of a sample of patients are changed as another acquisition would have changed them: noise, dose, bias
        field, kernel, contrast, motion, focus, stain and what else `docs/acquisition` lists for the modality, in
        physical units. `performance` is the AUC, the sensitivity or the specificity at the deployed threshold (for
        other tasks the mean absolute error, or Dice and, as specificity, the share of cases with nothing to mark in
        which nothing is marked; `stratum` says which) under each knob (`parameter`) and `severity`;
        `performance_change` is that minus the same number on the unchanged images of the same patients, paired.
        `critical_severity` is the severity at which more than `[envelope] tolerated_drop` is lost, in the direction
        that `protocol` names ("more" or "less" than 0); the direction whose critical severity is nearest to 0, counted
        in ranges in clinical use, fails first. With two or more declared knobs all are turned at once: each at the end
        of its range that costs most by itself, at drawn corners, and at places within. `parameter = "(combined)"` is
        the worst of those tried. Severities beyond the range that `[envelope]` declares have the metrics
        `performance_exploratory` and `performance_change_exploratory`, on which no rule can block; those that are
        declared undiagnostic have `protocol = "undiagnostic"` beside them. Without an envelope all severities are
        exploratory.

    Why it matters clinically:
        The next hospital has another scanner, a lower dose or a faster sequence. A model that was never shown it fails
        without a warning, on images that every radiologist reads without trouble. The severity at which that begins
        says which of the protocols in use need a validation of their own.

    Known problems:
        A simulation: what each one leaves out stands on its page. What is changed has been acquired and stored once
        already, so that added noise comes on top of the noise that is there. A property that the cohort varies itself
        is varied around it. The sample of patients is as large as the budget allows, and `n_patients` of a measurement
        counts the sample. Where the model as it is cannot be told from chance, or the number is too low to fall by what
        is tolerated, a loss would mean nothing and the change has no value; nothing has one where fewer than half of
        the stored images are changed at all, for example by a lung density where there is no lung. Bounds of
        `critical_severity` are severities that were tried and hold where the loss grows with the severity. A Dice is
        that of the cases with a reference that is not empty. The worst of the combined acquisitions is the worst of
        those tried, not of all. Where a rule says `sequential = true`, classes are counted until it is settled:
        sensitivity and specificity then have bounds that hold whenever it stops, an AUC has none before all patients
        were looked at, so that a rule names its `stratum`, `parameter` and `severity`.

    Example:
        The demo's biased twin (a phantom): with all seven properties of its envelope changed at once the AUC falls by
        no more than 0.05 (value 0.02), and the sensitivity at its threshold by 0.32 (0.17 to 0.42). The contrast breaks
        it first: `critical_severity` is 0.05 (0 to 0.1) for `protocol = "less"`, where 0.1 is declared to be in use.
        The ranking survives another scanner; the threshold does not.

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
        sequential=("performance", "performance_change"),
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
        fewer, cases = sampled(ctx, ctx.budget.severity_cases)
        early = None
        if may_stop(ctx, fewer):
            made, early = simulate_until(ctx, fewer, cases, single, partial(_waited_for, ctx, single))
            fewer, cases = made.ctx, made.cases
        else:
            made = simulate(fewer, cases, single)
        asked = [steady(q, made.repeated) for q in quantities(fewer, early)]
        combined = _corners(ctx, knobs, lambda: _harmful(ctx, made, single, asked))
        yield from _undeclared(ctx, lacking)
        joint = simulate(fewer, cases, combined, seeds=made.seeds) if combined else None
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
            if joint is not None:
                yield from _combined(ctx, joint, corners(ctx, knobs), quantity)
        curves(ctx, drawn, made, single)
        summary(ctx, drawn, made, single)
        parts = [(single, made)] if joint is None else [(single, made), (combined, joint)]
        if joint is not None:
            trials(ctx, combined, joint, asked)
        parameters(ctx, parts)
        for tried, answers in parts if ctx.card.task != "segmentation" else ():
            for t, one in enumerate(tried):
                if one.standing == "in use":
                    ctx.sink.predictions(one.name, cases, answers.raw[t])


def _waited_for(ctx: ProbeContext, single: Sequence[Tried], made: Simulated, early: Early) -> Iterator[Measurement]:
    """Give what is known so far of the metrics that rules wait for."""
    for quantity in (steady(q, made.repeated) for q in quantities(made.ctx, early)):
        for t, one in enumerate(single):
            for m in _one(ctx, one, quantity, *_rows(made, t, quantity)):
                if ctx.stop is not None and m.metric in ctx.stop.metrics:
                    yield m


def _rows(made: Simulated, t: int, quantity: Quantity) -> tuple[Estimate, Estimate]:
    value, change = quantity.value(made.raw[t]), quantity.change(made.raw[t])
    if made.changed[t] < LEAST_CHANGED:
        why = UNTOUCHED.format(share=made.changed[t])
        return _without(value, why), _without(change, why)
    if quantity.reason:
        change = _without(change, quantity.reason)
    return value, change


def _without(found: Estimate, why: str) -> Estimate:
    return Estimate.absent(why, method=found.method, n=found.n, n_patients=found.n_patients)


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
            direction=quantity.direction, planned=quantity.planned,
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
        condition=condition, planned=quantity.planned,
    )  # fmt: skip


def _corners(
    ctx: ProbeContext, knobs: Sequence[Knob], harmful: Callable[[], Sequence[Mapping[str, float]]]
) -> list[Tried]:
    """Return the acquisitions in which all declared knobs are turned, found as one unit: it takes much resampling."""

    def unit(rng: np.random.Generator) -> Arrays:
        given = together(replace(ctx, rng=rng), knobs, harmful())
        return {"turned": told([[[knob.name, severity] for knob, severity in one.turned] for one in given])}

    by_name = {knob.name: knob for knob in knobs}
    every = tell(alone(ctx, "corners", unit)["turned"])
    return [Tried(turned=tuple((by_name[name], s) for name, s in one), standing="in use") for one in every]


def _harmful(
    ctx: ProbeContext, made: Simulated, single: Sequence[Tried], asked: Sequence[Quantity]
) -> list[dict[str, float]]:
    """Return, for up to three numbers, the corner at which each knob by itself costs that number most."""
    found = []
    for quantity in [q for q in asked if not q.reason][:_MOST_CORNERS]:
        worst_end: dict[str, tuple[float, float]] = {}
        for t, one in enumerate(single):
            ((knob, severity),) = one.turned
            declared = ctx.envelope.knobs.get(knob.name)
            if declared is None or severity not in (declared.low, declared.high):
                continue
            change = quantity.change(made.raw[t]).value or 0.0
            loss = -change if quantity.higher else change
            if knob.name not in worst_end or loss > worst_end[knob.name][0]:
                worst_end[knob.name] = (loss, severity)
        found.append({name: severity for name, (_, severity) in worst_end.items()})
    return found


def _combined(ctx: ProbeContext, made: Simulated, among: int, quantity: Quantity) -> Iterator[Measurement]:
    """Give the worst of the acquisitions in which all declared knobs were turned."""
    rows = [_rows(made, t, quantity) for t in range(len(made.raw))]
    condition: dict[str, Scalar] = {**quantity.condition, "parameter": COMBINED, "stratum": quantity.stratum}
    ends = (0.0, 1.0) if quantity.higher else (0.0, quantity.most)
    for metric, estimates, (least, most) in (
        ("performance", [value for value, _ in rows], ends),
        ("performance_change", [change for _, change in rows], (quantity.least, quantity.most)),
    ):
        _, estimate = worst(
            estimates, higher=quantity.higher, least=least, most=most, levels=ctx.levels, among=among + len(rows)
        )
        yield Measurement.of(
            estimate, metric=metric, level=ctx.levels.confidence, unit=quantity.unit, condition=condition,
            direction=quantity.direction, planned=quantity.planned,
        )  # fmt: skip
