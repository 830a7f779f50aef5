"""Everything that an audit found out: the value that report, gate and pack work from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.core.policy import Policy
from audit.core.probe import ProbeResult
from audit.core.verdict import Finding, Verdict

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class NotTested:
    """Something that this audit says nothing about, and why."""

    what: str
    why: str
    probe: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The content of evidence.json, typed.

    Args:
        schema_version: Version of the file's format.
        run: Times, machine, seed, profile, budget, command, versions, evidence_digest; not part of the digest.
        model: The model's card as plain values.
        cohort: Name, digest, ledger, attributes with counts, sampling, remarks.
        policy: The policy that the stored findings were judged by.
        results: One a probe.
        findings: One a rule.
        verdict: What the findings mean.
        not_tested: What this audit says nothing about.
        family: The hypotheses that the policy declared before the run, and how many of them were tested.
    """

    schema_version: int = SCHEMA_VERSION
    run: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    cohort: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy
    results: tuple[ProbeResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: Verdict
    not_tested: tuple[NotTested, ...] = ()
    family: Mapping[str, Any] = field(default_factory=dict)

    def result(self, code: str) -> ProbeResult | None:
        """Return the result of one probe, None where it has none."""
        return next((r for r in self.results if r.probe == code), None)
