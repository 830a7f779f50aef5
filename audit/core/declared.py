"""What `[cohort]` of audit.toml declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from audit.core.attributes import AttributeSpec

ComparatorOutput = Literal["probabilities", "value", "decision"]
COMPARATOR_OUTPUTS: tuple[ComparatorOutput, ...] = ("probabilities", "value", "decision")
YES = ("1", "1.0", "true", "yes")
READ_SECONDS = 300.0
"""How long one image may take to be read, where nobody declares another time."""


@dataclass(frozen=True, kw_only=True)
class Comparator:
    """One line of `[cohort.comparators]`: another reader or model that answered the same cases.

    Args:
        name: What it is called.
        column: The manifest's column with its answers.
        output: "probabilities" in [0, 1], "value" (a number, higher for more of the target) or "decision" (the target's
            own values).
        operating_point: Threshold on its answers; None where none is declared, and for decisions.
    """

    name: str
    column: str
    output: ComparatorOutput
    operating_point: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreatModel:
    """`[audit.threat_model]`: against whom a model must stand; without it an attack is a stress measurement.

    Args:
        who: Who could alter an image.
        pixels: Which of its pixels, and by how much.
        where: At which place between the detector and the model.
    """

    who: str
    pixels: str
    where: str


@dataclass(frozen=True, kw_only=True)
class ExplainSpec:
    """`[audit.explain]`: how a model's decisions are explained, typed.

    Args:
        methods: Attribution methods by name; empty: those of the profile that the model allows.
        own_map: `module:function` that gives the model's own maps; None: those that its network gives, if any.
        own: That function, once it was found.
        window_mm: Side of an occluding window in mm, for images of declared spacing.
        window_share: Side of an occluding window as a share of the image's, (0, 1].
    """

    methods: tuple[str, ...] = ()
    own_map: str | None = None
    own: Callable[..., Any] | None = None
    window_mm: float | None = None
    window_share: float = 0.125


@dataclass(frozen=True, kw_only=True)
class OtherSpec:
    """`[cohort.training]` or one `[[cohort.other]]`: a table of cases that are not audited.

    Args:
        name: What it is called.
        manifest: CSV or Parquet file.
        patient: Column of patient ids; None: unknown.
        image: Column of image references, as in `[cohort]`.
        case: Column of case ids; None: the row number.
        date: Column of dates.
        foreign: True for images that the model is not meant for.
    """

    name: str
    manifest: str
    patient: str | None = None
    image: str | None = None
    case: str | None = None
    date: str | None = None
    foreign: bool = False


@dataclass(frozen=True, kw_only=True)
class CohortSpec:
    """`[cohort]` of audit.toml, typed; paths are relative to the file's folder.

    Args:
        manifest: CSV or Parquet file.
        target: Column of the reference standard; several for a multilabel task, none for survival.
        image: Column with a path or `file#key[row]`; None for saved predictions.
        case: Column of case ids; None: the row number.
        patient: Column of patient ids; None: every case is its own patient.
        positive: Values of the target that count as positive (binary).
        mask: Column with a lesion mask or a reference segmentation.
        name: The cohort's name; the manifest's stem by default.
        design: consecutive, random, case-control or enriched.
        reference_method: How the target was established, a column or a word.
        attributes: Columns with a role.
        provenance: Free text on where the cases come from.
        split: Column that tells audit cases from others; with `split_value`.
        split_value: Only rows with this value are audited; the others are kept as other splits.
        comparators: Other readers or models that answered the same cases.
        ungradable: Column that says where the model or its quality gate declined to answer.
        ungradable_values: Values of that column that mean declined.
        verified: Column that says whether the reference standard was obtained.
        time: Column of the follow-up time, for a survival task.
        event: Column that says whether the event was seen at that time, for a survival task.
        others: Tables of other splits, such as the training data.
        region_mask: Column with a mask of where a lesion may lie.
        distractors: Type and column of masks of what looks like a lesion and is none.
        annotated_plane: Column with the index of the plane, along the first axis of a volume, that was read for the
            target.
        phantom: True where the cases are simulated; every number of the report then says so.
        read_timeout: Seconds that reading one image may take before its case is set aside.
    """

    manifest: str
    target: tuple[str, ...] = ()
    image: str | None = None
    case: str | None = None
    patient: str | None = None
    positive: tuple[str, ...] = ()
    mask: str | None = None
    name: str = ""
    design: str = ""
    reference_method: str = ""
    attributes: tuple[AttributeSpec, ...] = ()
    provenance: str = ""
    split: str | None = None
    split_value: str | None = None
    comparators: tuple[Comparator, ...] = ()
    ungradable: str | None = None
    ungradable_values: tuple[str, ...] = YES
    verified: str | None = None
    time: str | None = None
    event: str | None = None
    others: tuple[OtherSpec, ...] = ()
    region_mask: str | None = None
    distractors: tuple[tuple[str, str], ...] = ()
    annotated_plane: str | None = None
    phantom: bool = False
    read_timeout: float = READ_SECONDS
