"""Workflow commands of GitHub Actions: one annotation for the verdict and for each rule that did not PASS."""

from __future__ import annotations

from audit.core import Evidence, Finding, worst_first

_MOST = 9
"""GitHub shows ten annotations of a level and step; the verdict is always one of them."""


def github_annotations(evidence: Evidence) -> list[str]:
    """Return the lines to print: the verdict first, then the rules, the worst first.

    `error` for a FAIL that blocks and for a verdict that is FAIL, `warning` for what else keeps it from PASS, `notice`
    for the rest. What a cohort or a policy brings in stays text: line breaks and the marks of commands are escaped.

    Args:
        evidence: What may be shared.
    """
    verdict = evidence.verdict
    level = {"FAIL": "error", "INCONCLUSIVE": "warning", "PASS": "notice"}[verdict.outcome]
    said = [verdict.label]
    if verdict.blocking:
        said.append(f"Blocked by {', '.join(verdict.blocking)}.")
    said += [*verdict.reasons, *verdict.notes]
    lines = [_command(level, f"audit: {verdict.label}", "\n".join(said))]
    others = [f for f in worst_first(evidence.findings, verdict) if f.status != "PASS"]
    lines += [_finding(f) for f in others[:_MOST]]
    if len(others) > _MOST:
        text = f"and {len(others) - _MOST} more rules that did not pass: see summary.md"
        lines.append(_command("notice", "audit", text))
    return lines


def _finding(f: Finding) -> str:
    text = f"{f.status}: {f.headline}"
    if f.open_because:
        text += f"\nopen because {f.open_because}"
    if f.waiver is not None:
        text += f"\nwaived by {f.waiver.owner} until {f.waiver.expires}: {f.waiver.reason}"
    if f.waiver_expired is not None:
        text += f"\nthe waiver of {f.waiver_expired.owner} expired on {f.waiver_expired.expires} and no longer counts"
    return _command(_level(f), f"{f.rule}: {f.status}", text)


def _level(f: Finding) -> str:
    if not f.blocking or f.waiver is not None or f.allowed:
        return "notice"
    return "error" if f.status == "FAIL" else "warning"


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_property(title)}::{_message(text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
