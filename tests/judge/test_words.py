"""Numbers and sentences of headlines."""

from __future__ import annotations

import pytest

from audit.judge import figures, headline, place
from tests.judge._make import count, measurement, rule


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.46491, 0.3763, 0.5556, "0.46"), (0.46491, 0.4553, 0.4742, "0.465"), (0, -1, 1, "0.0"), (0, None, None, "0"),
        (-0.3071, -0.4, -0.21, "\N{MINUS SIGN}0.31"), (1234.5, None, None, "1,230"), (0.000123, None, None, "0.000123"),
        (12.345, 2.0, 99.0, "12"), (5.2e-9, None, None, "5.2e-09"),
        (-5.2e-9, None, None, "\N{MINUS SIGN}5.2e-09"), (-0.00052, -0.0104, 0.0088, "\N{MINUS SIGN}0.001"),
        (-0.00901, -0.0312, 0.0101, "\N{MINUS SIGN}0.009"),
    ],
)  # fmt: skip
def test_a_number_is_no_finer_than_its_interval(value, low, high, text):
    """At most three significant digits, two digits of the interval's width."""
    assert figures(value, low, high) == text


def test_a_headline_has_value_interval_limit_and_n():
    """What, where, how much, what was asked, of how many."""
    m = measurement(0.5, 0.02, subgroup={"sex": "female"}, condition={"n_rest": 3, "class": "mel"})
    text = headline(rule(), m)
    assert text == (
        "Sensitivity (sex female, mel): 0.500 (95 % CI 0.461 to 0.539); required at least 0.8; 200 cases, 200 patients"
    )


def test_one_patient_is_one_patient():
    """A count of one has its noun in the singular."""
    assert headline(rule(), measurement(0.5, 0.02, n=1)).endswith("1 case, 1 patient")


def test_a_count_has_no_interval():
    """A fact of the cohort is not given an error that it does not have."""
    assert "CI" not in headline(rule(), count(2))


def test_places_read_as_words():
    """Sizes carry their unit, the headline size is not named twice, all confounders are not a column."""
    m = measurement(condition={"epsilon": 2.0, "epsilon_unit": "HU", "parameter": "headline", "attribute": "(joint)"})
    assert place(m) == "all confounders jointly, ε = 2 HU"


def test_a_rule_on_the_shift_of_protocols_reads_as_a_sentence() -> None:
    """The alarm and the acquisition in which all is changed at once have words."""
    heard = measurement(0.9, metric="ood_auroc", condition={"parameter": "noise"})
    assert headline(rule(metric="ood_auroc"), heard).startswith("AUC of the alarm (noise): ")
    worst = measurement(0.0, metric="performance_change", condition={"parameter": "(combined)", "stratum": "dice"})
    assert "(all properties at once, dice)" in headline(rule(metric="performance_change"), worst)
