"""The last lines of a command that judges: verdict, a sentence, the worst findings, what was set aside, the paths."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from audit._cli.folders import relative
from audit._cli.shell import command, on_github, say
from audit.storage import Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audit.core import Evidence, Finding

_WORST = 3
_REASONS = 5
_COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}


def print_outcome(evidence: Evidence, folder: Location | None, *, github: bool = False) -> int:
    """Print the outcome and return its exit code.

    Args:
        evidence: The run.
        folder: Its folder where it was written, None where nothing was.
        github: Print workflow commands of GitHub Actions, too; on a runner they always are.
    """
    verdict = evidence.verdict
    phantom = " (phantom)" if evidence.model.get("phantom") else ""
    say("")
    say(f"  {sentence(evidence)}", head=coloured(verdict.label + phantom, verdict.outcome))
    print_findings(worst(evidence))
    more = sum(1 for f in evidence.findings if f.status != "PASS") - _WORST
    if more > 0:
        say(f"  and {_count(more, 'more rule')} that did not pass: see the report")
    for reason in verdict.reasons[:_REASONS]:
        say(f"  note  {reason}")
    for text in verdict.notes:
        say(f"  note  {text}")
    remarks = list(evidence.cohort.get("remarks") or ())
    # A cohort from a manifest says it itself, and first.
    if evidence.cohort.get("patient_declared") is False and not any("patient column" in r for r in remarks):
        say("  note  No column of patients is declared: every case counts as its own patient.")
    _say_some(remarks, "more remark", "on the cohort")
    warnings = [text for text in evidence.run.get("warnings") or () if text not in verdict.reasons[:_REASONS]]
    _say_some(warnings, "more warning", "given before the run")
    for line in ledger_lines(evidence):
        say(line)
    if folder is not None:
        for word, name in (("report  ", "report.html"), ("evidence", "evidence.json")):
            say(f"  {word}  {relative(folder / name) if isinstance(folder, Path) else f'{folder}/{name}'}")
    if github or on_github():
        _annotate(evidence)
    return verdict.exit_code


def _annotate(evidence: Evidence) -> None:
    """Print annotations, and add the summary to that of the step where the runner names its file."""
    from audit.evidence import github_annotations, summary, suppress

    shared = suppress(evidence, int(evidence.run.get("min_cell") or 0))
    for line in github_annotations(shared):
        command(line)
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if target:
        with Path(target).open("a", encoding="utf-8") as f:
            f.write(summary(shared) + "\n")


def print_findings(findings: Iterable[Finding]) -> None:
    """Print the status and the headline of findings, and why an open one is open."""
    for finding in findings:
        say(f"  {_status(finding)}  {finding.rule}: {finding.headline}")
        if finding.open_because:
            say(f"        open because {finding.open_because}")


def _say_some(sentences: list[str], noun: str, what: str) -> None:
    for text in sentences[:_REASONS]:
        say(f"  note  {text}")
    if len(sentences) > _REASONS:
        say(f"  note  {_count(len(sentences) - _REASONS, noun)} {what}: see the report")


def sentence(evidence: Evidence) -> str:
    """Return one sentence on what the verdict rests on, with counts."""
    verdict, rules = evidence.verdict, len(evidence.findings)
    passed = sum(1 for f in evidence.findings if f.status == "PASS")
    cohort = evidence.cohort
    scope = f"{passed} of {_count(rules, 'rule')} passed on {_count(cohort.get('n', 0), 'case')}"
    scope += f" of {_count(cohort.get('n_patients', 0), 'patient')}"
    if not rules:
        return f"nothing was judged{scope.partition('passed')[2]}, since no policy was given."
    if verdict.outcome == "PASS":
        return f"{scope}; nothing blocks the release."
    if not verdict.blocking:
        failed = sum(1 for f in evidence.findings if f.status == "FAIL")
        what = "1 rule FAILs, which does not block" if failed == 1 else f"{failed} rules FAIL, none of which blocks"
        return f"{scope}; {what if failed else 'no rule stands in the way'}, see the notes."
    named = ", ".join(verdict.blocking[:_WORST])
    more = len(verdict.blocking) - _WORST
    return f"{scope}; the release is blocked by {named}" + (f" and {more} more." if more > 0 else ".")


def worst(evidence: Evidence) -> list[Finding]:
    """Return the three findings that weigh most, none that passed."""
    from audit.judge import worst_first

    return [f for f in worst_first(evidence.findings, evidence.verdict) if f.status != "PASS"][:_WORST]


def _status(finding: Finding) -> str:
    words = finding.status.replace("_", " ")
    if finding.waiver is not None:
        words += f" (waived until {finding.waiver.expires.isoformat()})"
    elif finding.waiver_expired is not None:
        words += f" (waiver expired {finding.waiver_expired.expires.isoformat()})"
    return words if finding.blocking or finding.waiver is not None else f"{words} (does not block)"


def ledger_lines(evidence: Evidence) -> list[str]:
    """Return the rows read, used and set aside by reason; none where nothing was set aside."""
    ledger = evidence.cohort.get("ledger") or {}
    aside = ledger.get("set_aside") or {}
    if not aside:
        return []
    head = f"  rows      {ledger.get('read')} read, {ledger.get('used')} used, {sum(aside.values())} set aside:"
    return [head, *(f"            {count} {reason}" for reason, count in sorted(aside.items(), key=lambda r: -r[1]))]


def _count(number: object, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def coloured(text: str, outcome: str) -> str:
    """Return a text in the colour of an outcome where a terminal shows colours."""
    plain = sys.stdout is None or not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else typer.style(text, fg=_COLOURS[outcome], bold=True)
