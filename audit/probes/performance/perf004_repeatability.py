"""PERF004 repeatability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.performance._bland_altman import draw_bland_altman
from audit.probes.performance._rates import given
from audit.probes.performance._repeats import Sets, sets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reading:
    """One number that the model gives of every case."""

    values: Floats
    condition: dict[str, Scalar]
    unit: str = ""
    ratio: bool = False


ALIKE = "every case of the cohort gets the same answer, so that none could turn"


class Repeatability(Probe):
    """Whether the model says the same of the same patient, examined twice.

    What it measures:
        Cases of one patient that share a value of an attribute with the role `repeat` are repeated examinations of the
        same state, such as scan and rescan. `repeatability_coefficient` is 1.96 times the root of 2 times the standard
        deviation within such sets, in the unit of the model's output: two examinations of an unchanged patient differ
        by less with 95 %, so a smaller change in follow-up is no change. `within_patient_cv` is that standard
        deviation as a share of the mean, for real values and volumes. `icc` is ICC(1,1), the share of the variance
        that is between patients; it depends on how different the patients of this cohort are, so it stands beside
        `between_patient_sd` and is for reading only. For a classifier the numbers are those of its scores, and
        `flip_rate` is the share of pairs of examinations that it decides differently at its operating point (for
        several classes: that it names differently). Volumes are the predicted ones, in mm³, or in voxels where no
        spacing is known. `share_sets_lost` counts the sets that cannot be measured because an examination was set
        aside, maybe the very one that differs.

    Why it matters clinically:
        A marker that moves by ten per cent between two scans on one morning cannot show a change of five per cent in
        a year. A patient who is called ill or well depending on how he lay in the scanner is not helped by a model
        that is right on average.

    Known problems:
        Repeats on the same scanner, the same day, by the same staff give the smallest difference that there is;
        between sites it is larger (see the SHIFT probes). A standard deviation that grows with the value is not well
        told by one number: see the figure, and the share of the mean. Where every case gets the same answer none could
        turn, and there is no flip rate. A few patients who repeat much worse than the others make the upper bound too
        low, in small samples most. At least 35 pairs are commonly asked for; from 5 patients on there is a number, with
        a wide interval.

    Example:
        40 patients were scanned twice. The hippocampal volume has a within-patient SD of 52 mm³: the
        `repeatability_coefficient` is 144 mm³ (118 to 190), `within_patient_cv` 1.6 %. A fall by 100 mm³ in one
        patient is within what a rescan may show.

    References:
        - Bland and Altman 1999, Measuring agreement in method comparison studies, Statistical Methods in Medical
          Research 8.
        - Raunig and others 2015, Quantitative imaging biomarkers: a review of statistical methods for technical
          performance assessment, Statistical Methods in Medical Research 24.
        - McGraw and Wong 1996, Forming inferences about some intraclass correlation coefficients,
          Psychological Methods 1.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF004",
        name="repeatability",
        family="PERF",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "survival"),
        needs=("repeats",),
        metrics=(
            "repeatability_coefficient", "within_patient_cv", "flip_rate", "icc", "between_patient_sd",
            "share_sets_lost",
        ),
        descriptive=("icc", "between_patient_sd"),
        title="Repeatability",
        question="Does it say the same of the same patient, examined twice?",
        method=(
            "Variance within sets of repeats with chi-square bounds, the upper one with one more patient who repeats "
            "badly; share of pairs decided differently by Korn-Graubard."
        ),
        limits=(
            "Holds for repeats like these: the same scanner and day show less than other scanners and days would."
        ),
        references=("Bland and Altman 1999, Stat Methods Med Res 8", "Raunig and others 2015, Stat Methods Med Res 24"),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every attribute that names repeats; see `Probe.run`."""
        attributes = ctx.cohort.by_role("repeat")
        if not attributes:
            raise NotApplicable("the cohort has no attribute of role repeat")
        every = [sets_of(ctx.cohort, attribute) for attribute in attributes]
        # Sets of which all were lost are no absence of repeats.
        found = [sets for sets in every if sets.count or len(sets.broken)]
        if not found:
            names = ", ".join(a.name for a in attributes)
            raise NotApplicable(f"no patient has two cases with one value of {names}")
        readings = _readings(ctx)
        return (
            measured
            for sets in found
            for measured in _measured(ctx, sets, readings, {"parameter": sets.name} if len(found) > 1 else {})
        )


def _readings(ctx: ProbeContext) -> tuple[_Reading, ...]:
    """Return what is repeated: scores by class, the real value, or the predicted volume.

    Raises:
        NotApplicable: The volumes were not measured.
    """
    clean, task = ctx.clean, ctx.card.task
    if task == "segmentation":
        if "volume_predicted" not in clean.columns:
            raise NotApplicable("the volumes were not measured on these cases")
        known = ctx.cohort.spacing_mm or ctx.card.input.spacing_mm
        volumes = clean.column("volume_predicted")
        return (_Reading(values=volumes, condition={}, unit="mm³" if known else "voxels", ratio=True),)
    if task in ("regression", "survival"):
        return (_Reading(values=clean.scores, condition={}, ratio=True),)
    return tuple(_Reading(values=view.scores, condition=view.condition) for view in clean.views)


def _measured(
    ctx: ProbeContext, sets: Sets, readings: tuple[_Reading, ...], condition: dict[str, Scalar]
) -> Iterator[Measurement]:
    for reading in readings:
        about = {**reading.condition, **condition}
        yield from _spread(ctx, sets, reading, about)
        _draw(ctx, sets, reading, about)
    yield from _flips(ctx, sets, condition)
    yield given(ctx, _lost(sets), "share_sets_lost", condition, direction="lower")


def _spread(ctx: ProbeContext, sets: Sets, reading: _Reading, about: dict[str, Scalar]) -> Iterator[Measurement]:
    from audit import stats

    repeats, resamples = sets.repeats(reading.values), ctx.budget.resamples
    coefficient = stats.within_patient_sd(repeats, ctx.levels, factor=stats.REPEATABILITY)
    yield given(ctx, coefficient, "repeatability_coefficient", about, direction="lower", unit=reading.unit)
    if reading.ratio:
        yield given(ctx, stats.within_patient_cv(repeats, ctx.levels), "within_patient_cv", about, direction="lower")
    yield given(ctx, stats.repeat_icc(repeats, ctx.levels, ctx.rng, resamples=resamples), "icc", about)
    apart = stats.between_patient_sd(repeats, ctx.levels, ctx.rng, resamples=resamples)
    yield given(ctx, apart, "between_patient_sd", about, direction="none", unit=reading.unit)


def _lost(sets: Sets) -> Estimate:
    """Return which share of the sets cannot be measured because a case was set aside: maybe the ones that move."""
    lost, owners = len(sets.broken), np.concatenate([sets.owners, sets.broken])
    return Estimate.counted(lost / len(owners), n=len(owners), n_patients=int(np.unique(owners).size), k=lost)


def _flips(ctx: ProbeContext, sets: Sets, condition: dict[str, Scalar]) -> Iterator[Measurement]:
    """Give the share of pairs that are decided differently, of each binary question or of the class that is named."""
    if ctx.card.task in ("multiclass", "ordinal"):
        asked: list[tuple[NDArray[np.generic] | None, dict[str, Scalar]]] = [(ctx.clean.scores.argmax(axis=1), {})]
    else:
        asked = [(view.decisions, view.condition) for view in ctx.clean.views]
    for decisions, about in asked:
        estimate = _flip_rate(ctx, sets, decisions)
        yield given(ctx, estimate, "flip_rate", {**about, **condition}, direction="lower")


def _flip_rate(ctx: ProbeContext, sets: Sets, decisions: NDArray[np.generic] | None) -> Estimate:
    from audit.stats import mean, proportion

    if decisions is None:
        n_patients = int(np.unique(sets.owners).size)
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=sets.count, n_patients=n_patients)
    if decisions.size and (decisions == decisions[0]).all():
        n_patients = int(np.unique(sets.owners).size)
        return Estimate.absent(ALIKE, method="none", n=sets.count, n_patients=n_patients)
    flips = sets.flips(decisions)
    if (sets.sizes == 2).all():
        return proportion(flips > 0, sets.owners, ctx.levels)
    return mean(flips, sets.owners, ctx.levels, support=(0.0, 1.0))


def _draw(ctx: ProbeContext, sets: Sets, reading: _Reading, about: dict[str, Scalar]) -> None:
    from audit.stats import limit_of_agreement, mean

    if not sets.count:
        return
    first, second = sets.first_two()
    one, two = reading.values[second], reading.values[first]
    difference = one - two
    lines = {"mean": mean(difference, sets.owners, ctx.levels)}
    lines |= {
        side: limit_of_agreement(difference, sets.owners, ctx.levels, side=side) for side in ("low", "high")
    }  # fmt: skip
    named = f" ({about['class']})" if "class" in about else ""
    draw_bland_altman(
        ctx, f"Second examination minus first over the mean of both{named}", one, two, lines=lines,
        unit=reading.unit, repeat=sets.name, sets=sets.count, lost_sets=len(sets.broken), **about,
    )  # fmt: skip
