"""Cohorts of a few hundred cases whose every property is known because it was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, AttributeSpec, Cohort, Ledger, Role
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


def small_cohort(
    targets: NDArray[Any],
    *,
    attributes: Sequence[Attribute] = (),
    patients: NDArray[Any] | None = None,
    images: ArrayImages | None = None,
    masks: ArrayImages | None = None,
    classes: tuple[str, ...] = ("negative", "positive"),
) -> Cohort:
    """Return a cohort of given targets.

    Args:
        targets: (n,) or (n, L), as `Cohort.targets`.
        attributes: Attributes of n levels each.
        patients: (n,) any labels; None: every case is its own patient.
        images: n images, or None.
        masks: n masks, or None.
        classes: Class names.
    """
    n = len(targets)
    labels = np.arange(n) if patients is None else np.asarray(patients)
    ids, codes = np.unique(labels, return_inverse=True)
    return Cohort(
        name="tiny",
        case_ids=np.array([f"case-{i}" for i in range(n)], dtype=np.str_),
        patients=codes.astype(np.int64),
        patient_ids=np.array([f"patient-{i}" for i in ids], dtype=np.str_),
        patient_declared=patients is not None,
        targets=np.asarray(targets),
        attributes={a.name: a for a in attributes},
        images=images,
        masks=masks,
        ledger=Ledger(read=n, used=n),
        classes=classes,
        digest=f"tiny-{n}",
        phantom=True,
    )


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
