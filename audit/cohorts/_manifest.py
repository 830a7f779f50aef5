"""From a manifest to a cohort: all faults at once, every case that is set aside counted with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._attributes import read_attribute
from audit.cohorts._build import NO_PATIENTS, coded, cohort_digest, distinct_text
from audit.cohorts._preflight import unreadable
from audit.cohorts._source import FileSource, MaskSource
from audit.cohorts._table import Table, read_columns, read_table
from audit.cohorts._targets import Targets, no_reasons, read_targets
from audit.core import MISSING_LEVEL, Attribute, Cohort, CohortSpec, InputSpec, Ledger, Task
from audit.errors import AuditError, FaultsError, ManifestError

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
    path = Path(root) / spec.manifest
    _check_columns(spec, path, task)
    table, remarks = _split(spec, read_table(path, _wanted(spec)))
    rows = _Rows(spec=spec, table=table, folder=path.parent, root=Path(root), input=input or InputSpec())
    return rows.cohort(task, classes, remarks)


def _wanted(spec: CohortSpec) -> tuple[str, ...]:
    single = (spec.image, spec.case, spec.patient, spec.mask, spec.split, spec.reference_method)
    names = (*spec.target, *(c for c in single if c), *(a.name for a in spec.attributes))
    return tuple(dict.fromkeys(names))


def _check_columns(spec: CohortSpec, path: Path, task: Task) -> None:
    there = read_columns(path)
    faults: list[AuditError] = []
    for column in _wanted(spec):
        # A word such as "histology" may stand where a column may; it need not be one.
        if column in there or (column == spec.reference_method and column not in spec.target):
            continue
        if task == "segmentation" and column in spec.target and spec.mask:
            continue
        near = get_close_matches(column, there, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "correct the name under [cohort] in audit.toml"
        if len(there) == 1 and any(mark in there[0] for mark in ";\t|"):
            hint = "the file seems to be separated by another sign than a comma; save it with commas"
        faults.append(
            ManifestError(
                f"no column {column!r}",
                expected=f"one of {', '.join(repr(c) for c in there)}",
                got=repr(column),
                fix=hint,
            )
        )
    if faults:
        raise FaultsError(path.name, faults)


def _split(spec: CohortSpec, table: Table) -> tuple[Table, tuple[str, ...]]:
    if spec.split is None or spec.split_value is None:
        return table, ()
    inside = table[spec.split] == spec.split_value
    if not inside.any():
        there = distinct_text(table[spec.split])
        raise ManifestError(
            f"{spec.split}: no row belongs to the split", expected=f"{spec.split_value!r} in some rows", got=there,
            fix="correct the split's value under [cohort]",
        )  # fmt: skip
    left = int((~inside).sum())
    remark = f"{left} rows of the manifest belong to other splits and were not read." if left else ""
    return table.only(inside), (remark,) if remark else ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of one manifest on their way to a cohort."""

    spec: CohortSpec
    table: Table
    folder: Path
    root: Path
    input: InputSpec

    def cohort(self, task: Task, classes: tuple[str, ...], remarks: tuple[str, ...]) -> Cohort:
        faults: list[AuditError] = []
        targets = self._targets(task, classes, faults)
        attributes, notes = self._attributes(faults)
        ids = self._ids(faults)
        if faults or targets is None:
            raise FaultsError(self.table.name, faults)
        reasons = self._reasons(targets, task)
        used = np.flatnonzero(reasons == None)  # noqa: E711 - element by element
        aside = Counter(str(r) for r in reasons if r is not None)
        if not used.size:
            raise FaultsError(self.table.name, [_nothing_left(len(reasons), aside)])
        whole = self._whole(task, targets, attributes, ids, (*remarks, *targets.remarks, *notes))
        cohort = whole.subset(used, Ledger(read=len(reasons), used=len(used), set_aside=dict(sorted(aside.items()))))
        return self._finished(cohort, task, used)

    def _targets(self, task: Task, classes: tuple[str, ...], faults: list[AuditError]) -> Targets | None:
        if task == "segmentation":
            n = self.table.rows
            return Targets(values=np.zeros(n, dtype=np.int64), classes=classes, reasons=no_reasons(n))
        try:
            columns = [(c, self.table[c]) for c in self.spec.target]
            return read_targets(columns, task=task, classes=classes, positive=self.spec.positive)
        except ManifestError as error:
            faults.append(error)
            return None

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
        return reasons

    def _mask_column(self, task: Task) -> str | None:
        if self.spec.mask is None and task == "segmentation":
            return self.spec.target[0]
        return self.spec.mask

    def _whole(
        self, task: Task, targets: Targets, attributes: dict[str, Attribute], ids: NDArray[np.str_], remarks: Any
    ) -> Cohort:
        declared = self.spec.patient is not None
        patients, patient_ids = coded(self.table[self.spec.patient] if self.spec.patient else ids)
        method = self.spec.reference_method
        return Cohort(
            name=self.spec.name or Path(self.spec.manifest).stem, case_ids=ids, patients=patients,
            patient_ids=patient_ids, patient_declared=declared, targets=targets.values, attributes=attributes,
            ledger=Ledger(read=len(ids), used=len(ids)), classes=targets.classes, design=self.spec.design,
            reference_method=method, reference_levels=self._reference_levels(),
            provenance=self.spec.provenance, remarks=remarks if declared else (NO_PATIENTS, *remarks),
            spacing_mm=self.input.spacing_mm,
        )  # fmt: skip

    def _reference_levels(self) -> NDArray[np.str_] | None:
        cells = self.table.cells.get(self.spec.reference_method)
        return None if cells is None else np.where(cells == "", MISSING_LEVEL, cells)

    def _finished(self, cohort: Cohort, task: Task, used: NDArray[np.int64]) -> Cohort:
        """Return the cohort of the cases used, with patients coded anew, its images and its digest."""
        patients, patient_ids = coded(cohort.patient_ids[cohort.patients])
        cohort = replace(cohort, patients=patients, patient_ids=patient_ids)
        references = []
        mask = self._mask_column(task)
        if self.spec.image:
            cells = self.table[self.spec.image][used]
            images = FileSource(references=cells, folder=self.folder, root=self.root, input=self.input).sized()
            if images.input.size and not self.input.size:
                size = " x ".join(str(s) for s in images.input.size)
                note = f"The model declares no size: {size}, that of the first readable image, holds for all."
                cohort = replace(cohort, remarks=(*cohort.remarks, note))
            cohort = replace(cohort, images=images)
            references.append(cells)
            if mask:
                lesions = replace(images, references=self.table[mask][used], input=replace(images.input, channels=1))
                binary = task != "segmentation" or len(cohort.classes) <= 2
                cohort = replace(cohort, masks=MaskSource(source=lesions, binary=binary))
                references.append(self.table[mask][used])
        return replace(cohort, digest=cohort_digest(cohort, references))


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
