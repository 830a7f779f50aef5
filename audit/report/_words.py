"""The report's vocabulary: names of metrics, their definitions, families, states, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit.core import MISSING_LEVEL, Measurement
from audit.judge import check_words, unit_words
from audit.report._metrics import METRICS
from audit.report._metrics_edits import OF_EDITS
from audit.report._metrics_severity import OF_SHIFT002
from audit.report._metrics_training import OF_TRAINING
from audit.report._numbers import number, whole

FAMILY_NAMES: Mapping[str, str] = {
    "DATA": "Data", "SETUP": "Set-up", "PERF": "Performance", "CAL": "Calibration", "FAIR": "Fairness",
    "CONF": "Confounding", "ADV": "Attacks", "XAI": "Explanations", "SHIFT": "Protocol shift",
}  # fmt: skip
FAMILY_QUESTIONS: Mapping[str, str] = {
    "DATA": "Is the cohort what it says it is?",
    "SETUP": "Was the right model asked in the right way?",
    "PERF": "How good is it?",
    "CAL": "Can its probabilities be taken at their word?",
    "FAIR": "Whom does it fail?",
    "CONF": "Does it lean on something other than the disease?",
    "ADV": "How small a change of the image defeats it?",
    "XAI": "Can its explanations be believed?",
    "SHIFT": "What does another scanner or protocol do to it?",
}
STATUS_WORDS: Mapping[str, str] = {
    "FAIL": "FAIL", "INCONCLUSIVE": "INCONCLUSIVE", "PASS": "PASS", "NOT_APPLICABLE": "not applicable",
    "ERROR": "error", "NOT_RUN": "not run", "MEASURED": "measured, not judged",
}  # fmt: skip
GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("fail", "Fail", ("FAIL",)),
    ("open", "Inconclusive", ("INCONCLUSIVE",)),
    ("none", "Not assessed", ("NOT_APPLICABLE", "ERROR", "NOT_RUN")),
    ("pass", "Pass", ("PASS",)),
)
_OUTSIDE, _OVERALL = "fairlearn:", ("_difference", "_ratio", "_group_min", "_group_max")
METHODS: Mapping[str, str] = {
    "count": "a fact of this cohort: counted, without sampling error",
}


# A slope of probabilities is another thing than a slope of measured values on the reference.
_BY_PROBE: Mapping[tuple[str, str], tuple[str, str]] = {
    **OF_EDITS,
    **OF_SHIFT002,
    **OF_TRAINING,
    ("PERF001", "slope"): (
        "slope of model on reference",
        "Slope of the model's values on those of the reference; 1 where a difference is shown at its full size.",
    ),
}


def metric_name(metric: str, probe: str = "") -> str:
    """Return a metric's name in words; a metric of fairlearn or scikit-learn keeps its own name, in words."""
    if (probe, metric) in _BY_PROBE:
        return _BY_PROBE[probe, metric][0]
    if metric.startswith(_OUTSIDE):
        words = metric.removeprefix(_OUTSIDE).replace("_", " ")
        return f"{words} over all levels (fairlearn)" if metric.endswith(_OVERALL) else f"gap in {words} (fairlearn)"
    return METRICS[metric][0] if metric in METRICS else metric.replace("_", " ")


def definition(metric: str, probe: str = "") -> str:
    """Return what a metric means, empty where the report does not know it."""
    if (probe, metric) in _BY_PROBE:
        return _BY_PROBE[probe, metric][1]
    if metric.startswith(_OUTSIDE):
        name = metric.removeprefix(_OUTSIDE)
        if metric.endswith(_OVERALL):
            return f"{name} of fairlearn, one number for all levels."
        return f"{name} of fairlearn or scikit-learn on the subgroup minus that on the rest."
    return METRICS[metric][1] if metric in METRICS else ""


# Metrics whose zero means "no difference" although their direction does not say so.
_ABOUT_ZERO = ("_gap", "_drop", "_cost", "_offset", "_advantage", "_difference", "_shift", "_part", "_excess", "_gain")


def about_zero(metric: str, direction: str = "none") -> bool:
    """Tell whether 0 is where a metric says that nothing differs."""
    return direction == "zero" or metric.endswith(_ABOUT_ZERO) or "_gap_" in metric or metric.startswith("gap_")


