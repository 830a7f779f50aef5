"""The last lines of a command that judges."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from audit._cli.outcome import print_outcome, worst
from audit.core import Evidence, Finding, Limit, Policy, Status, Verdict, Waiver
from audit.evidence import summary
from audit.judge import NOTHING_BLOCKS


def finding(rule: str, status: Status, **more: Any) -> Finding:
    """Return a finding with a headline."""
    return Finding(
        rule=rule,
        probe="PERF001",
        metric="auc",
        status=status,
        headline=f"headline of {rule}",
        limit=Limit(min=0),
        **more,
    )


def evidence(verdict: Verdict, *findings: Finding, **cohort: Any) -> Evidence:
    """Return a run with some findings."""
    about = {"n": 12, "n_patients": 10, **cohort}
    return Evidence(policy=Policy(), verdict=verdict, findings=findings, cohort=about)


def test_a_fail_names_what_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line has the verdict and one sentence with counts; the worst findings follow; the exit code is 1."""
    run = evidence(
        Verdict(outcome="FAIL", blocking=("b", "a")),
        finding("a", "INCONCLUSIVE"),
        finding("b", "FAIL"),
        finding("c", "PASS"),
    )
    assert print_outcome(run, None) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "FAIL  1 of 3 rules passed on 12 cases of 10 patients; the release is blocked by b, a."
    assert lines[2] == "  FAIL  b: headline of b"
    assert lines[3] == "  INCONCLUSIVE  a: headline of a"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("failing", "words"),
    [(0, "no rule stands in the way"), (1, "1 rule FAILs, which does not block"),
     (3, "3 rules FAIL, none of which blocks")],
)  # fmt: skip
def test_what_fails_without_blocking_is_counted(failing: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads that nothing stands in the way where rules FAIL; the reason is said once."""
    findings = [finding(f"r{i}", "FAIL", blocking=False) for i in range(failing)]
    run = evidence(Verdict(outcome="INCONCLUSIVE", reasons=(NOTHING_BLOCKS,)), *findings, finding("p", "PASS"))
    print_outcome(replace(run, run={"warnings": [NOTHING_BLOCKS, "another"]}), None)
    out = capsys.readouterr().out
    assert f"patients; {words}, see the notes." in out
    assert out.count(NOTHING_BLOCKS) == 1
    assert "note  another" in out


def test_an_inconclusive_says_what_could_settle_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the headline stands what is lacking and how many patients could settle it, unless the headline says it."""
    open_rule = finding("a", "INCONCLUSIVE", lacking="30 patients where the rule asks for 50", patients_needed=50)
    said = finding("b", "INCONCLUSIVE", lacking="headline of b")
    print_outcome(evidence(Verdict(outcome="INCONCLUSIVE", blocking=("a", "b")), open_rule, said), None)
    lines = capsys.readouterr().out.splitlines()
    because = "30 patients where the rule asks for 50; about 50 such patients could settle it"
    assert lines[3] == f"        open because {because}"
    assert lines[4:] == ["  INCONCLUSIVE  b: headline of b"]
    assert because in summary(evidence(Verdict(outcome="INCONCLUSIVE"), open_rule))


def test_at_most_three_findings_those_that_fail_first() -> None:
    """Three findings are shown: FAIL before INCONCLUSIVE, among equals blocking ones first and waived last, no PASS."""
    waiver = Waiver(rule="w", owner="o", reason="r", expires=dt.date(2030, 1, 1))
    found = [
        finding("w", "FAIL", waiver=waiver), finding("soft", "FAIL", blocking=False), finding("i", "INCONCLUSIVE"),
        finding("e", "ERROR"), finding("f", "FAIL"), finding("p", "PASS"),
    ]  # fmt: skip
    verdict = Verdict(outcome="FAIL", blocking=("f", "i", "e"))
    assert [f.rule for f in worst(evidence(verdict, *found))] == ["f", "soft", "w"]
    assert [f.rule for f in worst(evidence(verdict, *found[1:4]))] == ["soft", "i", "e"]


def test_a_pass_with_a_waiver_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A waived finding is shown with its date, and the label counts it."""
    waiver = Waiver(rule="w", owner="o", reason="r", expires=dt.date(2030, 1, 1))
    run = evidence(Verdict(outcome="PASS", waivers=("w",)), finding("w", "FAIL", waiver=waiver), finding("p", "PASS"))
    assert print_outcome(run, None) == 0
    out = capsys.readouterr().out
    assert out.startswith("\nPASS with 1 waiver  1 of 2 rules passed")
    assert "FAIL (waived until 2030-01-01)  w:" in out


def test_expired_waiver_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An expired waiver is named as expired."""
    waiver = Waiver(rule="w", owner="o", reason="r", expires=dt.date(2020, 1, 1))
    print_outcome(evidence(Verdict(outcome="FAIL", blocking=("w",)), finding("w", "FAIL", waiver_expired=waiver)), None)
    assert "FAIL (waiver expired 2020-01-01)  w:" in capsys.readouterr().out


def test_ledger_is_shown_when_rows_were_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows read, used and set aside by reason stand in the output whenever there are any set aside."""
    verdict = Verdict(outcome="INCONCLUSIVE", reasons=("nothing ran",))
    ledger = {"read": 15, "used": 12, "set_aside": {"no target": 1, "image not found": 2}}
    assert print_outcome(evidence(verdict, ledger=ledger), None) == 3
    lines = capsys.readouterr().out.splitlines()
    assert "  note  nothing ran" in lines
    assert lines[-3:] == [
        "  rows      15 read, 12 used, 3 set aside:", "            2 image not found", "            1 no target",
    ]  # fmt: skip
    print_outcome(evidence(verdict, ledger={"read": 12, "used": 12, "set_aside": {}}), None)
    assert "set aside" not in capsys.readouterr().out


def test_names_of_the_policy_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in a rule's name are not printed."""
    print_outcome(evidence(Verdict(outcome="FAIL", blocking=("a\x1b[2J",)), finding("a\x1b[2J", "FAIL")), None)
    assert "\x1b" not in capsys.readouterr().out
