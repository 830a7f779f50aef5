"""Evidence to plain JSON values and back, without loss."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from audit.core import (
    SCHEMA_VERSION,
    Access,
    ComparisonRule,
    Evidence,
    Finding,
    Limit,
    Measurement,
    NotTested,
    Policy,
    ProbeInfo,
    ProbeResult,
    Rule,
    StoredArtifact,
    Verdict,
    Waiver,
    digest,
    plain,
)
from audit.errors import EvidenceError

# Of `run`, what the numbers depend on; times, machine, paths, workers and executor differ between two equal audits.
_RUN_IN_DIGEST = ("version", "seed", "profile", "budget", "config_digest", "key_id")
_INFO_KEYS = (
    "name", "family", "tasks", "access", "needs", "metrics", "title", "question", "method", "limits", "references",
    "doc_url", "since", "last", "self_check", "descriptive", "at_prevalence",
)  # fmt: skip


def to_plain(evidence: Evidence) -> dict[str, Any]:
    """Return evidence as the values that evidence.json holds."""
    return {
        "schema_version": evidence.schema_version,
        "run": plain(evidence.run),
        "model": plain(evidence.model),
        "cohort": plain(evidence.cohort),
        "policy": policy_to_plain(evidence.policy),
        "results": [result_to_plain(r) for r in evidence.results],
        "findings": [_finding_to_plain(f) for f in evidence.findings],
        "verdict": {
            "outcome": evidence.verdict.outcome,
            "exit_code": evidence.verdict.exit_code,
            "label": evidence.verdict.label,
            "blocking": list(evidence.verdict.blocking),
            "counts": plain(evidence.verdict.counts),
            "reasons": list(evidence.verdict.reasons),
            "waivers": list(evidence.verdict.waivers),
            "notes": list(evidence.verdict.notes),
        },
        "not_tested": [plain(n) for n in evidence.not_tested],
        "family": plain(evidence.family),
    }


def evidence_digest(values: Mapping[str, Any]) -> str:
    """Return the sha256 over what an audit found out: no times, machine, paths, workers or executor."""
    kept = dict(values)
    kept["run"] = {k: values["run"].get(k) for k in _RUN_IN_DIGEST}
    kept["results"] = [{k: v for k, v in r.items() if k != "seconds"} for r in values["results"]]
    return digest(kept)


def from_plain(values: Mapping[str, Any]) -> Evidence:
    """Return typed evidence.

    Raises:
        EvidenceError: A newer version, or values that do not fit together.
    """
    version = values.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise EvidenceError(
            "this is not an evidence file", expected="a whole number in schema_version", got=repr(version)[:40],
            fix="name the folder that 'audit run' wrote",
        )  # fmt: skip
    if version > SCHEMA_VERSION:
        raise EvidenceError(
            "the evidence was written by a newer version of imaging-audit",
            expected=f"schema_version {SCHEMA_VERSION} or less",
            got=str(version),
            fix="update imaging-audit",
        )
    try:
        return _typed(values)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(
            "evidence.json does not hold together",
            expected="a file that 'audit schema evidence' describes",
            got=f"{type(error).__name__}: {error}",
            fix="run the audit again",
        ) from error


def _typed(values: Mapping[str, Any]) -> Evidence:
    verdict = values["verdict"]
    evidence = Evidence(
        schema_version=SCHEMA_VERSION,
        run=values["run"],
        model=values["model"],
        cohort=values["cohort"],
        policy=policy_from_plain(values["policy"]),
        results=tuple(result_from_plain(r) for r in values["results"]),
        findings=tuple(_finding(f) for f in values["findings"]),
        verdict=Verdict(
            outcome=verdict["outcome"],
            blocking=tuple(verdict["blocking"]),
            counts=verdict["counts"],
            reasons=tuple(verdict.get("reasons", ())),
            waivers=tuple(verdict.get("waivers", ())),
            notes=tuple(verdict.get("notes", ())),
        ),
        not_tested=tuple(NotTested(**n) for n in values["not_tested"]),
        family=values.get("family", {}),
    )
    if evidence.verdict.exit_code != verdict["exit_code"]:
        raise ValueError(f"outcome {verdict['outcome']} with exit code {verdict['exit_code']}")
    return evidence


def policy_to_plain(policy: Policy) -> dict[str, Any]:
    """Return a policy as plain values, in the shape of policy.toml."""
    return {
        "name": policy.name,
        "confidence": policy.confidence,
        "not_applicable": {"allow": list(policy.allow_not_applicable)},
        "rules": [{**plain(r), "limit": _limit_to_plain(r.limit)} for r in policy.rules],
        "waivers": [plain(w) for w in policy.waivers],
        **({"comparisons": [plain(c) for c in policy.comparisons]} if policy.comparisons else {}),
        "digest": policy.digest,
        "source": policy.source,
    }


def policy_from_plain(values: Mapping[str, Any]) -> Policy:
    """Return a typed policy from plain values."""
    return Policy(
        name=values["name"],
        confidence=values["confidence"],
        rules=tuple(Rule(**{**r, "limit": Limit(**r["limit"])}) for r in values["rules"]),
        waivers=tuple(_waiver(w) for w in values["waivers"]),
        allow_not_applicable=tuple(values["not_applicable"]["allow"]),
        comparisons=tuple(ComparisonRule(**c) for c in values.get("comparisons", ())),
        digest=values["digest"],
        source=values.get("source", "file"),
    )


def _waiver(values: Mapping[str, Any]) -> Waiver:
    return Waiver(**{**values, "expires": dt.date.fromisoformat(values["expires"])})


def _limit_to_plain(limit: Limit) -> dict[str, float]:
    return {k: v for k, v in (("min", limit.min), ("max", limit.max)) if v is not None}


def result_to_plain(result: ProbeResult) -> dict[str, Any]:
    """Return one result as evidence.json holds it."""
    info = plain(result.info)
    return {
        "probe": result.probe,
        "version": result.info.version,
        "state": result.state,
        "reason": result.reason,
        "measurements": [plain(m) for m in result.measurements],
        "artifacts": [plain(a) for a in result.artifacts],
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
        "selected": result.selected,
        **{k: info[k] for k in _INFO_KEYS},
    }


def result_from_plain(values: Mapping[str, Any]) -> ProbeResult:
    """Return a typed result from plain values.

    Raises:
        KeyError, TypeError, ValueError: The values are none of a result.
    """
    info = {k: values[k] for k in _INFO_KEYS if k in values}
    lists = ("tasks", "needs", "metrics", "references", "descriptive", "at_prevalence")
    info |= {k: tuple(info[k]) for k in lists if k in info}
    if "access" in info:
        info["access"] = Access[info["access"]]
    return ProbeResult(
        info=ProbeInfo(code=values["probe"], version=values["version"], **info),
        state=values["state"],
        reason=values["reason"],
        measurements=tuple(_measurement(m) for m in values["measurements"]),
        artifacts=tuple(StoredArtifact(**{**a, "columns": tuple(a["columns"])}) for a in values["artifacts"]),
        seed=values["seed"],
        seconds=values["seconds"],
        selected=values.get("selected", True),
    )


def _measurement(values: Mapping[str, Any]) -> Measurement:
    known = dict(values)
    known["curve"] = tuple(tuple(rung) for rung in values["curve"])
    simultaneous = values.get("simultaneous")
    known["simultaneous"] = None if simultaneous is None else tuple(simultaneous)
    return Measurement(**known)


def _finding_to_plain(finding: Finding) -> dict[str, Any]:
    return {**plain(finding), "limit": _limit_to_plain(finding.limit)}


def _finding(values: Mapping[str, Any]) -> Finding:
    known = dict(values)
    known["limit"] = Limit(**values["limit"])
    known["measurements"] = tuple(values["measurements"])
    for key in ("waiver", "waiver_expired"):
        known[key] = None if values.get(key) is None else _waiver(values[key])
    return Finding(**known)
