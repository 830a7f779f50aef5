"""Limits, waivers and verdicts."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from audit.core import Evidence, Limit, Policy, Probe, ProbeInfo, ProbeResult, Rule, Verdict, Waiver
from audit.core.probe import Artifact


@pytest.mark.parametrize(
    "wrong", [{}, {"min": 0.9, "max": 0.1}, {"min": math.nan}, {"max": math.inf}, {"min": -math.inf}]
)
def test_a_limit_that_says_nothing_is_refused(wrong):
    """A limit has finite sides in order: with min = -inf everything would PASS."""
    with pytest.raises(ValueError, match=r"limit|expected"):
        Limit(**wrong)


def test_a_limit_reads_as_words():
    """A limit says what it asks for."""
    assert str(Limit(min=0.8)) == "at least 0.8"
    assert str(Limit(max=-0.05)) == "at most \N{MINUS SIGN}0.05"
    assert str(Limit(min=-0.1, max=0.1)) == "from \N{MINUS SIGN}0.1 to 0.1"


def test_a_waiver_counts_until_its_day_ends():
    """The day of expiry is still covered, the day after is not."""
    waiver = Waiver(rule="r", owner="o", reason="because", expires=dt.date(2027, 3, 1))
    assert not waiver.expired(dt.date(2027, 3, 1))
    assert waiver.expired(dt.date(2027, 3, 2))


def test_a_rule_cannot_be_changed_through_its_mapping():
    """The place where a rule applies is a sorted, read-only copy."""
    where = {"subgroup": "f", "attribute": "sex"}
    rule = Rule(id="r", probe="FAIR001", metric="sensitivity_gap", limit=Limit(min=-0.1), where=where)
    where["subgroup"] = "m"
    assert dict(rule.where) == {"attribute": "sex", "subgroup": "f"}
    with pytest.raises(TypeError):
        rule.where["subgroup"] = "m"


@pytest.mark.parametrize(("outcome", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3)])
def test_a_verdict_has_its_exit_code(outcome, code: int):
    """0 PASS, 1 FAIL, 3 INCONCLUSIVE."""
    assert Verdict(outcome=outcome).exit_code == code


def test_a_waiver_shows_in_the_label():
    """A verdict says how many waivers it rests on."""
    assert Verdict(outcome="PASS").label == "PASS"
    assert Verdict(outcome="PASS", waivers=("a",)).label == "PASS with 1 waiver"
    assert Verdict(outcome="FAIL", waivers=("a", "b")).label == "FAIL with 2 waivers"


INFO = {
    "name": "n", "family": "PERF", "tasks": ("binary",), "metrics": ("auc",), "title": "t", "question": "q",
    "method": "m", "limits": "l",
}  # fmt: skip


def test_a_probe_has_a_code_of_its_family_and_a_metric():
    """Another family's code, an unknown family and a probe without metrics are refused."""
    assert ProbeInfo(code="PERF001", **INFO).doc_url == "probes/PERF001.md"
    for code, changes in (("FAIR001", {}), ("X001", {"family": "X"}), ("PERF001", {"metrics": ()})):
        with pytest.raises(ValueError, match="expected"):
            ProbeInfo(code=code, **{**INFO, **changes})


def test_what_did_not_complete_says_why_and_measures_nothing():
    """A crash is a state with a reason, and it has no measurements."""
    info = ProbeInfo(code="PERF001", **INFO)
    with pytest.raises(ValueError, match="reason"):
        ProbeResult(info=info, state="error")
    with pytest.raises(ValueError, match="measurements"):
        ProbeResult(info=info, state="not_run", reason="not selected", measurements=(object(),))
    made = ProbeResult(info=info, state="not_applicable", reason="no masks")
    evidence = Evidence(policy=Policy(), verdict=Verdict(outcome="INCONCLUSIVE"), results=(made,))
    assert evidence.result("PERF001") is made
    assert evidence.result("PERF002") is None


def test_facts_of_a_figure_cannot_be_changed():
    """The facts beside the arrays of a figure are read-only."""
    with pytest.raises(TypeError):
        Artifact(name="roc_curve", title="ROC", arrays={}, meta={"a": 1}).meta["a"] = 2


def test_a_probe_must_measure():
    """A probe without `run` cannot be made."""
    with pytest.raises(TypeError, match="run"):
        type("Idle", (Probe,), {"info": ProbeInfo(code="PERF001", **INFO)})()


def test_a_policy_has_its_digest_and_no_rule_twice():
    """Equal policies have one digest wherever they come from; two rules of one name would be judged as one."""
    first = Rule(id="a", probe="PERF001", metric="auc", limit=Limit(min=0.8))
    other = Rule(id="a", probe="PERF001", metric="auc", limit=Limit(min=0.7))
    assert len(Policy(rules=(first,)).digest) == 64
    assert Policy(rules=(first,)).digest == Policy(rules=(first,)).digest != Policy(rules=(other,)).digest
    with pytest.raises(ValueError, match="twice: a"):
        Policy(rules=(first, other))
