"""FAIR003 intersectional-gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import numpy as np

from audit.core import ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import NO_OPERATING_POINT, Level, comparable, contrast_partitions
from audit.probes._tasks import error_contrasts
from audit.probes._unanswered import Unanswered, unanswered
from audit.probes.fairness._groups import Partition, intersections
from audit.probes.fairness._rates import Rate, own_rates, rates

NOTHING_TO_CROSS = "fewer than two protected attributes have two levels or more, so there is nothing to cross"


class IntersectionalGap(Probe):
    """Whether the model fails patients who share two protected attributes, though it fails neither group as a whole.

    What it measures:
        For each combination of levels of each pair of protected attributes (with the profile "full" of each three of
        them, too) the sensitivity and the specificity at the declared operating point, and the gap: that of the
        subgroup minus that of all other cases. The simultaneous interval holds for the subgroups of all combinations
        together. Every combination that the manifest has is there; one with fewer than five patients in the needed
        class has no number and says so. Unanswered cases widen the bounds as in FAIR001. For a real value and for a
        segmentation: the gaps of the mean error, of the mean absolute error, of the relative volume error and of
        Dice.

        `sensitivity_shrunken` and `specificity_shrunken` are the rates with small subgroups drawn towards what the
        subgroups of the combination have in common. They show what of a scatter is likely to be chance. They may hide
        a subgroup that is truly failed, so no blocking rule may rest on them.

    Why it matters clinically:
        Rates by sex and rates by age may both be equal while older women are missed: whoever looks at one attribute
        at a time does not see them.

    Known problems:
        Subgroups shrink with every attribute that is crossed, so many of them can settle nothing; a rule on all of
        them passes only in a large cohort. A subgroup that differs may do so because one of its attributes does:
        FAIR001 tells. Shrinkage takes the subgroups of a combination to be alike until the data say otherwise.

    Example:
        Sensitivity is 0.80 in women and in men, and 0.80 under and over 60. Among women over 60 it is 0.65 in 120
        patients: `sensitivity_gap` is -0.18 for `sex = female, age = [60, 120]`.

    References:
        - Buolamwini and Gebru 2018, Gender shades: intersectional accuracy disparities in commercial gender
          classification, FAT*.
        - Kearns, Neel, Roth and Wu 2018, Preventing fairness gerrymandering: auditing and learning for subgroup
          fairness, ICML.
        - Gelman and others 2013, Bayesian Data Analysis, third edition, chapter 5.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR003",
        name="intersectional-gap",
        family="FAIR",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("protected",),
        metrics=(
            "sensitivity_gap", "specificity_gap", "sensitivity", "specificity", "bias_gap", "mae_gap",
            "volume_bias_gap", "dice_gap", "sensitivity_shrunken", "specificity_shrunken",
        ),
        descriptive=("sensitivity_shrunken", "specificity_shrunken"),
        title="Gaps where attributes meet",
        question="Does it fail patients who share two attributes?",
        method=(
            "Each combination of levels minus all other cases, interval by variance estimates recovery from Wilson "
            "bounds at the effective number of patients; simultaneous interval by Bonferroni over all combinations; "
            "shrunken rates by a hierarchical beta-binomial model, for display only."
        ),
        limits="Small subgroups settle nothing, and which of the attributes a gap comes from is not told.",
        references=(
            "Buolamwini and Gebru 2018, FAT*",
            "Kearns, Neel, Roth and Wu 2018, ICML",
            "Gelman and others 2013, Bayesian Data Analysis, third edition",
            "Zou and Donner 2008, Statistics in Medicine 27",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every combination of protected attributes; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        crossed = intersections(ctx, attributes, orders=(2, 3) if ctx.budget.profile == "full" else (2,))
        if not crossed:
            raise NotApplicable(NOTHING_TO_CROSS)
        return _all(ctx, crossed, unanswered(ctx))


def _all(ctx: ProbeContext, crossed: Sequence[Partition], gone: Unanswered) -> Iterator[Measurement]:
    for index, view in enumerate(ctx.clean.views):
        yield from _view(ctx, crossed, view, gone, index)
    for contrast in error_contrasts(ctx):
        yield from contrast_partitions(ctx, crossed, contrast)


def _view(
    ctx: ProbeContext, crossed: Sequence[Partition], view: ClassView, gone: Unanswered, index: int
) -> Iterator[Measurement]:
    found, spared, _ = rates(view, gone, index)
    for rate in (found, spared):
        yield from contrast_partitions(ctx, crossed, rate.gap(ctx))
        for _, levels in crossed:
            yield from own_rates(ctx, rate, levels)
            yield from _shrunken(ctx, rate, levels)


def _shrunken(ctx: ProbeContext, rate: Rate, levels: Sequence[Level]) -> Iterator[Measurement]:
    filled = [level for level in levels if (level.members & rate.rows).any()]
    for level, estimate in zip(filled, _together(ctx, rate, filled), strict=True):
        yield Measurement.of(
            estimate, metric=f"{rate.metric}_shrunken", level=ctx.levels.confidence, direction=rate.direction,
            subgroup=level.subgroup, condition=rate.condition,
        )  # fmt: skip


def _together(ctx: ProbeContext, rate: Rate, levels: Sequence[Level]) -> Sequence[Estimate]:
    from audit.stats import shrunken_proportions

    if rate.hits is None:
        return [Estimate.absent(NO_OPERATING_POINT, method="none") for _ in levels]
    codes = np.zeros(len(rate.rows), dtype=np.int64)
    for code, level in enumerate(levels):
        codes[level.members] = code
    rows = rate.rows
    return shrunken_proportions(rate.hits[rows], codes[rows], ctx.cohort.patients[rows], ctx.levels)
