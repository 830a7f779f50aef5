"""Cohorts from arrays that are in memory already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._attributes import read_attribute
from audit.cohorts._build import NO_PATIENTS, coded, cohort_digest
from audit.cohorts._fit import as_float
from audit.cohorts._table import as_text, text_array
from audit.core import Attribute, AttributeSpec, Cohort, Ledger, Task
from audit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ArraySource:
    """Images in memory.

    Args:
        images: (n, channels, *spatial) of any real type.
    """

    images: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return one image, (channels, *spatial) float32; NaN or infinity set it aside (`ReadError`)."""
        return as_float(self.images[index])


def from_arrays(
    images: NDArray[Any] | None,
    targets: NDArray[Any],
    patients: Any = None,
    attributes: Mapping[str, tuple[Any, ...]] | None = None,
    *,
    task: Task,
    classes: tuple[str, ...] = (),
    name: str = "arrays",
    masks: NDArray[Any] | None = None,
    case_ids: Any = None,
    design: str = "",
    reference_method: str = "",
    provenance: str = "",
    phantom: bool = False,
    spacing_mm: tuple[float, ...] | None = None,
) -> Cohort:
    """Return a cohort of arrays.

    Args:
        images: (n, channels, *spatial) stored intensities, or None for saved predictions.
        targets: (n,) class index, (n, L) 0/1 for a multilabel task, (n,) float for regression; for segmentation (n,).
        patients: (n,) patient ids of any type; None: every case is its own patient.
        attributes: By name `(values, role)`, `(values, role, reason)` or `(values, AttributeSpec)`. Values are text or
            numbers; None, NaN and "" are missing.
        task: The model's task.
        classes: Class names by index.
        name: The cohort's name.
        masks: (n, 1, *spatial) lesion masks or reference segmentations.
        case_ids: (n,) unique ids; the row number by default.
        design: Sampling design.
        reference_method: How the target was established.
        provenance: Where the cases come from.
        phantom: True where the cases are simulated.
        spacing_mm: Spacing of the image grid.

    Raises:
        InputError: Lengths differ, ids repeat, or a target is no class index, no flag or no finite number.
    """
    values = _targets(np.asarray(targets), task, classes)
    n = len(values)
    _check_lengths(n, images=images, masks=masks, patients=patients, case_ids=case_ids)
    ids = np.arange(n).astype(np.str_) if case_ids is None else text_array(as_text(_scalar(v)) for v in case_ids)
    if len(set(ids.tolist())) != n:
        raise InputError("case ids repeat", expected=f"{n} different ids", got=f"{len(set(ids.tolist()))}")
    codes, patient_ids = coded(ids if patients is None else text_array(as_text(_scalar(v)) for v in patients))
    read, remarks = _attributes(attributes or {}, n)
    cohort = Cohort(
        name=name, case_ids=ids, patients=codes, patient_ids=patient_ids, patient_declared=patients is not None,
        targets=values, attributes=read, images=None if images is None else ArraySource(images=_axes(images)),
        masks=None if masks is None else ArraySource(images=_axes(masks)), ledger=Ledger(read=n, used=n),
        classes=classes or (("negative", "positive") if task == "binary" else ()), design=design,
        reference_method=reference_method, provenance=provenance, phantom=phantom, spacing_mm=spacing_mm,
        remarks=remarks if patients is not None else (NO_PATIENTS, *remarks),
    )  # fmt: skip
    return replace(cohort, digest=cohort_digest(cohort, contents=_contents(images, masks)))


def _axes(images: NDArray[Any]) -> NDArray[Any]:
    return images[:, None] if images.ndim == 3 else images


def _scalar(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _contents(*arrays: NDArray[Any] | None) -> str:
    summed = hashlib.sha256()
    for array in arrays:
        if array is None:
            continue
        summed.update(f"{array.dtype}{array.shape}".encode())
        for image in array:
            summed.update(np.ascontiguousarray(image).tobytes())
    return summed.hexdigest()


def _check_lengths(n: int, **arrays: Any) -> None:
    for name, array in arrays.items():
        if array is not None and len(array) != n:
            raise InputError(f"{name}: another length than the targets", expected=str(n), got=str(len(array)))


def _targets(targets: NDArray[Any], task: Task, classes: tuple[str, ...]) -> NDArray[Any]:
    axes = 2 if task == "multilabel" else 1
    if targets.ndim != axes or not len(targets):
        raise InputError("targets of the wrong shape", expected=f"{axes} axis/axes, not empty", got=str(targets.shape))
    numbers = np.asarray(targets, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise InputError("targets that are not finite", expected="a target for every case", got="NaN or infinity")
    if task == "regression":
        return numbers
    top = 1 if task in ("binary", "multilabel") else len(classes) - 1 if classes else np.inf
    if (numbers != np.rint(numbers)).any() or numbers.min() < 0 or numbers.max() > top:
        raise InputError(
            "targets that are no class", expected=f"whole numbers from 0 to {top}",
            got=f"{numbers.min():g} to {numbers.max():g}", fix="give class indices",
        )  # fmt: skip
    return numbers.astype(np.int64)


def _attributes(given: Mapping[str, tuple[Any, ...]], n: int) -> tuple[dict[str, Attribute], tuple[str, ...]]:
    read: dict[str, Attribute] = {}
    remarks: list[str] = []
    for name, (values, role, *reason) in given.items():
        if len(values) != n:
            raise InputError(f"{name}: another length than the targets", expected=str(n), got=str(len(values)))
        spec = role if isinstance(role, AttributeSpec) else AttributeSpec(name=name, role=role, reason="".join(reason))
        cells = text_array(as_text(_scalar(v)) for v in values)
        read[name], notes = read_attribute(spec, cells)
        remarks.extend(notes)
    return read, tuple(remarks)
