"""Value types and protocols: frozen, keyword-only, numpy at most, no input or output."""

from audit.core.attributes import MISSING_LEVEL, ROLES, Attribute, AttributeSpec, Role
from audit.core.beside import NO_TARGET, NOT_VERIFIED, UNGRADABLE, Aside, ComparatorValues, OtherSplit, Unverified
from audit.core.canonical import canonical_json, digest, plain
from audit.core.cohort import Cohort, Ledger
from audit.core.context import BUDGETS, Budget, IntendedUse, Predictions, Prevalence, ProbeContext, Profile, Sink
from audit.core.declared import (
    COMPARATOR_OUTPUTS,
    YES,
    CohortSpec,
    Comparator,
    ComparatorOutput,
    OtherSpec,
    ThreatModel,
)
from audit.core.envelope import Envelope, KnobRange
from audit.core.evidence import SCHEMA_VERSION, Evidence, NotTested
from audit.core.images import ImageSource, SourceView
from audit.core.levels import LADDER, Levels
from audit.core.measurement import (
    COUNT,
    IN_SAMPLE,
    Curve,
    Direction,
    Estimate,
    Measurement,
    Scalar,
    bounds_at,
    contrast_key,
)
from audit.core.model import (
    CHOSEN_ON,
    KINDS,
    MODALITIES,
    OUTPUT_KINDS,
    OUTPUTS_OF,
    RELATIONS,
    TASKS,
    Access,
    ChosenOn,
    DifferentiableModel,
    ImagingModel,
    InputSpec,
    ModelCard,
    ModelSpec,
    OutputKind,
    Relation,
    Surrogate,
    SurrogateSpec,
    Task,
)
from audit.core.order import family_weight, worst_first
from audit.core.outputs import (
    CLASSIFICATION,
    ClassView,
    class_views,
    foreground_probability,
    scores,
    sigmoid,
    softmax,
)
from audit.core.policy import Limit, Policy, Rule, Waiver
from audit.core.probe import (
    FAMILIES,
    Artifact,
    Need,
    NotApplicable,
    Probe,
    ProbeInfo,
    ProbeResult,
    State,
    StoredArtifact,
)
from audit.core.training import Meter, Trainer, Training, TrainingSpec, TrainingsSpent
from audit.core.verdict import EXIT_CODES, STATUSES, Finding, Outcome, Status, Verdict

__all__ = [
    "BUDGETS", "CHOSEN_ON", "CLASSIFICATION", "COMPARATOR_OUTPUTS", "COUNT", "EXIT_CODES", "FAMILIES", "IN_SAMPLE",
    "KINDS", "KnobRange", "LADDER", "MISSING_LEVEL", "MODALITIES", "NOT_VERIFIED", "NO_TARGET", "OUTPUTS_OF", "OUTPUT_KINDS",
    "RELATIONS", "ROLES", "SCHEMA_VERSION", "STATUSES", "TASKS", "UNGRADABLE", "YES", "Access", "Artifact", "Aside",
    "Attribute", "AttributeSpec", "Budget", "ChosenOn", "ClassView", "Cohort", "CohortSpec", "Comparator",
    "ComparatorOutput", "ComparatorValues", "Curve", "DifferentiableModel", "Direction", "Envelope", "Estimate", "Evidence",
    "Finding", "ImageSource", "ImagingModel", "InputSpec", "IntendedUse", "Ledger", "Levels", "Limit", "Measurement",
    "Meter", "ModelCard", "ModelSpec", "Need", "NotApplicable", "NotTested", "OtherSpec", "OtherSplit", "Outcome",
    "OutputKind", "Policy", "Predictions", "Prevalence", "Probe", "ProbeContext", "ProbeInfo", "ProbeResult",
    "Profile", "Relation", "Role", "Rule", "Scalar", "Sink", "SourceView", "State", "Status", "StoredArtifact",
    "Surrogate", "SurrogateSpec", "Task", "ThreatModel", "Trainer", "Training", "TrainingSpec", "TrainingsSpent",
    "Unverified", "Verdict", "Waiver", "bounds_at", "canonical_json", "class_views", "contrast_key", "digest",
    "family_weight", "foreground_probability", "plain", "scores", "sigmoid", "softmax", "worst_first",
]  # fmt: skip
