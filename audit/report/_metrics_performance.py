"""What the report calls the metrics of the performance family beyond the headline, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

PERFORMANCE: Mapping[str, tuple[str, str]] = {
    "positive_likelihood_ratio": (
        "positive likelihood ratio",
        "How many times more often an ill case is called positive than a healthy one; 1: the call says nothing.",
    ),
    "negative_likelihood_ratio": (
        "negative likelihood ratio",
        "How many times more often an ill case is called negative than a healthy one; 1: the call says nothing, 0: it "
        "rules the disease out.",
    ),
    "threshold_offset": (
        "distance of the threshold from this cohort's own",
        "Declared operating point minus the one that this cohort would choose; for reading only, since a point chosen "
        "on the audited cases looks better than it is.",
    ),
    "youden_loss": (
        "rates given away at the operating point",
        "Largest sum of sensitivity and specificity on this cohort minus that at the declared operating point.",
    ),
    "agreement_difference": (
        "agreement, model minus readers",
        "Mean agreement of the model with the other readers minus that of each reader with them; above 0 the model "
        "agrees better.",
    ),
    "distance_advantage": (
        "distance from readers, readers minus model",
        "Mean distance of each reader from the other readers minus that of the model; above 0 the model is nearer.",
    ),
    "agreement": (
        "agreement",
        "Agreement with the other readers: kappa of classes, weighted kappa of grades, ICC of numbers; 1 is perfect.",
    ),
    "repeatability_coefficient": (
        "repeatability coefficient",
        "Two examinations of an unchanged patient differ by less with 95 %.",
    ),
    "within_patient_cv": (
        "within-patient CV",
        "Standard deviation of repeated examinations as a share of their mean.",
    ),
    "flip_rate": ("flip rate", "Share of pairs that are decided differently."),
    "share_sets_lost": (
        "repeats lost",
        "Share of the sets of repeated examinations that cannot be measured because a case was set aside.",
    ),
    "between_patient_sd": (
        "between-patient SD",
        "Standard deviation between patients, the noise of repeats taken off; an ICC depends on it.",
    ),
    "auc_advantage": ("AUC advantage", "AUC of the model minus that of the comparator on the same cases."),
    "sensitivity_advantage": (
        "sensitivity advantage",
        "Sensitivity of the model minus that of the comparator on the same cases, each at its operating point.",
    ),
    "specificity_advantage": (
        "specificity advantage",
        "Specificity of the model minus that of the comparator on the same cases, each at its operating point.",
    ),
    "mae_advantage": (
        "absolute error advantage",
        "Mean absolute error of the comparator minus that of the model; above 0 the model is nearer to the reference.",
    ),
    "slope_difference": (
        "difference of associations",
        "Slope of the automatic reading on the determinant minus that of the reference, in standard deviations of the "
        "reference; 0: research would find the same.",
    ),
    "slope_excess": (
        "excess of association",
        "How much stronger the automatic association is than that of the reference; above 0 the model sees the "
        "determinant itself.",
    ),
    "slope_ratio": (
        "ratio of associations",
        "How automatic slopes follow reference slopes over all determinants; 1: as strong, below 1: diluted.",
    ),
    "slope_automatic": ("automatic association", "Slope of the automatic reading on the determinant."),
    "slope_reference": ("reference association", "Slope of the reference reading on the determinant."),
    "disagreement": (
        "disagreement of two metrics",
        "Smaller of both distances from parity where one metric lies above it and the other below; negative where both "
        "tell one story.",
    ),
    "alerts": ("alerts", "Cases called positive to expect in 1,000."),
    "false_alarms": ("false alarms", "Healthy cases called positive to expect in 1,000 cases."),
    "misses": ("misses", "Ill cases called negative to expect in 1,000 cases."),
    "errors": ("errors", "Cases called wrongly to expect in 1,000."),
    "alerts_per_year": ("alerts a year", "Cases called positive to expect a year."),
    "false_alarms_per_year": ("false alarms a year", "Healthy cases called positive to expect a year."),
    "misses_per_year": ("misses a year", "Ill cases called negative to expect a year."),
    "errors_per_year": ("errors a year", "Cases called wrongly to expect a year."),
    "reads_per_true_positive": (
        "reads for each true positive",
        "How many alerts somebody has to read for each one that is right.",
    ),
    "net_benefit": (
        "net benefit",
        "True positives a case less false alarms, each weighed by the odds of the operating point; above 0: better "
        "than acting on nobody.",
    ),
    "net_benefit_over_all": (
        "net benefit over acting on all",
        "Net benefit of the model minus that of acting on everybody; above 0: better than that.",
    ),
    "c_index": (
        "C-index up to the horizon",
        "How often the case with the earlier event has the higher risk, censoring accounted for (Uno); 0.5 is chance.",
    ),
    "c_index_harrell": (
        "Harrell's C-index",
        "Share of the pairs seen over the whole follow-up in which the earlier event has the higher risk; it depends "
        "on who was censored when.",
    ),
    "auc_at_horizon": (
        "AUC at the horizon",
        "How often a case with the event by the horizon has a higher risk than one still free of it; 0.5 is chance.",
    ),
    "slope_at_horizon": (
        "calibration slope at the horizon",
        "1 where risks are as far apart as they should be; below 1 they are too extreme, above 1 too timid.",
    ),
    "observed_minus_expected": (
        "observed minus expected risk",
        "Kaplan-Meier risk by the horizon minus the mean risk that was said; below 0 the model says too much.",
    ),
    "observed_expected_ratio": (
        "observed over expected risk",
        "Kaplan-Meier risk by the horizon over the mean risk that was said; below 1 the model says too much.",
    ),
    "brier_at_horizon": (
        "Brier score at the horizon",
        "Mean squared distance of the risk from what happened by the horizon, censoring accounted for; 0 is best.",
    ),
    "observed_risk": ("observed risk", "Share of cases with the event by the horizon, by Kaplan-Meier."),
    "share_known": ("share with known status", "Share of cases of which it was seen what happened by the horizon."),
    "share_outside_range": (
        "share outside the range",
        "Share of answers below the smallest or above the largest reference value of this cohort.",
    ),
    "spread_ratio": (
        "ratio of spreads",
        "Standard deviation of the answers over that of the reference; below 1 the model keeps to the mean.",
    ),
    "share_commonest": ("share with the commonest answer", "Share of cases that get one and the same answer."),
    "share_saturated": ("share saturated", "Share of probabilities within a millionth of 0 or 1."),
    "share_empty": ("share of empty masks", "Share of cases with something to find whose mask by the model is empty."),
    "extra_lesions": (
        "surplus of parts",
        "Connected parts of the model's mask minus those of the reference, a case; 0: as many.",
    ),
}
