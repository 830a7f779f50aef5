"""FAIR002 ranking-gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import Contrast, Level, area_contrast, comparable, contrast_levels, count_patients, levels_of
from audit.probes._tasks import error_contrasts
from audit.probes.fairness._unanswered import Unanswered, unanswered, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

ERRORS = ("mae_gap", "dice_gap")
SMALLEST = 5
POINTS = 200
CROSSED = (
    (True, "cases of the level, controls of the rest"),
    (False, "controls of the level, cases of the rest"),
)


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
    for index, view in enumerate(ctx.clean.views):
        yield from contrast_levels(ctx, attribute, _contrast(ctx, view, gone, index))
        for level in levels:
            yield _area(ctx, view, level, level.members, "auc", {})
        for ill, stratum in CROSSED:
            for level in levels:
                rows = np.where(view.labels == ill, level.members, ~level.members)
                # A level of all cases, or of none, has nobody to be ranked against.
                crossed = rows if 0 < level.members.sum() < len(rows) else np.zeros(len(rows), dtype=bool)
                yield _area(ctx, view, level, crossed, "cross_auc", {"stratum": stratum})
        _draw(ctx, attribute, levels, view)
    for contrast in error_contrasts(ctx):
        if contrast.metric in ERRORS:
            yield from contrast_levels(ctx, attribute, contrast)


def _contrast(ctx: ProbeContext, view: ClassView, gone: Unanswered, index: int) -> Contrast:
    plain = area_contrast(ctx, view)
    count = int(gone.declined.sum()) + int(gone.known.sum())
    if not count:
        return plain
    from audit.stats import auc_gap

    labels = np.concatenate([view.labels, gone.labels[index][gone.known]])
    patients = np.concatenate([ctx.cohort.patients, gone.patients[gone.known]])
    failed = np.concatenate([gone.declined, np.ones(int(gone.known.sum()), dtype=bool)])
    scores = np.concatenate([view.scores, np.zeros(int(gone.known.sum()))])
    # The ill last and the well first: nothing that the model might have said is ranked worse.
    worst = np.where(labels, view.scores.min() - 1, view.scores.max() + 1)

    def widen(level: Level, answered: Estimate) -> Estimate:
        members = np.concatenate([level.members, level.aside[gone.known]])
        return widened(answered, auc_gap(np.where(failed, worst, scores), labels, members, patients, ctx.levels), count)

    return replace(plain, widen=widen)


def _area(
    ctx: ProbeContext, view: ClassView, level: Level, rows: NDArray[np.bool_], metric: str, more: dict[str, Any]
) -> Measurement:
    from audit.stats import auc

    return Measurement.of(
        auc(view.scores[rows], view.labels[rows], ctx.cohort.patients[rows], ctx.levels), metric=metric,
        level=ctx.levels.confidence, direction="higher", subgroup=level.subgroup,
        condition={**view.condition, **more},
    )  # fmt: skip


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
