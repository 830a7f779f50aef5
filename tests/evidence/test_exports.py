"""JUnit, SARIF and Markdown say what the verdict says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from audit.core import NotTested
from audit.evidence import junit, sarif, summary
from tests.evidence._make import HOSTILE, evidence


@pytest.fixture(scope="module")
def made():
    return evidence()


def test_junit_has_a_case_a_rule_and_fails_with_the_verdict(made):
    """A rule that does not pass is failure, error or skipped; the verdict is the last case."""
    suite = ET.fromstring(junit(made)).find("testsuite")
    cases = {c.get("name"): [child.tag for child in c] for c in suite.iter("testcase")}
    assert set(cases) == {f.rule for f in made.findings} | {"verdict"}
    assert cases["sens"] == []
    assert cases["gap"] == ["skipped"]
    assert cases["spec"] == ["error"]
    assert cases["cal"] == ["error"]
    assert cases["shift"] == ["skipped"]
    assert cases["xai"] == ["skipped"]
    assert cases["gone"] == ["error"]
    assert cases["verdict"] == ["error"]
    assert int(suite.get("tests")) == len(cases)
    assert int(suite.get("errors")) == sum("error" in tags for tags in cases.values())


def test_sarif_lists_every_rule_and_each_that_did_not_pass(made):
    """Rules have help, results point at them, waived ones are suppressed."""
    run = json.loads(sarif(made))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == [*(r.id for r in made.policy.rules), "verdict"]
    assert all(r["help"]["text"] and r["shortDescription"]["text"] for r in rules)
    results = {r["ruleId"]: r for r in run["results"]}
    assert set(results) == {"verdict", *(f.rule for f in made.findings if f.status != "PASS")}
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert results["gap"]["suppressions"][0]["justification"].startswith("Dr A")
    assert (results["gap"]["level"], results["cal"]["level"], results["xai"]["level"]) == ("note", "warning", "note")


def test_the_summary_names_every_rule_and_the_ledger(made):
    """Each rule has its row; what was set aside is counted."""
    text = summary(made)
    assert all(f"| {f.rule} |" in text for f in made.findings)
    assert "210 rows read, 200 used" in text
    assert text.startswith("# INCONCLUSIVE")


def test_the_summary_tells_by_reason_what_was_not_tested(made):
    """What shares a reason shares a line, in the order of the evidence; a reason of one thing stands behind it."""
    given = [("a (A001)", "no images"), ("b (B001)", "not asked for"), ("c (C001)", "no images")]
    text = summary(replace(made, not_tested=tuple(NotTested(what=what, why=why) for what, why in given)))
    listed = text.split("Not tested:\n")[1].split("\n\n")[0].splitlines()
    assert listed == ["- no images: a (A001); c (C001)", "- b (B001): not asked for"]


def test_hostile_text_stays_text(made):
    """Markup in a name or a level is shown, never interpreted."""
    assert "<script>" not in summary(made)
    assert "<script>" not in junit(made)
    json.loads(sarif(made))
    assert "\x00" not in junit(made)
    assert HOSTILE in {str(v) for r in made.results for m in r.measurements for v in m.subgroup.values()}
    rows = [line for line in summary(made).splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
