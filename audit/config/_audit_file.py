"""The shape of audit.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.config._envelope_table import EnvelopeTable
from audit.config._fields import Edges, LevelNames, Pair, Point, Population, Size, Spacing, Table, Texts
from audit.core import READ_SECONDS, YES, OutputKind, Profile, Relation, Role, Task

Kind = Literal["torch", "torch-export", "torchscript", "onnx", "sklearn", "callable", "predictions", "mlflow", "http"]
Modality = Literal["ct", "mr", "xray", "us", "photo", "microscopy"]
ChosenOn = Literal["audit", "validation", "training", "external"]
Design = Literal["consecutive", "random", "case-control", "enriched"]


class PrevalenceTable(Table):
    """`prevalence` in `[intended_use]`."""

    value: float = Field(gt=0, lt=1, description="a share between 0 and 1, for example 0.04")
    low: float | None = Field(default=None, gt=0, lt=1)
    high: float | None = Field(default=None, gt=0, lt=1)
    source: str = ""


class IntendedUseTable(Table):
    """`[intended_use]`."""

    statement: str = ""
    role: str = ""
    prevalence: PrevalenceTable | None = None
    population: Population | None = None
    cases_per_year: int | None = Field(default=None, ge=1)


class NormaliseTable(Table):
    """`normalise` in `[model.input]`."""

    mean: list[float] = Field(min_length=1, description="one number a channel")
    std: list[float] = Field(min_length=1, description="one number above 0 a channel")


class InputTable(Table):
    """`[model.input]`."""

    modality: Modality | None = None
    unit: str = ""
    range: Pair = Field(default_factory=lambda: [0.0, 1.0])
    size: Size | None = None
    channels: int = Field(default=1, ge=1)
    normalise: NormaliseTable | None = None
    scale: bool = True
    window: Pair | None = None
    resize: Literal["bilinear"] | None = None
    spacing_mm: Spacing | None = None
    orientation: str | None = None
    tile: Size | None = None
    modalities: list[str] = Field(
        default_factory=list, description="what each channel is, where channels can be absent"
    )
    absent: float | None = Field(default=None, description="stored intensity that stands for an absent modality")


class ModelTable(Table):
    """`[model]`."""

    kind: Kind = Field(description="how the model is loaded, for example 'torch', 'onnx' or 'predictions'")
    path: str | None = Field(default=None, min_length=1)
    factory: str | None = Field(default=None, min_length=1)
    name: str = ""
    version: str = ""
    task: Task = Field(description="what the model answers, for example 'binary'")
    classes: list[str] = Field(default_factory=list)
    output: OutputKind = Field(description="what the raw output is, for example 'logits' or 'probabilities'")
    operating_point: Point | None = None
    operating_point_source: str = ""
    operating_point_chosen_on: ChosenOn | None = None
    training_rater: str = ""
    horizon: float | None = Field(default=None, gt=0)
    case: str | None = None
    score: str | None = None
    scores: list[str] = Field(default_factory=list)
    golden: str | None = None
    golden_tolerance: float = Field(default=1e-4, ge=0)
    layer: str | None = None
    monitor: str | None = Field(default=None, min_length=1)
    clinical_tolerance: float | None = Field(default=None, gt=0)
    timeout: float | None = Field(default=None, gt=0)
    input: InputTable = Field(default_factory=InputTable)


class SamplingTable(Table):
    """`[cohort.sampling]`."""

    design: Design | None = None


class ReferenceTable(Table):
    """`[cohort.reference]`."""

    method: str = ""
    verified: str | None = Field(default=None, min_length=1)


class ComparatorTable(Table):
    """One line of `[cohort.comparators]`."""

    column: str = Field(min_length=1, description="the manifest's column with its answers")
    output: Literal["probabilities", "value", "decision"] = Field(
        description="what the column holds: 'probabilities', 'value' or 'decision'"
    )
    operating_point: float | None = None


class TrainingTable(Table):
    """`[cohort.training]`: the cases that the model was trained on."""

    manifest: str = Field(min_length=1, description="a CSV or Parquet file, relative to audit.toml")
    patient: str | None = None
    image: str | None = None
    case: str | None = None
    date: str | None = None
    name: str = Field(default="training", min_length=1)


class OtherTable(TrainingTable):
    """One `[[cohort.other]]`: cases of another split."""

    name: str = Field(min_length=1, description="what the split is called")
    foreign: bool = Field(default=False, description="images that the model is not meant for, for SHIFT006")


class AttributeTable(Table):
    """One line of `[cohort.attributes]`."""

    role: Role = Field(description="what the column stands for, for example 'protected' or 'protocol'")
    also: list[Role] = Field(default_factory=list)
    reason: str = ""
    bins: Edges | None = None
    unit: str = ""
    recorded_by: str = ""
    shares: dict[str, float] = Field(
        default_factory=dict, description="of a confounder, the share of each level in the balanced cohort"
    )
    trained_on: LevelNames = Field(default_factory=list, description="levels of a protocol that the model learned from")


class CohortTable(Table):
    """`[cohort]`."""

    manifest: str = Field(min_length=1, description="a CSV or Parquet file, relative to audit.toml")
    name: str = ""
    image: str | None = None
    case: str | None = None
    target: Texts = Field(default_factory=list, description="the column with the reference standard")
    positive: LevelNames = Field(default_factory=list)
    patient: str | None = None
    mask: str | None = None
    region_mask: str | None = Field(default=None, min_length=1)
    annotated_plane: str | None = Field(default=None, min_length=1)
    distractors: dict[str, str] = Field(default_factory=dict)
    provenance: str = ""
    phantom: bool = False
    split: str | None = None
    split_value: str | None = None
    time: str | None = Field(default=None, min_length=1)
    event: str | None = Field(default=None, min_length=1)
    ungradable: str | None = Field(default=None, min_length=1)
    ungradable_values: LevelNames = Field(default_factory=lambda: list(YES))
    read_timeout: float = Field(default=READ_SECONDS, gt=0, le=86400)
    training: TrainingTable | None = None
    other: list[OtherTable] = Field(default_factory=list)
    comparators: dict[str, ComparatorTable] = Field(default_factory=dict)
    sampling: SamplingTable = Field(default_factory=SamplingTable)
    reference: ReferenceTable = Field(default_factory=ReferenceTable)
    attributes: dict[str, AttributeTable] = Field(default_factory=dict)


class SurrogateTable(Table):
    """One `[[audit.surrogate]]`: a model that an attacker may have in place of the audited one."""

    relation: Relation = Field(
        description="what it has in common with the model: 'same init', 'other init', 'other data' or "
        "'other architecture'"
    )
    kind: Literal["torch", "torch-export", "torchscript", "onnx"] = Field(
        description="how it is loaded; it must give gradients, for example 'torch'"
    )
    path: str = Field(min_length=1, description="its file, relative to audit.toml")
    factory: str | None = Field(default=None, min_length=1)
    name: str = ""


class ThreatModelTable(Table):
    """`[audit.threat_model]`: against whom the model must stand."""

    who: str = Field(min_length=1, description="who could alter an image, for example 'whoever handles the files'")
    pixels: str = Field(min_length=1, description="which pixels, and by how much")
    where: str = Field(min_length=1, description="at which place, for example 'between the archive and the model'")


class ExplainTable(Table):
    """`[audit.explain]`: how the model's decisions are explained."""

    methods: Texts = Field(default_factory=list)
    own_map: str | None = Field(default=None, min_length=1)
    window_mm: float | None = Field(default=None, gt=0)
    window_share: float = Field(default=0.125, gt=0, le=1)


