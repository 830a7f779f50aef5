"""FAIR002 ranking-gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import Contrast, Level, area_contrast, comparable, contrast_levels, count_patients, levels_of
from audit.probes._tasks import error_contrasts
from audit.probes._unanswered import Unanswered, unanswered, widened, worst_ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

ERRORS = ("mae_gap", "dice_gap")
SMALLEST = 5
POINTS = 200
CROSSED = {
    True: "cases of the level, controls of the rest",
    False: "controls of the level, cases of the rest",
}


class RankingGap(Probe):
    """Whether the model tells ill from well less surely in some patients than in others.

    What it measures:
        For each level of each protected attribute the AUC within the level (`auc`), and that minus the AUC within all
        other cases (`auc_gap`). No threshold is involved. `cross_auc` ranks the ill of the level against the well of
        the rest, and the well of the level against the ill of the rest: the two lie apart where the scores of the
        level are shifted as a whole, which no AUC within a group can see. For a real value: the gap of the mean
        absolute error. For a segmentation: the gap of Dice within fifths of reference volume.

        Cases without an answer that have a known reference standard widen the bounds until they hold with these cases
        ranked last among the ill and first among the well, too.

    Why it matters clinically:
        Where the ranking itself is worse for a group, no other threshold will repair it: the model lacks something
        that it would need to know of these patients.

    Known problems:
        Equal AUC is no proof of equal treatment: at one threshold a group with shifted scores is missed more often
        (FAIR001). An AUC depends on case mix: a group with milder disease has a lower one from any model. An AUC within
        a group says nothing of how its patients rank against others. Intervals of a small group are wide.

    Example:
        AUC is 0.82 in 300 patients over 75 and 0.91 in the rest: `auc_gap` is -0.09 for `age = [75, 120]`.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
        - Kallus and Zhou 2019, The fairness of risk scores beyond classification: bipartite ranking and the xAUC
          metric, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR002",
        name="ranking-gap",
        family="FAIR",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("protected",),
        metrics=("auc_gap", "auc", "cross_auc", "mae_gap", "dice_gap"),
        title="Gaps in ranking",
        question="Does it tell ill from well as surely in every group of patients?",
        method=(
            "AUC of each level minus that of the rest, interval by variance estimates recovery from Obuchowski's logit "
            "bounds with patients as the unit; simultaneous interval by Bonferroni."
        ),
        limits=(
            "Case mix may explain a gap, and groups with equal AUC may still be treated unequally at one threshold."
        ),
        references=(
            "Obuchowski 1997, Biometrics 53",
            "Zou and Donner 2008, Statistics in Medicine 27",
            "Kallus and Zhou 2019, NeurIPS",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every level of every protected attribute; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        gone = unanswered(ctx)
        return (measured for attribute in attributes for measured in _attribute(ctx, attribute, gone))


def _attribute(ctx: ProbeContext, attribute: Attribute, gone: Unanswered) -> Iterator[Measurement]:
    levels = levels_of(attribute, ctx.cohort.aside)
    for view in ctx.clean.views:
        yield from contrast_levels(ctx, attribute, _contrast(ctx, view, gone))
        for level in levels:
            yield _area(ctx, view, level, gone, None)
        for ill in CROSSED:
            for level in levels:
                yield _area(ctx, view, level, gone, ill)
        _draw(ctx, attribute, levels, view)
    for contrast in error_contrasts(ctx):
        if contrast.metric in ERRORS:
            yield from contrast_levels(ctx, attribute, contrast)


def _contrast(ctx: ProbeContext, view: ClassView, gone: Unanswered) -> Contrast:
    plain = area_contrast(ctx, view)
    if not gone.failures:
        return plain
    from audit.stats import auc_gap

    scores, labels, patients = worst_ranking(ctx, view, gone)

    def widen(level: Level, answered: Estimate) -> Estimate:
        members = gone.with_known(level.members, level.aside[gone.known])
        return widened(answered, auc_gap(scores, labels, members, patients, ctx.levels), gone.failures)

    return replace(plain, widen=widen)


def _area(ctx: ProbeContext, view: ClassView, level: Level, gone: Unanswered, ill: bool | None) -> Measurement:
    """Return the AUC within a level; with `ill`, of its cases of that label against the others of the other label."""
    from audit.stats import auc

    rows = _ranked(level.members, view.labels, ill)
    estimate = auc(view.scores[rows], view.labels[rows], ctx.cohort.patients[rows], ctx.levels)
    if gone.failures:
        scores, labels, patients = worst_ranking(ctx, view, gone)
        rows = _ranked(gone.with_known(level.members, level.aside[gone.known]), labels, ill)
        count = int((rows & gone.failed).sum())
        if count:
            estimate = widened(estimate, auc(scores[rows], labels[rows], patients[rows], ctx.levels), count)
    condition = dict(view.condition) if ill is None else {**view.condition, "stratum": CROSSED[ill]}
    return Measurement.of(
        estimate, metric="auc" if ill is None else "cross_auc", level=ctx.levels.confidence, direction="higher",
        subgroup=level.subgroup, condition=condition,
    )  # fmt: skip


def _ranked(members: NDArray[np.bool_], labels: NDArray[np.bool_], ill: bool | None) -> NDArray[np.bool_]:
    if ill is None:
        return members
    # A level of all cases, or of none, has nobody to be ranked against.
    if not 0 < members.sum() < len(members):
        return np.zeros(len(members), dtype=bool)
    return np.where(labels == ill, members, ~members)


def _draw(ctx: ProbeContext, attribute: Attribute, levels: Sequence[Level], view: ClassView) -> None:
    """Keep the ROC curve of each level; one of fewer than five patients would show single patients."""
    from audit.metrics import roc_curve

    patients, curves, names = ctx.cohort.patients, [], []
    for level in levels:
        ill, well = level.members & view.labels, level.members & ~view.labels
        if min(count_patients(patients, ill), count_patients(patients, well)) < SMALLEST:
            continue
        curves.append(roc_curve(view.scores[level.members], view.labels[level.members], points=POINTS))
        names.append(level.name)
    if len(curves) < 2:
        return
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "roc_by_level",
        f"ROC curve by {attribute.name}",
        {
            "level": np.concatenate([np.full(len(c.fpr), i) for i, c in enumerate(curves)]),
            "fpr": np.concatenate([c.fpr for c in curves]),
            "tpr": np.concatenate([c.tpr for c in curves]),
        },
        attribute=attribute.name, levels="|".join(name.replace("|", "/") for name in names), **about,
    )  # fmt: skip
