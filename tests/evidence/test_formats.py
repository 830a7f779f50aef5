"""JUnit, SARIF, Markdown and GitHub annotations: valid, and none of them hides a waiver or runs what a name says."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit._cli.outcome import print_outcome
from audit._cli.shell import defused
from audit.core import Policy, Waiver
from audit.evidence import github_annotations, junit, sarif, summary
from audit.judge import decide, judge
from tests.evidence._make import HOSTILE, evidence
from tests.evidence._schemas import SARIF, check_junit
from tests.judge._make import measurement, policy, result, rule, setup_ok

TODAY = dt.date(2026, 11, 22)
LATER, EARLIER = dt.date(2026, 12, 1), dt.date(2026, 1, 1)


def judged(*rules, waivers=(), value=0.5):
    """Return evidence of one probe under rules and waivers."""
    p = policy(*rules, waivers=waivers)
    results = (setup_ok(), result(measurement(value), measurement(0.9, metric="specificity")))
    findings = judge(results, p, today=TODAY)
    return evidence(policy=p, results=results, findings=findings, verdict=decide(findings, results, p))


def waived(expires=LATER):
    """Return evidence of a rule that fails and is waived, and of one that passes."""
    w = Waiver(rule="sens", owner="Dr A", reason="known since May", expires=expires)
    return judged(rule("sens"), rule("spec", metric="specificity", low=0.5), waivers=(w,))


def every_output(e, capsys):
    """Return what each output says of an audit."""
    print_outcome(e, None)
    return {
        "junit": junit(e), "sarif": sarif(e), "summary": summary(e), "github": "\n".join(github_annotations(e)),
        "terminal": capsys.readouterr().out,
    }  # fmt: skip


def test_junit_and_sarif_are_valid():
    """Evidence with every state and status, hostile names among them."""
    made = evidence()
    check_junit(junit(made))
    jsonschema.validate(json.loads(sarif(made)), SARIF, format_checker=jsonschema.FormatChecker())


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_rule_is_called_the_files_stay_valid(name, reason):
    """Line breaks, markup, control characters and surrogates of any name and rationale."""
    made = judged(replace(rule("sens"), id=name or "x", rationale=reason))
    check_junit(junit(made))
    jsonschema.validate(json.loads(sarif(made)), SARIF)
    lines = github_annotations(made)
    assert all(re.match(r"::(error|warning|notice) title=[^\r\n]*::[^\r\n]*\Z", line) for line in lines)


def test_a_waiver_is_shown_in_every_output(capsys):
    """PASS with 1 waiver, never PASS alone; who waived it and until when stands beside the rule."""
    made = waived()
    assert made.verdict.label == "PASS with 1 waiver"
    for name, text in every_output(made, capsys).items():
        assert "PASS with 1 waiver" in text, name
        assert "2026-12-01" in text or name == "sarif", name
        assert "sens" in text, name
    found = next(r for r in json.loads(sarif(made))["runs"][0]["results"] if r["ruleId"] == "sens")
    assert found["suppressions"][0]["justification"] == "Dr A: known since May"


def test_an_expired_waiver_counts_as_absent_and_is_named(capsys):
    """FAIL, with the day on which the waiver ended in every output."""
    made = waived(EARLIER)
    assert made.verdict.outcome == "FAIL"
    for name, text in every_output(made, capsys).items():
        assert "2026-01-01" in text, name
        assert "waiver" in text, name
        assert "1 waiver" not in text, name


def test_annotations_say_first_what_the_verdict_is():
    """error for what fails and blocks, warning for what is open and blocks, notice for the rest."""
    lines = github_annotations(evidence())
    assert lines[0].startswith("::warning title=audit%3A INCONCLUSIVE with 1 waiver::")
    levels = {re.search("title=(.*?)%3A", line).group(1): line.split(" ")[0] for line in lines[1:]}
    assert levels["gap"] == "::notice"
    assert levels["cal"] == "::warning"
    assert levels["xai"] == "::notice"
    fails = github_annotations(judged(rule("sens")))
    assert [line.split(" ")[0] for line in fails] == ["::error", "::error"]


def test_many_rules_leave_room_for_the_verdict():
    """GitHub shows ten a step: the verdict, nine rules, and then how many more."""
    made = judged(*(rule(f"r{i}") for i in range(30)))
    lines = github_annotations(made)
    assert len(lines) == 11
    assert "21 more rules" in lines[-1]


@pytest.mark.parametrize(
    "text", ["::set-output name=x::y", "  ::add-mask::a", "a\n::stop-commands::z", "see ##[error]b"]
)
def test_a_name_is_no_command_on_a_runner(text):
    """What a manifest or a policy brings in is printed on a line that the runner does not obey."""
    said = defused(text)
    assert not any(line.lstrip().startswith("::") for line in said.split("\n"))
    assert "##[" not in said


def test_the_step_gets_its_summary(tmp_path, monkeypatch, capsys):
    """On a runner annotations are printed unasked and the summary is added to the step's."""
    target = tmp_path / "summary"
    target.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(target))
    made = waived()
    assert print_outcome(made, None) == 0
    assert "::notice title=audit%3A PASS with 1 waiver::" in capsys.readouterr().out
    assert target.read_text() == "before\n" + summary(made) + "\n"


def test_outside_of_a_runner_nothing_is_annotated_unasked(monkeypatch, capsys):
    """Elsewhere the lines would only be noise."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    print_outcome(waived(), None)
    assert "::" not in capsys.readouterr().out
    print_outcome(waived(), None, github=True)
    assert "::notice" in capsys.readouterr().out


def test_hostile_text_stays_text_in_a_comment():
    """A pull-request comment shows markup, links and mentions of the cohort as they are."""
    made = evidence()
    assert "<script>" not in summary(made)
    assert HOSTILE not in summary(replace(made, policy=Policy(name=HOSTILE, rules=made.policy.rules)))
