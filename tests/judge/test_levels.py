"""At which level a rule passes and fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from audit.core import Measurement, contrast_key
from audit.judge import judge
from audit.judge._holm import holm, hypotheses
from tests.judge._make import LEVELS, TODAY, estimate, measurement, policy, result, rule

Z = float(stats.norm.isf(0.025))


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.80 + (Z + 0.01) * 0.01, "PASS"), (0.80 + (Z - 0.01) * 0.01, "INCONCLUSIVE"),
     (0.80 - (Z - 0.01) * 0.01, "INCONCLUSIVE"), (0.80 - (Z + 0.01) * 0.01, "FAIL")],
)  # fmt: skip
def test_one_rule_is_judged_by_its_pointwise_interval(value, status):
    """With one hypothesis both PASS and FAIL ask for the whole 95 % interval on one side."""
    assert judge([result(measurement(value))], policy(rule()), today=TODAY)[0].status == status


def test_fails_are_adjusted_over_all_rules_and_passes_are_not():
    """Ten rules: a value 2.2 standard errors under the limit no longer FAILs; one 2.2 above it still PASSes."""
    rules = [rule(f"r{i}", where={"class": f"c{i}"}) for i in range(10)]
    bad = [measurement(0.8 - 0.022, condition={"class": f"c{i}"}) for i in range(10)]
    good = [measurement(0.8 + 0.022, condition={"class": f"c{i}"}) for i in range(10)]
    assert {f.status for f in judge([result(*bad)], policy(*rules), today=TODAY)} == {"INCONCLUSIVE"}
    assert {f.status for f in judge([result(*good)], policy(*rules), today=TODAY)} == {"PASS"}
    assert judge([result(bad[0])], policy(rules[0]), today=TODAY)[0].status == "FAIL"


def test_both_limits_hold():
    """A rule with two limits passes only where the interval lies between them."""
    for value, status in ((1.0, "PASS"), (0.70, "FAIL"), (1.31, "FAIL"), (1.21, "INCONCLUSIVE")):
        found = judge([result(measurement(value, 0.02))], policy(rule(low=0.8, high=1.2)), today=TODAY)
        assert found[0].status == status, value


def test_the_worst_of_several_measurements_decides_and_is_named():
    """A rule that matches several holds for all of them; its headline names the worst."""
    levels = {"a": 0.95, "b": 0.5, "c": 0.9}
    ms = [measurement(v, subgroup={"site": k}) for k, v in levels.items()]
    finding = judge([result(*ms)], policy(rule()), today=TODAY)[0]
    assert (finding.status, finding.decisive, finding.measurements) == ("FAIL", 1, (0, 1, 2))
    assert "site b" in finding.headline
    assert "0.5" in finding.headline


def gap(value, level, *, mirrored):
    key = contrast_key("sex", ("female", "male"), "sensitivity_gap") if mirrored else None
    return Measurement.of(
        estimate(value, 0.02), metric="sensitivity_gap", level=0.95, subgroup={"sex": level}, contrast=key
    )


@pytest.mark.parametrize(("both", "expected"), [(False, 1), (True, 2)])
def test_a_mirrored_gap_is_counted_once(both, expected):
    """Two levels of one attribute are one contrast: one hypothesis a side of the limit, not two."""
    r = rule(low=-0.1, high=0.1 if both else None, metric="sensitivity_gap")
    ms = {0: gap(-0.05, "female", mirrored=True), 1: gap(0.05, "male", mirrored=True)}
    assert len({h.key for h in hypotheses(r, ms)}) == expected
    apart = {0: gap(-0.05, "female", mirrored=False), 1: gap(0.05, "male", mirrored=False)}
    assert len({h.key for h in hypotheses(r, apart)}) == 2 * expected


def test_only_the_level_that_does_worse_is_named_for_a_mirrored_gap():
    """The mirror image of a failing gap lies on the good side and is not called a failure."""
    ms = [gap(0.2, "male", mirrored=True), gap(-0.2, "female", mirrored=True)]
    finding = judge([result(*ms)], policy(rule(low=-0.1, metric="sensitivity_gap")), today=TODAY)[0]
    assert (finding.status, finding.decisive) == ("FAIL", 1)


def test_beyond_the_last_rung_there_is_no_fail():
    """So many hypotheses that the level falls below the last rung cannot FAIL."""
    ms = [measurement(0.1, 0.001, condition={"class": f"c{i}"}) for i in range(3)]
    h = hypotheses(rule(), dict(enumerate(ms)))
    assert holm(h, 3e-6 * 0.9) == {}
    assert len(holm(h, 3e-6)) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-6, 6), min_size=1, max_size=12))
def test_holm_never_rejects_more_than_the_exact_procedure(zs):
    """p-values read off the rungs are upper bounds, so rejections are among those of statsmodels' Holm."""
    ms = {i: measurement(0.8 + z * 0.01, condition={"class": str(i)}) for i, z in enumerate(zs)}
    mine = {key[1] for key in holm(hypotheses(rule(), ms), LEVELS.pointwise)}
    exact = multipletests([stats.norm.cdf(z) for z in zs], alpha=0.025, method="holm")[0]
    assert mine <= set(np.flatnonzero(exact))


