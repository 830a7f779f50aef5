"""SHIFT001 protocol-matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import (
    Contrast,
    area_contrast,
    comparable,
    contrast_levels,
    count_patients,
    decision_contrasts,
    weighted_sum,
)
from audit.probes._tasks import error_contrasts
from audit.probes.shift._equal import NO_LOGIT, standardised_contrasts
from audit.probes.shift._matrix import across_training, by_protocol
from audit.probes.shift._paired import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST = 1e-6
WEIGHTS = {"score_offset": (0.5, 0.5), "score_separation_gap": (1.0, -1.0)}
"""What the difference among positives and that among negatives weigh."""


class ProtocolMatrix(Probe):
    """Whether the model works as well under each scanner, site or protocol of the cohort as under the others.

    What it measures:
        For each level of each attribute with the role `protocol`: `auc`, `sensitivity` and `specificity` at the
        declared operating point; each minus that of the rest; the `score_offset`: how much higher, on the logit
        scale, the level's scores lie than those of the rest among patients with the same label (the mean over both
        labels with equal weights); and the `score_separation_gap`: how much farther positives lie from negatives there.
        An offset without a change of AUC means that the ranking survives and the threshold does not; a smaller
        separation without one, that the ill and the well are drawn together; a lower AUC at the same offset and
        separation, that scores scatter. For a real value: gaps of the mean error and of the mean absolute error. For a
        segmentation: gaps of relative volume error and of Dice within fifths of reference volume.

        A gap between patients is not yet one between protocols. Where attributes with the role `covariate` or
        `severity`, or a number in years, are declared, `auc_gap_standardised`, `sensitivity_gap_standardised`,
        `specificity_gap_standardised` and `score_offset_standardised` compare patients of equal case mix: direct
        standardisation over strata, of age and severity among the positive cases and of age among the others, each
        positive ranked among the negatives of its own age; a number without bins is cut into fifths. The standardised
        offset weighs each case alike. Where strata that both sides have hold less than 80 % of the cases there is no
        such number.

        Where patients were examined under several protocols, `paired_score_offset` and `paired_flip_rate` are what
        changes within these patients (at least 5 of them): the mean difference of the logit, and how often a patient
        gets another answer: the share of pairs of images of one label (among several classes, of one class), one from
        each side, whose answers differ. Where a patient has one image on either side, these may be put down to the
        protocol.

        Where the protocol says which levels the model learned from (`trained_on`), `cross_protocol_auc_gap`,
        `cross_protocol_sensitivity_gap` and `cross_protocol_specificity_gap` are all other levels together minus those.

    Why it matters clinically:
        A threshold chosen on one scanner can silently become another threshold on the next one: the same patient
        is recalled in one hospital and sent home from the other.

    Known problems:
        Patients are not assigned to protocols at random, so a gap "differs between the patients" of one protocol and
        another, and may come from case mix: an AUC falls where disease is milder. Standardisation removes the part of
        the case mix that is declared. What is measured are the protocols in this cohort; nothing is said of one that
        is not in it. Where a patient has several images of one label under a protocol, such as several lesions, nobody
        says which belong together: `paired_flip_rate` then also counts what differs from one lesion to another, and is
        never less than half of the answers that turned. Where every case gets the same answer none could turn, and
        there is no flip rate. Offsets cancel where a protocol moves the ill down and the well up as far;
        `score_separation_gap` shows that. Scores of exactly 0 or 1 are moved by a millionth before the logit is taken.

    Example:
        Scanner B adds 0.8 to the logit of every patient, ill or not. AUC is 0.90 under both scanners, `score_offset`
        is +0.8 for `scanner = B`, and at a threshold of 0.5 specificity is 0.14 lower there.

    References:
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLoS Medicine 15.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT001",
        name="protocol-matrix",
        family="SHIFT",
        version=5,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("protocol",),
        metrics=(
            "auc_gap", "sensitivity_gap", "specificity_gap", "score_offset", "bias_gap", "mae_gap",
            "volume_bias_gap", "dice_gap", "auc", "sensitivity", "specificity", "auc_gap_standardised",
            "sensitivity_gap_standardised", "specificity_gap_standardised", "score_offset_standardised",
            "cross_protocol_auc_gap", "cross_protocol_sensitivity_gap", "cross_protocol_specificity_gap",
            "paired_score_offset", "paired_flip_rate", "score_separation_gap",
        ),
        title="Gaps between protocols",
        question="Does it work as well under every scanner and protocol?",
        method=(
            "Each protocol minus the rest, crude and at equal case mix, interval by variance estimates recovery with "
            "patients as the unit; score offset on the logit scale given the label; differences within the same "
            "patients where there are any."
        ),
        limits=(
            "Unpaired, a gap differs between the patients of two protocols, and case mix that was not declared may "
            "explain it; protocols that are not in the cohort are not tested."
        ),
        references=(
            "Zech and others 2018, PLoS Medicine 15",
            "Obuchowski 1997, Biometrics 53",
            "Zou and Donner 2008, Statistics in Medicine 27",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every level of every protocol attribute; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protocol"), "protocol")
        return (measured for attribute in attributes for measured in _attribute(ctx, attribute))


def _attribute(ctx: ProbeContext, attribute: Attribute) -> Iterator[Measurement]:
    for index, view in enumerate(ctx.clean.views):
        logit = None if ctx.card.output == "value" else _logit(view.scores)
        yield from by_protocol(ctx, attribute, view)
        moved = (_scores(ctx, view, logit, metric) for metric in ("score_offset", "score_separation_gap"))
        crude = (area_contrast(ctx, view), *decision_contrasts(ctx, view), *moved)
        for contrast in (*crude, *standardised_contrasts(ctx, view, logit)):
            yield from contrast_levels(ctx, attribute, contrast)
        yield from across_training(ctx, attribute, index)
        yield from paired(ctx, attribute, view, logit)
    for contrast in error_contrasts(ctx):
        yield from contrast_levels(ctx, attribute, contrast)


def _scores(ctx: ProbeContext, view: ClassView, logit: NDArray[np.float64] | None, metric: str) -> Contrast:
    def estimate(members: NDArray[np.bool_]) -> Estimate:
        if logit is None:
            n, n_patients = int(members.sum()), count_patients(ctx.cohort.patients, members)
            return Estimate.absent(NO_LOGIT, method="none", n=n, n_patients=n_patients)
        return _by_label(logit, view.labels, members, ctx, WEIGHTS[metric])

    everyone = np.ones(len(view.labels), dtype=bool)
    return Contrast(metric=metric, denominator=everyone, estimate=estimate, condition=view.condition, unit="logit")


def _by_label(
    logit: NDArray[np.float64], labels: NDArray[np.bool_], members: NDArray[np.bool_], ctx: ProbeContext,
    weights: tuple[float, float],
) -> Estimate:  # fmt: skip
    """Return the weighted sum, over positives and negatives, of the members' mean logit minus that of the rest."""
    from audit.stats import mean_gap

    patients = ctx.cohort.patients
    parts = []
    for weight, kind, rows in zip(weights, ("positives", "negatives"), (labels, ~labels), strict=True):
        gap = mean_gap(logit[rows], members[rows], patients[rows], ctx.levels)
        if gap.value is None:
            n, n_patients = int(members.sum()), count_patients(patients, members)
            return Estimate.absent(f"{kind}: {gap.missing}", method=gap.method, n=n, n_patients=n_patients)
        parts.append((weight, gap))
    both = np.intersect1d(patients[labels], patients[~labels]).size > 0
    return weighted_sum(
        parts, shared=both, n_patients=count_patients(patients, members), method="mean given the label, MOVER"
    )


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(scores, NEAREST, 1 - NEAREST)
    out: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return out