def capital(text: str) -> str:
    """Return the text with a capital first letter and the rest untouched."""
    return text[:1].upper() + text[1:]


def plural(n: float, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{whole(n)} {one if n == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """Return `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def epsilon_text(condition: Mapping[str, Any]) -> str:
    """Return the size of a perturbation with its unit."""
    epsilon, unit = condition.get("epsilon"), condition.get("epsilon_unit")
    if not isinstance(epsilon, (int, float)):
        return str(epsilon)
    return unit_words(number(float(epsilon)), str(unit or ""))


def attribute_name(attribute: object) -> str:
    """Return an attribute's name for people."""
    return _SPECIAL.get(str(attribute), str(attribute))


_SPECIAL = {
    "(joint)": "all confounders jointly", "(all)": "all attributes together", "(file)": "the file",
    "(label source)": "the source of the label",
}  # fmt: skip


def where_parts(m: Measurement) -> tuple[str, ...]:
    """Return subgroup and condition of a measurement as short phrases."""
    parts = [f"{k}: {'missing' if v in (None, MISSING_LEVEL) else v}" for k, v in m.subgroup.items()]
    keys = sorted(m.condition, key=lambda k: _ORDER.index(k) if k in _ORDER else len(_ORDER))
    return tuple(p for p in (*parts, *(_condition(m, key) for key in keys)) if p)


_ORDER = (
    "attribute",
    "class",
    "attribution",
    "attack",
    "epsilon",
    "stratum",
    "control",
    "parameter",
    "severity",
    "protocol",
)


_TURNED = {"more": "turned up", "less": "turned down"}
_WRITTEN = {"auc": "AUC", "mae": "mean absolute error", "dice": "Dice", "(combined)": "all properties at once"}


def _condition(m: Measurement, key: str) -> str:
    """Return one condition in words, empty where it says nothing to a reader."""
    value = m.condition[key]
    if value is None or key in ("n_rest", "epsilon_unit") or (key == "parameter" and value == "ladder"):
        return ""
    if key == "epsilon":
        return f"change of {epsilon_text(m.condition)}"
    if key == "attribute":
        return "" if str(value) in m.subgroup else attribute_name(value)
    if key == "protocol" and value in _TURNED:
        return _TURNED[str(value)]
    text = number(value) if isinstance(value, float) else _WRITTEN.get(str(value), str(value).replace("_", " "))
    if key == "attack":
        return text.upper() if text.isalpha() and len(text) <= 4 else text
    if key == "parameter" and check_words(m):
        return check_words(m)
    if key == "parameter":
        return "headline size" if value == "headline" else text.replace("-", " ")
    if key == "control":
        return f"against {text}"
    return text if key in ("stratum", "attribution") else f"{key}: {text}".replace("_", " ")


def where_text(m: Measurement) -> str:
    """Return what part of the audit a measurement speaks of; empty for the whole cohort."""
    return ", ".join(where_parts(m))


def level_words(m: Measurement, where: str) -> str:
    """Return where a number of one attribute's level comes from, without the attribute's name before the level."""
    ((name, level),) = m.subgroup.items()
    named = f"{name}: {'missing' if level in (None, MISSING_LEVEL) else level}"
    word = MISSING_LEVEL if level in (None, MISSING_LEVEL) else str(level)
    return word + where.removeprefix(named) if where.startswith(named) else capital(where)


def apart(measurements: Sequence[Measurement]) -> tuple[str, tuple[str, ...]]:
    """Return what all measurements have in common, and what tells each from the others.

    A single measurement has nothing in common with others: all of its words are its own.
    """
    parts = [where_parts(m) for m in measurements]
    common = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    shared = ", ".join(p for p in parts[0] if p in common) if parts else ""
    return shared, tuple(", ".join(p for p in mine if p not in common) for mine in parts)


def measured_name(m: Measurement) -> str:
    """Return metric and part in one phrase, for example `sensitivity gap, sex: female`."""
    where = where_text(m)
    return f"{metric_name(m.metric)}, {where}" if where else metric_name(m.metric)
