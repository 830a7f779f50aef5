"""FAIR001 operating-point-gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Measurement, Probe, ProbeContext, ProbeInfo
from audit.metrics import DISPARITIES, FAIRLEARN, FAIRLEARN_PREFIX
from audit.probes._shared import Level, comparable, contrast_levels, count_patients, levels_of
from audit.probes._tasks import error_contrasts
from audit.probes._unanswered import Unanswered, share_unanswered, unanswered
from audit.probes.fairness._explained import predictive_contrasts, selection_contrast, standardised_contrasts
from audit.probes.fairness._fairlearn import named_metrics
from audit.probes.fairness._rates import gaps_with_failures, own_rates, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 5


class OperatingPointGap(Probe):
    """Whether the model finds disease less often, or raises more false alarms, in some patients than in others.

    What it measures:
        For each level of each protected attribute, its sensitivity and its specificity at the declared operating
        point, and the gap: that of the level minus that of all other cases. A gap is signed, so a rule can ask that
        no group do worse by more than a margin. Cases whose attribute is unknown are a level of their own,
        "(missing)". A level with fewer than five patients in the needed class has no number and says so; it is never
        left out. Beside each gap stands an interval that holds for all levels together, and beside each attribute a
        permutation test of "all levels are equal". For a real value: gaps of the mean error and of the mean absolute
        error. For a segmentation: gaps of the relative volume error, and of Dice within fifths of reference volume.

        Cases without an answer, because they were set aside or because the model declined, are counted by level
        (`share_not_answered`). Where there are any, the value of a rate or of its gap is that of the answered cases,
        and its bounds hold both without the unanswered cases and with all of them as failures: misses among the
        ill, false alarms among the well. So a verdict that would turn with them is open. The `_with_failures` rows
        show the second of the two. A mask that is not there counts as empty. The gap of an error of a real value,
        which nothing bounds, has no number where a case of known reference got no answer.

        Further gaps: of false alarms (`fpr_gap`), of the share called positive (`selection_rate_gap`), of the
        positive predictive value at one prevalence for all levels (`ppv_gap`) and, beside it, as this sample has it
        (`ppv_gap_crude`). Where an attribute has the role `severity`, `sensitivity_gap_standardised` is the gap at
        equal severity. It explains a gap and never rescues one: a group whose disease is found late is failed all
        the same, so no blocking rule may rest on it.

        With `[audit] fairlearn_metrics` the run may ask for any metric of fairlearn, or of scikit-learn as fairlearn
        takes it, by name: `fairlearn:f1_score` is the F1 of the level minus that of the rest. fairlearn's numbers for
        all levels together, such as `fairlearn:equalized_odds_difference`, are shown for those who know them. A
        largest difference is above 0 in every sample, and a rule on it would fail a fair model, so none may block.

    Why it matters clinically:
        A model with a good overall sensitivity may still miss disease mostly in those who are missed already.
        At one fixed threshold such a gap is what patients meet, whatever the AUC of their group.

    Known problems:
        An interval that includes 0 is no proof of equality: a rule should ask for a margin, and a small group cannot
        show that it stays within one. A gap says nothing of a model that is equally bad for all, so a rule on a gap
        wants another on the rate of each level. Where the source of the reference standard differs between groups,
        part of a gap may be of the labels. A gap at the operating point may come from the threshold or from the
        ranking; this number does not tell them apart. Groups that overlap with site or severity may differ for that
        reason. The share called positive differs where prevalence does. A case that was set aside because its
        reference standard is unknown cannot be counted as a failure.

    Example:
        Sensitivity is 0.71 in 140 women with the disease and 0.86 in 160 men: `sensitivity_gap` is -0.15 for
        `sex = female` and +0.15 for `sex = male`, one contrast seen from two sides, judged once.

    References:
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
        - Seyyed-Kalantari and others 2021, Underdiagnosis bias of artificial intelligence algorithms applied to chest
          radiographs in under-served patient populations, Nature Medicine 27.
        - Hardt, Price and Srebro 2016, Equality of opportunity in supervised learning, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR001",
        name="operating-point-gap",
        family="FAIR",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        version=3,
        needs=("protected",),
        metrics=(
            "sensitivity_gap", "specificity_gap", "fpr_gap", "sensitivity", "specificity", "share_not_answered",
            "ppv_gap", "selection_rate_gap", "bias_gap", "mae_gap", "volume_bias_gap", "dice_gap",
            "sensitivity_gap_with_failures", "specificity_gap_with_failures", "fpr_gap_with_failures", "ppv_gap_crude",
            "sensitivity_gap_standardised", *(FAIRLEARN_PREFIX + name for name in FAIRLEARN),
        ),
        at_prevalence=("ppv_gap",),
        descriptive=(
            "sensitivity_gap_with_failures", "specificity_gap_with_failures", "fpr_gap_with_failures", "ppv_gap_crude",
            "sensitivity_gap_standardised", *(FAIRLEARN_PREFIX + name for name in DISPARITIES),
        ),
        title="Gaps at the operating point",
        question="Does it fail some patients more often than others?",
        method=(
            "Each level minus the rest at the operating point, interval by variance estimates recovery from Wilson "
            "bounds at the effective number of patients, widened until it holds with every unanswered case as a "
            "failure; simultaneous interval by Bonferroni, equality by patient permutation."
        ),
        limits=(
            "A gap may come from the threshold, from the ranking, from case mix or from the labels; this probe does "
            "not tell them apart."
        ),
        references=(
            "Zou and Donner 2008, Statistics in Medicine 27",
            "Seyyed-Kalantari and others 2021, Nature Medicine 27",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every level of every protected attribute; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        gone = unanswered(ctx)
        return _all(ctx, attributes, gone)


def _all(ctx: ProbeContext, attributes: Sequence[Attribute], gone: Unanswered) -> Iterator[Measurement]:
    for attribute in attributes:
        yield from _attribute(ctx, attribute, gone)
    # Last, since they draw from the generator: what nobody asked for must not change the other numbers.
    for attribute in attributes:
        yield from named_metrics(ctx, attribute)


def _attribute(ctx: ProbeContext, attribute: Attribute, gone: Unanswered) -> Iterator[Measurement]:
    for index, view in enumerate(ctx.clean.views):
        yield from _view(ctx, attribute, view, gone, index)
    for contrast in error_contrasts(ctx):
        yield from contrast_levels(ctx, attribute, contrast)
    yield from share_unanswered(ctx, attribute, gone)


def _view(
    ctx: ProbeContext, attribute: Attribute, view: ClassView, gone: Unanswered, index: int
) -> Iterator[Measurement]:
    levels = levels_of(attribute, ctx.cohort.aside)
    found, spared, alarmed = rates(view, gone, index)
    for rate in (found, spared, alarmed):
        yield from contrast_levels(ctx, attribute, rate.gap(ctx))
        yield from gaps_with_failures(ctx, rate, levels)
    for rate in (found, spared):
        yield from own_rates(ctx, rate, levels)
        if view.decisions is not None:
            _test_equality(ctx, attribute, levels, view, rate.rows, rate.metric)
    further = (*predictive_contrasts(ctx, view), selection_contrast(ctx, view), *standardised_contrasts(ctx, found))
    for contrast in further:
        yield from contrast_levels(ctx, attribute, contrast)


def _test_equality(
    ctx: ProbeContext, attribute: Attribute, levels: tuple[Level, ...], view: ClassView, rows: NDArray[np.bool_],
    metric: str,
) -> None:  # fmt: skip
    """Keep the permutation test of equal rates; it is shown, never judged, since no rule may rest on a p-value."""
    from audit.stats import equal_groups_p

    patients = ctx.cohort.patients
    counts = [count_patients(patients, level.members & rows) for level in levels]
    # Levels too small for a number are too small for the test, which would otherwise say "equal" of them as well.
    tested = [level for level, count in zip(levels, counts, strict=True) if count >= SMALLEST]
    if len(tested) < 2 or view.decisions is None:
        return
    inside = rows & np.isin(attribute.levels, [level.name for level in tested])
    group = np.searchsorted(sorted(level.name for level in tested), attribute.levels[inside])
    hits = (view.decisions == view.labels)[inside]
    p = equal_groups_p(hits, group, patients[inside], ctx.rng, resamples=ctx.budget.resamples)
    if p is None:
        return
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "subgroup_test",
        f"Are all levels of {attribute.name} equal in {metric}? Permutation of patients, largest score",
        {"n_patients": np.array(counts)},
        attribute=attribute.name, metric=metric, p=float(p), **about,
        levels="|".join(level.name.replace("|", "/") for level in levels),
    )  # fmt: skip