class RunTable(Table):
    """`[audit]`."""

    policy: str | None = None
    profile: Profile = "standard"
    seed: int = Field(default=1, ge=0)
    probes: Texts = Field(default_factory=list)
    show_ids: bool = False
    show_pixels: bool = False
    fairlearn_metrics: Texts = Field(default_factory=list)
    attacks: Texts = Field(default_factory=list)
    surrogate: list[SurrogateTable] = Field(default_factory=list)
    threat_model: ThreatModelTable | None = None
    explain: ExplainTable = Field(default_factory=ExplainTable)
    min_cell: int = Field(default=0, ge=0)


class RecipeTable(Table):
    """`[training]`: how the model was trained, and on whom it may be trained again."""

    recipe: str = Field(min_length=1, description="'module:function', from (images, targets, seed) to a model")
    manifest: str = Field(
        min_length=1, description="the development cohort, a CSV or Parquet file with [cohort]'s columns"
    )
    name: str = Field(default="development", min_length=1)
    target: float | None = None
    seconds: float | None = Field(default=None, gt=0)


class AuditFile(Table):
    """audit.toml."""

    intended_use: IntendedUseTable = Field(default_factory=IntendedUseTable)
    model: ModelTable = Field(description="the model under audit, a table [model]")
    cohort: CohortTable = Field(description="the cases, a table [cohort]")
    envelope: EnvelopeTable | None = None
    training: RecipeTable | None = None
    audit: RunTable = Field(default_factory=RunTable)
