"""Plain words for what stands in evidence: units of numbers, and the checks of the set-up."""

from __future__ import annotations

from collections.abc import Mapping

from audit.core import Measurement

_UNITS = (
    "grey level", "gray level", "level", "case", "image", "patient", "lesion", "grade", "pixel", "degree", "stop",
    "count",
)  # fmt: skip
_MANY: Mapping[str, str] = {**{one: f"{one}s" for one in _UNITS}, "case a year": "cases a year"}
_ONE: Mapping[str, str] = {many: one for one, many in _MANY.items()}
# What images without a declared unit are measured in.
_UNDECLARED: Mapping[str, str] = {"stored units": "in pixel value"}

_CHECKS: Mapping[str, tuple[str, str]] = {
    "outputs-fit-classes": ("outputs of the declared shape", "the outputs do not have the shape that was declared"),
    "finite": ("every output a number", "some outputs are no finite number"),
    "answered": ("a saved answer to nearly every case", "too many cases have no usable saved answer"),
    "within-0-1": ("probabilities from 0 to 1", "some probabilities are below 0 or above 1"),
    "sum-to-1": ("probabilities that sum to 1", "the probabilities of a case do not sum to 1"),
    "logits-are-probabilities": ("logits that are no probabilities", "outputs declared as logits are probabilities"),
    "not-constant": ("outputs that differ between cases", "an output is constant"),
    "not-saturated": ("scores between 0 and 1", "all scores are 0 or 1, or next to them"),
    "logits-of-both-signs": ("logits above and below 0", "no logit is below 0"),
    "decisions-of-both-kinds": (
        "cases on both sides of the operating point", "all cases are on one side of the operating point",
    ),
    "same-answer-twice": ("the same answer when asked twice", "asked twice, the model answers otherwise"),
    "independent-of-the-batch": (
        "answers that do not depend on the batch", "an answer depends on what else is in the batch",
    ),
    "weights-untouched": ("weights that stay while the model is asked", "asking the model changes its weights"),
    "evaluation-mode": ("evaluation mode", "the model is in training mode"),
    "score-follows-label": ("scores that rise with the label", "scores fall where the label rises"),
    "no-better-order": ("no better order of the classes", "another order of the classes fits the labels better"),
    "shape": ("shape of the recorded outputs", "the outputs have another shape than those recorded"),
    "outputs": ("the recorded outputs", "the outputs differ from those recorded"),
    "weights": ("weights as before the audit", "the weights changed during the audit"),
    "answers": ("answers as before the audit", "the answers changed during the audit"),
}  # fmt: skip


def unit_words(text: str, unit: str) -> str:
    """Return a printed number with its unit, "1 grey level", "2 grey levels" or "3 HU"."""
    if not unit:
        return text
    one = text.lstrip("-\N{MINUS SIGN}") == "1"
    return f"{text} {(_ONE if one else _MANY).get(unit, unit_name(unit))}"


def unit_name(unit: str) -> str:
    """Return a unit as it stands beside the axis of a figure."""
    return _UNDECLARED.get(unit, unit)


def check_words(measurement: Measurement) -> str:
    """Return what a check of the set-up looks for, empty for any other measurement."""
    return _words(measurement)[0]


def fault_words(measurement: Measurement) -> str:
    """Return what is wrong where a check of the set-up has failed, empty for any other measurement."""
    return _words(measurement)[1] if measurement.value else ""


def _words(m: Measurement) -> tuple[str, str]:
    # Faults of a cohort, which other probes count, have a unit.
    known = m.metric == "faults" and not m.unit
    return _CHECKS.get(str(m.condition.get("parameter", "")), ("", "")) if known else ("", "")
