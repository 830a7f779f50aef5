"""Execution: clean predictions once, then probes in isolation."""

from audit.execution._log import RunLog
from audit.execution._predict import NO_NUMBER, OUTSIDE, SEGMENTATION_COLUMNS, Clean, clean_predictions
from audit.execution._progress import Progress, Silent
from audit.execution._runner import Ran, Setting, order, probe_seed, redact, run_probe, why_not_applicable
from audit.execution.foreseen import (
    unattainable,
    unattainable_by_rule,
    undeclared_acquisitions,
    warnings_before,
)

__all__ = [
    "NO_NUMBER", "OUTSIDE", "SEGMENTATION_COLUMNS", "Clean", "Progress", "Ran", "RunLog", "Setting", "Silent",
    "clean_predictions", "order", "probe_seed", "redact", "run_probe", "unattainable",
    "unattainable_by_rule", "undeclared_acquisitions", "warnings_before", "why_not_applicable",
]  # fmt: skip
