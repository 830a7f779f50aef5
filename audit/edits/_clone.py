"""Tissue of one place put seamlessly into another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SMOOTHING = 1.0
"""Standard deviation, in pixels, of the smoothing of what must vanish at the border: noise is not to be bridged."""
DENSE = 600
SPARSE = 40_000


def membrane(border: Floats, region: Mask, weights: tuple[float, ...]) -> Floats | None:
    """Return the solution of Laplace's equation inside a region.

    Args:
        border: (channels, *spatial) values; those beside the region are its boundary.
        region: (*spatial) bool, where the equation holds.
        weights: One a spatial axis, 1 / spacing squared.

    Returns:
        (channels, m) values of the region's pixels in raster order. The edge of the array is no boundary: nothing flows
        across it. None where the region has no boundary at all.
    """
    count = int(region.sum())
    number = np.full(region.shape, -1, dtype=np.int64)
    number[region] = np.arange(count)
    places = np.argwhere(region)
    diagonal, right = np.zeros(count), np.zeros((len(border), count))
    rows, columns, values = [], [], []
    bounded = np.zeros(count, dtype=bool)
    for axis, weight in enumerate(weights):
        for step in (-1, 1):
            beside = places.copy()
            beside[:, axis] += step
            there = np.flatnonzero((beside[:, axis] >= 0) & (beside[:, axis] < region.shape[axis]))
            at = tuple(beside[there].T)
            inner = number[at]
            diagonal[there] += weight
            own = inner >= 0
            rows.append(there[own])
            columns.append(inner[own])
            values.append(np.full(int(own.sum()), -weight))
            outer = there[~own]
            right[:, outer] += weight * border[(slice(None), *tuple(beside[outer].T))]
            bounded[outer] = True
    if not bounded.any():
        return None
    return _solved(count, diagonal, np.concatenate(rows), np.concatenate(columns), np.concatenate(values), right)


def _solved(
    count: int, diagonal: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], values: Floats, right: Floats
) -> Floats:
    if count <= DENSE:
        matrix = np.diag(diagonal)
        matrix[rows, columns] = values
        return np.asarray(np.linalg.solve(matrix, right.T).T, dtype=np.float64)
    from scipy.sparse import csc_matrix, diags
    from scipy.sparse.linalg import cg, splu

    system = diags(diagonal) + csc_matrix((values, (rows, columns)), shape=(count, count))
    if count <= SPARSE:
        direct: Floats = np.asarray(splu(system.tocsc()).solve(right.T).T, dtype=np.float64)
        return direct
    iterated: Floats = np.stack([cg(system.tocsr(), one, rtol=1e-5, maxiter=2000)[0] for one in right])
    return iterated


def seamless(target: Floats, donor: Floats, region: Mask, usable: Mask, spacing: tuple[float, ...]) -> Floats | None:
    """Return a region of the target filled with the donor, shifted so smoothly that no edge shows (Pérez 2003).

    The donor keeps its own detail and noise; what is added to it is the membrane through the difference of both at the
    border, which is smoothed first so that the noise of the border is not carried inside.

    Args:
        target: (channels, *spatial) box around the place.
        donor: (channels, *spatial) box of the same shape around what is put there.
        region: (*spatial) bool, the pixels that are replaced.
        usable: (*spatial) bool, pixels outside the region whose difference counts.
        spacing: Spacing an axis.

    Returns:
        (channels, m) new values of the region in raster order; None where nothing bounds the region.

    References:
        Pérez, Gangnet and Blake 2003, Poisson image editing, ACM Transactions on Graphics 22.
    """
    border = smoothed(target - donor, usable & ~region, beside=region)
    inside = None if border is None else membrane(border, region, tuple(1 / s**2 for s in spacing))
    return None if inside is None else donor[:, region] + inside


def smoothed(values: Floats, usable: Mask, *, beside: Mask | None = None) -> Floats | None:
    """Return values smoothed over the usable pixels alone; None where there is none.

    Args:
        values: (channels, *spatial).
        usable: (*spatial) bool.
        beside: (*spatial) bool; only pixels beside these need a value, None: all.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter

    if not usable.any():
        return None
    weight = gaussian_filter(usable.astype(np.float64), SMOOTHING)
    sigma = (0.0, *(SMOOTHING,) * usable.ndim)
    top = gaussian_filter(np.where(usable, values, 0.0), sigma)
    known = weight > 1e-3
    needed = np.ones_like(known) if beside is None else binary_dilation(beside)
    if not known[needed].all():
        # Beyond the reach of the smoothing the nearest known value goes on.
        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        where: tuple[Any, ...] = (slice(None), *nearest)
        return np.asarray((top / np.where(known, weight, 1.0))[where], dtype=np.float64)
    return np.asarray(top / np.where(known, weight, 1.0), dtype=np.float64)
