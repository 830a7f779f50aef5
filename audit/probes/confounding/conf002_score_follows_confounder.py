"""CONF002 score-follows-confounder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from audit.core import Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import comparable
from audit.probes.confounding._follows import follows
from audit.probes.confounding._residual import residual_rows
from audit.probes.confounding._strata import Strata, all_strata


class ScoreFollowsConfounder(Probe):
    """Whether the model's score tells the confounder among patients who have the same label.

    What it measures:
        `score_shift_auc`: how often a patient of one level gets a higher score than a patient of the other levels who
        has the same label; 0.5 is no shift. It is taken among controls first (condition `stratum = "controls"`) and
        then among cases, for each level of each declared confounder and, under `attribute = "(joint)"`, of their
        combinations. Where there are several classes, controls are only compared with controls of the same class. With
        two levels both numbers mirror each other and count as one comparison. `score_shift_auc_adjusted` is the same
        within strata of what else is declared: the other confounders and covariates, and among cases the severity.
        For a confounder that is a number there is `score_correlation` beside it, the rank correlation of score and
        number given the label. For a real value, a grade and the volume of a segmentation: `residual_gap`, the mean
        error of a level minus that of the rest at equal reference values, and `score_shift_auc` of the error.

    Why it matters clinically:
        Two healthy patients, one imaged in bed and one standing, should look equally healthy to the model. If the one
        in bed is nearly always called more suspicious, a threshold recalls the bedridden and not the ill, even where
        the ranking of ill against healthy is fine in each group.

    Known problems:
        Cases of one level may truly be more severe, so a shift among cases alone can be medicine and not a fault:
        judge controls (`where = { stratum = "controls" }`), and read cases beside the adjusted number. Controls may
        differ, too, where a level has more of another disease. A residual shift after balanced training is reported as
        it is; what it costs is measured by CONF001. A level may score too low as well as too high, and with three
        levels or more the others then hardly move: a blocking rule needs `min` and `max`. The permutation p (patients
        permuted within the label) is drawn in the figure and never judged: a large p is no evidence of no shift. For
        findings that occur together a shift may come from another finding.

    Example:
        Among healthy patients those on the ward scanner get the higher score in 80 of 100 pairs: `score_shift_auc` is
        0.80 for `scanner = ward` among controls, and its mirror image is 0.20 for the other scanner.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLoS Medicine 15.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF002",
        name="score-follows-confounder",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("confounder",),
        metrics=("score_shift_auc", "score_shift_auc_adjusted", "score_correlation", "residual_gap"),
        title="Score follows the confounder",
        question="Does the score give the confounder away among patients with the same label?",
        method=(
            "AUC of the score for a level against the rest given the label, controls first, Obuchowski's interval on "
            "the logit scale; adjusted within strata by Mantel-Haenszel weights."
        ),
        limits=(
            "Among cases the levels may differ in severity, and a level may have more of another disease; only "
            "declared confounders are examined."
        ),
        references=("Obuchowski 1997, Biometrics 53", "Zech and others 2018, PLoS Medicine 15"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every declared confounder and all of them jointly; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("confounder"), "confounder")
        return _all(ctx, list(all_strata(attributes, ctx.clean.views, ctx.cohort.patients)))


def _all(ctx: ProbeContext, strata: list[Strata]) -> Iterator[Measurement]:
    for i, part in enumerate(strata):
        for view in ctx.clean.views:
            yield from follows(ctx, part, view)
        if ctx.card.task in ("ordinal", "regression", "segmentation"):
            yield from residual_rows(ctx, part)
        ctx.sink.progress(i + 1, len(strata))
