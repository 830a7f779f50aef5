"""From a manifest to a cohort: all faults at once, every case that is set aside counted with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._attributes import read_attribute
from audit.cohorts._beside import Beside
from audit.cohorts._build import NO_PATIENTS, PHANTOM, coded, cohort_digest, recoded
from audit.cohorts._columns import check_columns, wanted_columns
from audit.cohorts._others import divided, no_cells, other_split, read_other
from audit.cohorts._preflight import unreadable
from audit.cohorts._readings import read_flags, read_follow_up, read_planes
from audit.cohorts._source import FileSource, MaskSource
from audit.cohorts._table import Table, read_table
from audit.cohorts._targets import Targets, no_reasons, read_targets
from audit.core import (
    CLASSIFICATION,
    MISSING_LEVEL,
    NO_TARGET,
    NOT_VERIFIED,
    Attribute,
    Cohort,
    CohortSpec,
    InputSpec,
    Ledger,
    OtherSplit,
    Task,
)
from audit.errors import AuditError, FaultsError, ManifestError
from audit.storage import Location, locate

if TYPE_CHECKING:
    from numpy.typing import NDArray


def load_cohort(
    spec: CohortSpec, root: Path, *, task: Task, classes: tuple[str, ...] = (), input: InputSpec | None = None
) -> Cohort:
    """Read a manifest; images stay where they are until they are asked for.

    The digest covers ids, targets, patients, attributes and image references, not the content of the images.

    Args:
        spec: `[cohort]` of audit.toml.
        root: Folder that the manifest's path starts from.
        task: The model's task.
        classes: Class names in the order of the model's outputs.
        input: What the model receives; needed where there are images.

    Returns:
        The cases with a target, a patient and an image file; the others are in the ledger, by reason.

    Raises:
        ManifestError: The file cannot be read as a table.
        FaultsError: Columns that are not there, ids twice, undeclared target values, numbers without bins, or no case
            left: all that is wrong at once.
    """
    path, input = locate(spec.manifest, Path(root)), input or InputSpec()
    check_columns(spec, path, task)
    table, splits, remarks = divided(spec, read_table(path, wanted_columns(spec)))
    verified = _verified(spec, table, task)
    rows = _Rows(spec=spec, table=table, folder=path.parent, root=Path(root), input=input, verified=verified)
    return rows.cohort(task, classes, remarks, splits)


def _verified(spec: CohortSpec, table: Table, task: Task) -> NDArray[np.bool_] | None:
    if spec.verified is None or task == "segmentation":
        return None
    return read_flags(f"cohort.reference.verified ({spec.verified})", table[spec.verified])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of one manifest on their way to a cohort."""

    spec: CohortSpec
    table: Table
    folder: Location
    root: Path
    input: InputSpec
    verified: NDArray[np.bool_] | None

    def cohort(
        self, task: Task, classes: tuple[str, ...], remarks: tuple[str, ...], splits: Mapping[str, Table]
    ) -> Cohort:
        faults: list[AuditError] = []
        targets = self._targets(task, classes, faults)
        attributes, notes = self._attributes(faults)
        ids = self._ids(faults)
        others = self._others(splits, faults)
        beside = Beside(spec=self.spec, table=self.table, task=task).read(targets, faults)
        planes = self._planes(faults)
        if faults or targets is None:
            raise FaultsError(self.table.name, faults)
        reasons = self._reasons(targets, task)
        used = np.flatnonzero(reasons == None)  # noqa: E711 - element by element
        if not used.size:
            counts = Counter(str(r) for r in reasons if r is not None)
            raise FaultsError(self.table.name, [_nothing_left(len(reasons), counts)])
        whole = self._whole(task, targets, attributes, ids, (*remarks, *targets.remarks, *notes, *beside.remarks))
        whole = replace(whole, others=others, annotated_planes=planes, **beside.fields)
        known = self._known(targets, reasons)
        pending = _pending(task)
        cohort = whole.set_aside(reasons.tolist(), known=known, pending=pending)
        ledger = replace(cohort.ledger, set_aside=dict(sorted(cohort.ledger.set_aside.items())))
        return self._finished(replace(cohort, ledger=ledger), task, reasons)

    def _targets(self, task: Task, classes: tuple[str, ...], faults: list[AuditError]) -> Targets | None:
        if task == "segmentation":
            n = self.table.rows
            return Targets(values=np.zeros(n, dtype=np.int64), classes=classes, reasons=no_reasons(n))
        spec = self.spec
        try:
            if task == "survival":
                time, event = str(spec.time), str(spec.event)
                return read_follow_up(self._cells(time), self._cells(event), (time, event))
            columns = [(c, self._cells(c)) for c in spec.target]
            return read_targets(columns, task=task, classes=classes, positive=spec.positive)
        except ManifestError as error:
            faults.append(error)
            return None

    def _cells(self, column: str) -> NDArray[np.str_]:
        """Return the cells of the reference standard; where nobody obtained it, what stands there is no answer."""
        cells = self.table[column]
        return cells if self.verified is None else np.where(self.verified, cells, "").astype(np.str_)

    def _others(self, splits: Mapping[str, Table], faults: list[AuditError]) -> tuple[OtherSplit, ...]:
        spec = self.spec
        images = FileSource(
            references=no_cells(), folder=self.folder, root=self.root, input=self.input,
            seconds=self.spec.read_timeout,
        )  # fmt: skip
        found = [
            other_split(name, table, case=spec.case, patient=spec.patient, image=spec.image, images=images)
            for name, table in splits.items()
        ]
        read = [read_other(other, self.root, self.input, faults) for other in spec.others]
        return (*found, *(o for o in read if o is not None))

    def _planes(self, faults: list[AuditError]) -> NDArray[np.int64] | None:
        column = self.spec.annotated_plane
        if column is None:
            return None
        try:
            return read_planes(f"cohort.annotated_plane ({column})", self.table[column])
        except ManifestError as error:
            faults.append(error)
            return None

    def _known(self, targets: Targets, reasons: NDArray[Any]) -> NDArray[np.bool_]:
        lost = [str(r).startswith(("no reference segm", "reference segm")) for r in reasons]
        known: NDArray[np.bool_] = (targets.reasons == None) & ~np.array(lost, dtype=bool)  # noqa: E711 - as above
        return known

    def _attributes(self, faults: list[AuditError]) -> tuple[dict[str, Attribute], tuple[str, ...]]:
        attributes: dict[str, Attribute] = {}
        remarks: list[str] = []
        owners = self.table[self.spec.patient] if self.spec.patient else None
        for spec in self.spec.attributes:
            try:
                attributes[spec.name], notes = read_attribute(spec, self.table[spec.name], patients=owners)
            except ManifestError as error:
                faults.append(error)
                continue
            remarks.extend(notes)
        return attributes, tuple(remarks)

    def _ids(self, faults: list[AuditError]) -> NDArray[np.str_]:
        ids = self.table[self.spec.case] if self.spec.case else self.table.numbers.astype(np.str_)
        empty = int((ids == "").sum())
        if empty:
            faults.append(
                ManifestError(
                    f"{self.spec.case}: {empty} row(s) without a case id",
                    expected="an id in every row",
                    got="empty cells",
                    fix="fill the column, or leave `case` out: the row's number then is the id",
                )
            )
        # Rows, never ids: an id may be the number of a patient's record.
        _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        twice = np.flatnonzero((first[inverse] != np.arange(len(ids))) & (ids != ""))
        if twice.size:
            shown = ", ".join(str(i) for i in self.table.numbers[twice[:5]]) + (" ..." if twice.size > 5 else "")
            faults.append(
                ManifestError(
                    f"{self.spec.case}: {twice.size} row(s) repeat a case id",
                    expected="every case id once",
                    got=f"ids seen before in row(s) {shown}",
                    fix="one row a case; patients go into `patient`",
                )
            )
        return ids

    def _reasons(self, targets: Targets, task: Task) -> NDArray[Any]:
        """Return why each row is set aside: the first reason that holds, None for a row that is used."""
        reasons = targets.reasons.copy()
        if self.verified is not None:
            reasons[~self.verified] = None
        if self.spec.patient:
            _add(reasons, np.flatnonzero(self.table[self.spec.patient] == ""), "patient id is empty")
        if self.spec.image:
            for index, reason in unreadable(self.table[self.spec.image], folder=self.folder, root=self.root).items():
                _add(reasons, [index], reason)
        mask = self._mask_column(task)
        if mask and task == "segmentation":
            _add(reasons, np.flatnonzero(self.table[mask] == ""), "no reference segmentation")
            for index, reason in unreadable(self.table[mask], folder=self.folder, root=self.root).items():
                _add(reasons, [index], reason.replace("image", "reference segmentation", 1))
        if self.verified is not None:
            _add(reasons, np.flatnonzero(~self.verified), NOT_VERIFIED)
        return reasons

    def _mask_column(self, task: Task) -> str | None:
        if self.spec.mask is None and task == "segmentation":
            return self.spec.target[0]
        return self.spec.mask

    def _whole(
        self, task: Task, targets: Targets, attributes: dict[str, Attribute], ids: NDArray[np.str_], remarks: Any
    ) -> Cohort:
        declared = self.spec.patient is not None
        patients, patient_ids = coded(self._owners(ids))
        follow_up = {}
        if task == "survival":
            follow_up = {"time": targets.values[:, 0], "event": targets.values[:, 1] == 1}
        method = self.spec.reference_method
        return Cohort(
            name=self.spec.name or Path(self.spec.manifest).stem, case_ids=ids, patients=patients,
            patient_ids=patient_ids, patient_declared=declared, targets=targets.values, attributes=attributes,
            ledger=Ledger(read=len(ids), used=len(ids)), classes=targets.classes, design=self.spec.design,
            reference_method=method, reference_levels=self._reference_levels(),
            provenance=self.spec.provenance, phantom=self.spec.phantom,
            remarks=(*self._first_remarks(), *remarks),
            spacing_mm=self.input.spacing_mm, **follow_up,
        )  # fmt: skip

    def _first_remarks(self) -> tuple[str, ...]:
        own = () if self.spec.patient is not None else (NO_PATIENTS,)
        return (PHANTOM, *own) if self.spec.phantom else own

    def _owners(self, ids: NDArray[np.str_]) -> NDArray[np.str_]:
        """Return whose each case is; a row without a patient id, which is set aside, is a patient of its own."""
        if not self.spec.patient:
            return ids
        cells = self.table[self.spec.patient]
        # No cell starts with this sign: cells are stripped.
        return np.where(cells == "", np.char.add("\x1f", self.table.numbers.astype(np.str_)), cells).astype(np.str_)

    def _reference_levels(self) -> NDArray[np.str_] | None:
        cells = self.table.cells.get(self.spec.reference_method)
        return None if cells is None else np.where(cells == "", MISSING_LEVEL, cells)

    def _finished(self, cohort: Cohort, task: Task, reasons: NDArray[Any]) -> Cohort:
        """Return the cohort of the cases used, with patients coded anew, its images and its digest."""
        cohort = recoded(cohort)
        references = []
        mask = self._mask_column(task)
        if self.spec.image:
            used = np.flatnonzero(reasons == None)  # noqa: E711 - element by element
            cells = self.table[self.spec.image][used]
            images = FileSource(
                references=cells, folder=self.folder, root=self.root, input=self.input,
                seconds=self.spec.read_timeout,
            ).sized()  # fmt: skip
            if images.input.size and not self.input.size:
                size = " x ".join(str(s) for s in images.input.size)
                note = f"The model declares no size: {size}, that of the first readable image, holds for all."
                cohort = replace(cohort, remarks=(*cohort.remarks, note))
            cohort = replace(cohort, images=images, others=tuple(_sized(o, images.input) for o in cohort.others))
            references.append(cells)
            if cohort.unverified is not None:
                pending = self.table[self.spec.image][np.isin(reasons.astype(str), _pending(task))]
                cases = replace(cohort.unverified.cohort, images=replace(images, references=pending))
                cohort = replace(cohort, unverified=replace(cohort.unverified, cohort=cases))
                references.append(pending)
            if mask:
                binary = task != "segmentation" or len(cohort.classes) <= 2
                cohort = replace(cohort, masks=self._mask(images, mask, used, binary=binary))
                references.append(self.table[mask][used])
            others = [c for c in (self.spec.region_mask, *(c for _, c in self.spec.distractors)) if c]
            references += [self.table[column][used] for column in others]
            if self.spec.region_mask:
                cohort = replace(cohort, regions=self._mask(images, self.spec.region_mask, used))
            kinds = {kind: self._mask(images, column, used) for kind, column in self.spec.distractors}
            cohort = replace(cohort, distractors=kinds)
        return replace(cohort, digest=cohort_digest(cohort, references))

    def _mask(self, images: FileSource, column: str, rows: NDArray[np.int64], *, binary: bool = True) -> MaskSource:
        own = replace(images, references=self.table[column][rows], input=replace(images.input, channels=1))
        return MaskSource(source=own, binary=binary)


def _pending(task: Task) -> tuple[str, ...]:
    """Return the reasons of cases that are asked about though they have no reference standard.

    An empty cell may be a negative whom nobody followed up, or a missed positive; without the model's answers to such
    cases nobody could tell what they would change.
    """
    return (NOT_VERIFIED, NO_TARGET) if task in CLASSIFICATION else (NOT_VERIFIED,)


def _sized(split: OtherSplit, input: InputSpec) -> OtherSplit:
    images = split.images
    return replace(split, images=replace(images, input=input)) if isinstance(images, FileSource) else split


def _add(reasons: NDArray[Any], rows: Sequence[int] | NDArray[Any], reason: str) -> None:
    for row in rows:
        if reasons[row] is None:
            reasons[row] = reason


def _nothing_left(read: int, aside: Counter[str]) -> ManifestError:
    listed = "; ".join(f"{k} x {reason}" for reason, k in sorted(aside.items()))
    return ManifestError(
        f"none of the {read} cases can be used", expected="cases with a target and a readable image", got=listed,
        fix="image paths are relative to the manifest's folder; check the columns named under [cohort]",
    )  # fmt: skip
