"""The verdict must fail closed, and evidence that was touched must be refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.core import Policy, Waiver
from audit.errors import EvidenceError
from audit.session.validation._check import Check, audited, policy, rules

if TYPE_CHECKING:
    from audit.core import Evidence

_CLOSED = "What was not shown is never a PASS."
_SAME = "Equal inputs and seeds give equal evidence."
_KEPT = "A finished run that was changed by one byte is refused."


def gate_checks() -> tuple[Check, ...]:
    """Return checks of the judge, of waivers, of reproduction and of the seal."""
    waived = "A waiver takes a rule out of what blocks until its day, shows, and counts as none afterwards."
    return (
        Check(requirement=_CLOSED, check="healthy model, no rule", expected="INCONCLUSIVE", run=_no_rule),
        Check(requirement=_CLOSED, check="healthy model, no probe of a rule ran", expected="not PASS", run=_not_run),
        Check(requirement=_CLOSED, check="healthy model, rules ask for more patients than there are",
              expected="INCONCLUSIVE", run=_too_few),
        Check(requirement=_CLOSED, check="judged from a probe that ended in an error", expected="not PASS", run=_crash),
        Check(requirement=waived, check="overconfident model, its rule waived until tomorrow and until yesterday",
              expected="PASS with 1 waiver, then FAIL", run=_waivers),
        Check(requirement=_SAME, check="the same audit twice", expected="one evidence digest", run=_twice),
        Check(requirement=_KEPT, check="one byte flipped in each file of a run", expected="all refused", run=_flipped),
    )  # fmt: skip


def _no_rule(folder: Path) -> tuple[bool, str]:
    outcome = audited("healthy", folder, rules_of=Policy(name="none"), probes="PERF001").verdict.outcome
    return outcome == "INCONCLUSIVE", outcome


def _not_run(folder: Path) -> tuple[bool, str]:
    outcome = audited("healthy", folder, probes="DATA003").verdict.outcome
    return outcome != "PASS", outcome


def _too_few(folder: Path) -> tuple[bool, str]:
    asked = policy(rules=tuple(replace(r, min_patients=100_000) for r in rules()))
    outcome = audited("healthy", folder, rules_of=asked).verdict.outcome
    return outcome == "INCONCLUSIVE", outcome


def _crash(folder: Path) -> tuple[bool, str]:
    found = audited("healthy", folder)
    broken = tuple(
        replace(r, state="error", reason="planted", measurements=()) if r.probe == "PERF001" else r
        for r in found.results
    )
    outcome = _judged(replace(found, results=broken), found.policy)
    return outcome != "PASS", outcome


def _judged(evidence: Evidence, rules_of: Policy) -> str:
    from audit.judge import decide, judge

    low, high = evidence.model["input"]["range"]
    findings = judge(evidence.results, rules_of, today=dt.datetime.now(dt.UTC).date(), input_range=(low, high))
    return decide(findings, evidence.results, rules_of, evidence.model).label


def _waivers(folder: Path) -> tuple[bool, str]:
    found = audited("overconfident", folder)
    labels = []
    for days in (1, -1):
        until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
        waiver = Waiver(rule="calibrated", owner="validation", reason="planted", expires=until)
        labels.append(_judged(found, policy(waivers=(waiver,))))
    return labels == ["PASS with 1 waiver", "FAIL"], ", then ".join(labels)


def _twice(folder: Path) -> tuple[bool, str]:
    digests = set()
    for name in ("a", "b"):
        (folder / name).mkdir()
        digests.add(str(audited("healthy", folder / name).run["evidence_digest"]))
    return len(digests) == 1, f"{len(digests)} digest" + ("s" if len(digests) > 1 else "")


def _flipped(folder: Path) -> tuple[bool, str]:
    from audit.evidence import read_run

    run = Path(str(audited("healthy", folder).folder))
    names = sorted(p for p in run.rglob("*") if p.is_file())
    silent = []
    for path in names:
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        try:
            read_run(run)
            silent.append(path.name)
        except EvidenceError:
            pass
        path.write_bytes(whole)
    read_run(run)
    return not silent, f"{len(names) - len(silent)} of {len(names)} refused" + (
        f"; not {', '.join(silent)}" if silent else ""
    )
