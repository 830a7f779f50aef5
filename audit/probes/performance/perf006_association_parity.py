"""PERF006 association-parity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Direction, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.performance._associations import Slopes, determinants, slopes
from audit.probes.performance._rates import given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROLES = ("covariate", "severity", "protected")
FEWEST = 3
DIRECTIONS: dict[str, Direction] = {
    "slope_difference": "zero", "slope_excess": "lower", "slope_automatic": "none", "slope_reference": "none",
}  # fmt: skip
NO_UNIT = "the scores are on a scale of their own, which has no unit in common with the labels"


class AssociationParity(Probe):
    """Whether research with the automatic reading would find the associations that the reference reading finds.

    What it measures:
        For each determinant (attributes with the role covariate, severity or protected: a number as it is, levels one
        against the others) the slope of the automatic reading and the slope of the reference on it, in standard
        deviations of the reference for one standard deviation of a number, or for the level. `slope_difference` is
        automatic minus reference, which is the slope of the model's error on the determinant: 0 where the model is
        wrong by as much in the old as in the young. A rule on it asks for equivalence, with both `min` and `max`.
        `slope_excess` is how much stronger, in absolute size, the automatic association is than that of the reference:
        above 0 the model sees the determinant itself. `slope_ratio`, over all determinants, is how automatic slopes
        follow reference slopes: 1 for parity, below 1 for dilution. The reading is the predicted value, the
        probability against the 0/1 label, or the predicted against the reference volume.

    Why it matters clinically:
        Automatic counts and volumes replace readers in studies of risk factors. A reading that agrees well case by case
        may still dilute the association with blood pressure, or make one with age that is not there because the model
        reads atrophy instead of the lesion; twenty determinants show what one correlation hides.

    Known problems:
        Both slopes are marginal and linear: confounding of a determinant is in both alike, a bent relation is cut short
        in both. Miscalibration shows as a difference wherever there is an association; probabilities must fit the
        prevalence of this cohort, so that in a case-control sample PERF006 says little of a binary score. Any reading
        that keeps to the mean where the image says little, as a probability does, dilutes associations that the image
        does not show: that is true of research with it, however well it was trained. Errors of
        the reference reading are taken as independent of the determinant; if readers knew it, part of the difference
        is theirs. Where neither reading has an association, noise makes `slope_excess` a little larger than 0. With
        many determinants look at the simultaneous interval. Cases without a value of the determinant are left out.

    Example:
        Perivascular spaces counted by a network: one standard deviation of age goes with 0.31 of the readers' count
        and 0.44 of the network's. `slope_difference` is 0.13 (0.08 to 0.18) for `attribute = "age"`: it counts
        something else that comes with age.

    References:
        - Dubost and others 2019, Enlarged perivascular spaces in brain MRI: automated quantification in four regions,
          NeuroImage 185.
        - Liang and Zeger 1986, Longitudinal data analysis using generalized linear models, Biometrika 73.
        - Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach for assessing the
          equivalence of average bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF006",
        name="association-parity",
        family="PERF",
        tasks=("binary", "regression", "segmentation"),
        needs=("attributes",),
        metrics=("slope_difference", "slope_excess", "slope_ratio", "slope_automatic", "slope_reference"),
        descriptive=("slope_automatic", "slope_reference"),
        title="Parity of associations",
        question="Would research with the automatic reading find the associations that the reference finds?",
        method=(
            "Slopes of automatic and reference reading on each determinant in standard deviations of the reference, "
            "differences from the same resamples of patients; simultaneous interval by Bonferroni."
        ),
        limits=(
            "Marginal, linear associations in this cohort; a determinant that readers could see may have shaped the "
            "reference as well."
        ),
        references=("Dubost and others 2019, NeuroImage 185", "Schuirmann 1987, J Pharmacokinet Biopharm 15"),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every determinant; see `Probe.run`."""
        attributes = ctx.cohort.by_role("covariate", "severity", "protected")
        if not attributes:
            raise NotApplicable(f"the cohort has no attribute with a role {', '.join(ROLES)}")
        reading, reference = _readings(ctx)
        found = [d for attribute in attributes for d in determinants(attribute, ctx.cohort.patients)]
        if not found:
            names = ", ".join(a.name for a in attributes)
            raise NotApplicable(f"every determinant ({names}) has no value or one level only")
        made, ratio = slopes(ctx, reading, reference, found)
        return _measured(ctx, made, ratio)


def _readings(ctx: ProbeContext) -> tuple[Floats, Floats]:
    """Return the automatic reading and the reference in one unit, (n,) each.

    Raises:
        NotApplicable: There is no unit in common, or the volumes were not measured.
    """
    clean = ctx.clean
    if ctx.card.task == "segmentation":
        if not {"volume_predicted", "volume_reference"} <= set(clean.columns):
            raise NotApplicable("the volumes were not measured on these cases")
        return clean.column("volume_predicted"), clean.column("volume_reference")
    if ctx.card.task == "binary" and ctx.card.output == "value":
        raise NotApplicable(NO_UNIT)
    return clean.scores, np.asarray(clean.targets, dtype=np.float64)


def _measured(ctx: ProbeContext, made: list[Slopes], ratio: Estimate) -> Iterator[Measurement]:
    from audit.stats import simultaneous

    comparisons = sum(s.difference.value is not None for s in made)
    for each in made:
        estimates = (each.difference, each.excess, each.automatic, each.reference)
        for (metric, direction), estimate in zip(DIRECTIONS.items(), estimates, strict=True):
            measured = given(ctx, estimate, metric, each.determinant.condition, direction=direction, unit="SD")
            if estimate.value is not None:
                measured = replace(measured, simultaneous=simultaneous(estimate, comparisons, ctx.levels))
            yield measured
    if comparisons < FEWEST and ratio.value is not None:
        plural = "" if comparisons == 1 else "s"
        reason = f"{comparisons} determinant{plural}, fewer than the {FEWEST} that a slope over them needs"
        ratio = Estimate.absent(reason, method=ratio.method, n=ratio.n, n_patients=ratio.n_patients)
    yield given(ctx, ratio, "slope_ratio", direction="none")
    _draw(ctx, made, ratio)


def _draw(ctx: ProbeContext, made: list[Slopes], ratio: Estimate) -> None:
    known = [s for s in made if s.difference.value is not None]
    if not known:
        return
    arrays: dict[str, Any] = {"determinant": np.array([s.determinant.name for s in known])}
    for name in ("reference", "automatic", "difference", "excess"):
        estimates: list[Estimate] = [getattr(s, name) for s in known]
        bounds = [e.bounds(ctx.levels.pointwise) or (np.nan, np.nan) for e in estimates]
        # One of the four may be steady between resamples where the others are not.
        arrays[name] = np.array([np.nan if e.value is None else e.value for e in estimates])
        arrays[f"{name}_low"] = np.array([low for low, _ in bounds])
        arrays[f"{name}_high"] = np.array([high for _, high in bounds])
    arrays["n_patients"] = np.array([s.difference.n_patients for s in known])
    ctx.sink.artifact(
        "association_parity", "Slope of the automatic against the reference reading, by determinant", arrays,
        slope_ratio=ratio.value,
    )  # fmt: skip
