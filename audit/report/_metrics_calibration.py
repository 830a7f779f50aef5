"""What the report calls the metrics of calibration by subgroup, abstention and found or split gaps."""

from __future__ import annotations

from collections.abc import Mapping

CALIBRATION: Mapping[str, tuple[str, str]] = {
    "intercept_over_range": (
        "calibration intercept over the range",
        "How far off the mean probability would be at an end of the declared range of prevalence, on the logit scale.",
    ),
    "slope_gap": (
        "calibration slope gap",
        "Calibration slope of the subgroup minus that of the rest; below 0 its probabilities are more extreme.",
    ),
    "intercept_gap": (
        "calibration intercept gap",
        "Calibration intercept of the subgroup minus that of the rest; above 0 its probabilities are too low "
        "compared with those of the rest, on the logit scale.",
    ),
    "risk_at_coverage": (
        "risk at coverage",
        "Share of wrong decisions among the most confident cases, the stated share of all being kept.",
    ),
    "aurc": (
        "area under the risk-coverage curve",
        "Mean share of wrong decisions over all shares of cases that may be kept, the most confident first; 0 is best.",
    ),
    "coverage_gap": (
        "coverage gap",
        "Share of the subgroup's cases among those confident enough to be kept minus that of the rest, one threshold "
        "for all; below 0 the subgroup's cases would be handed back more often.",
    ),
    "share_declined": ("share declined", "Share of the cases for which the model declined to answer."),
    "share_declined_gap": (
        "gap in the share declined",
        "Share of the subgroup's cases that the model declined minus that of the rest.",
    ),
    "risk_where_answered": ("risk where answered", "Share of wrong decisions among the cases that were answered."),
    "risk_with_ungradable_as_failures": (
        "risk with declined cases as failures",
        "Share of the cases that were decided wrongly or declined.",
    ),
    "sensitivity_with_ungradable_as_failures": (
        "sensitivity with declined cases as misses",
        "Share of positive cases, declined ones included, that were answered and called positive.",
    ),
    "specificity_with_ungradable_as_failures": (
        "specificity with declined cases as false alarms",
        "Share of negative cases, declined ones included, that were answered and called negative.",
    ),
    "threshold_part": (
        "threshold part of the gap",
        "What the gap in sensitivity loses if subgroup and rest have one specificity: the scores lie lower or higher.",
    ),
    "ranking_part": (
        "ranking part of the gap",
        "Gap in sensitivity that is left at one specificity: no threshold closes it without more false alarms.",
    ),
    "gap_within_strata": (
        "gap within strata",
        "Gap in sensitivity among cases of the same protocol or confounder, averaged over its levels.",
    ),
}
