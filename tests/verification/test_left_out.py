"""Evidence that leaves cells out still answers for every rule whose numbers are all in sight."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit
from audit._cli.verifying import lines
from audit.cli import main
from audit.core import Limit
from audit.evidence import from_plain, read_run, suppress, to_plain
from audit.judge import decide, judge
from audit.verification._left_out import left_out
from tests.verification._runs import MARGINS, make

TODAY = dt.date(2026, 1, 1)
STATUSES = ("PASS", "FAIL", "INCONCLUSIVE")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Evidence of a run with gaps between levels, some of few patients."""
    return read_run(make(tmp_path_factory.mktemp("left") / "a", n=160))


def judged(evidence, limits):
    """Return the evidence as judged under other limits."""
    rules = tuple(
        replace(r, limit=Limit(min=None if r.limit.min is None else limit, max=None if r.limit.max is None else limit))
        for r, limit in zip(evidence.policy.rules, limits, strict=False)
    )
    policy = replace(evidence.policy, rules=rules)
    findings = judge(evidence.results, policy, today=TODAY)
    verdict = decide(findings, evidence.results, policy, evidence.model)
    return replace(evidence, policy=policy, findings=findings, verdict=verdict)


def shared(evidence, least):
    """Return what a pack holds of the evidence, as it is read from a file."""
    return from_plain(json.loads(json.dumps(to_plain(suppress(evidence, least)))))


def changed(copy, index, **what):
    """Return a copy whose finding says something else, with the verdict that follows from it."""
    findings = list(copy.findings)
    findings[index] = replace(findings[index], **what)
    return replace(copy, findings=tuple(findings), verdict=decide(findings, copy.results, copy.policy, copy.model))


limits = st.lists(st.floats(-0.2, 1.0).map(lambda x: round(x, 3)), min_size=12, max_size=12)


@settings(max_examples=25)
@given(limits, st.sampled_from([5, 20, 60]))
def test_an_honest_copy_has_no_fault(evidence, drawn, least):
    """Whatever the limits, and however much is left out: Holm's levels of what is hidden are not known, yet bounded."""
    assert left_out(shared(judged(evidence, drawn), least), TODAY, None).faults == ()


@settings(max_examples=25)
@given(limits, st.sampled_from([5, 20, 60]))
def test_another_status_of_a_rule_in_sight_is_found(evidence, drawn, least):
    """PASS, FAIL and INCONCLUSIVE alike: none can be exchanged for another."""
    copy = shared(judged(evidence, drawn), least)
    untold = left_out(copy, TODAY, None).untold
    for i, finding in enumerate(copy.findings):
        if finding.rule in untold:
            continue
        for status in STATUSES:
            if status != finding.status:
                found = left_out(changed(copy, i, status=status), TODAY, None).faults
                assert any(f"rule '{finding.rule}' says {status}" in text for text in found)


@pytest.mark.parametrize("least", [5, 60])
def test_another_headline_is_found(evidence, least):
    """In sight or not: the sentence is that of the measurement that decided, or that it is not shared."""
    copy = shared(evidence, least)
    for i, finding in enumerate(copy.findings):
        said = finding.headline.replace("0.", "0.9") + " "
        assert any(finding.rule in t for t in left_out(changed(copy, i, headline=said), TODAY, None).faults)


def test_a_rule_that_rests_on_what_is_left_out_is_named(evidence):
    """Nobody can tell its status from the copy, and verification says so."""
    copy = shared(evidence, 60)
    hidden = {r.probe for r in copy.results if any(m.method == "suppressed" for m in r.measurements)}
    untold = left_out(copy, TODAY, None).untold
    assert untold
    assert {f.probe for f in copy.findings if f.rule in untold} <= hidden


def test_a_verdict_needs_its_reasons(evidence):
    """An outcome, a count or a reason that does not follow from findings and results is a fault."""
    copy = shared(evidence, 5)
    for verdict in (
        replace(copy.verdict, outcome="PASS" if copy.verdict.outcome != "PASS" else "INCONCLUSIVE"),
        replace(copy.verdict, counts={**copy.verdict.counts, "PASS": 99}),
        replace(copy.verdict, waivers=("none",)),
    ):
        assert left_out(replace(copy, verdict=verdict), TODAY, None).faults


def test_a_finding_too_many_or_too_few_is_found(evidence):
    """Exactly one a rule of the policy."""
    copy = shared(evidence, 5)
    assert "no finding of rule" in left_out(replace(copy, findings=copy.findings[1:]), TODAY, None).faults[0]
    extra = replace(copy.findings[0], rule="invented")
    said = left_out(replace(copy, findings=(*copy.findings, extra)), TODAY, None).faults
    assert any("'invented', which the policy does not have" in text for text in said)


def test_the_first_line_says_how_many_statuses_nobody_can_tell(tmp_path):
    """A pack without small cells is not called intact without them being named."""
    run = make(tmp_path / "a", n=160)
    pack = tmp_path / "pack.zip"
    assert main(["pack", str(run), "--out", str(pack), "--min-cell", "60"]) == 0
    checked = audit.verify(pack)
    count = len(left_out(shared(read_run(run), 60), TODAY, None).untold)
    assert count
    assert checked.exit_code == 0
    assert lines(checked, "p")[0] == f"INTACT, the status of {count} rule{'s' if count > 1 else ''} not made again  p"


def test_the_first_line_counts_the_statuses_of_the_baseline_as_well(tmp_path):
    """It is a run of its own in the pack, whose small cells are left out, too."""
    old, new = (make(tmp_path / name, n=160, seed=seed, margins=MARGINS) for name, seed in (("a", 0), ("b", 1)))
    pack = tmp_path / "pack.zip"
    assert main(["pack", str(new), "--baseline", str(old), "--out", str(pack), "--min-cell", "60"]) == 0
    checked = audit.verify(pack)
    assert checked.faults == ()
    assert [text.endswith(" of the baseline") for text in checked.untold] == [False, True]
