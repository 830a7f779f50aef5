"""The typed content of audit.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from audit.core import (
    CohortSpec,
    Envelope,
    ExplainSpec,
    IntendedUse,
    ModelSpec,
    Policy,
    Profile,
    SurrogateSpec,
    ThreatModel,
    TrainingSpec,
)


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """`audit.toml`, typed; every path in it is relative to `root`.

    Args:
        model: `[model]`.
        cohort: `[cohort]`.
        intended_use: `[intended_use]`.
        policy: The policy that `[audit] policy` names, None where it names none.
        policy_path: Path of that policy as the file gives it.
        profile: Budget profile.
        seed: Seed of the run.
        probes: Selection of probes: codes, families or globs; empty for all.
        root: Folder of audit.toml.
        digest: sha256 of the canonical content, the policy not included (it has its own).
        show_ids: Whether case and patient ids may stand in outputs.
        show_pixels: Whether images of cases may stand in outputs.
        fairlearn_metrics: Metrics of fairlearn or scikit-learn, by name, of which FAIR001 gives the gaps.
        attacks: Attacks by name that ADV001 and ADV002 run beside their own.
        surrogates: Models that an attacker may have in place of the audited one.
        threat_model: Against whom the model must stand, where that is declared.
        envelope: Acquisitions in clinical use, as declared.
        training: `[training]`, None where no recipe is declared.
        explain: How decisions are explained.
        min_cell: Cells with fewer patients are left out of what is shared.
    """

    model: ModelSpec
    cohort: CohortSpec
    intended_use: IntendedUse = field(default_factory=IntendedUse)
    policy: Policy | None = None
    policy_path: str | None = None
    profile: Profile = "standard"
    seed: int = 1
    probes: tuple[str, ...] = ()
    root: Path
    digest: str = ""
    show_ids: bool = False
    show_pixels: bool = False
    fairlearn_metrics: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    surrogates: tuple[SurrogateSpec, ...] = ()
    threat_model: ThreatModel | None = None
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    envelope: Envelope = field(default_factory=Envelope)
    training: TrainingSpec | None = None
    min_cell: int = 0
