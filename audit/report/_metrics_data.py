"""What the report calls the metrics of the data family, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

DATA: Mapping[str, tuple[str, str]] = {
    "not_compared": ("not compared", "Number of images that could not be held against others."),
    "outcome_difference": (
        "difference in outcome",
        "Outcome of the cases without a value, or of those set aside, minus that of the others: prevalence, error rate "
        "or mean, as stated; 0: they do not differ.",
    ),
    "share_missing": ("share missing", "Share of cases in which the attribute is missing."),
    "association": (
        "association",
        "How tightly the source of the reference standard goes with the attribute or the target, Cramér's V; 0: not at "
        "all, 1: one tells the other.",
    ),
    "prevalence": ("prevalence", "Share of positive cases."),
    "share": ("share found", "Share of the images in which it was found."),
    "unreadable": ("unreadable", "Number of images that could not be read."),
    "suspected": ("suspected", "Number of images that look wrong; somebody has to look at them."),
    "share_difference": (
        "difference in share",
        "Share of the level in this cohort minus that in the intended population; 0: as intended.",
    ),
    "prevalence_difference": (
        "difference in prevalence",
        "Share of positive cases in this cohort minus the declared prevalence; 0: as declared.",
    ),
    "share_unverified": (
        "share without reference standard",
        "Share of the cases whose reference standard was not obtained.",
    ),
    "share_unverified_of_class": (
        "share without reference standard at worst",
        "How large a part of the class the cases without a reference standard would be if all were of that class.",
    ),
    "source_association": (
        "source and decision",
        "Cramer's V of the source of the reference standard and the decision or class; 0: the same mix of sources.",
    ),
    "verification_auc": (
        "AUC of verification",
        "How well the score tells whose reference standard was obtained; 0.5: not at all.",
    ),
    "verification_gap": (
        "verification gap",
        "Share of cases with a reference standard in the level minus that in the rest; 0: verified alike.",
    ),
    "sensitivity_corrected": (
        "sensitivity, corrected",
        "Sensitivity had every case been verified, if verification is at random given the decision or the score, as "
        "stated.",
    ),
    "specificity_corrected": (
        "specificity, corrected",
        "Specificity had every case been verified, if verification is at random given the decision or the score, as "
        "stated.",
    ),
    "sensitivity_bound_low": (
        "sensitivity at least",
        "Least sensitivity that any outcome of the unverified cases allows.",
    ),
    "sensitivity_bound_high": (
        "sensitivity at most",
        "Largest sensitivity that any outcome of the unverified cases allows.",
    ),
    "specificity_bound_low": (
        "specificity at least",
        "Least specificity that any outcome of the unverified cases allows.",
    ),
    "specificity_bound_high": (
        "specificity at most",
        "Largest specificity that any outcome of the unverified cases allows.",
    ),
}