def test_holm_rejects_what_the_exact_procedure_rejects_where_rungs_suffice():
    """Clear effects are found: power is not thrown away by the rungs."""
    zs = [-5.5, -5.0, -4.9, -4.8, 0.0, 1.0]
    ms = {i: measurement(0.8 + z * 0.01, condition={"class": str(i)}) for i, z in enumerate(zs)}
    assert {key[1] for key in holm(hypotheses(rule(), ms), 0.025)} == {0, 1, 2, 3}


@given(st.floats(0.05, 0.95), st.floats(0.001, 0.1), st.floats(0.1, 0.9))
def test_a_rate_and_its_complement_agree(value, se, limit):
    """Sensitivity at least L and miss rate at most 1 - L cannot disagree."""
    a = judge([result(measurement(value, se))], policy(rule(low=limit)), today=TODAY)[0].status
    mirrored = policy(rule(low=None, high=1 - limit))
    b = judge([result(measurement(1 - value, se))], mirrored, today=TODAY)[0].status
    assert a == b or abs(abs(value - limit) / se - Z) < 1e-6


def test_an_inconclusive_says_how_many_patients_could_settle_it():
    """Half the distance to the limit needs four times the patients: 1.96 SE against 0.98 SE of distance."""
    finding = judge([result(measurement(0.8 + Z / 2 * 0.01, 0.01, n=100))], policy(rule()), today=TODAY)[0]
    assert finding.status == "INCONCLUSIVE"
    assert finding.patients_needed == pytest.approx(400, abs=1)


def test_an_inconclusive_says_what_so_many_patients_could_settle():
    """(1.96 + 0.84) standard errors from the limit a true value passes in 8 of 10 cohorts: drawn, within 0.02."""
    finding = judge([result(measurement(0.805, 0.01))], policy(rule()), today=TODAY)[0]
    assert finding.settled_distance == pytest.approx(0.01 * (Z + stats.norm.ppf(0.8)), rel=1e-6)
    assert "so many patients settle what lies about 0.028 or more from the limit" in finding.open_because
    drawn = np.random.default_rng(4).normal(0.8 + finding.settled_distance, 0.01, 4000)
    assert np.mean(drawn - Z * 0.01 >= 0.8) == pytest.approx(0.8, abs=0.02)


def test_what_could_be_settled_is_said_of_open_intervals_alone():
    """Neither a PASS nor a FAIL, nor a rule that asks for more patients, nor a count has such a distance."""
    for m, more in (
        (measurement(0.9), {}), (measurement(0.5), {}), (measurement(0.805, n=20), {"min_patients": 50}),
        (measurement(None, missing="none"), {}),
    ):  # fmt: skip
        assert judge([result(m)], policy(rule(**more)), today=TODAY)[0].settled_distance is None


def test_beyond_the_limit_the_distance_is_that_of_a_fail():
    """With ten hypotheses a FAIL is tested at 0.0025, so that a value under its limit must lie further away."""
    rules = [rule(f"r{i}", where={"class": f"c{i}"}) for i in range(10)]
    ms = [measurement(0.79, condition={"class": f"c{i}"}) for i in range(10)]
    finding = judge([result(*ms)], policy(*rules), today=TODAY)[0]
    z = stats.norm.isf(0.0025)
    assert finding.settled_distance == pytest.approx(0.01 * (z + stats.norm.ppf(0.8)), rel=1e-6)


def test_a_share_of_the_range_names_an_epsilon():
    """ ""2/255" is that share of the declared range."""
    ms = [measurement(0.9, condition={"epsilon": e, "epsilon_unit": "grey level"}) for e in (1.0, 2.0, 4.0)]
    found = judge([result(*ms)], policy(rule(where={"epsilon": "2/255"})), today=TODAY, input_range=(0, 255))
    assert found[0].measurements == (1,)
    assert "ε = 2 grey level" in found[0].headline


def test_the_headline_has_the_interval_that_was_judged():
    """Evidence measured at 95 % and judged again at 99 % shows the 99 % interval, which is what reaches the limit."""
    found = judge([result(measurement(0.84, 0.018))], policy(rule(low=0.8), confidence=0.99), today=TODAY)
    assert found[0].status == "INCONCLUSIVE"
    assert "0.840 (99 % CI 0.794 to 0.886)" in found[0].headline
