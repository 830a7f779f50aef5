"""Cohorts from arrays that are in memory already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._attributes import read_attribute
from audit.cohorts._build import NO_PATIENTS, coded, cohort_digest, recoded
from audit.cohorts._fit import as_float
from audit.cohorts._readings import Vocabulary, check_comparator, read_comparator, vocabulary
from audit.cohorts._table import as_text, text_array
from audit.core import (
    NOT_VERIFIED,
    Attribute,
    AttributeSpec,
    Cohort,
    Comparator,
    ComparatorValues,
    Ledger,
    OtherSplit,
    Task,
)
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
    targets: NDArray[Any] | None = None,
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
    comparators: Mapping[str, Any] | None = None,
    time: NDArray[Any] | None = None,
    event: NDArray[Any] | None = None,
    ungradable: NDArray[Any] | None = None,
    verified: NDArray[Any] | None = None,
    others: Sequence[OtherSplit] = (),
    regions: NDArray[Any] | None = None,
    distractors: Mapping[str, NDArray[Any]] | None = None,
    annotated_planes: NDArray[Any] | None = None,
) -> Cohort:
    """Return a cohort of arrays.

    Args:
        images: (n, channels, *spatial) stored intensities, or None for saved predictions.
        targets: (n,) class index, (n, L) 0/1 for a multilabel task, (n,) float for regression; for segmentation (n,);
            None for survival.
        patients: (n,) patient ids of any type; None: every case is its own patient.
        attributes: By name `(values, role)`, `(values, role, reason)` or `(values, AttributeSpec)`. Values are text or
            numbers; None, NaN and "" are missing. Values of the role rater are class indices or names, or numbers for
            regression.
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
        comparators: By name `(values, output)` or `(values, output, operating_point)`: (n,) what another reader or
            model said, NaN where it said nothing; `output` as in `[cohort.comparators]`.
        time: (n,) follow-up times, 0 or more, for survival.
        event: (n,) bool, whether the event was seen at `time`, for survival.
        ungradable: (n,) bool, where the model or its quality gate declined.
        verified: (n,) bool, whether the reference standard was obtained; the target of the others is not used.
        others: Other splits of the data, such as the training cases.
        regions: (n, 1, *spatial) masks of where a lesion may lie.
        distractors: By type (n, 1, *spatial) masks of what looks like a lesion and is none.
        annotated_planes: (n,) index of the plane, along the first spatial axis, that was read for the target; -1 where
            that is unknown.

    Raises:
        InputError: Lengths differ, ids repeat, or a target is no class index, no flag or no finite number.
    """
    there = None if verified is None else np.asarray(verified, dtype=bool)
    values = _survival(time, event, there) if task == "survival" else _targets(_given(targets, there), task, classes)
    n = len(values)
    _check_lengths(n, images=images, masks=masks, patients=patients, case_ids=case_ids, ungradable=ungradable)
    kinds = dict(distractors or {})
    _check_lengths(n, regions=regions, annotated_planes=annotated_planes, **kinds)
    ids = np.arange(n).astype(np.str_) if case_ids is None else text_array(as_text(_scalar(v)) for v in case_ids)
    if len(set(ids.tolist())) != n:
        raise InputError("case ids repeat", expected=f"{n} different ids", got=f"{len(set(ids.tolist()))}")
    codes, patient_ids = coded(ids if patients is None else text_array(as_text(_scalar(v)) for v in patients))
    read, remarks = _attributes(attributes or {}, n)
    classes = classes or (("negative", "positive") if task == "binary" else ())
    words = vocabulary(task, classes)
    cohort = Cohort(
        name=name, case_ids=ids, patients=codes, patient_ids=patient_ids, patient_declared=patients is not None,
        targets=values, attributes=read, images=None if images is None else ArraySource(images=_axes(images)),
        masks=None if masks is None else ArraySource(images=_axes(masks)), ledger=Ledger(read=n, used=n),
        classes=classes, design=design,
        reference_method=reference_method, provenance=provenance, phantom=phantom, spacing_mm=spacing_mm,
        remarks=remarks if patients is not None else (NO_PATIENTS, *remarks), others=tuple(others),
        raters=_raters(attributes or {}, read, words), comparators=_comparators(comparators or {}, n, task, words),
        ungradable=None if ungradable is None else np.asarray(ungradable, dtype=bool),
        regions=None if regions is None else ArraySource(images=_axes(regions)),
        distractors={kind: ArraySource(images=_axes(stack)) for kind, stack in kinds.items()},
        annotated_planes=None if annotated_planes is None else np.asarray(annotated_planes, dtype=np.int64),
        **({"time": values[:, 0], "event": values[:, 1] == 1} if task == "survival" else {}),
    )  # fmt: skip
    if there is not None and not there.all():
        cohort = recoded(cohort.set_aside([None if v else NOT_VERIFIED for v in there.tolist()]))
    return replace(cohort, digest=cohort_digest(cohort, contents=_contents(images, masks, regions, *kinds.values())))


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


def _given(targets: NDArray[Any] | None, verified: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return the targets; where nobody obtained the reference standard any value, even none, may stand."""
    if targets is None:
        raise InputError("no targets", expected="a target for every case", got="None", fix="give targets=...")
    values = np.asarray(targets)
    if verified is None:
        return values
    _check_lengths(len(values), verified=verified)
    _check_some(verified)
    where = verified.reshape(-1, *(1,) * (values.ndim - 1))
    return np.where(where, values, np.zeros(1, dtype=values.dtype))


