"""Numbers and sentences of headlines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from audit.judge import check_words, decide, fault_words, figures, headline, judge, place, unit_words
from audit.probes import catalogue
from tests.judge._make import TODAY, count, measurement, policy, result, rule

SETUP = Path(__file__).parents[2] / "audit" / "probes" / "setup"


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


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        ("1", "grey level", "1 grey level"), ("2", "grey level", "2 grey levels"), ("0.5", "levels", "0.5 levels"),
        ("1", "levels", "1 level"), ("\N{MINUS SIGN}1", "cases", "\N{MINUS SIGN}1 case"), ("1", "HU", "1 HU"),
        ("0", "cases a year", "0 cases a year"), ("1", "cases a year", "1 case a year"), ("3", "per 1,000 cases",
        "3 per 1,000 cases"), ("4", "", "4"), ("1", "stored units", "1 in pixel value"),
        ("0.0078", "stored units", "0.0078 in pixel value"),
    ],
)  # fmt: skip
def test_one_is_singular_and_any_other_number_is_not(number: str, unit: str, text: str) -> None:
    """Whether the unit is declared in the singular or in the plural; what has no unit is a pixel's value."""
    assert unit_words(number, unit) == text


def test_headlines_have_their_units_in_the_right_number() -> None:
    """Of sizes and of counts alike."""
    m = measurement(0.5, condition={"epsilon": 1.0, "epsilon_unit": "grey level"})
    assert place(m) == "ε = 1 grey level"
    assert "Faults: 1 image;" in headline(rule(metric="faults"), count(1, unit="images"))


def test_every_check_of_the_set_up_is_told_in_words() -> None:
    """Also one that is added: its name in the code is no name for people."""
    known = {info.name for info in catalogue().infos.values()}
    named = {
        node.value
        for path in SETUP.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", node.value)
    } - known  # fmt: skip
    assert "decisions-of-both-kinds" in named
    for name in named:
        fault = count(1, condition={"parameter": name})
        words = check_words(fault), fault_words(fault)
        assert all(words), name
        assert not any("-" in w for w in words), name


def test_a_fault_of_the_set_up_is_told_in_words() -> None:
    """In the headline of a rule on it what was looked for, in the reason against PASS what is wrong."""
    checks = [count(v, condition={"parameter": p}) for p, v in (("finite", 0), ("decisions-of-both-kinds", 1))]
    of_setup = result(*checks, code="SETUP001")
    reasons = decide((), [of_setup], policy()).reasons
    assert "SETUP001 found 1 fault of the set-up: all cases are on one side of the operating point." in reasons
    asked = rule(low=None, high=0, probe="SETUP001", metric="faults")
    (found,) = judge([of_setup], policy(asked), today=TODAY)
    assert found.headline.startswith("Faults (cases on both sides of the operating point): 1; required at most 0")


def test_a_fault_of_the_cohort_keeps_its_own_words() -> None:
    """Counts of levels, cases and images have a unit, and no name of theirs is one of a check."""
    assert place(count(1, unit="images", condition={"parameter": "outputs"})) == "outputs"


def test_a_rule_on_the_shift_of_protocols_reads_as_a_sentence() -> None:
    """The alarm and the acquisition in which all is changed at once have words."""
    heard = measurement(0.9, metric="ood_auroc", condition={"parameter": "noise"})
    assert headline(rule(metric="ood_auroc"), heard).startswith("AUC of the alarm (noise): ")
    worst = measurement(0.0, metric="performance_change", condition={"parameter": "(combined)", "stratum": "dice"})
    assert "(all properties at once, dice)" in headline(rule(metric="performance_change"), worst)
