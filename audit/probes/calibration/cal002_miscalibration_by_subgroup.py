"""CAL002 miscalibration-by-subgroup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import (
    ALL_SET_ASIDE,
    Contrast,
    Level,
    comparable,
    contrast_levels,
    count_patients,
    levels_of,
    weighted_sum,
)
from audit.probes.calibration._measures import (
    BINS,
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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

ECE_PATIENTS = 100
PATIENTS_A_BIN = 20
GAP = "cluster sandwich t on each side, MOVER"


class MiscalibrationBySubgroup(Probe):
    """Whether a score of 0.3 means the same for one group of patients as for another.

    What it measures:
        For each level of each protected and each protocol attribute the calibration slope, the intercept at slope 1,
        the Brier score and, from 100 patients on, the debiased calibration error; and two signed contrasts, the slope
        and the intercept of the level minus those of all other cases (`slope_gap`, `intercept_gap`). An intercept
        gap above 0 means that the scores are too low for this level compared with the others, on the logit scale.
        Cases whose attribute is unknown are a level of their own, "(missing)". Where a prevalence is declared,
        positives and negatives of every level are weighted as those of the whole cohort have to be to reach it, so a
        group in which the disease is more frequent keeps that; the Brier score is then given over the declared
        range, all else at its value. Without one, what depends on it stands under `stratum = "in this sample"`. The
        figure shows the observed share of positives by score for each level.

    Why it matters clinically:
        One threshold means one risk only where scores mean the same for everybody. If "10 %" is 5 % in men and 20 %
        in women, women are treated later at equal need, though the model may look calibrated on the whole.

    Known problems:
        Calibration in every group and equal error rates exclude each other where prevalence differs, so a gap at the
        operating point may stand beside perfect calibration. Weighting assumes that cases were sampled by outcome
        alone; where a group was sampled in another way, its intercept is off by that. A level with fewer than five
        patients in a class has no number and says so. A small group has a wide interval, which is no proof that its
        scores are right. Where the reference standard is biased in a group, so is its calibration.

    Example:
        The logit is 0.7 too low in women: `intercept` is near 0.5 for `sex = female` and near -0.5 for men where both
        are as frequent and the mean is right; `intercept_gap` is about +0.9 for women, while CAL001 sees nothing.

    References:
        - Van Calster and others 2019, Calibration: the Achilles heel of predictive analytics, BMC Medicine 17.
        - Kleinberg, Mullainathan and Raghavan 2017, Inherent trade-offs in the fair determination of risk scores,
          Innovations in Theoretical Computer Science.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
        - Kumar, Liang and Ma 2019, Verified uncertainty calibration, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CAL002",
        name="miscalibration-by-subgroup",
        family="CAL",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        needs=("attributes",),
        metrics=("slope_gap", "intercept_gap", "slope", "intercept", "brier", "ece"),
        at_prevalence=("intercept", "brier"),
        title="Miscalibration by subgroup",
        question="Does a score mean the same for every group of patients?",
        method=(
            "Logistic recalibration of each level with the cluster sandwich, t; level minus rest by variance "
            "estimates recovery, simultaneous interval by Bonferroni; debiased calibration error from 100 patients on."
        ),
        limits=(
            "A difference may come from case mix, from the labels or from how a group was sampled; a wide interval of "
            "a small group proves nothing."
        ),
        references=(
            "Van Calster and others 2019, BMC Medicine 17",
            "Zou and Donner 2008, Statistics in Medicine 27",
            "Kumar, Liang and Ma 2019, NeurIPS",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every level of every protected and protocol attribute; see `Probe.run`.

        Raises:
            NotApplicable: The model gives a value that claims to be no probability, or there is nothing to compare.
        """
        if ctx.card.output == "value":
            raise NotApplicable("the model gives a value on a scale of its own, which claims to be no probability")
        attributes = comparable(ctx.cohort.by_role("protected", "protocol"), "protected or protocol")
        return (
            measured
            for attribute in attributes
            for view in ctx.clean.views
            for measured in _attribute(ctx, attribute, view)
        )


def _attribute(ctx: ProbeContext, attribute: Attribute, view: ClassView) -> Iterator[Measurement]:
    found = bases(ctx, view)
    yield from contrast_levels(ctx, attribute, _slope_gap(ctx, view))
    yield from contrast_levels(ctx, attribute, _intercept_gap(ctx, view, found[0]))
    for level in levels_of(attribute):
        yield from _level(ctx, view, level, found)
    _draw(ctx, attribute, view, found[0])


def _slope_gap(ctx: ProbeContext, view: ClassView) -> Contrast:
    scores = shares(view)

    def side(rows: Bools) -> Estimate:
        return slope_of(ctx, scores, view.labels, rows)

    return _contrast(ctx, "slope_gap", side, len(scores), view.condition)


def _intercept_gap(ctx: ProbeContext, view: ClassView, basis: Basis) -> Contrast:
    scores = shares(view)

    def side(rows: Bools) -> Estimate:
        return intercept_of(ctx, scores, basis, rows)

    return _contrast(ctx, "intercept_gap", side, len(scores), {**view.condition, **basis.condition})


def _contrast(
    ctx: ProbeContext, metric: str, side: Callable[[Bools], Estimate], n: int, condition: dict[str, Any]
) -> Contrast:
    patients = ctx.cohort.patients

    def gap(members: Bools) -> Estimate:
        own, rest = side(members), side(~members)
        for name, part in (("subgroup", own), ("rest", rest)):
            if part.value is None:
                reason = f"{name}: {part.missing}"
                return Estimate.absent(reason, method=GAP, n=own.n, n_patients=own.n_patients)
        shared = np.intersect1d(patients[members], patients[~members]).size > 0
        parts = ((1.0, own), (-1.0, rest))
        total = weighted_sum(parts, shared=shared, method=GAP, n_patients=own.n_patients)
        return replace(total, n=own.n, n_patients=own.n_patients)

    return Contrast(metric=metric, denominator=np.ones(n, dtype=bool), estimate=gap, condition=condition)


def _level(ctx: ProbeContext, view: ClassView, level: Level, found: tuple[Basis, ...]) -> Iterator[Measurement]:
    scores, rows, at = shares(view), level.members, found[0]
    lost = None if rows.any() else Estimate.absent(ALL_SET_ASIDE, method="none")
    slope = lost or slope_of(ctx, scores, view.labels, rows)
    yield given(ctx, slope, "slope", "none", view.condition, level.subgroup)
    intercept = lost or intercept_of(ctx, scores, at, rows)
    yield given(ctx, intercept, "intercept", "zero", {**view.condition, **at.condition}, level.subgroup)
    for basis in found:
        condition = {**view.condition, **basis.condition}
        score = lost or brier_of(ctx, scores, basis, rows)
        yield given(ctx, score, "brier", "lower", condition, level.subgroup)
    about = at.condition if at.prevalence is not None else {}
    error = lost or _ece(ctx, view, rows, at)
    yield given(ctx, error, "ece", "lower", {**view.condition, **about}, level.subgroup)


def _ece(ctx: ProbeContext, view: ClassView, rows: Bools, basis: Basis) -> Estimate:
    count = count_patients(ctx.cohort.patients, rows)
    if count < ECE_PATIENTS:
        reason = f"{count} patients, fewer than the {ECE_PATIENTS} that the calibration error of a subgroup needs"
        return Estimate.absent(reason, method="none", n=int(rows.sum()), n_patients=count)
    return ece_of(ctx, shares(view), basis, rows)


def _draw(ctx: ProbeContext, attribute: Attribute, view: ClassView, basis: Basis) -> None:
    """Keep the bins of every level: as many as its patients allow, so that a small group has few and wide ones."""
    scores, rows = basis.moved(shares(view)), []
    for level in levels_of(attribute):
        bins = int(np.clip(count_patients(ctx.cohort.patients, level.members) // PATIENTS_A_BIN, 1, BINS))
        rows += [
            {"level": level.name, **row} for row in reliability(ctx, scores, view.labels, level.members, bins)
        ]  # fmt: skip
    about: dict[str, Any] = {**view.condition, **basis.condition}
    ctx.sink.artifact(
        "reliability_by_level", f"Observed share of positives by score, by {attribute.name}",
        {name: np.array([row[name] for row in rows]) for name in rows[0]}, attribute=attribute.name, **about,
    )  # fmt: skip
