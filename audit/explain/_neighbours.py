"""Weighted sums over the neighbours of each pixel of many images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Sums over neighbours on flat grids with a border of one pixel, which is 0.

    Args:
        shape: Of an image.
        reach: Weight of a neighbour along each axis.
        weight: (padded size,) sum of the weights of the neighbours inside the image.
    """

    shape: tuple[int, ...]
    reach: tuple[float, ...]
    weight: NDArray[Any]

    def padded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return (n, padded size) copies with a border of zeros."""
        return _padded(values)

    def neighbours(self, flat: NDArray[Any], out: NDArray[Any], spare: NDArray[Any]) -> None:
        """Write the weighted sum of the neighbours of each pixel; the border's values mean nothing.

        Args:
            flat: (n, padded size), contiguous as the others.
            out: The same shape, where the sums go.
            spare: The same shape, is written over.
        """
        _sum(flat, self.shape, self.reach, out, spare)


@lru_cache(maxsize=32)
def grid_of(shape: tuple[int, ...], reach: tuple[float, ...], dtype: str) -> Grid:
    """Return the grid of images of a shape and a type.

    Args:
        shape: Of an image.
        reach: Weight of a neighbour along each axis.
        dtype: Name of the type of its values.
    """
    ones = _padded(np.ones((1, *shape), dtype))
    weight = np.empty_like(ones)
    _sum(ones, shape, reach, weight, np.empty_like(ones))
    return Grid(shape=shape, reach=reach, weight=weight[0])


def inner(flat: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a view, (n, *shape), of (n, padded size) without the border."""
    wide = flat.reshape(-1, *(side + 2 for side in shape))
    return wide[(slice(None), *(slice(1, -1) for _ in shape))]


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    shape = values.shape[1:]
    out = np.zeros((len(values), int(np.prod([side + 2 for side in shape]))), values.dtype)
    inner(out, shape)[...] = values
    return out


def _sum(
    flat: NDArray[Any], shape: tuple[int, ...], reach: tuple[float, ...], out: NDArray[Any], spare: NDArray[Any]
) -> None:
    """Write the product of (1 + reach / 2 x both neighbours) along all axes, less the pixel itself."""
    # One line of all images is gone through faster than many; only borders see the image before or behind.
    line, into, aside = (values.reshape(-1) for values in (flat, out, spare))
    stride, so_far = 1, line
    for side, share in zip(reversed(shape), reversed(reach), strict=True):
        np.multiply(so_far, flat.dtype.type(share / 2), out=aside)
        if so_far is line:
            into[:stride] = line[:stride]
        np.add(so_far[stride:], aside[:-stride], out=into[stride:])
        into[:-stride] += aside[stride:]
        stride, so_far = stride * (side + 2), into
    into -= line
