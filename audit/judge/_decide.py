"""Findings to verdict; it fails closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit.core import STATUSES, Finding, Policy, ProbeResult, Verdict
from audit.judge._lost import lost_cases
from audit.judge._plain import fault_words
from audit.judge._reference import reference_reasons, verdict_notes

NOTHING_BLOCKS = "The policy has no blocking rule, so nothing could stop a release."


def decide(
    findings: Sequence[Finding], results: Sequence[ProbeResult], policy: Policy, model: Mapping[str, Any] | None = None
) -> Verdict:
    """Return what all findings together mean for the release.

    Any blocking FAIL: FAIL. Else anything blocking that is not PASS (or an absence that the policy accepts), a probe
    that ended in error, a fault of the set-up, or nothing at all that passed: INCONCLUSIVE.

    Args:
        findings: One a rule.
        results: What became of the probes.
        policy: The policy that the findings come from.
        model: The model's card as the evidence holds it, for what is to be noted of it.

    Returns:
        The verdict, with sentences for what bars a PASS beside the rules.
    """
    counts: dict[str, int] = {status: sum(f.status == status for f in findings) for status in STATUSES}
    waived = tuple(f.rule for f in findings if f.waiver is not None and f.blocking and not _passes(f))
    standing = [f for f in findings if f.blocking and f.rule not in waived]
    failed = [f.rule for f in standing if f.status == "FAIL"]
    undecided = [f.rule for f in standing if f.status != "FAIL" and not _passes(f)]
    reasons = _reasons(findings, results, policy)
    if failed:
        outcome = "FAIL"
    elif undecided or reasons:
        outcome = "INCONCLUSIVE"
    else:
        outcome = "PASS"
    return Verdict(
        outcome=outcome,  # type: ignore[arg-type]
        blocking=tuple(failed + undecided),
        counts=counts,
        reasons=tuple(reasons),
        waivers=waived,
        notes=verdict_notes(results, model or {}),
    )


def _passes(finding: Finding) -> bool:
    return finding.status == "PASS" or (finding.status == "NOT_APPLICABLE" and finding.allowed)


def _reasons(findings: Sequence[Finding], results: Sequence[ProbeResult], policy: Policy) -> list[str]:
    reasons: list[str] = []
    if not policy.rules:
        reasons.append("The policy has no rule, so nothing was judged.")
    elif not any(rule.blocking for rule in policy.rules):
        reasons.append(NOTHING_BLOCKS)
    elif not any(f.blocking and f.status == "PASS" for f in findings):
        reasons.append("No blocking rule passed; an audit in which nothing was shown to hold is not a PASS.")
    made = {f.rule for f in findings}
    lacking = [c.id for c in policy.comparisons if c.blocking and c.id not in made]
    if lacking:
        reasons.append(
            f"The policy compares with a baseline ({', '.join(lacking)}), and none was given: judge with --baseline."
        )
    if not any(r.state == "completed" for r in results):
        reasons.append("No probe completed.")
    reasons += _setup_faults(results)
    reasons += lost_cases(results, policy)
    reasons += reference_reasons(results, policy)
    for r in results:
        if r.state == "error":
            reasons.append(f"{r.probe} ended in an error: {r.reason}")
        elif r.state == "not_run" and r.selected:
            reasons.append(f"{r.probe} was selected but not run: {r.reason}")
    expired = [f for f in findings if f.waiver_expired is not None and not _passes(f)]
    reasons += [
        f"The waiver of rule '{f.rule}' expired on {f.waiver_expired.expires.isoformat()} and no longer counts."
        for f in expired
        if f.waiver_expired is not None and f.blocking
    ]
    return reasons


def _setup_faults(results: Sequence[ProbeResult]) -> list[str]:
    """Return what the checks of the set-up found; an audit without any such check is not to be trusted either."""
    checks = [r for r in results if r.info.family == "SETUP"]
    if not any(r.state == "completed" for r in checks):
        return ["No check of the set-up completed, so the outputs may not be what they were declared to be."]
    found: list[str] = []
    for r in checks:
        faults = sum(m.value for m in r.measurements if m.metric == "faults" and m.value is not None)
        if faults:
            named = dict.fromkeys(
                fault_words(m) or str(m.condition["parameter"])
                for m in r.measurements if m.value and m.condition.get("parameter")
            )  # fmt: skip
            detail = f": {'; '.join(sorted(named))}" if named else ""
            found.append(f"{r.probe} found {faults:g} fault{'s' if faults != 1 else ''} of the set-up{detail}.")
    return found
