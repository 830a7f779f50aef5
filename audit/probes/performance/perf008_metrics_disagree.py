"""PERF008 metrics-disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from audit.core import Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.performance._conflicts import Pair, pairs
from audit.probes.performance._rates import given

ALONE = "there is one metric only, since no operating point is declared"
UNMEASURED = "fewer than two metrics were measured on these cases"


class MetricsDisagree(Probe):
    """Where two metrics of the same model tell opposite stories, so that one of them alone would mislead.

    What it measures:
        Pairs of metrics that ought to lie on the same side of parity. Parity is no limit of anybody's: 0.5 for an AUC
        (chance), for rates (as many right as wrong, found as missed) and for an intraclass correlation (patients
        differ as much as errors do), 0 for differences. For a classifier: AUC
        with sensitivity and with specificity at the operating point, accuracy in this sample with sensitivity,
        specificity and balanced accuracy; with several classes the mean AUC with that of each class, and the accuracy
        with the sensitivity of each class. Against a comparator: the advantage in AUC with the advantage in both rates
        together at the operating points, or in mean absolute error with the share of cases in which the model is
        nearer. For a real value: mean with median error. For a segmentation: mean Dice with surface Dice, and mean Dice
        and the intraclass correlation of volumes with each other, with lesion-wise sensitivity and with the share of
        the model's lesions that are real. `disagreement` is, for each pair (named by
        `parameter`), the smaller of both distances from parity where the two lie on different sides, and negative
        where they lie on one side; mean errors are in standard deviations of the error. `faults` is the number of pairs
        that differ beyond doubt: one interval wholly above parity and the other wholly below. Where none does but some
        are not settled, `faults` has no value.

    Why it matters clinically:
        "Accuracy 0.97" of a model that misses most of a rare disease, "Dice 0.8" of one that finds the large lesion and
        leaves four small metastases, "ICC 0.98" of volumes that are made of the largest lesions, "a better AUC than the
        radiologist" of one that is worse at the threshold in use: each number is true, and each misleads by itself.

    Known problems:
        Two numbers on the same side may still differ in how good they are; that is for rules on these numbers. An
        unbiased model has a mean and a median error of about 0, and two equal readers have advantages of about 0: such
        a pair is never settled, and `disagreement` then stays near 0 with 0 inside its interval. Two distances on
        different scales are compared in size only to name the smaller one; the sign is what counts. Accuracy is that of
        this sample.

    Example:
        At 2 % prevalence a model calls nearly everybody healthy: accuracy 0.98, sensitivity 0.21 (0.12 to 0.33).
        `faults` is 2: accuracy and sensitivity, and, as its AUC is 0.83, AUC and sensitivity.

    References:
        - Maier-Hein, Reinke and others 2024, Metrics reloaded: recommendations for image analysis validation, Nature
          Methods 21.
        - Reinke and others 2024, Understanding metric-related pitfalls in image analysis validation, Nature Methods 21.
        - Berger 1982, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF008",
        name="metrics-disagree",
        family="PERF",
        version=3,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        metrics=("faults", "disagreement"),
        title="Metrics that disagree",
        question="Would another metric tell the opposite story?",
        method=(
            "Signs of pairs of metrics against parity, each with its own interval by patient; a pair differs where one "
            "interval lies wholly above parity and the other wholly below, at half the level each."
        ),
        limits="Looks at signs alone: two metrics on the same side of parity may still differ in how good they are.",
        references=(
            "Maier-Hein, Reinke and others 2024, Nature Methods 21",
            "Reinke and others 2024, Nature Methods 21",
            "Berger 1982, Technometrics 24",
        ),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every pair of metrics that the task has; see `Probe.run`."""
        found = tuple(pairs(ctx))
        if not found:
            raise NotApplicable(UNMEASURED if ctx.card.task == "segmentation" else ALONE)
        return _measured(ctx, found)


def _measured(ctx: ProbeContext, found: tuple[Pair, ...]) -> Iterator[Measurement]:
    given_each = [(pair, pair.disagreement()) for pair in found]
    states = [_state(ctx, estimate) for _, estimate in given_each]
    yield given(ctx, _counted(ctx, states), "faults", direction="lower")
    for pair, estimate in given_each:
        yield given(ctx, estimate, "disagreement", {**pair.condition, "parameter": pair.name}, direction="lower")
    _draw(ctx, given_each, states)


def _state(ctx: ProbeContext, estimate: Estimate) -> str:
    bounds = estimate.bounds(ctx.levels.pointwise)
    if bounds is None:
        return "not measured"
    return "conflict" if bounds[0] > 0 else "one story" if bounds[1] <= 0 else "not settled"


def _counted(ctx: ProbeContext, states: list[str]) -> Estimate:
    n, patients, conflicts = len(ctx.cohort), ctx.cohort.n_patients, states.count("conflict")
    settled = conflicts + states.count("one story")
    if not conflicts and settled < len(states):
        reason = f"no conflict is shown, and {len(states) - settled} of {len(states)} pairs of metrics are not settled"
        return Estimate.absent(reason, method="none", n=n, n_patients=patients)
    return Estimate.counted(conflicts, n=n, n_patients=patients)


def _draw(ctx: ProbeContext, given_each: list[tuple[Pair, Estimate]], states: list[str]) -> None:
    rows: list[dict[str, Any]] = []
    for (pair, estimate), state in zip(given_each, states, strict=True):
        row: dict[str, Any] = {"pair": pair.name, "class": str(pair.condition.get("class", "")), "state": state}
        for which, side in (("first", pair.first), ("second", pair.second)):
            low, high = side.estimate.bounds(ctx.levels.pointwise) or (np.nan, np.nan)
            value = np.nan if side.estimate.value is None else side.estimate.value
            row |= {which: side.name, f"{which}_value": value, f"{which}_low": low, f"{which}_high": high}
            row[f"{which}_parity"] = side.parity
        low, high = estimate.bounds(ctx.levels.pointwise) or (np.nan, np.nan)
        row |= {"disagreement": np.nan if estimate.value is None else estimate.value, "low": low, "high": high}
        rows.append(row)
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    ctx.sink.artifact("metric_disagreements", "Pairs of metrics against parity", arrays)
