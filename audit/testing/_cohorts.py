"""Cohorts of a few hundred cases whose every property is known because it was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    NOT_VERIFIED,
    Aside,
    Attribute,
    AttributeSpec,
    Cohort,
    Comparator,
    ComparatorOutput,
    ComparatorValues,
    Ledger,
    OtherSplit,
    Role,
    Unverified,
)
from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 8
LESION = (slice(3, 6), slice(3, 6))
MARKER = (slice(0, 2), slice(0, 2))
STRIPE = (slice(7, 8), slice(0, 8))


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayImages:
    """Images that lie in one array.

    Args:
        array: (n, channels, *spatial).
        broken: Index to reason; loading such an image raises `ReadError`.
    """

    array: NDArray[Any]
    broken: Mapping[int, str] | None = None

    def __len__(self) -> int:
        return len(self.array)

    def load(self, index: int) -> NDArray[Any]:
        """Return one image; see `audit.core.ImageSource`."""
        if self.broken and index in self.broken:
            raise ReadError(self.broken[index])
        image: NDArray[Any] = self.array[index]
        return image


def attribute(
    name: str, levels: Sequence[str] | NDArray[Any], role: Role, *, also: tuple[Role, ...] = (), reason: str = ""
) -> Attribute:
    """Return an attribute from the level of every case."""
    spec = AttributeSpec(name=name, role=role, also=also, reason=reason)
    return Attribute(spec=spec, levels=np.asarray(levels, dtype=np.str_))


def comparator(
    name: str,
    values: NDArray[Any],
    *,
    output: ComparatorOutput = "probabilities",
    operating_point: float | None = None,
) -> ComparatorValues:
    """Return what another reader or model said of every case, (n,) with NaN where it said nothing."""
    spec = Comparator(name=name, column=name, output=output, operating_point=operating_point)
    return ComparatorValues(spec=spec, values=np.asarray(values, dtype=np.float64))


def other_split(
    patients: Sequence[Any] | NDArray[Any],
    *,
    name: str = "train",
    images: ArrayImages | None = None,
    case_ids: Sequence[str] | None = None,
    dates: Sequence[str] | None = None,
) -> OtherSplit:
    """Return another split; a label of `patients` is the patient whom `small_cohort` gives the same label."""
    ids = [f"{name}-{i}" for i in range(len(patients))] if case_ids is None else case_ids
    return OtherSplit(
        name=name, case_ids=np.array(ids, dtype=np.str_), images=images,
        patient_ids=np.array([f"patient-{i}" for i in patients], dtype=np.str_),
        dates=None if dates is None else np.array(dates, dtype=np.str_),
    )  # fmt: skip


def small_cohort(
    targets: NDArray[Any],
    *,
    attributes: Sequence[Attribute] = (),
    patients: NDArray[Any] | None = None,
    images: ArrayImages | None = None,
    masks: ArrayImages | None = None,
    classes: tuple[str, ...] = ("negative", "positive"),
    comparators: Sequence[ComparatorValues] = (),
    event: NDArray[Any] | None = None,
    **more: Any,
) -> Cohort:
    """Return a cohort of given targets.

    Args:
        targets: (n,) or (n, L), as `Cohort.targets`; the times where `event` is given.
        attributes: Attributes of n levels each.
        patients: (n,) any labels; None: every case is its own patient.
        images: n images, or None.
        masks: n masks, or None.
        classes: Class names.
        comparators: Other readers or models.
        event: (n,) bool, for survival: whether the event was seen.
        more: Further fields of `Cohort`, such as `raters`, `ungradable`, `others` or `reference_levels`.
    """
    n = len(targets)
    values = np.asarray(targets)
    if event is not None:
        more |= {"time": values.astype(np.float64), "event": np.asarray(event, dtype=bool)}
        values = np.stack([more["time"], more["event"].astype(np.float64)], axis=1)
    labels = np.arange(n) if patients is None else np.asarray(patients)
    ids, codes = np.unique(labels, return_inverse=True)
    return Cohort(
        name="tiny",
        case_ids=np.array([f"case-{i}" for i in range(n)], dtype=np.str_),
        patients=codes.astype(np.int64),
        patient_ids=np.array([f"patient-{i}" for i in ids], dtype=np.str_),
        patient_declared=patients is not None,
        targets=values,
        attributes={a.name: a for a in attributes},
        comparators={c.spec.name: c for c in comparators},
        images=images,
        masks=masks,
        ledger=Ledger(read=n, used=n),
        classes=classes,
        digest=f"tiny-{n}",
        phantom=True,
        **more,
    )


def with_aside(
    cohort: Cohort,
    *,
    reasons: Sequence[str],
    targets: NDArray[Any] | None = None,
    attributes: Mapping[str, Sequence[str] | NDArray[Any]] | None = None,
    patients: NDArray[Any] | None = None,
    known: NDArray[Any] | None = None,
    ungradable: NDArray[Any] | None = None,
) -> Cohort:
    """Return a cohort of which further cases were set aside.

    Args:
        cohort: The cases that are used.
        reasons: (m,) why each further case was set aside.
        targets: (m, ...) targets of these; None: unknown.
        attributes: (m,) levels by name, for every attribute of the cohort.
        patients: (m,) codes of patients of the cohort, or -1 for a patient of its own; all -1 by default.
        known: (m,) bool, whether the target is known; by default where targets are given.
        ungradable: (m,) bool, where the model declined.
    """
    m = len(reasons)
    codes, ids = _extended(cohort, m, patients)
    unknown = np.full((m, *cohort.targets.shape[1:]), np.nan if cohort.targets.dtype.kind == "f" else -1)
    values = unknown if targets is None else np.asarray(targets)
    aside = Aside(
        case_ids=np.array([f"aside-{i}" for i in range(m)], dtype=np.str_), patients=codes,
        targets=values.astype(cohort.targets.dtype), reasons=np.array(reasons, dtype=np.str_),
        known=np.full(m, targets is not None) if known is None else np.asarray(known, dtype=bool),
        attributes=_levels(cohort, attributes), ungradable=ungradable,
    )  # fmt: skip
    return replace(cohort, patient_ids=ids, aside=aside, ledger=_without(cohort.ledger, reasons))


def with_unverified(
    cohort: Cohort,
    n: int,
    *,
    attributes: Mapping[str, Sequence[str] | NDArray[Any]] | None = None,
    patients: NDArray[Any] | None = None,
) -> Cohort:
    """Return a cohort with further cases whose reference standard was not obtained.

    Args:
        cohort: The cases that are used.
        n: Number of unverified cases.
        attributes: (n,) levels by name, for every attribute of the cohort.
        patients: (n,) codes of patients of the cohort, or -1 for a patient of its own; all -1 by default.
    """
    codes, ids = _extended(cohort, n, patients)
    cases = replace(
        cohort, case_ids=np.array([f"unverified-{i}" for i in range(n)], dtype=np.str_), patients=codes,
        patient_ids=ids, targets=np.zeros((n, *cohort.targets.shape[1:]), dtype=cohort.targets.dtype),
        attributes=_levels(cohort, attributes), images=None, masks=None, regions=None, distractors={},
        annotated_planes=None, ledger=Ledger(read=n, used=n),
        reference_levels=None, raters={}, comparators={}, ungradable=None, time=None, event=None, aside=None,
        others=(), unverified=None,
    )  # fmt: skip
    ledger = _without(cohort.ledger, [NOT_VERIFIED] * n)
    return replace(cohort, patient_ids=ids, unverified=Unverified(cohort=cases), ledger=ledger)


def _without(ledger: Ledger, reasons: Sequence[str]) -> Ledger:
    return replace(ledger, read=ledger.read + len(reasons), used=ledger.used + len(reasons)).without(reasons)


def _extended(cohort: Cohort, m: int, patients: NDArray[Any] | None) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    codes = np.full(m, -1) if patients is None else np.array(patients)
    own = np.flatnonzero(codes < 0)
    size = len(cohort.patient_ids)
    codes[own] = size + np.arange(len(own))
    added = [f"patient-own-{size + i}" for i in range(len(own))]
    return codes.astype(np.int64), np.array([*cohort.patient_ids.tolist(), *added], dtype=np.str_)


def _levels(cohort: Cohort, given: Mapping[str, Sequence[str] | NDArray[Any]] | None) -> dict[str, Attribute]:
    return {
        name: Attribute(spec=cohort.attributes[name].spec, levels=np.asarray(levels, dtype=np.str_))
        for name, levels in (given or {}).items()
    }


def tiny_cohort(
    rng: np.random.Generator,
    *,
    n: int = 400,
    signal: float = 1.3,
    p_male: tuple[float, float] = (0.5, 0.5),
    p_scanner_a: tuple[float, float] = (0.5, 0.5),
    per_patient: int = 1,
) -> Cohort:
    """Return a cohort of 8 x 8 images that hold a lesion, a marker of sex and a stripe of the scanner.

    The brightness of the lesion follows the label alone; the marker follows sex alone, the stripe the scanner alone.
    So a model that reads the lesion only has the same ROC curve in every subgroup, and one that reads the marker
    leans on sex by construction.

    Args:
        rng: Draws everything.
        n: Cases.
        signal: Distance of the labels in lesion brightness, in standard deviations.
        p_male: P(male) among negatives and among positives.
        p_scanner_a: P(scanner A) among negatives and among positives.
        per_patient: Cases a patient; label, sex and scanner are the patient's.
    """
    owner = np.repeat(np.arange(-(-n // per_patient)), per_patient)[:n]
    size = int(owner.max()) + 1
    label = rng.permutation(np.arange(size) % 2)
    male = rng.random(size) < np.take(p_male, label)
    first = rng.random(size) < np.take(p_scanner_a, label)
    images = rng.normal(0, 0.02, (n, 1, SIZE, SIZE))
    lesion = signal * label[owner] + 0.8 * rng.normal(size=size)[owner] + 0.6 * rng.normal(size=n)
    images[:, 0, *LESION] += lesion[:, None, None]
    images[:, 0, *MARKER] += np.where(male, 1.0, -1.0)[owner][:, None, None]
    images[:, 0, *STRIPE] += np.where(first, 1.0, -1.0)[owner][:, None, None]
    masks = np.zeros((n, 1, SIZE, SIZE))
    masks[:, 0, *LESION] = 1
    return small_cohort(
        label[owner].astype(np.int64),
        attributes=(
            attribute("sex", np.where(male, "male", "female")[owner], "protected", also=("confounder",), reason="size"),
            attribute("scanner", np.where(first, "A", "B")[owner], "protocol", also=("confounder",), reason="site"),
        ),
        patients=owner,
        images=ArrayImages(array=images),
        masks=ArrayImages(array=masks),
    )
