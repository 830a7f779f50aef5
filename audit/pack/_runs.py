"""The history of runs on a cohort, as the ledger has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.core import Evidence
from audit.evidence import Ledger, moment


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """One run on the cohort.

    Args:
        time: When it began.
        outcome: What it ended with, "not finished" where the ledger has no end.
        this: Whether it is the run of this pack.
        deviations: How it differs from the run of this pack.
        facts: Model, seed, profile and version in words.
    """

    time: str
    outcome: str
    this: bool
    deviations: tuple[str, ...]
    facts: str


@dataclass(frozen=True, kw_only=True)
class RunHistory:
    """How often this cohort was audited here.

    Args:
        headline: One sentence.
        runs: In the order in which they began.
        outcomes: Number of runs by outcome.
        doubts: What keeps the history from being complete.
    """

    headline: str
    runs: tuple[OneRun, ...] = ()
    outcomes: Mapping[str, int]
    doubts: tuple[str, ...] = ()


_LIMITS = "The ledger is one file of one user on one machine; runs elsewhere, or before it was begun, are not in it."
_COMPARED = (
    ("model_digest", "another model"), ("policy_digest", "another policy"), ("seed", "another seed"),
    ("profile", "another profile"), ("version", "another version of the tool"), ("probes", "other probes"),
)  # fmt: skip


def run_history(evidence: Evidence, ledger: Ledger | None) -> RunHistory:
    """Return the runs on the cohort of this evidence.

    Args:
        evidence: The run of this pack.
        ledger: The ledger, None where there is none.
    """
    if ledger is None:
        text = "history of runs not demonstrated: no ledger was found"
        return RunHistory(headline=text, outcomes={}, doubts=("How often this cohort was audited is not known.",))
    entries = ledger.on(str(evidence.cohort.get("digest", "")))
    began = {str(e.get("run")): e for e in entries if e.get("event") == "began"}
    ended = {str(e.get("run")): e for e in entries if e.get("event") == "ended"}
    ours = _ours(evidence, entries)
    runs = tuple(_one(e, ended.get(name), ours) for name, e in began.items())
    outcomes: dict[str, int] = {}
    for r in runs:
        outcomes[r.outcome] = outcomes.get(r.outcome, 0) + 1
    doubts = ["Every line of the ledger follows from the one before it." if not ledger.fault else "", _LIMITS]
    if ledger.fault:
        doubts.insert(0, f"The ledger was changed or damaged: {ledger.fault}.")
    if ours is None:
        doubts.insert(0, "The run of this pack is not in the ledger.")
    return RunHistory(
        headline=_headline(runs, outcomes, ours), runs=runs, outcomes=outcomes, doubts=tuple(d for d in doubts if d)
    )


def lines_on(evidence: Evidence, ledger: Ledger) -> tuple[list[Mapping[str, Any]], dict[str, list[Mapping[str, Any]]]]:
    """Return the ledger's lines of the run of this evidence, and those of each other run on its cohort.

    Args:
        evidence: The run of this pack.
        ledger: The ledger.
    """
    entries = ledger.on(str(evidence.cohort.get("digest", "")))
    ours = _ours(evidence, entries)
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for number, entry in enumerate(entries):
        # A line that names no run stands for one of its own.
        runs.setdefault(str(entry.get("run") or f"line {number}"), []).append(entry)
    own = [] if ours is None else runs.pop(str(ours.get("run") or ""), [ours])
    return own, runs


def _ours(evidence: Evidence, entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the end of this run: of runs with equal evidence the one that ended when this one did."""
    # Only a copy without small cells has another digest than its run.
    key = "derived_from" if "suppressed_levels" in evidence.run else "evidence_digest"
    digest = str(evidence.run.get(key) or "")
    equal = [e for e in entries if e.get("event") == "ended" and e.get("evidence_digest") == digest]
    finished = moment(evidence.run.get("finished"))

    def away(entry: Mapping[str, Any]) -> float:
        ended = moment(entry.get("time"))
        return math.inf if ended is None or finished is None else abs((ended - finished).total_seconds())

    return min(equal, key=away) if equal else None


def _headline(runs: tuple[OneRun, ...], outcomes: Mapping[str, int], ours: Mapping[str, Any] | None) -> str:
    if not runs:
        return "history of runs not demonstrated: the ledger has no run on this cohort"
    counted = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    times = "once" if len(runs) == 1 else f"{len(runs)} times"
    tail = "" if ours is not None else "; the run of this pack is not among them"
    return f"this cohort was audited {times} here: {counted}{tail}"


def _one(begun: Mapping[str, Any], end: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> OneRun:
    this = end is not None and ours is not None and end.get("run") == ours.get("run")
    deviations = () if this or ours is None else tuple(w for k, w in _COMPARED if begun.get(k) != ours.get(k))
    words = (
        f"{begun.get('model_name') or 'model'} {str(begun.get('model_digest', ''))[:12]}",
        f"policy {str(begun.get('policy_digest', ''))[:12]}", f"seed {begun.get('seed')}",
        f"profile {begun.get('profile')}", f"version {begun.get('version')}",
    )  # fmt: skip
    return OneRun(
        time=str(begun.get("time", "")), outcome=str(end.get("outcome")) if end else "not finished", this=this,
        deviations=deviations, facts=", ".join(words),
    )  # fmt: skip
