"""A multi-scale, rotation-invariant Gaussian filter bank, and histograms of what it answers in a region of lung.

After Sorensen and others 2012 (textures from a multi-scale filter bank, nearest neighbours of histograms); which
filters, scales and bins those were could not be read, so these are ours.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SCALES = (0.6, 1.2, 2.4)
"""Standard deviations of the Gaussians, in voxels."""
FILTERS = ("smoothed", "gradient", "laplacian", "first", "second", "third", "curvedness")
"""Intensity, gradient magnitude, Laplacian, the Hessian's eigenvalues from the largest magnitude down, curvedness."""
FEATURES = tuple(f"{name} {scale:g}" for scale in SCALES for name in FILTERS)
BINS = 8
_REACH = 4.0
_TINY = 1e-6


def feature_maps(regions: Tensor, scales: tuple[float, ...] = SCALES) -> Tensor:
    """Return what the filters answer; derivatives are multiplied by the scale to their order.

    Args:
        regions: (m, z, y, x) intensities.
        scales: Standard deviations, voxels.

    Returns:
        (m, len(FILTERS) * len(scales), z * y * x), in the unit of the intensities, scales outside and filters inside.
    """
    import torch

    return torch.cat([_at(regions, scale) for scale in scales], dim=1).flatten(2)


def _at(regions: Tensor, scale: float) -> Tensor:
    import torch

    along = [_matrices(length, scale) for length in regions.shape[1:]]

    def derived(orders: tuple[int, int, int]) -> Tensor:
        x = torch.einsum("mzyx,ax->mzya", regions, along[2][orders[2]])
        x = torch.einsum("mzya,by->mzba", x, along[1][orders[1]])
        return torch.einsum("mzba,cz->mcba", x, along[0][orders[0]])

    smooth = derived((0, 0, 0))
    first = [scale * derived(o) for o in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    own = [scale**2 * derived(o) for o in ((2, 0, 0), (0, 2, 0), (0, 0, 2))]
    mixed = [scale**2 * derived(o) for o in ((1, 1, 0), (1, 0, 1), (0, 1, 1))]
    gradient = torch.sqrt(first[0] ** 2 + first[1] ** 2 + first[2] ** 2)
    curved = torch.sqrt(sum(d**2 for d in own) + 2 * sum(d**2 for d in mixed))
    return torch.stack([smooth, gradient, own[0] + own[1] + own[2], *eigenvalues(own, mixed), curved], dim=1)


def eigenvalues(own: list[Tensor], mixed: list[Tensor]) -> list[Tensor]:
    """Return the eigenvalues of symmetric 3 x 3 matrices, from the largest magnitude down, in closed form.

    Args:
        own: The diagonal, zz, yy, xx.
        mixed: What is beside it, zy, zx, yx.
    """
    import torch

    mean = (own[0] + own[1] + own[2]) / 3
    a, b, c = (d - mean for d in own)
    size = torch.sqrt((a**2 + b**2 + c**2 + 2 * (mixed[0] ** 2 + mixed[1] ** 2 + mixed[2] ** 2)) / 6).clamp_min(_TINY)
    zy, zx, yx = mixed
    determinant = a * (b * c - yx**2) - zy * (zy * c - yx * zx) + zx * (zy * yx - b * zx)
    angle = torch.arccos((determinant / (2 * size**3)).clamp(-1, 1)) / 3
    largest = mean + 2 * size * torch.cos(angle)
    smallest = mean + 2 * size * torch.cos(angle + 2 * np.pi / 3)
    found = torch.stack([largest, 3 * mean - largest - smallest, smallest])
    order = found.abs().argsort(dim=0, descending=True)
    return list(found.gather(0, order))


@cache
def _matrices(length: int, scale: float) -> tuple[Tensor, ...]:
    """Return what smooths a line of voxels, and what gives its first and second derivative, (length, length) each.

    The line is mirrored at its ends. Each filter is exact where it must be: a constant has no derivative, a ramp has
    slope 1, a parabola x^2 / 2 has curvature 1.
    """
    import torch

    reach = int(np.ceil(_REACH * scale)) + 1
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-0.5 * (at / scale) ** 2)
    bell /= bell.sum()
    slope = at * bell
    slope /= (at * slope).sum()
    curve = (at**2 - (at**2 * bell).sum()) * bell
    curve /= (at**2 * curve).sum() / 2
    made = []
    for kernel in (bell, slope, curve):
        matrix = np.zeros((length, length))
        for offset, weight in zip(at.astype(int), kernel, strict=True):
            np.add.at(matrix, (np.arange(length), _mirrored(np.arange(length) + offset, length)), weight)
        made.append(torch.tensor(matrix, dtype=torch.float32))
    return tuple(made)


def _mirrored(index: NDArray[Any], length: int) -> NDArray[Any]:
    period = np.mod(index, 2 * length)
    return np.asarray(np.where(period < length, period, 2 * length - 1 - period))


def histograms(maps: Tensor, edges: Tensor) -> Tensor:
    """Return the share of voxels in each bin.

    Args:
        maps: (m, features, voxels).
        edges: (features, bins - 1) rising; a value on an edge falls into the bin below.

    Returns:
        (m, features, bins), each row summing to 1.
    """
    import torch

    bins = edges.shape[1] + 1
    counts = []
    for feature in range(edges.shape[0]):
        place = torch.bucketize(maps[:, feature].contiguous(), edges[feature].contiguous())
        flat = (place + bins * torch.arange(len(maps))[:, None]).flatten()
        counts.append(torch.bincount(flat, minlength=bins * len(maps)).view(len(maps), bins))
    return torch.stack(counts, dim=1).float() / maps.shape[2]