def _check_some(verified: NDArray[np.bool_]) -> None:
    if not verified.any():
        raise InputError(
            "no case is left to audit", expected="cases whose reference standard was obtained", got="none verified",
            fix="correct verified",
        )  # fmt: skip


def _survival(time: Any, event: Any, verified: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    if time is None or event is None:
        raise InputError("no follow-up", expected="time and event for task 'survival'", got="one of them or neither")
    times, seen = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    _check_lengths(len(times), event=seen, verified=verified)
    if verified is not None:
        _check_some(verified)
        times, seen = np.where(verified, times, 0), np.where(verified, seen, 0)
    if not np.isfinite(times).all() or (times < 0).any() or not np.isin(seen, (0, 1)).all():
        raise InputError(
            "a follow-up that cannot be used", expected="times of 0 or more, and events that are true or false",
            got="other values", fix="leave cases without a follow-up out",
        )  # fmt: skip
    return np.stack([times, seen], axis=1)


def _cells(values: Any) -> NDArray[np.str_]:
    return text_array(as_text(_scalar(v)) for v in values)


def _raters(
    given: Mapping[str, tuple[Any, ...]], read: Mapping[str, Attribute], words: Vocabulary | None
) -> dict[str, NDArray[np.float64]]:
    if words is None:
        return {}
    return {name: words.read(name, _cells(given[name][0])) for name, a in read.items() if "rater" in a.roles}


def _comparators(given: Mapping[str, Any], n: int, task: Task, words: Vocabulary | None) -> dict[str, ComparatorValues]:
    found = {}
    for name, value in given.items():
        if not isinstance(value, tuple) or len(value) not in (2, 3):
            raise InputError(
                f"comparator {name}: what it gives is missing", expected="(values, output) or with an operating point",
                got=type(value).__name__, fix=f'for example comparators={{"{name}": (values, "probabilities", 0.5)}}',
            )  # fmt: skip
        values, output, *point = value
        _check_lengths(n, **{f"comparator {name}": values})
        spec = Comparator(name=name, column=name, output=output, operating_point=point[0] if point else None)
        check_comparator(spec, task)
        found[name] = read_comparator(spec, _cells(values), words)
    return found


def _attributes(given: Mapping[str, tuple[Any, ...]], n: int) -> tuple[dict[str, Attribute], tuple[str, ...]]:
    read: dict[str, Attribute] = {}
    remarks: list[str] = []
    for name, (values, role, *reason) in given.items():
        if len(values) != n:
            raise InputError(f"{name}: another length than the targets", expected=str(n), got=str(len(values)))
        spec = role if isinstance(role, AttributeSpec) else AttributeSpec(name=name, role=role, reason="".join(reason))
        cells = _cells(values)
        read[name], notes = read_attribute(spec, cells)
        remarks.extend(notes)
    return read, tuple(remarks)
