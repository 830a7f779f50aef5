"""Margins on differences: the judge that judges rules judges them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from audit.core import (
    COMPARED,
    STATUSES,
    Comparison,
    ComparisonRule,
    Difference,
    Evidence,
    Finding,
    Limit,
    Outcome,
    Policy,
    ProbeInfo,
    ProbeResult,
    Rule,
    Verdict,
)
from audit.judge._decide import decide
from audit.judge._judge import judge
from audit.judge.comparison._differences import LOWER, differences
from audit.judge.comparison._pair import Side, about, why_not_paired

PAIRED = "PERF (paired)"
"""What stands in place of a probe's code in a finding on a difference over all cases."""
BY_LEVEL = "PERF (paired, by level)"
"""The same for one level of an attribute; a margin that names no attribute is about all cases together."""
_INFO = ProbeInfo(
    code=PAIRED, name="paired-comparison", family="PERF", tasks=(),
    metrics=tuple(f"{m}_difference" for m in COMPARED), at_prevalence=("accuracy_difference", "brier_difference"),
    title="Candidate against baseline", question="Is the candidate worse than the baseline on the same cases?",
    method="Differences of stored predictions, paired by case, patients as the unit.",
    limits="Holds for these cases; it says nothing of cases that neither run has seen.", doc_url="comparing.md",
)  # fmt: skip


def compare(candidate: Side, baseline: Side, policy: Policy, *, today: dt.date) -> Comparison:
    """Return what differs between two runs, judged by the margins of a policy.

    A margin holds where the whole interval lies on the right side of it at the policy's level (non-inferiority); it is
    broken where the whole interval at the level of Holm (1979) over all differences that margins are about lies beyond
    it. Two runs that are not about the same cases give no number, and never PASS.

    Args:
        candidate: The run that is judged.
        baseline: The run that it is held against.
        policy: Its `[[comparison]]` tables are read, and its confidence.
        today: The day (UTC).
    """
    reasons = why_not_paired(candidate, baseline)
    found = () if reasons else differences(candidate, baseline, policy.confidence)
    if not reasons and not found:
        reasons = (f"No number compares two models of task {candidate.card.task}.",)
    results = _results(found, reasons)
    rules = tuple(_rule(c) for c in policy.comparisons)
    findings = judge(results, Policy(name=policy.name, confidence=policy.confidence, rules=rules), today=today)
    findings = tuple(_said(f, reasons) for f in findings)
    return Comparison(
        candidate=about(candidate), baseline=about(baseline), reasons=reasons, differences=found, results=results,
        findings=findings, verdict=_verdict(findings, reasons), notes=_notes(candidate, baseline),
    )  # fmt: skip


def together(judged: Evidence, found: Comparison) -> Evidence:
    """Return evidence whose findings and verdict are those of its rules and of a comparison together.

    Args:
        judged: The run that is judged.
        found: What it was held against a baseline with, by the margins of its own policy.
    """
    findings = (*judged.findings, *found.findings)
    verdict = decide(findings, judged.results, judged.policy, judged.model)
    said = [f"Not compared with the baseline: {reason}" for reason in found.reasons]
    if not judged.policy.comparisons:
        # Somebody asked for a comparison; without a margin nothing was compared, and that is no PASS.
        said.append("A baseline was given, and the policy has no [[comparison]] to judge by.")
    if said:
        outcome: Outcome = "FAIL" if verdict.outcome == "FAIL" else "INCONCLUSIVE"
        verdict = replace(verdict, outcome=outcome, reasons=(*verdict.reasons, *said))
    return replace(judged, findings=findings, verdict=replace(verdict, notes=(*verdict.notes, *found.notes)))


def _results(found: tuple[Difference, ...], reasons: tuple[str, ...]) -> tuple[ProbeResult, ...]:
    """Return the differences over all cases and those by level as two results; a margin is about one of them."""
    infos = _INFO, replace(_INFO, code=BY_LEVEL)
    if reasons:
        return tuple(ProbeResult(info=i, state="not_run", reason=" ".join(reasons), selected=False) for i in infos)
    return tuple(
        ProbeResult(
            info=info, state="completed",
            measurements=tuple(d.measurement for d in found if bool(d.measurement.subgroup) == by_level),
        )
        for info, by_level in zip(infos, (False, True), strict=True)
    )  # fmt: skip


def _said(f: Finding, reasons: tuple[str, ...]) -> Finding:
    if not reasons:
        return f
    return replace(f, headline=f"Not compared: {' '.join(reasons)}", lacking="")


def _rule(c: ComparisonRule) -> Rule:
    lower = c.metric in LOWER
    limit = Limit(max=c.margin) if lower else Limit(min=-c.margin if c.margin else 0.0)
    return Rule(
        id=c.id, probe=BY_LEVEL if {"attribute", "subgroup"} & set(c.where) else PAIRED,
        metric=f"{c.metric}_difference", limit=limit, where=c.where,
        min_patients=c.min_patients, blocking=c.blocking, rationale=c.rationale, margin_source=c.margin_source,
    )  # fmt: skip


def _verdict(findings: tuple[Finding, ...], unpaired: tuple[str, ...]) -> Verdict | None:
    """Return what the margins alone mean; None where there is nothing to judge and nothing that bars a judgement."""
    counts: dict[str, int] = {status: sum(f.status == status for f in findings) for status in STATUSES}
    failed = [f.rule for f in findings if f.blocking and f.status == "FAIL"]
    undecided = [f.rule for f in findings if f.blocking and f.status not in ("FAIL", "PASS")]
    reasons = list(unpaired)
    if not findings and not reasons:
        return None
    if not reasons and not any(f.blocking for f in findings):
        reasons.append("No comparison of the policy blocks, so nothing could stop a release.")
    outcome: Outcome = "FAIL" if failed else "INCONCLUSIVE" if undecided or reasons else "PASS"
    return Verdict(outcome=outcome, blocking=tuple(failed + undecided), counts=counts, reasons=tuple(reasons))


def _own_outcome(side: Side) -> Outcome:
    """Return what a run was judged but for comparisons, which the run of a baseline cannot have."""
    e = side.evidence
    compared = {c.id for c in e.policy.comparisons}
    findings = [f for f in e.findings if f.rule not in compared]
    return decide(findings, e.results, replace(e.policy, comparisons=()), e.model).outcome


def _notes(candidate: Side, baseline: Side) -> tuple[str, ...]:
    said = []
    points = candidate.card.operating_point, baseline.card.operating_point
    if points[0] != points[1]:
        said.append(
            f"Sensitivity and specificity are each at the model's own operating point: {points[1]} in the baseline, "
            f"{points[0]} in the candidate."
        )
    if _own_outcome(baseline) != "PASS":
        said.append(
            f"The baseline itself was judged {baseline.evidence.verdict.label}: not to be worse than it says little."
        )
    return tuple(said)
