"""Headlines: value, interval, limit and n in one sentence."""

from __future__ import annotations

from audit.core import COUNT, Levels, Measurement, Rule, bounds_at
from audit.judge._numbers import figures, whole
from audit.judge._plain import check_words, unit_words

METRIC_WORDS = {
    "auc": "AUC",
    "roc": "ROC",
    "icc": "ICC",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "mae": "mean absolute error",
    "mae_gap": "gap in mean absolute error",
    "auc_gap": "gap in AUC",
    "slope": "calibration slope",
    "intercept": "calibration intercept",
    "ece": "expected calibration error",
    "brier": "Brier score",
    "worst_cross_auc": "worst cross AUC",
    "auc_drop": "AUC drop",
    "robust_auc": "AUC under attack",
    "robust_accuracy": "accuracy under attack",
    "robust_sensitivity": "sensitivity under attack",
    "robust_specificity": "specificity under attack",
    "deletion_advantage": "deletion advantage over the best control",
    "insertion_advantage": "insertion advantage over the best control",
    "ood_auroc": "AUC of the alarm",
    "unnoticed_rate": "share unnoticed",
    "confident_rate": "share answered with confidence",
    "drift_effect": "distance of the protocol",
    "drift_effect_within": "distance of the protocol within the others",
    "share_set_aside": "share of cases set aside",
    "share_set_aside_or_declined": "share of cases set aside or declined",
}

# What DESIGN writes in brackets, so that no column of a manifest has the same name.
_SPECIAL = {"(joint)": "all confounders jointly", "(combined)": "all properties at once"}


# Words inside the names of metrics that people write otherwise.
_PARTS = {
    "auc": "AUC", "aurc": "AURC", "icc": "ICC", "cv": "CV", "sd": "SD", "hd95": "HD95", "dice": "Dice",
    "mae": "absolute error", "ppv": "positive predictive value", "npv": "negative predictive value",
    "fpr": "false alarm", "ece": "calibration error", "brier": "Brier", "loa": "limit of agreement",
}  # fmt: skip
_ENDINGS = {"_with_failures": ", unanswered cases as failures", "_standardised": " at equal severity"}


def metric_words(metric: str) -> str:
    """Return a metric's name in words."""
    if metric in METRIC_WORDS:
        return METRIC_WORDS[metric]
    for ending, words in _ENDINGS.items():
        if metric.endswith(ending):
            return metric_words(metric.removesuffix(ending)) + words
    if metric.startswith("fairlearn:"):
        return f"{metric_words(metric.removeprefix('fairlearn:'))} (fairlearn)"
    return " ".join(_PARTS.get(word, word) for word in metric.split("_"))


def interval(measurement: Measurement, confidence: float | None = None) -> str:
    """Return "0.81 (95 % CI 0.77 to 0.84)", or the value alone for a count.

    Args:
        measurement: The number.
        confidence: Two-sided confidence of the interval; that of the measurement by default.
    """
    m = measurement
    if m.value is None:
        return f"no value: {m.missing}"
    if m.method == COUNT and float(m.value).is_integer():
        # A count of this cohort is exact, however large.
        return unit_words(whole(m.value), m.unit)
    if m.method == COUNT or m.low is None or m.high is None:
        return unit_words(figures(m.value), m.unit)
    level, bounds = m.level, (m.low, m.high)
    if confidence is not None and confidence != m.level:
        found = bounds_at(m.value, m.curve, m.method, Levels(confidence=confidence).pointwise)
        level, bounds = (level, bounds) if found is None else (confidence, found)
    low, high = figures(bounds[0], *bounds), figures(bounds[1], *bounds)
    return f"{unit_words(figures(m.value, *bounds), m.unit)} ({100 * level:g} % CI {low} to {high})"


def place(measurement: Measurement) -> str:
    """Return the subgroup and the condition of a measurement in words."""
    parts = [f"{k} {v}" for k, v in measurement.subgroup.items()]
    unit = str(measurement.condition.get("epsilon_unit") or "")
    for key, value in measurement.condition.items():
        if key in ("n_rest", "epsilon_unit") or value is None:
            continue
        if key == "epsilon" and isinstance(value, (int, float)):
            parts.append(f"ε = {unit_words(f'{value:.4g}', unit)}")
        elif key == "parameter" and check_words(measurement):
            parts.append(check_words(measurement))
        elif key in ("attribute", "class", "stratum", "protocol") or (key == "parameter" and value != "headline"):
            parts.append(_SPECIAL.get(str(value), str(value)))
        elif key != "parameter" or value != "headline":
            parts.append(f"{key} {value}")
    return ", ".join(parts)


def counted(n: int, noun: str) -> str:
    """Return a count with its noun, "1 patient" or "2 patients"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def patients(measurement: Measurement) -> str:
    """Return k/n and the number of patients in words."""
    m = measurement
    share = f"{m.k:g}/{m.n}" if m.k is not None and float(m.k).is_integer() else counted(m.n, "case")
    if m.planned is None:
        return f"{share}, {counted(m.n_patients, 'patient')}"
    if m.planned == m.n_patients:
        return f"{share}, all {counted(m.planned, 'patient')}"
    return f"{share}, {m.n_patients} of {counted(m.planned, 'patient')}, after which it stopped"


def headline(rule: Rule, measurement: Measurement, confidence: float | None = None) -> str:
    """Return the sentence of a finding: what, where, value, interval, limit, n.

    Args:
        rule: The rule.
        measurement: The measurement that decided.
        confidence: That of the policy, which another run's evidence need not have been measured for.
    """
    where = place(measurement)
    what = metric_words(rule.metric)
    name = what[:1].upper() + what[1:]
    at = f" ({where})" if where else ""
    return f"{name}{at}: {interval(measurement, confidence)}; required {rule.limit}; {patients(measurement)}"
