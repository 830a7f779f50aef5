"""Overlap, distance and volume of two masks.

The rule for empty masks, everywhere here: where both are empty there is nothing to find and nothing was found, and the
measure is undefined (None), never 1; where one is empty an overlap is 0 and a distance or a relative volume error that
would need the other is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def _pair(predicted: NDArray[Any], reference: NDArray[Any]) -> tuple[Mask, Mask]:
    a, b = np.asarray(predicted, dtype=bool), np.asarray(reference, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"expected masks of one shape, got {a.shape} and {b.shape}")
    return a, b


def dice(predicted: NDArray[Any], reference: NDArray[Any]) -> float | None:
    """Return twice the shared voxels over the voxels of both (Dice 1945).

    Args:
        predicted: (*spatial) bool or 0/1.
        reference: (*spatial) bool or 0/1.

    Returns:
        Value in [0, 1]; None where both masks are empty.

    Raises:
        ValueError: The shapes differ.
    """
    a, b = _pair(predicted, reference)
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return None if total == 0 else 2 * int(np.count_nonzero(a & b)) / total


def relative_volume_error(predicted: NDArray[Any], reference: NDArray[Any]) -> float | None:
    """Return (predicted volume - reference volume) / reference volume, signed.

    Args:
        predicted: (*spatial) bool or 0/1.
        reference: (*spatial) bool or 0/1, on the same grid.

    Returns:
        Value of at least -1; None where the reference is empty.

    Raises:
        ValueError: The shapes differ.
    """
    a, b = _pair(predicted, reference)
    volume = int(np.count_nonzero(b))
    return None if volume == 0 else (int(np.count_nonzero(a)) - volume) / volume


def surface_dice(
    predicted: NDArray[Any], reference: NDArray[Any], spacing_mm: Sequence[float], tau_mm: float
) -> float | None:
    """Return the share of both surfaces that lies within a tolerance of the other (after Nikolov et al. 2021).

    A surface is the voxels of a mask with a face at its outside, or at the border of the image; each counts as one.

    Args:
        predicted: (*spatial) bool or 0/1.
        reference: (*spatial) bool or 0/1.
        spacing_mm: Voxel spacing a spatial axis, in mm.
        tau_mm: Tolerance in mm, at least 0.

    Returns:
        Value in [0, 1]; None where both masks are empty, 0 where one is.

    Raises:
        ValueError: The shapes differ, or spacing or tolerance make no sense.
    """
    if not tau_mm >= 0:
        raise ValueError(f"tau_mm: expected at least 0, got {tau_mm}")
    a, b = _pair(predicted, reference)
    if not a.any() and not b.any():
        return None
    found = _surface_distances(a, b, spacing_mm)
    if found is None:
        return 0.0
    # A distance of exactly tau must not be lost to rounding.
    near = [int(np.count_nonzero(d <= tau_mm + 1e-9)) for d in found]
    return sum(near) / (len(found[0]) + len(found[1]))


def hd95(predicted: NDArray[Any], reference: NDArray[Any], spacing_mm: Sequence[float]) -> float | None:
    """Return the larger of the two directed 95th percentiles of the distance between the surfaces, in mm.

    Args:
        predicted: (*spatial) bool or 0/1.
        reference: (*spatial) bool or 0/1.
        spacing_mm: Voxel spacing a spatial axis, in mm.

    Returns:
        Distance in mm, at least 0; None where a mask is empty.

    Raises:
        ValueError: The shapes differ, or the spacing makes no sense.
    """
    found = _surface_distances(*_pair(predicted, reference), spacing_mm)
    return None if found is None else max(float(np.percentile(d, 95)) for d in found)


def _surface_distances(
    a: Mask, b: Mask, spacing_mm: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return distances from each surface to the other in mm, None where a mask is empty."""
    from scipy.ndimage import distance_transform_edt

    spacing = tuple(float(s) for s in spacing_mm)
    if len(spacing) != a.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"spacing_mm: expected {a.ndim} positive numbers, got {spacing}")
    if not a.any() or not b.any():
        return None
    # Nothing outside the box around both masks has a part in their surfaces.
    box = tuple(_extent(np.any(a | b, axis=tuple(j for j in range(a.ndim) if j != i))) for i in range(a.ndim))
    edges = _surface(a[box]), _surface(b[box])
    from_a = distance_transform_edt(~edges[1], sampling=spacing)[edges[0]]
    from_b = distance_transform_edt(~edges[0], sampling=spacing)[edges[1]]
    return from_a, from_b


def _extent(line: Mask) -> slice:
    inside = np.flatnonzero(line)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _surface(mask: Mask) -> Mask:
    from scipy.ndimage import binary_erosion

    out: Mask = mask & ~binary_erosion(mask)
    return out
