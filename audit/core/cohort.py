"""The cases that a model is audited on, with their targets and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING_LEVEL = "(missing)"
Role = Literal["protected", "confounder", "protocol", "severity", "rater", "repeat", "covariate"]
_COMPARED: frozenset[Role] = frozenset(("protected", "confounder", "protocol"))
ROLES: tuple[Role, ...] = ("protected", "confounder", "protocol", "severity", "rater", "repeat", "covariate")


class ImageSource(Protocol):
    """Images that are read when asked for, never all at once."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def load(self, index: int) -> NDArray[Any]:
        """Return one image, (channels, *spatial) stored intensities.

        Raises:
            ReadError: The image cannot be read or does not fit; the message is the reason for setting it aside.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """`[cohort.attributes]` of audit.toml: one column and its role.

    Args:
        name: The column's name.
        role: Its role.
        also: Further roles of the same column, for example a protected attribute that is a confounder, too.
        reason: Why it is a confounder.
        bins: Edges for a numeric column; the last bin is closed.
        unit: Unit of a numeric column.
        recorded_by: How it was recorded, for example "self-reported" or "inferred".
    """

    name: str
    role: Role
    also: tuple[Role, ...] = ()
    reason: str = ""
    bins: tuple[float, ...] = ()
    unit: str = ""
    recorded_by: str = ""


@dataclass(frozen=True, kw_only=True)
class CohortSpec:
    """`[cohort]` of audit.toml, typed; paths are relative to the file's folder.

    Args:
        manifest: CSV or Parquet file.
        target: Column of the reference standard; several for a multilabel task.
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
        split_value: Only rows with this value are read.
    """

    manifest: str
    target: tuple[str, ...]
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """One attribute of every case.

    Args:
        spec: The declaration.
        levels: (n,) str, the level of each case, `MISSING_LEVEL` where the cell is empty.
        numbers: (n,) float with NaN where empty, for a numeric column; else None.
        lost: Levels of the manifest of which every case was set aside; what is said of the others is not said of them.
    """

    spec: AttributeSpec
    levels: NDArray[np.str_]
    numbers: NDArray[np.float64] | None = None
    lost: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.spec.name

    @property
    def role(self) -> Role:
        """The declared role."""
        return self.spec.role

    @property
    def roles(self) -> tuple[Role, ...]:
        """All declared roles."""
        return (self.spec.role, *self.spec.also)

    def level_names(self) -> tuple[str, ...]:
        """Levels present or lost, in order: bins as declared, else sorted; the missing level last."""
        present = sorted(
            {*(str(v) for v in self.levels), *self.lost}, key=lambda v: (v == MISSING_LEVEL, _bin_start(v), v)
        )
        return tuple(present)


def _kept(attribute: Attribute, rows: NDArray[np.int64], *, set_aside: bool) -> Attribute:
    """Return an attribute of some cases; where the others were set aside, it remembers the levels that went whole."""
    levels = attribute.levels[rows]
    numbers = None if attribute.numbers is None else attribute.numbers[rows]
    lost = attribute.lost
    if set_aside and set(attribute.roles) & _COMPARED:
        left = {str(v) for v in levels}
        lost = tuple(v for v in attribute.level_names() if v not in left and v != MISSING_LEVEL)
    return replace(attribute, levels=levels, numbers=numbers, lost=lost)


def _bin_start(level: str) -> float:
    """Return the number that a bin's label starts with, so that bins sort as numbers."""
    head = level.strip("[(").split(",")[0]
    try:
        return float(head)
    except ValueError:
        return float("inf")


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Rows read, used and set aside by reason; they add up.

    Args:
        read: Rows read from the manifest.
        used: Rows that entered the audit.
        set_aside: Number of rows by reason.
    """

    read: int
    used: int
    set_aside: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.read != self.used + sum(self.set_aside.values()):
            aside = sum(self.set_aside.values())
            raise ValueError(f"ledger: expected read = used + set aside, got {self.read} = {self.used} + {aside}")

    def without(self, reasons: Sequence[str]) -> Ledger:
        """Return the ledger after further cases were set aside, one reason a case."""
        counts = dict(self.set_aside)
        for reason in reasons:
            counts[reason] = counts.get(reason, 0) + 1
        return Ledger(read=self.read, used=self.used - len(reasons), set_aside=counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Cases with targets, attributes and lazily read images.

    Args:
        name: The cohort's name.
        case_ids: (n,) str, unique; never printed, pseudonymised in every output.
        patients: (n,) int, patient codes 0..P-1.
        patient_ids: (P,) str by code; never printed.
        patient_declared: False where every case stands for a patient.
        targets: (n,) int class index, (n, L) 0/1 for multilabel, (n,) float for regression; zeros for segmentation.
        attributes: By name.
        images: Lazy images, or None for saved predictions.
        masks: Lazy lesion masks or reference segmentations, or None.
        ledger: Rows read, used, set aside.
        classes: Class names by index.
        design: Sampling design, "" where undeclared.
        reference_method: How the target was established.
        reference_levels: (n,) str where `reference_method` is a column, else None.
        provenance: Where the cases come from.
        digest: sha256 over ids, targets, attributes and image references or contents.
        phantom: True where the cases are simulated.
        remarks: Sentences for the first screen, for example on the absent patient column.
        spacing_mm: Spacing of the image grid, where known.
    """

    name: str
    case_ids: NDArray[np.str_]
    patients: NDArray[np.int64]
    patient_ids: NDArray[np.str_]
    patient_declared: bool
    targets: NDArray[Any]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    images: ImageSource | None = None
    masks: ImageSource | None = None
    ledger: Ledger
    classes: tuple[str, ...] = ()
    design: str = ""
    reference_method: str = ""
    reference_levels: NDArray[np.str_] | None = None
    provenance: str = ""
    digest: str = ""
    phantom: bool = False
    remarks: tuple[str, ...] = ()
    spacing_mm: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def n_patients(self) -> int:
        """Number of patients among the cases."""
        return int(np.unique(self.patients).size)

    def by_role(self, *roles: Role) -> tuple[Attribute, ...]:
        """Return the attributes with one of the roles, in declared order."""
        return tuple(a for a in self.attributes.values() if set(roles) & set(a.roles))

    def subset(self, index: NDArray[Any], ledger: Ledger | None = None) -> Cohort:
        """Return the cohort of some cases.

        Args:
            index: (m,) case indices, or (n,) bool.
            ledger: The ledger of the new cohort, where the other cases are set aside; by default that of a view on
                these cases alone.
        """
        rows = np.flatnonzero(index) if index.dtype == bool else np.asarray(index)
        return replace(
            self,
            case_ids=self.case_ids[rows],
            patients=self.patients[rows],
            targets=self.targets[rows],
            attributes={k: _kept(a, rows, set_aside=ledger is not None) for k, a in self.attributes.items()},
            images=None if self.images is None else SourceView(source=self.images, rows=rows),
            masks=None if self.masks is None else SourceView(source=self.masks, rows=rows),
            reference_levels=None if self.reference_levels is None else self.reference_levels[rows],
            ledger=ledger or Ledger(read=len(rows), used=len(rows)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceView:
    """Some images of a source, in a given order."""

    source: ImageSource
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, index: int) -> NDArray[Any]:
        """Return one image of the view; see `ImageSource.load`."""
        return self.source.load(int(self.rows[index]))
