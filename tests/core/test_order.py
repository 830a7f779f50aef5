"""Which finding comes first."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from audit.core import STATUSES, Finding, Limit, Status, Verdict, Waiver, family_weight, worst_first


def finding(rule: str, status: Status = "FAIL", probe: str = "PERF001", **more: object) -> Finding:
    """Return a finding."""
    return Finding(
        rule=rule, probe=probe, metric="auc", status=status, headline="h", limit=Limit(min=0),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def names(*findings: Finding, blocking: tuple[str, ...] = ()) -> list[str]:
    """Return the rules in order."""
    return [f.rule for f in worst_first(findings, Verdict(outcome="FAIL", blocking=blocking))]


def test_statuses_come_first() -> None:
    """FAIL, INCONCLUSIVE, what was not assessed, an accepted absence, PASS."""
    found = [finding(status, status) for status in reversed(STATUSES)]
    accepted = finding("accepted", "NOT_APPLICABLE", allowed=True)
    order = names(accepted, *found)
    assert order[:2] == ["FAIL", "INCONCLUSIVE"]
    assert set(order[2:5]) == {"NOT_APPLICABLE", "ERROR", "NOT_RUN"}
    assert order[5:] == ["accepted", "PASS"]


def test_what_stands_against_release_comes_before_what_does_not() -> None:
    """Among findings of one status: blocking, not blocking, waived."""
    waiver = Waiver(rule="waived", owner="o", reason="r", expires=dt.date(2030, 1, 1))
    found = [finding("waived", waiver=waiver), finding("soft", blocking=False), finding("hard")]
    assert names(*found, blocking=("hard",)) == ["hard", "soft", "waived"]


def test_families_and_then_the_policy_decide_among_equals() -> None:
    """A fault of the set-up makes every other number doubtful; equals keep the order of the policy."""
    found = [finding("z", probe="ADV001"), finding("b"), finding("a"), finding("s", probe="SETUP001")]
    assert names(*found) == ["s", "b", "a", "z"]
    assert family_weight("SETUP") == 0
    assert family_weight("none of ours") > family_weight("XAI")


@pytest.mark.parametrize(("needed", "text"), [(335, "335"), (1234, "1,240"), (99999, "100,000"), (1000, "1,000")])
def test_patients_needed_are_about_and_never_too_few(needed: int, text: str) -> None:
    """At most three significant digits, rounded up."""
    made = finding("a", "INCONCLUSIVE", patients_needed=needed)
    assert made.open_because == f"about {text} such patients could settle it"


def test_whose_patients_could_settle_it_is_said() -> None:
    """The patients are those of the measurement, said once beside how many there are now."""
    made = finding("a", "INCONCLUSIVE", patients_needed=335)
    assert made.open_words(246) == "about 335 such patients could settle it, now 246"
    short = replace(made, lacking="246 patients where the rule asks for at least 335")
    assert short.open_words(246) == f"{short.lacking}; about 335 such patients could settle it"
    assert replace(made, status="FAIL").open_words(246) == ""
