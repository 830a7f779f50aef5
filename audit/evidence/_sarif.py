"""SARIF 2.1.0: every rule with its help, one result for each that did not PASS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from audit.core import Evidence, Finding, Rule, Verdict

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(evidence: Evidence) -> str:
    """Return the run as SARIF 2.1.0 (OASIS, 2020).

    Level `error` for a FAIL that blocks the release, `warning` for what else blocks it, `note` for the rest. The
    verdict is a rule of its own, so that a reader sees also what keeps the outcome from PASS beside the rules.
    """
    titles = {r.probe: r.info for r in evidence.results}
    verdict = _verdict_id(evidence)
    known = {rule.id for rule in evidence.policy.rules}
    # Findings on differences to a baseline have no rule among those of probes.
    compared = [f for f in evidence.findings if f.rule not in known]
    rules = [
        *(_rule(rule, titles) for rule in evidence.policy.rules), *(_compared_rule(f) for f in compared),
        _verdict_rule(verdict),
    ]  # fmt: skip
    index = {rule["id"]: i for i, rule in enumerate(rules)}
    values: dict[str, Any] = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "imaging-audit",
                        "version": str(evidence.run.get("version", "")),
                        "rules": rules,
                    }
                },
                "results": [
                    *(_result(f, index[f.rule]) for f in evidence.findings if f.status != "PASS"),
                    *_of_verdict(evidence.verdict, verdict, len(rules) - 1),
                ],
                "properties": {
                    "outcome": evidence.verdict.outcome,
                    "label": evidence.verdict.label,
                    "reasons": list(evidence.verdict.reasons),
                    "notes": list(evidence.verdict.notes),
                },
            }
        ],
    }
    return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(rule: Rule, titles: dict[str, Any]) -> dict[str, Any]:
    info = titles.get(rule.probe)
    title = info.title if info else rule.probe
    help_text = f"{info.question} {info.method} {info.limits}" if info else f"{rule.probe} was not part of this run."
    if rule.rationale:
        help_text += f" Why this limit: {rule.rationale}"
    return {
        "id": rule.id,
        "name": f"{rule.probe}:{rule.metric}",
        "shortDescription": {"text": f"{title}: {rule.metric} {rule.limit}"},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": "error" if rule.blocking else "note"},
        "properties": {"probe": rule.probe, "metric": rule.metric, "where": dict(rule.where)},
    }


def _compared_rule(f: Finding) -> dict[str, Any]:
    why = f" Why this margin: {f.rationale}" if f.rationale else ""
    return {
        "id": f.rule,
        "name": f"baseline:{f.metric}",
        "shortDescription": {"text": f"Against the baseline: {f.metric} {f.limit}"},
        "help": {"text": f"Candidate minus baseline on the same cases, patients as the unit.{why}"},
        "defaultConfiguration": {"level": "error" if f.blocking else "note"},
        "properties": {"probe": f.probe, "metric": f.metric},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    # Not "open": SARIF leaves that kind the level "none" only, and readers hide what keeps a model from release.
    text = f"{finding.status}: {finding.headline}"
    if finding.open_because:
        text += f"; open because {finding.open_because}"
    if finding.waiver_expired is not None:
        text += f"; the waiver of {finding.waiver_expired.owner} expired on {finding.waiver_expired.expires}"
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _level(finding),
        "kind": "fail",
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": "evidence.json"}}}],
        "properties": {"status": finding.status},
    }
    if finding.waiver is not None:
        why = f"{finding.waiver.owner}: {finding.waiver.reason}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _verdict_id(evidence: Evidence) -> str:
    """Return the id of the verdict's own rule, which no rule of the policy has."""
    taken = {rule.id for rule in evidence.policy.rules} | {f.rule for f in evidence.findings}
    name = "verdict"
    while name in taken:
        name = f"imaging-audit-{name}"
    return name


def _verdict_rule(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "verdict",
        "shortDescription": {"text": "What all rules together mean for the release"},
        "help": {"text": "PASS only where every blocking rule was shown to hold and nothing beside the rules bars it."},
        "defaultConfiguration": {"level": "error"},
    }


def _of_verdict(verdict: Verdict, name: str, index: int) -> Iterator[dict[str, Any]]:
    """Give the verdict where it is not PASS, and what is to be noted of it whatever it is."""
    said = []
    if verdict.outcome != "PASS":
        level = "error" if verdict.outcome == "FAIL" else "warning"
        open_rules = [f"Rules: {', '.join(verdict.blocking)}."] if verdict.blocking else []
        said.append((level, " ".join([f"{verdict.label}.", *verdict.reasons, *open_rules])))
    elif verdict.waivers:
        said.append(("note", f"{verdict.label}: {', '.join(verdict.waivers)}."))
    said += [("note", text) for text in verdict.notes]
    for level, text in said:
        yield {
            "ruleId": name,
            "ruleIndex": index,
            "level": level,
            "kind": "fail",
            "message": {"text": text},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "evidence.json"}}}],
            "properties": {"status": verdict.outcome},
        }


def _level(finding: Finding) -> str:
    if not finding.blocking or finding.waiver is not None or finding.allowed:
        return "note"
    return "error" if finding.status == "FAIL" else "warning"
