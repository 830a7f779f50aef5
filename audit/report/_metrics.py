"""What the report calls each metric, and what the metric means."""

from __future__ import annotations

from collections.abc import Mapping

from audit.report._metrics_attacks import ATTACKS
from audit.report._metrics_calibration import CALIBRATION
from audit.report._metrics_confounding import CONFOUNDING
from audit.report._metrics_data import DATA
from audit.report._metrics_edits import EDITS
from audit.report._metrics_explain import EXPLAIN
from audit.report._metrics_performance import PERFORMANCE
from audit.report._metrics_severity import SEVERITY
from audit.report._metrics_shift import SHIFT
from audit.report._metrics_training import TRAINING

# Name as printed, and definition.
METRICS: Mapping[str, tuple[str, str]] = {
    "auc": (
        "AUC",
        "Area under the ROC curve: how often a positive case gets a higher score than a negative one; 0.5 is chance.",
    ),
    "sensitivity": ("sensitivity", "Share of positive cases that the model calls positive at its operating point."),
    "specificity": ("specificity", "Share of negative cases that the model calls negative at its operating point."),
    "auc_macro": ("mean AUC over classes", "Unweighted mean of the AUC of each class; each class stands beside it."),
    "ppv": (
        "positive predictive value",
        "Share of positive calls that are right, at the declared prevalence or else in this sample, as stated.",
    ),
    "npv": (
        "negative predictive value",
        "Share of negative calls that are right, at the declared prevalence or else in this sample, as stated.",
    ),
    "accuracy": (
        "accuracy",
        "Share of cases that are called rightly, at the declared prevalence or else in this sample, as stated.",
    ),
    "slope": (
        "calibration slope",
        "1 where probabilities are spread as they should be; below 1 they are too extreme, above 1 too timid.",
    ),
    "intercept": (
        "calibration intercept",
        "0 where the mean probability is right, at the declared prevalence or else in this sample, as stated; above 0 "
        "it is too low.",
    ),
    "brier": (
        "Brier score",
        "Mean squared distance of the probability from the outcome, at the declared prevalence or else in this sample, "
        "as stated; 0 is best.",
    ),
    "ece": (
        "calibration error",
        "Mean distance between predicted and observed share over bins, corrected for its bias in small samples.",
    ),
    "sensitivity_gap": (
        "sensitivity gap",
        "Sensitivity of the subgroup minus that of the rest; below 0 the subgroup is worse off.",
    ),
    "specificity_gap": (
        "specificity gap",
        "Specificity of the subgroup minus that of the rest; below 0 the subgroup is worse off.",
    ),
    "auc_gap": ("AUC gap", "AUC of the subgroup minus that of the rest; below 0 the subgroup is worse off."),
    "underdiagnosis_gap": (
        "underdiagnosis gap",
        "Share of ill cases called healthy in the subgroup minus that in the rest.",
    ),
    "underdiagnosis_gap_intersection": (
        "underdiagnosis gap where attributes meet",
        "Share of ill cases called healthy among patients who share two attributes minus that in all others.",
    ),
    "underdiagnosis_gap_with_failures": (
        "underdiagnosis gap, unanswered cases as failures",
        "Underdiagnosis gap where every ill case without an answer counts as called healthy.",
    ),
    "underdiagnosis": ("underdiagnosis", "Share of ill cases that the model calls healthy at its operating point."),
    "fpr_gap": (
        "false alarm gap",
        "Share of healthy cases called positive in the subgroup minus that in the rest; above 0 the subgroup is worse "
        "off.",
    ),
    "selection_rate_gap": (
        "gap in the share called positive",
        "Share of all cases called positive in the subgroup minus that in the rest; it differs where prevalence does.",
    ),
    "ppv_gap": (
        "gap in positive predictive value",
        "Share of positive calls that are right in the subgroup minus that in the rest, at one prevalence for both.",
    ),
    "ppv_gap_crude": (
        "gap in positive predictive value in this sample",
        "Share of positive calls that are right in the subgroup minus that in the rest, as this sample has it; it "
        "differs where prevalence does.",
    ),
    "sensitivity_gap_with_failures": (
        "sensitivity gap, unanswered cases as failures",
        "Sensitivity gap where every positive case without an answer counts as missed.",
    ),
    "specificity_gap_with_failures": (
        "specificity gap, unanswered cases as failures",
        "Specificity gap where every negative case without an answer counts as a false alarm.",
    ),
    "fpr_gap_with_failures": (
        "false alarm gap, unanswered cases as failures",
        "False alarm gap where every negative case without an answer counts as a false alarm.",
    ),
    "sensitivity_gap_standardised": (
        "sensitivity gap at equal severity",
        "Sensitivity gap within strata of severity, weighted alike for subgroup and rest; it explains a gap and "
        "excuses none.",
    ),
    "share_not_answered": (
        "share not answered",
        "Share of cases that the model gave no answer to: set aside, or declined.",
    ),
    "cross_auc": (
        "crossed AUC",
        "How often a positive case of one group gets a higher score than a negative case of the other.",
    ),
    "sensitivity_shrunken": (
        "sensitivity, shrunken",
        "Sensitivity drawn towards that of the other subgroups, the more the smaller the subgroup; for display only.",
    ),
    "specificity_shrunken": (
        "specificity, shrunken",
        "Specificity drawn towards that of the other subgroups, the more the smaller the subgroup; for display only.",
    ),
    "bias_gap": ("bias gap", "Mean error of the subgroup minus that of the rest."),
    "mae_gap": ("absolute error gap", "Mean absolute error of the subgroup minus that of the rest."),
    "dice_gap": ("Dice gap", "Mean Dice of the subgroup minus that of the rest."),
    "volume_bias_gap": ("volume bias gap", "Mean relative volume error of the subgroup minus that of the rest."),
    "score_offset": ("score offset", "Mean score of the level minus that of the rest among cases of equal label."),
    "robust_accuracy": (
        "accuracy under attack",
        "Share of attacked cases that the model still calls rightly; an upper bound, since a stronger attack "
        "may exist.",
    ),
    "robust_sensitivity": (
        "sensitivity under attack",
        "Share of positive cases still called positive under attack; an upper bound.",
    ),
    "robust_specificity": (
        "specificity under attack",
        "Share of negative cases still called negative under attack; an upper bound.",
    ),
    "robust_auc": ("AUC under attack", "AUC of the scores under attack; an upper bound."),
    "certificate_identity": ("certificate: no change at size 0", "An attack of size 0 must change no answer."),
    "certificate_large_epsilon": (
        "certificate: accuracy at a huge change",
        "Must fall to about 0, else the attack does not work.",
    ),
    "certificate_monotone": ("certificate: falls with the size", "A larger change must never leave more cases right."),
    "certificate_gradient": (
        "certificate: gradients that are not zero",
        "Share of cases with a finite gradient that is not zero; a low share means masked gradients.",
    ),
    "certificate_noise": (
        "certificate: noise breaks no more",
        "Random noise of the same size must break no more cases than the attack; fewer where it asks or transfers.",
    ),
    "certificate_descent": (
        "certificate: the gradient leads down",
        "Share of right cases that one least step along the gradient brings nearer to an error.",
    ),
    "certificate_steps": (
        "certificate: enough steps",
        "Share of cases that stand and fall to twice the steps; a high share means that the attack stopped too early.",
    ),
    "robust_accuracy_stored": (
        "accuracy under attack, stored steps",
        "Accuracy under attack where only changes that the stored file can hold are allowed; an upper bound.",
    ),
    "attack_success": ("attack success", "Share of rightly called cases that the attack turned."),
    "robust_accuracy_gap": (
        "gap in accuracy under attack",
        "Accuracy under attack of one group minus that of all others, at the headline size.",
    ),
    "winning_share": ("broken first by", "Share of the overturned cases that this way of attacking broke first."),
    "visibility_psnr": (
        "peak signal-to-noise ratio",
        "How faint the attack's change is, in decibels; the higher, the fainter. Mean over changed images.",
    ),
    "visibility_ssim": (
        "structural similarity",
        "How alike the image and the attacked image look; 1 is the same. Mean over changed images.",
    ),
    "epsilon_over_noise_sd": (
        "size over noise",
        "Size of the attack as a multiple of the noise measured on this cohort; above 1 it is visible.",
    ),
    "unreconciled": (
        "unreconciled",
        "Cases by which a table's denominators differ from the cohort; 0 where they add up.",
    ),
    "weighted_kappa": ("weighted kappa", "Agreement of grades beyond chance, near misses counting less; 1 is perfect."),
    "faults": ("faults", "Number of faults found."),
    "pairs": ("pairs", "Number of pairs found."),
    "share_set_aside": ("share set aside", "Share of rows of the manifest that did not enter the audit."),
    "share_set_aside_or_declined": (
        "share set aside or declined",
        "Share of cases that got no answer, because they were set aside or because the model declined.",
    ),
    "mean_error": ("mean error", "Mean of model minus reference."),
    "mae": ("mean absolute error", "Mean distance of the model from the reference."),
    "loa_low": ("lower limit of agreement", "About 2.5 % of differences from the reference lie below it."),
    "loa_high": ("upper limit of agreement", "About 2.5 % of differences from the reference lie above it."),
    "icc": ("intraclass correlation", "Agreement with the reference; 1 is perfect."),
    "dice": ("Dice", "Overlap of the model's region with the reference; 1 is perfect."),
    "surface_dice": ("surface Dice", "Share of the surfaces that lie within the tolerance of each other."),
    "hd95": ("HD95", "95th centile of the distance between the surfaces."),
    "lesion_sensitivity": (
        "lesion-wise sensitivity",
        "Share of reference lesions that the model's mask touches.",
    ),
    "false_lesions_per_case": (
        "false lesions a case",
        "Mean number of lesions of the model's mask that touch no reference lesion.",
    ),
    "relative_volume_error": (
        "relative volume error",
        "Model's volume minus reference volume, as a share of the reference.",
    ),
    **ATTACKS,
    **CONFOUNDING,
    **EDITS,
    **DATA,
    **EXPLAIN,
    **CALIBRATION,
    **PERFORMANCE,
    **SEVERITY,
    **SHIFT,
    **TRAINING,
}
