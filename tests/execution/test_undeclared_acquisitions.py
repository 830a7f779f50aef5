"""A rule on changed acquisitions that nothing can satisfy is named before the run."""

from __future__ import annotations

import re

import numpy as np
import pytest

from audit.core import BUDGETS, Envelope, KnobRange, Rule
from audit.execution import undeclared_acquisitions
from tests.execution._make import cohort
from tests.judge._make import policy, rule

ONE = KnobRange(low=0, high=0.1, source="a test")


def asked(metric: str = "performance_change", *, least: int = 0, **where: object) -> Rule:
    return rule(probe="SHIFT002", metric=metric, where=where, min_patients=least)


def said(one: Rule, envelope: Envelope, profile: str = "standard") -> str:
    found = undeclared_acquisitions(policy(one), envelope, cohort(np.zeros(1000)), BUDGETS[profile])
    return " ".join(found.values())


@pytest.mark.parametrize(
    ("one", "knobs", "tolerated", "words"),
    [
        (asked(), (), 0.1, "declares no range in clinical use"),
        (asked(parameter="mr_gain"), ("mr_noise",), 0.1, "no range of 'mr_gain' .there is: mr_noise"),
        (asked(parameter="(combined)"), ("mr_noise",), 0.1, "fewer than two ranges"),
        (asked("critical_severity"), ("mr_noise",), None, "no tolerated_drop"),
        (asked("critical_severity", parameter="mr_gain"), ("mr_noise",), 0.1, "'mr_gain' is not turned"),
        (asked(least=500), ("mr_noise",), 0.1, "changes the images of 200 cases"),
    ],
)
def test_what_is_missing_is_named(one: Rule, knobs: tuple[str, ...], tolerated: float | None, words: str) -> None:
    """The sentence names the rule and what would have to be declared."""
    text = said(one, Envelope(knobs=dict.fromkeys(knobs, ONE), tolerated_drop=tolerated))
    assert text.startswith("Rule 'r' cannot PASS as it is declared")
    assert re.search(words, text)


def test_what_is_declared_is_not_named() -> None:
    """Ranges, a tolerated loss and enough cases: silence; so for rules on other probes, and for the full profile."""
    both = Envelope(knobs={"mr_noise": ONE, "mr_gain": ONE}, tolerated_drop=0.1)
    for one in (
        asked(),
        asked(parameter="(combined)"),
        asked("critical_severity", parameter="mr_gain"),
        asked(least=200),
    ):
        assert said(one, both) == ""
    assert said(asked(least=500), both, "full") == ""
    assert said(rule(probe="PERF001"), Envelope()) == ""
