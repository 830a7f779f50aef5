"""Two runs on the same cases: what differs, and what the policy's margins say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.core.measurement import Measurement
from audit.core.probe import ProbeResult
from audit.core.verdict import Finding, Verdict

COMPARED: tuple[str, ...] = (
    "auc", "auc_macro", "sensitivity", "specificity", "weighted_kappa", "accuracy", "brier", "mae", "rmse", "dice",
    "surface_dice", "hd95", "absolute_volume_error", "lesion_sensitivity", "false_lesions_per_case",
)  # fmt: skip
"""Numbers that two runs on the same cases can be compared by."""
MIXED: tuple[str, ...] = ("accuracy", "brier")
"""Those that depend on how many cases of the cohort are ill, so that no margin that blocks may rest on them."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One number of both runs on the same cases.

    Args:
        metric: Name of the number, for example "auc".
        candidate: Its value in the candidate; None where there is none.
        baseline: Its value in the baseline.
        measurement: Candidate minus baseline, with its paired interval.
        mixed: True where the number depends on this cohort's mix of cases, so that no margin may rest on it.
    """

    metric: str
    candidate: float | None
    baseline: float | None
    measurement: Measurement
    mixed: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a paired comparison found out.

    Args:
        candidate: Name, version, digests, outcome of the run that is judged.
        baseline: The same of the run that it is held against.
        reasons: Why the two cannot be paired; empty where they can.
        differences: Numbers of both, none where they cannot be paired.
        results: The differences as the results that findings rest on.
        findings: One a `[[comparison]]` of the policy.
        verdict: What the margins mean; None where the policy has none and the runs are paired.
        notes: What nobody should read the differences without.
    """

    candidate: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    results: tuple[ProbeResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()

    def decisive(self, finding: Finding) -> Measurement | None:
        """Return the difference that decided a finding, None where there is none."""
        result = next((r for r in self.results if r.probe == finding.probe), None)
        return None if result is None or finding.decisive is None else result.measurements[finding.decisive]

    @property
    def paired(self) -> bool:
        """Whether the two runs are about the same cases."""
        return not self.reasons
