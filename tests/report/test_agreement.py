"""The report, the console and the summary say the same of one run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from audit._cli.outcome import worst as on_console
from audit.core import COUNT, Evidence, Policy, Verdict
from audit.evidence import summary
from audit.judge import decide, interval
from audit.report import render
from audit.report._numbers import full_text
from audit.report._sentence import notes, ordered
from audit.report._strip import strips, worst
from tests.report import _sample
from tests.report._build import measured

MADE = {
    "fails": _sample.evidence,
    "passes": _sample.passing,
    "undecided": _sample.undecided,
    "empty": _sample.empty,
    "waived": lambda: _sample.evidence(waive=("gap-by-sex", "leaning-joint")),
    "hostile": lambda: _sample.evidence(attribute=_sample.HOSTILE, many=3),
}


@pytest.mark.parametrize("kind", MADE)
def test_the_worst_are_the_same_everywhere(kind: str) -> None:
    """Console, first screen and summary name the same rules in the same order."""
    made: Evidence = MADE[kind]()
    console = [f.rule for f in on_console(made)]
    screen = [s.rule for s in worst(strips(made)) if s.status != "PASS"]
    rows = re.findall(r"^\| ([\w-]+) \| (?!Status|---)", summary(made), flags=re.MULTILINE)
    assert console == screen
    assert rows == [f.rule for f in ordered(made)]
    assert rows[: len(console)] == console


def test_every_number_is_rounded_alike() -> None:
    """Value and bounds of each measurement of the sample read the same in a headline and in the report."""
    seen = 0
    for m in (m for r in _sample.evidence(many=5).results for m in r.measurements):
        if m.value is None:
            continue
        said = re.sub(r"\(\d+ % CI ", "(", interval(m))
        assert said == full_text(m)
        seen += m.method != COUNT
    assert seen > 20


@pytest.mark.parametrize("value", [-0.00052, -0.00901, 0.0449, 0.9996, 1234.5, 0.0, 7e-8])
def test_numbers_near_zero_and_near_a_digit_are_rounded_alike(value: float) -> None:
    """The cases in which two rules of rounding would part."""
    m = measured("auc_gap", value, 0.0097, bounds=(-1e9, 1e9))
    assert re.sub(r"\(\d+ % CI ", "(", interval(m)) == full_text(m)


def test_what_bars_a_pass_is_said_once() -> None:
    """A policy without a blocking rule is named in the heading, and not again below it."""
    made = _sample.passing()
    policy: Policy = replace(made.policy, rules=tuple(replace(r, blocking=False) for r in made.policy.rules))
    findings = tuple(replace(f, blocking=False) for f in made.findings)
    made = replace(made, policy=policy, findings=findings, verdict=decide(findings, made.results, policy))
    page = render(made, _sample.arrays, static=True)
    assert page.count("he policy has no blocking rule") == 1
    assert len(re.findall("[Tt]he policy has no rule", render(_sample.empty(), _sample.arrays, static=True))) == 2


def test_further_reasons_stay() -> None:
    """Only what the heading says is left out below it."""
    reasons = ("The policy has no blocking rule, so nothing could stop a release.", "No probe completed.")
    made = replace(_sample.empty(), verdict=Verdict(outcome="INCONCLUSIVE", reasons=reasons))
    assert notes(made) == ("No probe completed.",)


def test_an_open_rule_says_whose_patients_are_meant() -> None:
    """The number that could settle a rule stands beside that of the same kind of patients today."""
    made = _sample.evidence()
    open_rule = next(f for f in made.findings if f.rule == "gap-by-age")
    found = tuple(replace(f, lacking="", patients_needed=335) if f is open_rule else f for f in made.findings)
    hint = next(s.hint for s in strips(replace(made, findings=found)) if s.rule == "gap-by-age")
    assert re.search(r"about 335 such patients could settle it, now \d+$", hint)
