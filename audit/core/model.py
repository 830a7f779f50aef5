"""What the suite knows of a model: its card, what it may be asked, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Task = Literal["binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival"]
TASKS: tuple[Task, ...] = (
    "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
)  # fmt: skip
OutputKind = Literal["logits", "probabilities", "value", "mask_logits", "mask_probabilities"]
OUTPUT_KINDS: tuple[OutputKind, ...] = ("logits", "probabilities", "value", "mask_logits", "mask_probabilities")
# What a task's raw outputs may be; a task that is not named takes any.
OUTPUTS_OF: Mapping[str, tuple[OutputKind, ...]] = {
    "binary": ("logits", "probabilities", "value"),
    "multiclass": ("logits", "probabilities"),
    "multilabel": ("logits", "probabilities"),
    "ordinal": ("logits", "probabilities"),
    "regression": ("value",),
    "segmentation": ("mask_logits", "mask_probabilities"),
    "survival": ("probabilities", "value"),
}
ChosenOn = Literal["audit", "validation", "training", "external", ""]
CHOSEN_ON: tuple[ChosenOn, ...] = ("validation", "training", "external")
Relation = Literal["same init", "other init", "other data", "other architecture"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
KINDS = ("torch", "torch-export", "torchscript", "onnx", "sklearn", "callable", "predictions", "mlflow", "http")
MODALITIES = ("ct", "mr", "xray", "us", "photo", "microscopy")


class Access(IntEnum):
    """How deep a probe may reach into a model; each level includes those before it."""

    SAVED = 0
    QUERY = 1
    GRADIENT = 2
    TRAINABLE = 3


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What the model receives: stored intensities, and how they are prepared inside the model.

    Args:
        modality: One of `MODALITIES`, or "" where undeclared.
        unit: Unit of stored intensities, for example "HU".
        range: Stored intensities that are mapped linearly to [0, 1].
        size: Spatial size (rows, columns) or (slices, rows, columns).
        channels: Number of channels.
        mean: Subtracted per channel after scaling.
        std: Divided by per channel after scaling.
        scale: False: no mapping from `range` to [0, 1].
        window: Stored intensities are clipped to it first.
        resize: "bilinear" or None (another size is set aside).
        spacing_mm: Voxel spacing in mm, in the order of `size`.
        orientation: Anatomical axes, for example "RAS".
        tile: Spatial size of one tile where a volume is answered in tiles.
        modalities: What each channel is, where channels may be absent; one name a channel, or none.
        absent: Stored intensity that stands for an absent modality; None: the low end of `range`.
    """

    modality: str = ""
    unit: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    size: tuple[int, ...] = ()
    channels: int = 1
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scale: bool = True
    window: tuple[float, float] | None = None
    resize: str | None = None
    spacing_mm: tuple[float, ...] | None = None
    orientation: str | None = None
    tile: tuple[int, ...] | None = None
    modalities: tuple[str, ...] = ()
    absent: float | None = None

    @property
    def span(self) -> float:
        """Width of `range`, in `unit`."""
        return self.range[1] - self.range[0]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """`[model]` of audit.toml, typed; paths are relative to the file's folder.

    Args:
        kind: One of `KINDS`.
        task: One of `TASKS`.
        output: One of `OUTPUT_KINDS`.
        path: Weights or saved outputs, relative to the configuration's folder; the URI of a kind that has no file.
        factory: `module:object` that builds the architecture, or the callable itself.
        name: The model's name; the file's stem by default.
        version: The model's version.
        classes: Class names, negative first for a binary task.
        operating_point: Threshold on the probability scale; by finding for a multilabel task.
        operating_point_source: Where the threshold comes from.
        input: What the model receives.
        case: Column of case ids in saved predictions.
        scores: Columns of scores in saved predictions.
        golden: `.npz` with `images` and `outputs` that a right set-up reproduces.
        golden_tolerance: Largest absolute difference allowed on the golden batch.
        layer: Name of the layer for layer attributions.
        monitor: `module:function` that says how unlike its images are to what the model is meant for.
        clinical_tolerance: A change larger than this matters: of a value in the target's unit, of an ordinal answer
            in grades, of a segmentation's volume as a share of the reference's.
        horizon: Survival: the time that a risk is said for, in the unit of the cohort's time.
        training_rater: The rater column whose readings trained the model.
        operating_point_chosen_on: The data that the threshold was chosen on, one of `CHOSEN_ON`.
        timeout: Seconds that a server has for an answer; None: as the kind has it.
    """

    kind: str
    task: Task
    output: OutputKind
    path: str | None = None
    factory: str | None = None
    name: str = ""
    version: str = ""
    classes: tuple[str, ...] = ()
    operating_point: float | Mapping[str, float] | None = None
    operating_point_source: str = ""
    input: InputSpec = field(default_factory=InputSpec)
    case: str | None = None
    scores: tuple[str, ...] = ()
    golden: str | None = None
    golden_tolerance: float = 1e-4
    layer: str | None = None
    monitor: str | None = None
    clinical_tolerance: float | None = None
    horizon: float | None = None
    training_rater: str = ""
    operating_point_chosen_on: ChosenOn = ""
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a loaded model.

    Args:
        name: The model's name.
        version: Its version, empty where undeclared.
        kind: How it was loaded, one of `KINDS`.
        task: One of `TASKS`.
        output: What its raw outputs are.
        classes: Class names in the order of the outputs.
        operating_point: Threshold on the probability scale; by finding for a multilabel task.
        operating_point_source: Where the threshold comes from.
        input: What it receives.
        access: How deep it may be probed.
        digest: sha256 over weights and declared preprocessing.
        notes: Remarks for the report, for example why gradients are not used.
        phantom: True where model and cohort are simulated.
        clinical_tolerance: A change larger than this matters: of a value in the target's unit, of an ordinal answer
            in grades, of a segmentation's volume as a share of the reference's.
        horizon: Survival: the time that a risk is said for, in the unit of the cohort's time.
        training_rater: The rater column whose readings trained the model.
        operating_point_chosen_on: The data that the threshold was chosen on, one of `CHOSEN_ON`.
    """

    name: str
    kind: str
    task: Task
    output: OutputKind
    access: Access
    digest: str
    version: str = ""
    classes: tuple[str, ...] = ()
    operating_point: float | Mapping[str, float] | None = None
    operating_point_source: str = ""
    input: InputSpec = field(default_factory=InputSpec)
    notes: tuple[str, ...] = ()
    phantom: bool = False
    clinical_tolerance: float | None = None
    horizon: float | None = None
    training_rater: str = ""
    operating_point_chosen_on: ChosenOn = ""


@runtime_checkable
class ImagingModel(Protocol):
    """A model under audit; its preprocessing is part of it."""

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        ...

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities.

        Args:
            images: (n, channels, *spatial), stored intensities in the card's unit.

        Returns:
            (n, k) raw outputs of the declared kind, or (n, k, *spatial) for masks.
        """
        ...

    def state_digest(self) -> str:
        """Return the digest of the weights as they are in memory now."""
        ...


@runtime_checkable
class DifferentiableModel(ImagingModel, Protocol):
    """A model that gives gradients (access GRADIENT or more)."""

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a torch tensor, differentiable in `images` (stored intensities, float32 tensor)."""
        ...

    @property
    def module(self) -> Any:
        """The `torch.nn.Module` that maps stored intensities to raw outputs, in eval mode."""
        ...


@dataclass(frozen=True, kw_only=True)
class SurrogateSpec:
    """One `[[audit.surrogate]]` of audit.toml, typed.

    Args:
        relation: What it has in common with the audited model, one of `RELATIONS`.
        model: How it is loaded; the audited model's declaration with another file.
    """

    relation: Relation
    model: ModelSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrogate:
    """A model that an attacker may have in place of the audited one.

    Args:
        relation: What it has in common with the audited model, one of `RELATIONS`.
        model: The model; it must give gradients to be of use.
    """

    relation: Relation
    model: ImagingModel
