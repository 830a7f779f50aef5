"""PERF001 headline-performance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from audit.core import Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.performance._agreement import agreement
from audit.probes.performance._classification import classification
from audit.probes.performance._segmentation import segmentation


class HeadlinePerformance(Probe):
    """How well the model does what it is for, on the whole cohort.

    What it measures:
        For a classifier the area under the ROC curve, and at the declared operating point the sensitivity and the
        specificity, for each class against the others. Positive and negative predictive value and accuracy depend on
        how many patients are ill; they are given at the declared prevalence of the intended use and at both ends of its
        declared range, told apart by the condition `parameter`; a rule that names none holds over the whole range.
        Where no prevalence is declared they are those of this sample, under `stratum = "in this sample"`, and no rule
        may rest on them. With several classes or findings, `auc_macro` is the mean of their AUCs, beside its parts and
        only where each part has a number. For a real value: the mean error, the mean absolute error, the 95 % limits of
        agreement, the slope of predictions on reference values and the intraclass correlation. For a segmentation:
        Dice, surface Dice, the 95th percentile of the Hausdorff distance and the signed relative volume error, the
        intraclass correlation of volumes; and lesion by lesion the share of reference lesions that the model's mask
        touches (`lesion_sensitivity`) and the number of its lesions that touch none, a case (`false_lesions_per_case`).
        A lesion is a connected part of a mask, across corners too.

        Cases without an answer that have a known reference, because they were set aside or because the model declined,
        leave the value as it is; its bounds hold without them and with all of them as failures: decided wrongly,
        ranked last among the ill and first among the well, an empty mask. Where nothing bounds what a failure would
        be, as for errors of a real value or false lesions, there is no number, and the reason tells why.

    Why it matters clinically:
        A missed lesion and a needless biopsy are harms of different kinds, so neither an AUC nor an accuracy alone
        says what a model does to patients. The rates at the deployed threshold do, each with its own number of
        patients: 53 of 114 melanomas found is a fact that an AUC of 0.88 hides.

    Known problems:
        A case-control or enriched sample changes predictive values and accuracy, and may make the task easier than in
        practice (spectrum effect), which no reweighting repairs. The reference standard is taken as right. Limits of
        agreement assume errors of about equal spread over the range. Where the model and the reference are the only
        two raters, the intraclass correlation says nothing of other readers. The mean of Dice is taken over cases that
        have a reference; how empty masks count is stated with the number. A lesion counts as found from one shared
        voxel on; two lesions that grow together in one mask count as one there. `hd95` is missing where in
        more than 5 % of the cases one mask alone is empty: a lesion missed as a whole has no distance.

    Example:
        A rule asks that at least 80 % of melanomas be found: `probe = "PERF001"`, `metric = "sensitivity"`,
        `limit = { min = 0.80 }`. With 53 of 114 the interval is 0.38 to 0.56, wholly under the limit: FAIL.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Korn and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts
          estimated from survey data, Survey Methodology 24.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
        - Bland and Altman 1986, Statistical methods for assessing agreement between two methods of clinical
          measurement, The Lancet 327.
        - McGraw and Wong 1996, Forming inferences about some intraclass correlation coefficients,
          Psychological Methods 1.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF001",
        name="headline-performance",
        family="PERF",
        version=3,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        metrics=(
            "auc", "auc_macro", "sensitivity", "specificity", "ppv", "npv", "accuracy", "weighted_kappa", "mean_error",
            "mae", "loa_low", "loa_high", "slope", "icc", "dice", "surface_dice", "hd95", "relative_volume_error",
            "lesion_sensitivity", "false_lesions_per_case",
        ),
        at_prevalence=("ppv", "npv", "accuracy"),
        title="Headline performance",
        question="How well does it do what it is for?",
        method=(
            "Rates by Korn-Graubard and AUC by Obuchowski on the logit scale, patients as the unit; predictive values "
            "by Bayes' theorem at the declared prevalence."
        ),
        limits=(
            "Holds for patients like those of this cohort, with its reference standard taken as right; a selected "
            "sample may be easier than practice."
        ),
        references=(
            "Obuchowski 1997, Biometrics 53",
            "Korn and Graubard 1998, Survey Methodology 24",
            "Zou and Donner 2008, Statistics in Medicine 27",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the metrics of the model's task; see `Probe.run`."""
        if ctx.card.task == "regression":
            return agreement(ctx)
        if ctx.card.task == "segmentation":
            return segmentation(ctx)
        return classification(ctx)
