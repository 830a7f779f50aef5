"""Every metric has words, wherever it is printed."""

from __future__ import annotations

import pytest

from audit.judge import metric_words, place
from audit.probes import catalogue
from audit.report._metrics import METRICS
from audit.report._words import about_zero, definition, metric_name, where_text
from tests.judge._make import count, measurement

INFOS = catalogue().infos
EVERY = sorted({(code, m) for code, info in INFOS.items() for m in info.metrics})


@pytest.mark.parametrize(("code", "metric"), EVERY)
def test_each_metric_of_the_catalogue_has_a_name_and_a_meaning(code: str, metric: str) -> None:
    """The report names it in words and says in a closed sentence what it means."""
    name, meaning = metric_name(metric, code), definition(metric, code)
    assert metric in METRICS or metric.startswith("fairlearn:")
    assert name
    assert "_" not in name
    assert meaning.endswith(".")
    assert len(meaning) > 20


@pytest.mark.parametrize("metric", sorted({m for _, m in EVERY}))
def test_headlines_spell_abbreviations_as_people_do(metric: str) -> None:
    """No underscore and no abbreviation in small letters is left."""
    words = metric_words(metric)
    assert "_" not in words
    assert not {"auc", "icc", "mae", "ppv", "npv", "ece", "aurc", "hd95"} & set(words.split())


def test_sizes_and_checks_read_as_words() -> None:
    """A size without a declared unit is one of pixel values; a check of the set-up is what it looks for."""
    for unit, text in (("stored units", "change of 1 in pixel value"), ("grey level", "change of 1 grey level")):
        assert where_text(measurement(condition={"epsilon": 1.0, "epsilon_unit": unit})) == text
    check = count(0, condition={"parameter": "decisions-of-both-kinds"})
    assert where_text(check) == "cases on both sides of the operating point"


def test_a_slope_of_values_is_no_calibration_slope() -> None:
    """PERF001 holds measured values against the reference, CAL001 probabilities against outcomes."""
    assert metric_name("slope", "CAL001") == "calibration slope"
    assert metric_name("slope", "PERF001") == "slope of model on reference"


def test_a_metric_of_fairlearn_reads_as_words() -> None:
    """Of a level minus the rest, or of all levels together."""
    assert metric_name("fairlearn:f1_score") == "gap in f1 score (fairlearn)"
    assert metric_name("fairlearn:equalized_odds_difference") == "equalized odds difference over all levels (fairlearn)"
    assert metric_words("fairlearn:f1_score") == "f1 score (fairlearn)"


@pytest.mark.parametrize(
    "metric", ["sensitivity_gap", "sensitivity_gap_with_failures", "sensitivity_gap_standardised",
               "underdiagnosis_gap_intersection", "ppv_gap_crude", "auc_advantage", "gap_within_strata"],
)  # fmt: skip
def test_gaps_have_a_line_at_zero(metric: str) -> None:
    """Whatever stands after the word gap, zero is no difference."""
    assert about_zero(metric)


def test_levels_and_ratios_have_none() -> None:
    """A sensitivity is not about zero, and a ratio is about one."""
    assert not about_zero("sensitivity")
    assert not about_zero("fairlearn:demographic_parity_ratio")
    assert about_zero("anything", "zero")


def test_a_comparator_is_named_by_its_name() -> None:
    """The key of a condition says nothing to a reader."""
    assert place(measurement(condition={"parameter": "radiologist"})) == "radiologist"
