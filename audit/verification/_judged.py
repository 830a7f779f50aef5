"""Findings and verdict of a run, judged again from its measurements and its policy on the day of the run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import audit
from audit.core import Evidence, Finding
from audit.errors import PolicyError
from audit.evidence import EVIDENCE
from audit.judge import decide, judge
from audit.verification._files import Fault
from audit.verification._left_out import left_out
from audit.verification._stated import pass_faults

_OTHER_LEFT_OUT = (
    "Cells of few patients are left out: that what PASSes does was checked for each rule none of whose numbers is left "
    "out, and that no number in sight FAILs under one that says PASS. Whether another status is the right one was not."
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of judging a run again.

    Args:
        faults: What is wrong with findings and verdict.
        notes: What is to be said of them.
        not_made: What was not made again though the version that made it can.
        untold: Rules whose status rests on numbers that the copy leaves out, so that nobody can tell it.
    """

    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


def judged_again(evidence: Evidence, *, same: bool) -> Judged:
    """Hold findings and verdict against the measurements and the policy.

    Args:
        evidence: The run, or a copy of it without small cells.
        same: Whether this version judged it.
    """
    small = "suppressed_levels" in evidence.run
    found = _left_out(evidence) if small else Judged(faults=tuple(_verdict_faults(evidence)))
    if same:
        return found
    made = f"The run was made with imaging-audit {evidence.run.get('version')}, this is {audit.__version__}"
    if not found.faults:
        return replace(found, notes=(f"{made}, which judges its numbers alike.", *found.notes))
    asked = f"{made}: whether all of its findings follow from its numbers was not checked, only that what PASSes does."
    notes = (asked, *([_OTHER_LEFT_OUT] if small else []))
    return Judged(faults=_pass_faults(evidence), notes=notes, not_made=("findings",))


def _pass_faults(evidence: Evidence) -> tuple[Fault, ...]:
    try:
        return tuple(said_of_evidence(pass_faults(evidence, _judged(evidence), _range(evidence))))
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return (_unjudged(error),)


def _unjudged(error: Exception) -> Fault:
    return Fault(file=EVIDENCE, what=f"cannot be judged again: {error}"[:160])


def _left_out(evidence: Evidence) -> Judged:
    """Return what cannot be of a copy without small cells, and a sentence on what nobody can tell from it."""
    try:
        found = left_out(evidence, _day(evidence), _range(evidence))
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return Judged(faults=(_unjudged(error),), notes=(_OTHER_LEFT_OUT,))
    said = "Cells of few patients are left out; each rule all of whose numbers are in sight was judged again."
    if found.untold:
        said += (
            f" {len(found.untold)} of {len(evidence.policy.rules)} rest on numbers that are left out as well, and for "
            f"these only what is in sight was: {', '.join(found.untold)}."
        )
    return Judged(faults=tuple(said_of_evidence(found.faults)), notes=(said,), untold=found.untold)


def _judged(evidence: Evidence) -> tuple[Finding, ...]:
    return judge(evidence.results, evidence.policy, today=_day(evidence), input_range=_range(evidence))


def _range(evidence: Evidence) -> tuple[float, float] | None:
    span = (evidence.model.get("input") or {}).get("range")
    return None if span is None else (float(span[0]), float(span[1]))


def _verdict_faults(evidence: Evidence) -> list[Fault]:
    """Return where findings and verdict are not what the measurements give under the policy on the day of the run."""
    try:
        findings = _judged(evidence)
        verdict = decide(findings, evidence.results, evidence.policy, evidence.model)
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [_unjudged(error)]
    said = {f.rule: f for f in evidence.findings}
    faults = [
        Fault(file=EVIDENCE, what=f"rule '{f.rule}' says {_status(said.get(f.rule))}, its numbers say {f.status}")
        for f in findings
        if said.get(f.rule) != f
    ]
    faults += [
        Fault(file=EVIDENCE, what=f"a finding of rule '{r}', which the policy does not have")
        for r in said.keys() - {f.rule for f in findings}
    ]
    if verdict != evidence.verdict:
        text = f"states {evidence.verdict.label}, its findings give {verdict.label}"
        faults.append(Fault(file=EVIDENCE, what=text if verdict.label != evidence.verdict.label else
                            "states other reasons for its verdict than its findings give"))  # fmt: skip
    return faults


def _status(finding: Any) -> str:
    return "nothing" if finding is None else str(finding.status)


def _day(evidence: Evidence) -> dt.date:
    """Return the day (UTC) on which the run was judged."""
    moment = dt.datetime.fromisoformat(str(evidence.run.get("finished") or evidence.run["started"]))
    return moment.astimezone(dt.UTC).date()


def said_of_evidence(texts: Iterable[str]) -> list[Fault]:
    """Return sentences on evidence as faults of it.

    Args:
        texts: The sentences; what cannot be read while they are made is one, too.
    """
    try:
        return [Fault(file=EVIDENCE, what=text) for text in texts]
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"cannot be held against itself: {error}"[:160])]
