"""What the report calls the metrics of the shift family beyond the headline, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

SHIFT: Mapping[str, tuple[str, str]] = {
    "auc_gap_standardised": (
        "AUC gap at equal case mix",
        "AUC of the level minus that of the rest among patients of equal age and severity, as far as declared.",
    ),
    "specificity_gap_standardised": (
        "specificity gap at equal case mix",
        "Specificity of the subgroup minus that of the rest among patients of equal age, as far as declared.",
    ),
    "score_offset_standardised": (
        "score offset at equal case mix",
        "Mean score of the level minus that of the rest among cases of equal label, age and severity, as declared.",
    ),
    "score_separation_gap": (
        "gap in separation of scores",
        "How far positives lie from negatives on the logit scale in the level, minus the same in the rest; below 0 the "
        "level draws them together.",
    ),
    "cross_protocol_auc_gap": (
        "AUC gap outside the training's protocols",
        "AUC under protocols that the model has not learned from minus that under those that it has.",
    ),
    "cross_protocol_sensitivity_gap": (
        "sensitivity gap outside the training's protocols",
        "Sensitivity under protocols that the model has not learned from minus that under those that it has.",
    ),
    "cross_protocol_specificity_gap": (
        "specificity gap outside the training's protocols",
        "Specificity under protocols that the model has not learned from minus that under those that it has.",
    ),
    "paired_score_offset": (
        "score offset within the same patients",
        "Mean difference of the score between images of the same patient under this protocol and under the others.",
    ),
    "paired_flip_rate": (
        "answers that turn within the same patients",
        "How often a patient who was examined under this protocol and another gets another answer here.",
    ),
    "drift_effect": (
        "distance of the protocol",
        "How well this protocol is told from the rest among cases of equal label, by patients not learned from; "
        "0.5: not at all, 1: always.",
    ),
    "drift_effect_within": (
        "distance within the other protocol",
        "The same among cases that share the other protocol attribute: what is left once that one is equal.",
    ),
    "distance_predicts_drop": (
        "does the distance predict the drop",
        "Rank correlation over the protocols of their distance with how much lower their AUC is; 1: the farther, the "
        "worse.",
    ),
    "ood_auroc": (
        "told from the cohort's images",
        "How well the model's monitor, or else its doubt, tells such an image from the cohort's own; 0.5: not at all.",
    ),
    "confident_rate": (
        "answered with confidence",
        "Share of such images that are answered with at least the median confidence of the cohort's own.",
    ),
    "unnoticed_rate": (
        "unnoticed",
        "Share of such images that raise no alarm, where one in twenty of the cohort's own would.",
    ),
    "performance": (
        "performance",
        "AUC, or for a regression the mean absolute error, for a segmentation the mean Dice, on the images as said.",
    ),
    "performance_change": (
        "change of performance",
        "AUC or Dice, or the mean absolute error, on the changed images minus that on the same cases as they were.",
    ),
    "sensitivity_change": (
        "change of sensitivity",
        "Sensitivity on the changed images minus that on the same cases as they were.",
    ),
    "specificity_change": (
        "change of specificity",
        "Specificity on the changed images minus that on the same cases as they were.",
    ),
    "answered_differently": (
        "answered differently",
        "Share of cases whose decision on the changed image is not the one on the image as it was.",
    ),
}
