"""What the report calls the metrics of changed acquisitions, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

SEVERITY: Mapping[str, tuple[str, str]] = {
    "critical_severity": (
        "critical severity",
        "How far the acquisition can change before more than the tolerated performance is lost; farther is better.",
    ),
    "performance_exploratory": (
        "performance beyond clinical use",
        "AUC, rate, absolute error or Dice at a severity that no one declared to be in use; for reading only.",
    ),
    "performance_change_exploratory": (
        "change of performance beyond clinical use",
        "Performance at a severity that no one declared to be in use minus that on the same images unchanged; for "
        "reading only.",
    ),
}

# SHIFT002 names the number in the stratum; other probes share the name of the metric.
OF_SHIFT002: Mapping[tuple[str, str], tuple[str, str]] = {
    ("SHIFT002", "performance"): (
        "performance under a changed acquisition",
        "AUC, sensitivity or specificity, absolute error or Dice, as said, on images changed within clinical use.",
    ),
    ("SHIFT002", "performance_change"): (
        "change of performance with the acquisition",
        "AUC, sensitivity or specificity, absolute error or Dice, as said, on images changed within clinical use minus "
        "that on the same images unchanged.",
    ),
}
