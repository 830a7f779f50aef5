"""summary.md: the verdict and every rule, for a pull request or a release note."""

from __future__ import annotations

import re

from audit.core import Evidence, Finding, worst_first


def escape(text: object) -> str:
    """Return a text that Markdown shows as it is: no markup, no link, no table break."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", flat)


def summary(evidence: Evidence) -> str:
    """Return the run in Markdown; it names every rule, the worst first."""
    verdict, cohort, run = evidence.verdict, evidence.cohort, evidence.run
    phantom = " (phantom)" if evidence.model.get("phantom") else ""
    lines = [
        f"# {verdict.label}: {escape(evidence.model.get('name', 'model'))}{phantom}",
        "",
        f"{_count(cohort.get('n', 0), 'case')} of {_count(cohort.get('n_patients', 0), 'patient')}, "
        f"cohort {escape(cohort.get('name', ''))}, "
        f"policy {escape(evidence.policy.name or 'without a name')}.",
        "",
    ]
    lines += [f"- {escape(reason)}" for reason in verdict.reasons]
    lines += [f"- Note: {escape(text)}" for text in verdict.notes]
    lines += ["", "| Rule | Status | What was found | Blocks |", "| --- | --- | --- | --- |"]
    lines += [_row(f, verdict.blocking) for f in worst_first(evidence.findings, verdict)]
    aside = cohort.get("ledger", {}).get("set_aside", {})
    if aside:
        ledger = cohort["ledger"]
        lines += ["", f"{ledger['read']} rows read, {ledger['used']} used. Set aside:"]
        lines += [f"- {count}: {escape(reason)}" for reason, count in sorted(aside.items())]
    if evidence.not_tested:
        lines += ["", "Not tested:"]
        lines += [f"- {line}" for line in _not_tested(evidence)]
    lines += [
        "",
        f"Evidence {str(run.get('evidence_digest', ''))[:16]}, model {str(evidence.model.get('digest', ''))[:16]}, "
        f"seed {run.get('seed', '')}, profile {run.get('profile', '')}, imaging-audit {run.get('version', '')}.",
        "",
    ]
    return "\n".join(lines)


def _not_tested(evidence: Evidence) -> list[str]:
    """Return a line for each reason: a run on saved predictions leaves out forty probes for a dozen reasons."""
    by_reason: dict[str, list[str]] = {}
    for n in evidence.not_tested:
        by_reason.setdefault(n.why, []).append(n.what)
    return [
        f"{escape(what[0])}: {escape(why)}" if len(what) == 1 else f"{escape(why)}: {escape('; '.join(what))}"
        for why, what in by_reason.items()
    ]


def _count(number: object, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _row(finding: Finding, blocking: tuple[str, ...]) -> str:
    status: str = finding.status
    if finding.waiver is not None:
        status += f", waived until {finding.waiver.expires}"
    elif finding.waiver_expired is not None:
        status += f", waiver expired {finding.waiver_expired.expires}"
    found = finding.headline + (f"; open because {finding.open_because}" if finding.open_because else "")
    blocks = "yes" if finding.rule in blocking else "no"
    return f"| {escape(finding.rule)} | {status} | {escape(found)} | {blocks} |"
