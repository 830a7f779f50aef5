"""PERF011 performance-at-horizon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Direction, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._prevalence import IN_SAMPLE
from audit.probes._shared import NO_OPERATING_POINT, count_patients
from audit.probes.performance._at_horizon import draw_benefit, draw_calibration
from audit.probes.performance._load import NO_PROBABILITY
from audit.probes.performance._rates import given

if TYPE_CHECKING:
    from audit.stats import Followed

NO_FOLLOW_UP = "the cohort has no time and event"
NO_HORIZON = "no horizon is declared in [model]"
NO_RISK = "the model gives a value, not a probability of the event by the horizon"
# Numbers that hold for the mix of risks in this cohort, so that they need one that was not sampled by outcome.
OF_THE_MIX = (
    "observed_minus_expected", "observed_expected_ratio", "brier_at_horizon", "net_benefit", "net_benefit_over_all",
    "observed_risk",
)  # fmt: skip
BETTER: Mapping[str, Direction] = {
    "slope_at_horizon": "none", "observed_minus_expected": "zero", "observed_expected_ratio": "none",
    "brier_at_horizon": "lower", "observed_risk": "none",
}  # fmt: skip


class PerformanceAtHorizon(Probe):
    """Whether the risks of a survival model rank patients, and hold, at the time that they are said for.

    What it measures:
        All at the declared horizon, with censored follow-up accounted for. Ranking: `c_index`, how often the case
        with the earlier event has the higher risk (Uno's, up to the horizon); `auc_at_horizon`, how often a case with
        the event by the horizon has a higher risk than one that is still free of it then. Probabilities:
        `slope_at_horizon`, 1 where risks are as far apart as they should be; `observed_minus_expected` and
        `observed_expected_ratio`, the Kaplan-Meier risk against the mean risk that was said; `brier_at_horizon`; and
        at the operating point `net_benefit`, over acting on nobody, and `net_benefit_over_all`, over acting on
        everybody. `c_index_harrell`, over the whole follow-up, is shown because papers have it; it depends on who was
        censored when, and may not block. `share_known` is the share of cases whose status at the horizon was seen.

        Numbers that depend on how frequent the event is are given for rules only where the cohort is declared as
        consecutive or random. Otherwise they are those of this sample, under `stratum = "in this sample"`.

    Why it matters clinically:
        A risk of 10 % in five years decides on treatment, so it has to be 10 %. A model that ranks well may still say
        twice the risk that there is, and all those near the threshold are then treated for nothing. Counting the
        censored as free of the event, or leaving them out, makes any model look different from what it is.

    Known problems:
        Censoring is taken to tell nothing of the risk: patients who leave because they fare worse make the observed
        risk too low, which cannot be seen from here. A competing event, such as death from another cause, is no
        censoring: where it was coded as such, the observed risk is that in a world without it and too high. A
        case censored on the day of the horizon counts as free of the event, and at one time events come before
        censorings. Few events make wide intervals. Cases that were set aside are not followed.

    Example:
        Of 800 patients 120 had a stroke in five years and 200 were lost earlier. Kaplan-Meier says 0.17, the model on
        average 0.34: `observed_expected_ratio` is 0.5, though `c_index` is 0.78.

    References:
        - Uno, Cai, Pencina, D'Agostino and Wei 2011, On the C-statistics for evaluating overall adequacy of risk
          prediction procedures with censored survival data, Statistics in Medicine 30.
        - Graf, Schmoor, Sauerbrei and Schumacher 1999, Assessment and comparison of prognostic classification schemes
          for survival data, Statistics in Medicine 18.
        - Vickers, Cronin, Elkin and Gonen 2008, Extensions to decision curve analysis, a novel method for evaluating
          diagnostic tests, prediction models and molecular markers, BMC Medical Informatics and Decision Making 8.
        - Satten and Datta 2001, The Kaplan-Meier estimator as an inverse-probability-of-censoring weighted average,
          The American Statistician 55.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF011",
        name="performance-at-horizon",
        family="PERF",
        tasks=("survival",),
        metrics=(
            "c_index", "auc_at_horizon", "slope_at_horizon", "observed_minus_expected", "observed_expected_ratio",
            "brier_at_horizon", "net_benefit", "net_benefit_over_all", "c_index_harrell", "observed_risk",
            "share_known",
        ),
        descriptive=("c_index_harrell", "observed_risk"),
        title="Performance at the horizon",
        question="Do its risks rank patients, and hold, at the time that they are said for?",
        method=(
            "Kaplan-Meier and inverse probability of censoring weights at the horizon; intervals by patient bootstrap "
            "that estimates the censoring anew in each resample, no narrower than the patients with events allow."
        ),
        limits=(
            "Takes censoring to tell nothing of the risk; competing events that are coded as censored make the "
            "observed risk too high."
        ),
        references=(
            "Uno and others 2011, Statistics in Medicine 30", "Graf and others 1999, Statistics in Medicine 18",
            "Vickers and others 2008, BMC Medical Informatics and Decision Making 8",
        ),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure ranking, calibration and benefit at the horizon; see `Probe.run`."""
        if ctx.cohort.time is None or ctx.cohort.event is None:
            raise NotApplicable(NO_FOLLOW_UP)
        if ctx.card.horizon is None:
            raise NotApplicable(NO_HORIZON)
        return _all(ctx, ctx.card.horizon)


def _all(ctx: ProbeContext, horizon: float) -> Iterator[Measurement]:
    from audit.stats import Followed

    cohort, outputs = ctx.cohort, ctx.clean.raw.shape[1]
    if outputs != 1 or cohort.time is None or cohort.event is None:
        reason = f"the model gives {outputs} numbers a case, and a risk at one horizon is one"
        for metric in PerformanceAtHorizon.info.metrics:
            yield _given(ctx, Estimate.absent(reason, method="none"), metric, {})
        return
    probable = ctx.card.output == "probabilities"
    # A float32 sigmoid may exceed 1 by rounding only; anything more was set aside before.
    risk = np.clip(ctx.clean.scores, 0.0, 1.0) if probable else ctx.clean.scores
    cases = Followed(risk=risk, time=cohort.time, event=cohort.event, patients=cohort.patients, horizon=horizon)
    found = {**_ranking(ctx, cases), **_probabilities(ctx, cases), **_benefit(ctx, cases), **_status(ctx, cases)}
    condition: dict[str, Scalar] = {"parameter": f"horizon {horizon:g}"}
    for metric in PerformanceAtHorizon.info.metrics:
        yield from _measured(ctx, found[metric], metric, condition)
    if cases.lacking() is None and probable:
        draw_calibration(ctx, cases)
        draw_benefit(ctx, cases, found)


def _ranking(ctx: ProbeContext, cases: Followed) -> Mapping[str, Estimate]:
    from audit.stats import ranking_at_horizon

    return ranking_at_horizon(cases, ctx.levels, ctx.rng, resamples=ctx.budget.resamples)


def _probabilities(ctx: ProbeContext, cases: Followed) -> Mapping[str, Estimate]:
    from audit.stats import CALIBRATION_AT_HORIZON, calibration_at_horizon

    if ctx.card.output != "probabilities":
        return dict.fromkeys(CALIBRATION_AT_HORIZON, _absent(cases, NO_RISK))
    return calibration_at_horizon(cases, ctx.levels, ctx.rng, resamples=ctx.budget.resamples)


def _benefit(ctx: ProbeContext, cases: Followed) -> Mapping[str, Estimate]:
    from audit.stats import BENEFIT_AT_HORIZON, benefit_at_horizon

    point, reason = ctx.card.operating_point, None
    if ctx.card.output != "probabilities":
        reason = NO_RISK
    elif not isinstance(point, (int, float)):
        reason = NO_OPERATING_POINT
    elif not 0 < point < 1:
        reason = NO_PROBABILITY
    if reason is not None or not isinstance(point, (int, float)):
        return dict.fromkeys(BENEFIT_AT_HORIZON, _absent(cases, reason or NO_OPERATING_POINT))
    return benefit_at_horizon(
        cases, ctx.levels, ctx.rng, resamples=ctx.budget.resamples, threshold=float(point)
    )  # fmt: skip


def _status(ctx: ProbeContext, cases: Followed) -> Mapping[str, Estimate]:
    from audit.stats import observed_risk

    known, n = cases.follow_up.known, len(cases.time)
    patients = count_patients(cases.patients, np.ones(n, dtype=bool))
    k = int(known.sum())
    return {
        "observed_risk": observed_risk(cases, ctx.levels, ctx.rng, resamples=ctx.budget.resamples),
        "share_known": Estimate.counted(k / n, n=n, n_patients=patients, k=k) if n else _absent(cases, "no cases"),
    }


def _absent(cases: Followed, reason: str) -> Estimate:
    n = len(cases.time)
    return Estimate.absent(reason, method="none", n=n, n_patients=int(np.unique(cases.patients).size))


def _measured(
    ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar]
) -> Iterator[Measurement]:
    reason = _not_of_the_population(ctx.cohort.design)
    if metric not in OF_THE_MIX or reason is None or estimate.value is None:
        yield _given(ctx, estimate, metric, condition)
        return
    # A rule that does not ask for the stratum then finds that its number is missing.
    absent = Estimate.absent(reason, method=estimate.method, n=estimate.n, n_patients=estimate.n_patients)
    yield _given(ctx, absent, metric, condition)
    yield _given(ctx, estimate, metric, {**condition, "stratum": IN_SAMPLE})


def _not_of_the_population(design: str) -> str | None:
    if design in ("consecutive", "random"):
        return None
    if not design:
        return "no sampling design is declared, so that the risk in this sample may be of this sample alone"
    return f"the cohort is {design}, so that the risk in it is not that of those who are to be predicted"


def _given(ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar]) -> Measurement:
    return given(ctx, estimate, metric, condition, direction=BETTER.get(metric, "higher"))
