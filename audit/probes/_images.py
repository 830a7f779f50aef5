"""Which cases a costly probe looks at, and how their images are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, NotApplicable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ELEMENTS = 2**23


def sample_cases(patients: NDArray[np.int64], limit: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return all cases of a simple random sample of patients, rising.

    The number of patients is fixed before they are drawn, whatever their cases, so that the sample is unbiased.

    Args:
        patients: (n,) patient codes.
        limit: Cases expected in the sample, None for all.
        rng: Draws the patients.
    """
    if limit is None or limit >= patients.size:
        return np.arange(patients.size)
    codes = np.unique(patients)
    count = max(1, round(codes.size * limit / patients.size))
    return np.flatnonzero(np.isin(patients, rng.choice(codes, size=count, replace=False)))


def load_images(cohort: Cohort, cases: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (m, channels, *spatial) stored intensities of some cases.

    Raises:
        NotApplicable: The cohort has no images.
    """
    if cohort.images is None:
        raise NotApplicable("the cohort has no images")
    return np.stack([cohort.images.load(int(i)) for i in cases]).astype(np.float32)


def load_masks(cohort: Cohort, cases: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (m, *spatial) reference segmentations of some cases, 0 outside.

    Raises:
        NotApplicable: The cohort has no reference segmentations.
    """
    if cohort.masks is None:
        raise NotApplicable("the cohort has no reference segmentations")
    return np.stack([(cohort.masks.load(int(i)) > 0).any(axis=0) for i in cases]).astype(np.int64)


def batch_size(image: NDArray[Any], asked: int) -> int:
    """Return how many images of a size go into a batch: as many as asked for, fewer for volumes."""
    return max(1, min(asked, _ELEMENTS // max(1, image.size)))


def grey(shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pictures of 256 grey levels from values in [0, 1]; what lies outside is black or white."""
    return np.clip(np.round(255 * shares), 0, 255).astype(np.uint8)
