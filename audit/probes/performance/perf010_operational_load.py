"""PERF010 operational-load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from audit.core import (
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.probes._prevalence import IN_SAMPLE, settings, why_not
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.performance._load import COUNTS, NO_PROBABILITY, PER, AtPrevalence, Harms, InSample, affine, harms
from audit.probes.performance._rates import given

YEARLY = tuple(f"{name}_per_year" for name in COUNTS)
BENEFITS = ("net_benefit", "net_benefit_over_all")
NO_YEAR = "cases a year are not declared in [intended_use]"
POINTS = 40
Where = AtPrevalence | InSample


class OperationalLoad(Probe):
    """What the model's rates mean in alerts, misses and errors once it is in use, and whether that does more good.

    What it measures:
        At the declared prevalence and both ends of its declared range, at the declared operating point: expected
        `alerts`, `false_alarms`, `misses` and `errors` per 1,000 cases, and a year where `cases_per_year` is declared
        (`alerts_per_year` and so on); `reads_per_true_positive`, how many alerts somebody has to read for each one
        that is right; and `net_benefit`, the true positives a case less the false alarms, each false alarm weighed by
        the odds of the operating point, over acting on nobody, and `net_benefit_over_all`, over acting on everybody.
        The figure is the decision curve: net benefit by threshold, with acting on all and on nobody. Without a
        declared prevalence the numbers are those of this sample, under `stratum = "in this sample"`, and no rule may
        rest on them.

    Why it matters clinically:
        A specificity of 0.90 sounds good; at a prevalence of 1 % it is a hundred false alarms in 1,000 cases for nine
        cancers, and a ward that stops looking. Whether the alerts can be read at all, and whether the model does more
        good than treating everybody or nobody, decides whether it helps.

    Known problems:
        Rates are carried from this cohort to the intended population: with another mix of severity they would differ.
        The declared prevalence and the number of cases a year are taken as known; the interval is that of the rates
        alone, hence the range. Net benefit reads the operating point as a probability from which on acting is right;
        where it was chosen otherwise, or where the scores are not calibrated, its weight of harms is not that of the
        clinic. Cases that the model declines or that fail to load are read by people as well; here they widen the
        bounds, which hold without them and with them decided wrongly (alerts: with all of them called and with none).

    Example:
        Sensitivity 0.90 and specificity 0.80 at a prevalence of 4 %: 228 alerts, 192 false alarms and 4 misses per
        1,000 cases, and 6.3 alerts to read for each true positive.

    References:
        - Vickers and Elkin 2006, Decision curve analysis: a novel method for evaluating prediction models, Medical
          Decision Making 26.
        - Korn and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts
          estimated from survey data, Survey Methodology 24.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF010",
        name="operational-load",
        family="PERF",
        version=2,
        tasks=("binary", "multilabel"),
        needs=("operating_point",),
        metrics=(*COUNTS, *YEARLY, "reads_per_true_positive", *BENEFITS),
        at_prevalence=(*COUNTS, *YEARLY, "reads_per_true_positive", *BENEFITS),
        title="Load and benefit in use",
        question="How many alerts and misses will it cause, and does it do more good than treating all or nobody?",
        method=(
            "Rates by Korn-Graubard carried to the declared prevalence by variance estimates recovery; net benefit "
            "with the odds of the operating point as the weight of a false alarm."
        ),
        limits=(
            "Takes the declared prevalence and the number of cases as known, and the rates as those of the intended "
            "population; net benefit weighs harms by the operating point."
        ),
        references=(
            "Vickers and Elkin 2006, Medical Decision Making 26",
            "Zou and Donner 2008, Statistics in Medicine 27",
        ),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure load and benefit of every class that has an operating point; see `Probe.run`."""
        if all(view.decisions is None for view in ctx.clean.views):
            raise NotApplicable(NO_OPERATING_POINT)
        return _declared(ctx) if settings(ctx) else _sampled(ctx)


def _declared(ctx: ProbeContext) -> Iterator[Measurement]:
    view, year = ctx.clean.views[0], ctx.intended_use.cases_per_year
    for place, setting in enumerate(settings(ctx)):
        at = AtPrevalence(ctx=ctx, view=view, prevalence=setting.prevalence)
        shares = dict(at.counts())
        yield from _counted(ctx, shares, setting.condition)
        for name, share in shares.items():
            yearly = Estimate.absent(NO_YEAR, method="none") if year is None else affine(share, float(year))
            yield given(
                ctx, yearly, f"{name}_per_year", setting.condition, direction=_better(name), unit="cases a year"
            )
        yield from _benefits(ctx, at, setting.condition)
        if place == 0:
            _draw(ctx, at, shares, setting.condition)


def _sampled(ctx: ProbeContext) -> Iterator[Measurement]:
    for metric in OperationalLoad.info.metrics:
        yield given(ctx, Estimate.absent(why_not(ctx), method="none"), metric, direction="none")
    for view in ctx.clean.views:
        condition: dict[str, Scalar] = {**view.condition, "stratum": IN_SAMPLE}
        if view.decisions is None:
            for metric in (*COUNTS, "reads_per_true_positive", *BENEFITS):
                yield given(ctx, Estimate.absent(NO_OPERATING_POINT, method="none"), metric, condition)
            continue
        at = InSample(ctx=ctx, view=view)
        shares = dict(at.counts())
        yield from _counted(ctx, shares, condition)
        yield from _benefits(ctx, at, condition)
        _draw(ctx, at, shares, condition)


def _better(name: str) -> Direction:
    # More alerts are neither good nor bad by themselves.
    return "none" if name == "alerts" else "lower"


def _counted(ctx: ProbeContext, shares: dict[str, Estimate], condition: dict[str, Scalar]) -> Iterator[Measurement]:
    for name, share in shares.items():
        yield given(ctx, affine(share, PER), name, condition, direction=_better(name), unit="per 1,000 cases")


def _benefits(ctx: ProbeContext, at: Where, condition: dict[str, Scalar]) -> Iterator[Measurement]:
    yield given(ctx, at.reads(), "reads_per_true_positive", condition, direction="lower")
    by = harms(ctx, at.view)
    for metric in BENEFITS:
        if by is None:
            estimate = Estimate.absent(NO_PROBABILITY, method="none")
        else:
            estimate = at.benefit(by) if metric == "net_benefit" else at.benefit_over_all(by)
        yield given(ctx, estimate, metric, condition)


def _draw(ctx: ProbeContext, at: Where, shares: dict[str, Estimate], condition: dict[str, Scalar]) -> None:
    """Keep the counts per 1,000, and the decision curve where the scores are probabilities."""
    named = f" {at.view.name}" if at.view.name else ""
    known = {name: affine(share, PER) for name, share in shares.items() if share.value is not None}
    about: dict[str, Any] = {**condition, "cases_per_year": ctx.intended_use.cases_per_year}
    if known:
        bounds = [e.bounds(ctx.levels.pointwise) or (np.nan, np.nan) for e in known.values()]
        ctx.sink.artifact(
            "operational_load", f"Expected per 1,000 cases{named}",
            {
                "kind": np.array(list(known)), "value": np.array([e.value for e in known.values()]),
                "low": np.array([low for low, _ in bounds]), "high": np.array([high for _, high in bounds]),
            },
            **about,
        )  # fmt: skip
    by = harms(ctx, at.view)
    if by is not None:
        _decision_curve(ctx, at, by, condition, named)


def _decision_curve(ctx: ProbeContext, at: Where, by: Harms, condition: dict[str, Scalar], named: str) -> None:
    columns: dict[str, list[float]] = {name: [] for name in ("threshold", "model", "low", "high", "treat_all")}
    last = min(0.95, max(0.5, 1.5 * by.threshold))
    for threshold in np.union1d(np.linspace(0.01, last, POINTS), [by.threshold]):
        here = Harms(threshold=float(threshold))
        found = at.benefit(here, at.view.scores >= threshold)
        bounds = found.bounds(ctx.levels.pointwise)
        if found.value is None or bounds is None:
            continue
        row = (float(threshold), found.value, *bounds, at.benefit_of_all(here))
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    if columns["threshold"]:
        arrays = {name: np.array(values) for name, values in columns.items()}
        about: dict[str, Any] = {**condition, "operating_point": by.threshold}
        ctx.sink.artifact(
            "decision_curve", f"Net benefit by threshold{named}",
            {**arrays, "treat_none": np.zeros(len(arrays["threshold"]))}, **about,
        )  # fmt: skip
