"""Lesions of two masks: connected parts, found and false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionCounts:
    """Lesions of one case.

    Args:
        reference: Lesions of the reference mask.
        found: Of these, those that share a voxel with the predicted mask.
        predicted: Lesions of the predicted mask.
        false: Of these, those that share no voxel with the reference mask.
    """

    reference: int
    found: int
    predicted: int
    false: int


def lesion_counts(predicted: NDArray[Any], reference: NDArray[Any]) -> LesionCounts:
    """Count the lesions of two masks; voxels that touch at a face, an edge or a corner belong to one lesion.

    Args:
        predicted: (*spatial) bool or 0/1.
        reference: (*spatial) bool or 0/1.

    Returns:
        The four counts; an empty mask holds no lesion.

    Raises:
        ValueError: The shapes differ.
    """
    a, b = np.asarray(predicted, dtype=bool), np.asarray(reference, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"expected masks of one shape, got {a.shape} and {b.shape}")
    named, touched = _parts(a, b)
    asked, found = _parts(b, a)
    return LesionCounts(reference=asked, found=found, predicted=named, false=named - touched)


def _parts(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many connected parts a mask has, and how many of them share a voxel with another mask."""
    from scipy.ndimage import label

    if not mask.any():
        return 0, 0
    parts, count = label(mask, structure=np.ones((3,) * mask.ndim))
    return int(count), int(np.unique(parts[mask & other]).size)
