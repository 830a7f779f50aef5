"""Value types and protocols: frozen, keyword-only, numpy at most, no input or output."""

from audit.core.canonical import canonical_json, digest, plain
from audit.core.cohort import (
    MISSING_LEVEL,
    ROLES,
    Attribute,
    AttributeSpec,
    Cohort,
    CohortSpec,
    ImageSource,
    Ledger,
    Role,
    SourceView,
)
from audit.core.context import BUDGETS, Budget, IntendedUse, Predictions, Prevalence, ProbeContext, Profile, Sink
from audit.core.evidence import SCHEMA_VERSION, Evidence, NotTested
from audit.core.levels import LADDER, Levels
from audit.core.measurement import COUNT, Curve, Direction, Estimate, Measurement, Scalar, bounds_at, contrast_key
from audit.core.model import (
    KINDS,
    MODALITIES,
    OUTPUT_KINDS,
    OUTPUTS_OF,
    TASKS,
    Access,
    DifferentiableModel,
    ImagingModel,
    InputSpec,
    ModelCard,
    ModelSpec,
    OutputKind,
    Task,
)
from audit.core.order import family_weight, worst_first
from audit.core.outputs import CLASSIFICATION, ClassView, class_views, scores, sigmoid, softmax
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
from audit.core.verdict import EXIT_CODES, STATUSES, Finding, Outcome, Status, Verdict

__all__ = [
    "BUDGETS", "CLASSIFICATION", "COUNT", "EXIT_CODES", "FAMILIES", "KINDS", "LADDER", "MISSING_LEVEL", "MODALITIES",
    "OUTPUTS_OF", "OUTPUT_KINDS", "ROLES", "SCHEMA_VERSION", "STATUSES", "TASKS", "Access", "Artifact", "Attribute",
    "AttributeSpec", "Budget", "ClassView", "Cohort", "CohortSpec", "Curve", "DifferentiableModel", "Direction",
    "Estimate", "Evidence", "Finding", "ImageSource", "ImagingModel", "InputSpec", "IntendedUse", "Ledger", "Levels",
    "Limit", "Measurement", "ModelCard", "ModelSpec", "Need", "NotApplicable", "NotTested", "Outcome", "OutputKind",
    "Policy", "Predictions", "Prevalence", "Probe", "ProbeContext", "ProbeInfo", "ProbeResult", "Profile", "Role",
    "Rule", "Scalar", "Sink", "SourceView", "State", "Status", "StoredArtifact", "Task", "Verdict", "Waiver",
    "bounds_at", "canonical_json", "class_views", "contrast_key", "digest", "family_weight", "plain", "scores",
    "sigmoid", "softmax", "worst_first",
]  # fmt: skip
