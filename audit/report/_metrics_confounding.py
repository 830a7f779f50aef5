"""What the report calls the metrics of the confounding family, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

CONFOUNDING: Mapping[str, tuple[str, str]] = {
    "confounder_cost": (
        "confounder cost",
        "AUC within levels of the confounder minus AUC with the confounder balanced: what leaning on it costs. 0: no "
        "leaning.",
    ),
    "confounder_cost_adjusted": (
        "confounder cost, adjusted",
        "Confounder cost with the covariates and the other confounders equally frequent in all of its levels; it "
        "explains a cost and excuses none.",
    ),
    "auc_within": ("AUC within levels", "AUC where case and control are of one level of the confounder."),
    "auc_balanced": (
        "AUC without the confounder",
        "AUC of a cohort in which every level has its share among cases and among controls: what is left without it.",
    ),
    "auc_balanced_weighted": (
        "AUC without the confounder, no bins",
        "The same by weights on the number itself: a check of the pieces that it was cut into.",
    ),
    "random_drop": (
        "AUC lost by dropping at random",
        "The control: as many patients dropped at random as balancing costs in effective size; 0 but for precision.",
    ),
    "worst_cross_auc": (
        "worst cross AUC",
        "Lowest AUC of cases of one level against controls of another; far below the rest where the model follows the "
        "level.",
    ),
    "auc_drop": ("AUC drop", "AUC as it is minus AUC balanced: how much this cohort flatters the model."),
    "score_shift_auc": (
        "score shift",
        "How well the score tells the level from the rest among cases of equal label; 0.5: not at all.",
    ),
    "score_shift_auc_adjusted": (
        "score shift, adjusted",
        "Score shift within strata of what else is declared, among cases of the severity, too; 0.5: not at all.",
    ),
    "score_correlation": (
        "rank correlation with the score",
        "Spearman's correlation of the score and the confounder among cases of equal label; 0: none.",
    ),
    "residual_gap": (
        "gap of the mean error",
        "Mean error of the level minus that of the rest at equal reference values; 0: none.",
    ),
    "decodability_auc": (
        "decodability",
        "How well the attribute can be read from the model's outputs or features; encoded is not yet used.",
    ),
    "decodability_control_auc": (
        "decodability, control",
        "The same with levels exchanged between patients (0.5 is right), or from the untrained network.",
    ),
    "auc_change": (
        "change of the AUC",
        "AUC with prevalence, age and presentation made equal between levels, minus that of the cohort as it is.",
    ),
    "auc_gap_resampled": (
        "AUC gap that is left",
        "AUC of the level minus that of the rest, with prevalence, age and presentation made equal.",
    ),
    "pooling_gain": (
        "gain by pooling",
        "AUC over all pairs minus AUC over pairs within a level: the part that is made between levels.",
    ),
    "auc_within_pairs": ("AUC over pairs within a level", "AUC over pairs of patients of one level."),
    "auc_between_pairs": ("AUC over pairs of two levels", "AUC over pairs of patients of different levels."),
    "share_between": ("pairs of two levels", "Share of the pairs of a case and a control that are of two levels."),
    "simpson_reversal": (
        "Simpson reversal",
        "1 where the AUC over all pairs and the one within levels lie on opposite sides of 0.5, else 0.",
    ),
    "metadata_auc": (
        "AUC without the image",
        "AUC of the model that sees declared attributes only, out of fold by patient.",
    ),
    "auc_control": (
        "AUC with labels exchanged",
        "The same columns with labels exchanged between patients; 0.5 is right.",
    ),
    "mae_change": ("absolute error change", "Mean absolute error balanced for the confounder minus that as it is."),
}
