"""What evidence states beside its measurements, held against what it can be counted or decided from."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audit.core import CLASSIFICATION, Evidence, Finding, Rule, StoredPredictions, StoredRows
from audit.evidence import SUPPRESSED, moment, run_moments
from audit.judge import decide, matches

# Clocks of two machines differ by less.
_AHEAD = dt.timedelta(minutes=10)


def pass_faults(
    evidence: Evidence, judged: Sequence[Finding], input_range: tuple[float, float] | None = None
) -> Iterator[str]:
    """Yield what bars the statuses and the verdict that evidence states, whoever judged it.

    For evidence that was judged by another version, or that leaves cells out: its sentences may be others, but what is
    stated as a PASS must hold by the numbers that are there, and the verdict must follow from the findings.

    Args:
        evidence: The run, or a copy of it without small cells.
        judged: The findings that its measurements give here.
        input_range: Stored range of the model's input.
    """
    said = {f.rule: f for f in evidence.findings}
    rules = {r.id: r for r in evidence.policy.rules}
    if set(said) != set(rules) or len(said) != len(evidence.findings):
        yield "does not have exactly one finding a rule of its policy"
        return
    for f in judged:
        mine = said[f.rule]
        if (mine.blocking, mine.waiver) != (f.blocking, f.waiver):
            yield f"rule '{f.rule}' blocks or is waived otherwise than its policy says"
        good = _holds(mine)
        hidden = _hidden(evidence, rules[f.rule], input_range)
        # What is seen to FAIL fails whatever else is left out.
        if good and not _holds(f) and (f.status == "FAIL" or not hidden):
            yield f"rule '{f.rule}' says {mine.status}, its numbers say {f.status}"
    found = decide(evidence.findings, evidence.results, evidence.policy, evidence.model)
    failed, stated = found.outcome == "FAIL", evidence.verdict.outcome
    if failed != (stated == "FAIL") or (stated == "PASS" and (found.blocking or not any(map(_holds, judged)))):
        yield f"states {evidence.verdict.label}, its findings give {found.label}"


def _holds(f: Finding) -> bool:
    return f.status == "PASS" or (f.status == "NOT_APPLICABLE" and f.allowed)


def _hidden(evidence: Evidence, rule: Rule, input_range: tuple[float, float] | None) -> bool:
    """Tell whether a number that a rule is about is left out of this copy."""
    return any(
        m.method == SUPPRESSED for r in evidence.results if r.probe == rule.probe for m in r.measurements
        if matches(rule, m, input_range)
    )  # fmt: skip


def listed_faults(evidence: Evidence, codes: Sequence[str]) -> Iterator[str]:
    """Yield the probes of this suite that are neither among the results nor named as not tested.

    Args:
        evidence: A run of this version.
        codes: The probes that this version has.
    """
    results = {r.probe: r for r in evidence.results}
    named = {n.probe for n in evidence.not_tested}
    for code in codes:
        if code not in results and code.startswith("SETUP"):
            yield f"{code}: no result, though it is part of every audit"
        elif (code not in results or results[code].state != "completed") and code not in named:
            yield f"{code}: not tested, and not listed as such"


def count_faults(evidence: Evidence, stored: StoredPredictions) -> Iterator[str]:
    """Yield the counts of the cohort that are not those of the stored predictions.

    Args:
        evidence: The run, or a copy of it; counts that a copy leaves out are not asked for.
        stored: Its predictions.
    """
    said, rows = evidence.cohort, stored.clean
    everyone = np.ones(len(rows), dtype=bool)
    yield from _count("the cohort", said, rows, everyone)
    targets, names = rows.targets, [str(t.get("class")) for t in said.get("targets") or ()]
    if evidence.model.get("task") in CLASSIFICATION and "suppressed_levels" not in evidence.run:
        for c, row in enumerate(said.get("targets") or ()):
            inside = targets[:, c] == 1 if targets.ndim == 2 else targets == c
            yield from _count(f"class {names[c]}", row, rows, inside)
    for a in said.get("attributes") or ():
        levels = rows.levels.get(str(a["name"]))
        for row in a.get("levels") or () if levels is not None else ():
            if "n" in row:
                yield from _count(f"{a['name']} {row['level']}", row, rows, levels == str(row["level"]))
    if "suppressed_levels" not in evidence.run:
        yield from _ledger(said, stored)


def _count(what: str, row: Mapping[str, Any], rows: StoredRows, inside: Any) -> Iterator[str]:
    counted = {"n": int(inside.sum()), "n_patients": int(np.unique(rows.codes[inside]).size)}
    if "n_positive" in row:
        counted["n_positive"] = int((inside & (rows.targets == 1)).sum())
    for key, n in counted.items():
        if row.get(key) != n:
            yield f"{key} of {what} is {row.get(key)} in evidence.json, {n} in the stored predictions"


def _ledger(said: Mapping[str, Any], stored: StoredPredictions) -> Iterator[str]:
    ledger, pending = said.get("ledger") or {}, said.get("unverified") or {}
    aside = Counter({str(k): int(n) for k, n in (ledger.get("set_aside") or {}).items()})
    rows = stored.aside
    found = Counter([] if rows is None or rows.reason is None else rows.reason.tolist())
    # Cases without a reference standard are stored as such where the model answered, with no reason of their own.
    waiting = 0 if stored.unverified is None else len(stored.unverified)
    most = waiting + int(pending.get("unanswered") or 0)
    rest = aside.total() - found.total()
    if ledger.get("used") != len(stored.clean) or found - aside or not waiting <= rest <= most:
        yield f"the ledger has {ledger.get('used')} rows used and {aside.total()} set aside, the stored " \
              f"predictions {len(stored.clean)} and {found.total() + waiting}, or for other reasons"  # fmt: skip
    elif ledger.get("read") != len(stored.clean) + aside.total():
        yield f"the ledger has {ledger.get('read')} rows read, which is not those used and those set aside"


def log_faults(evidence: Evidence, log: bytes) -> Iterator[str]:
    """Yield where a run's log names another policy, seed or outcome than its evidence, or times that do not fit.

    Args:
        evidence: The run.
        log: Its log.jsonl.
    """
    try:
        events = [json.loads(line) for line in log.decode("utf-8").splitlines()]
        named = {str(e["event"]): e for e in events}
    except (ValueError, KeyError, TypeError, RecursionError):
        yield "cannot be read"
        return
    asked = (
        ("start", "seed", evidence.run.get("seed")), ("family", "policy", evidence.policy.digest),
        ("verdict", "outcome", evidence.verdict.outcome),
    )  # fmt: skip
    for event, key, wanted in asked:
        if named.get(event, {}).get(key) != wanted:
            yield f"names another {key} than evidence.json, or none"
    yield from run_moments(evidence, log).faults
    ended = moment(evidence.run.get("finished"))
    if ended is not None and ended > dt.datetime.now(dt.UTC) + _AHEAD:
        yield f"the end that the evidence states ({ended.isoformat()}) has not come"


def artifact_faults(evidence: Evidence, sums: bytes) -> Iterator[tuple[str, str]]:
    """Yield path and fault of each stored array that is not the one that evidence names by its digest.

    Args:
        evidence: The run, or a copy of it.
        sums: The SHA256SUMS of the run, whose lines are those of its files.
    """
    lines = (line.partition("  ") for line in sums.decode("utf-8", errors="replace").splitlines())
    listed = {name: sha for sha, _, name in lines if name.startswith("artifacts/")}
    named = {a.file: a.sha256 for r in evidence.results for a in r.artifacts}
    for name in sorted(named.keys() | listed.keys()):
        if name not in named:
            yield name, "not named by evidence.json"
        elif listed.get(name) != named[name]:
            yield name, "not what evidence.json names by its digest"
