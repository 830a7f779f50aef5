"""The cases that a model is audited on, with their targets and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core.attributes import Attribute, Role, kept
from audit.core.beside import NOT_VERIFIED, Aside, ComparatorValues, OtherSplit, Unverified
from audit.core.images import ImageSource, SourceView

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        patients: (n,) int, patient codes, 0..P-1 at most.
            patient_declared: False where every case stands for a patient.
        targets: (n,) int class index, (n, L) 0/1 for multilabel, (n,) float for regression, (n, 2) time and event
            for survival; zeros for segmentation.
        attributes: By name.
        images: Lazy images, or None for saved predictions.
        masks: Lazy lesion masks or reference segmentations, or None.
        regions: Lazy masks of where a lesion may lie, or None.
        distractors: By type, lazy masks of what looks like a lesion and is none.
        annotated_planes: (n,) which plane of the first spatial axis was read for the target, -1 where unknown; or None.
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
        raters: By column of the role rater, (n,) float: class index, or a number for regression; NaN where empty.
        comparators: By name, other readers or models that answered the same cases.
        ungradable: (n,) bool, where the model or its quality gate declined; None where undeclared.
        time: (n,) float follow-up time, for survival; else None.
        event: (n,) bool, whether the event was seen at `time`, for survival; else None.
        aside: Cases that were set aside, None where there are none.
        others: Other splits of the data.
        unverified: Cases whose reference standard was not obtained, None where there are none.
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
    regions: ImageSource | None = None
    distractors: Mapping[str, ImageSource] = field(default_factory=dict)
    annotated_planes: NDArray[np.int64] | None = None
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
    raters: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    comparators: Mapping[str, ComparatorValues] = field(default_factory=dict)
    ungradable: NDArray[np.bool_] | None = None
    time: NDArray[np.float64] | None = None
    event: NDArray[np.bool_] | None = None
    aside: Aside | None = None
    others: tuple[OtherSplit, ...] = ()
    unverified: Unverified | None = None

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
        """Return the cohort of some cases; what stands beside the cases stays as it is.

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
            attributes={k: kept(a, rows, set_aside=ledger is not None) for k, a in self.attributes.items()},
            images=None if self.images is None else SourceView(source=self.images, rows=rows),
            masks=None if self.masks is None else SourceView(source=self.masks, rows=rows),
            regions=None if self.regions is None else SourceView(source=self.regions, rows=rows),
            distractors={k: SourceView(source=v, rows=rows) for k, v in self.distractors.items()},
            annotated_planes=_rows(self.annotated_planes, rows),
            reference_levels=_rows(self.reference_levels, rows),
            raters={k: v[rows] for k, v in self.raters.items()},
            comparators={k: replace(c, values=c.values[rows]) for k, c in self.comparators.items()},
            ungradable=_rows(self.ungradable, rows),
            time=_rows(self.time, rows),
            event=_rows(self.event, rows),
            ledger=ledger or Ledger(read=len(rows), used=len(rows)),
        )

    def set_aside(
        self, reasons: Sequence[str | None], *, known: NDArray[np.bool_] | None = None,
        pending: Sequence[str] = (NOT_VERIFIED,),
    ) -> Cohort:  # fmt: skip
        """Return the cohort without the cases that have a reason; each of them goes to where it can be counted.

        Args:
            reasons: (n,) why a case is not used, None for one that is.
            known: (n,) bool, whether the target of a case is known; all by default.
            pending: Reasons that bring a case to `unverified`; any other one brings it to `aside`.
        """
        out = np.array([r is not None for r in reasons], dtype=bool)
        if not out.any():
            return self
        waiting = np.array([r in pending for r in reasons], dtype=bool)
        lost = np.flatnonzero(out & ~waiting)
        aside, unverified = self.aside, self.unverified
        if lost.size:
            here = self._as_aside(lost, [str(reasons[int(i)]) for i in lost], known)
            aside = here if aside is None else aside.and_also(here)
        if waiting.any():
            unverified = Unverified(cohort=self._as_unverified(np.flatnonzero(waiting)))
        ledger = self.ledger.without([r for r in reasons if r is not None])
        return replace(self.subset(~out, ledger=ledger), aside=aside, unverified=unverified)

    def _as_aside(self, rows: NDArray[np.int64], reasons: Sequence[str], known: NDArray[np.bool_] | None) -> Aside:
        targets = self.targets[rows].copy()
        there = np.ones(len(rows), dtype=bool) if known is None else known[rows]
        targets[~there] = np.nan if targets.dtype.kind == "f" else -1
        return Aside(
            case_ids=self.case_ids[rows],
            patients=self.patients[rows],
            targets=targets,
            known=there,
            attributes={k: kept(a, rows, set_aside=False) for k, a in self.attributes.items()},
            reasons=np.array(reasons, dtype=np.str_),
            ungradable=_rows(self.ungradable, rows),
        )

    def _as_unverified(self, rows: NDArray[np.int64]) -> Cohort:
        cases = self.subset(rows)
        # What is unknown must not look like an answer: neither an event that was not seen nor a negative.
        return replace(
            cases, targets=np.zeros_like(cases.targets), time=None, event=None, masks=None, reference_levels=None,
            regions=None, distractors={}, annotated_planes=None, aside=None, others=(), unverified=None,
        )  # fmt: skip


def _rows(values: Any, rows: NDArray[np.int64]) -> Any:
    return None if values is None else values[rows]
