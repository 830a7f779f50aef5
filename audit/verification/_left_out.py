"""Findings of evidence that leaves cells out, held against what its other cells say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from audit.core import COUNT, Evidence, Finding, Measurement, ProbeResult, Rule, Verdict
from audit.evidence import SUPPRESSED, mask, not_shared_headline
from audit.judge import decide, headline, judge

# What a finding has from its policy alone, whatever was measured.
_OF_THE_POLICY = ("probe", "metric", "limit", "blocking", "waiver", "waiver_expired", "rationale", "margin_source")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What can be said of the findings of evidence that leaves cells out.

    Args:
        faults: Sentences on what cannot be so, whatever the cells say that are left out.
        untold: Rules that rest on a cell that is left out, and whose status was not all checked for that.
    """

    faults: tuple[str, ...]
    untold: tuple[str, ...]


def left_out(evidence: Evidence, today: dt.date, input_range: tuple[float, float] | None) -> LeftOut:
    """Hold findings and verdict against the measurements that are left.

    Holm's procedure (1979) goes over all hypotheses of a policy, those of cells left out among them. Their p-values
    can be anything: were all of them 1, a FAIL in sight is tested at the strictest level, were all of them 0, at the
    widest. A rule all of whose cells are in sight has the status of one of these ends; most often they agree.

    Args:
        evidence: A copy of a run without small cells, judged by this version.
        today: The day (UTC) on which the run was judged.
        input_range: Stored range of the model's input.

    Raises:
        PolicyError: Its policy cannot be judged.
    """

    def judged(change: Callable[[Measurement], Measurement | None]) -> dict[str, Finding]:
        results = [_changed(r, change) for r in evidence.results]
        return {f.rule: f for f in judge(results, evidence.policy, today=today, input_range=input_range)}

    strict = judged(lambda m: m)
    wide = judged(lambda m: replace(m, method=COUNT) if m.method == SUPPRESSED else m)
    seen = judged(lambda m: None if m.method == SUPPRESSED else m)
    said = {f.rule: f for f in evidence.findings}
    measured = {r.probe: r.measurements for r in evidence.results}
    faults: list[str] = []
    untold: list[str] = []
    for rule in evidence.policy.rules:
        mine = said.get(rule.id)
        if mine is None:
            faults.append(f"no finding of rule '{rule.id}'")
            continue
        own = measured.get(rule.probe, ())
        gone = any(own[i].method == SUPPRESSED for i in strict[rule.id].measurements)
        found = _beside_hidden if gone else _in_sight
        faults += found(rule, mine, strict[rule.id], wide[rule.id], seen[rule.id], evidence)
        if gone:
            untold.append(rule.id)
    extra = sorted(said.keys() - {r.id for r in evidence.policy.rules})
    faults += [f"a finding of rule '{name}', which the policy does not have" for name in extra]
    faults += _verdict(evidence)
    return LeftOut(faults=tuple(faults), untold=tuple(untold))


def _changed(result: ProbeResult, change: Callable[[Measurement], Measurement | None]) -> ProbeResult:
    kept = (change(m) for m in result.measurements)
    return replace(result, measurements=tuple(m for m in kept if m is not None))


def _in_sight(
    rule: Rule, mine: Finding, strict: Finding, wide: Finding, seen: Finding, evidence: Evidence
) -> Iterator[str]:
    """Yield what is not as judged of a rule all of whose numbers are there."""
    least = int(evidence.run.get("min_cell") or 0)
    if mine.status not in (strict.status, wide.status):
        either = strict.status if strict.status == wide.status else f"{strict.status} or {wide.status}"
        yield f"rule '{rule.id}' says {mine.status}, its numbers say {either}"
        return
    ends = [_masked(f, least) for f in (strict, wide)]
    for name in (f.name for f in fields(Finding)):
        one, other = (getattr(f, name) for f in ends)
        # Where the ends differ, so may what is in between.
        if one == other and getattr(mine, name) != one:
            yield f"rule '{rule.id}' states another {name.replace('_', ' ')} than its numbers give"
    if ends[0].headline != ends[1].headline:
        yield from _headline(rule, mine, evidence)


def _beside_hidden(
    rule: Rule, mine: Finding, strict: Finding, wide: Finding, seen: Finding, evidence: Evidence
) -> Iterator[str]:
    """Yield what cannot be of a rule that rests on cells left out as well: no such cell makes another one better."""
    for name in (*_OF_THE_POLICY, "measurements"):
        if getattr(mine, name) != getattr(strict, name):
            yield f"rule '{rule.id}' states another {name.replace('_', ' ')} than its policy and numbers give"
    if strict.status == "FAIL" and mine.status != "FAIL":
        yield f"rule '{rule.id}' says {mine.status}, its numbers say FAIL"
    elif mine.status == "PASS" and seen.measurements and seen.status != "PASS":
        yield f"rule '{rule.id}' says PASS, its numbers say {seen.status}"
    elif mine.status not in ("PASS", "FAIL", "INCONCLUSIVE"):
        yield f"rule '{rule.id}' says {mine.status}, though its probe was run"
    yield from _headline(rule, mine, evidence)


def _headline(rule: Rule, mine: Finding, evidence: Evidence) -> Iterator[str]:
    """Yield whether the sentence of a finding is not that of the measurement that decided."""
    least = int(evidence.run.get("min_cell") or 0)
    own = next((r.measurements for r in evidence.results if r.probe == rule.probe), ())
    if mine.decisive is None or mine.decisive not in mine.measurements or mine.decisive >= len(own):
        yield f"rule '{rule.id}' names no number of its own that decided"
        return
    m = own[mine.decisive]
    if m.method == SUPPRESSED:
        wanted = not_shared_headline(mine, least)
    else:
        wanted = mask(headline(rule, m, evidence.policy.confidence), least)
    if mine.headline != wanted:
        yield f"rule '{rule.id}' states another headline than its numbers give"


def _masked(f: Finding, least: int) -> Finding:
    return replace(f, headline=mask(f.headline, least), lacking=mask(f.lacking, least))


def _verdict(evidence: Evidence) -> Iterator[str]:
    """Yield whether the verdict does not follow from findings, results and the reasons that it gives."""
    least = int(evidence.run.get("min_cell") or 0)
    stated = evidence.verdict
    found = decide(evidence.findings, evidence.results, evidence.policy, evidence.model)
    reasons = {mask(r, least) for r in found.reasons}
    # A reason may rest on a number that is left out, so more may be given than can be found, and none less.
    hidden = any(m.method == SUPPRESSED for r in evidence.results for m in r.measurements)
    beyond = set(stated.reasons) - reasons
    if reasons - set(stated.reasons) or (beyond and not hidden):
        yield "states other reasons for its verdict than its findings give"
    outcome = "FAIL" if found.outcome == "FAIL" else "INCONCLUSIVE" if stated.reasons else found.outcome
    wanted = replace(found, outcome=outcome, reasons=stated.reasons, notes=stated.notes)
    if stated != wanted:
        yield _otherwise(stated, wanted)
    if not {mask(t, least) for t in found.notes} <= set(stated.notes):
        yield "leaves out notes of its verdict"


def _otherwise(stated: Verdict, wanted: Verdict) -> str:
    if stated.label != wanted.label:
        return f"states {stated.label}, its findings give {wanted.label}"
    return "states other counts, rules or waivers for its verdict than its findings give"
