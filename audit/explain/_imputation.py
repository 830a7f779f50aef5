"""Linear imputation: each removed pixel is the weighted mean of its neighbours, solved for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.explain._solver import Solver

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-3
"""Largest distance of a removed pixel from the mean of its neighbours, in standard deviations of the image."""
_TOGETHER = 2**17
"""Values solved for at once: as many as stay in a processor's cache."""


def imputed(
    images: NDArray[Any], removed: NDArray[np.bool_], *, spacing: Sequence[float] | None = None,
    tolerance: float = TOLERANCE,
) -> NDArray[Any]:  # fmt: skip
    """Return images whose removed pixels are interpolated linearly from those that stay.

    A removed pixel is the mean of all its neighbours inside the image, those over a side weighted 2, over a corner 1
    (in a volume 4, 2, 1 over face, edge and corner). The equations of all removed pixels are solved together by
    conjugate gradients, started from the solution on an image of half the size.

    Args:
        images: (n, channels, *spatial) finite float32 or float64.
        removed: (n, *spatial), the same pixels of all channels.
        spacing: Spacing in mm along each axis: neighbours further away count less, by the square; None: all alike.
        tolerance: Of each equation, in standard deviations of a channel.

    Returns:
        The same shape; pixels that stay are as they were. Where all are removed, each is its channel's mean.

    References:
        Rong et al. 2022, A consistent and efficient evaluation strategy for attribution methods, ICML.
    """
    values = Imputation(images, spacing=spacing, tolerance=tolerance).values(removed)
    return chosen(removed[:, None], values, images)


class Imputation:
    """Imputes pixels of the same images again and again, in memory that is taken once.

    Args:
        images: (n, channels, *spatial) finite float32 or float64.
        spacing: See `imputed`.
        tolerance: See `imputed`.
    """

    def __init__(
        self, images: NDArray[Any], *, spacing: Sequence[float] | None = None, tolerance: float = TOLERANCE
    ) -> None:
        self._shape, spatial = images.shape, images.shape[2:]
        layers = images.reshape(-1, *spatial)
        axes = tuple(range(1, layers.ndim))
        self._middle, self._spread = layers.mean(axis=axes, keepdims=True), layers.std(axis=axes, keepdims=True)
        # A channel of one value is not solved for.
        self._level = (layers - self._middle) / np.where(self._spread > 0, self._spread, 1)
        self._out = np.empty_like(self._level)
        self._together = max(1, _TOGETHER // max(1, int(np.prod(spatial))))
        self._solver = Solver(
            min(self._together, len(layers)), spatial, _reach(spatial, spacing), images.dtype, tolerance
        )  # fmt: skip

    def values(self, removed: NDArray[np.bool_]) -> NDArray[Any]:
        """Return (n, channels, *spatial) values of removed pixels; those of others mean nothing.

        Args:
            removed: (n, *spatial).

        Returns:
            Memory that the next call writes over.
        """
        out = self._out
        gone = removed if self._shape[1] == 1 else np.repeat(removed, self._shape[1], axis=0)
        axes = tuple(range(1, gone.ndim))
        some = gone.any(axis=axes) & ~gone.all(axis=axes) & (self._spread.ravel() > 0)
        out[~some] = self._middle[~some]
        every = np.flatnonzero(some)
        for start in range(0, every.size, self._together):
            rows = _rows(every[start : start + self._together])
            found = self._solver.solved(self._level[rows], gone[rows])
            np.multiply(found, self._spread[rows], out=found)
            out[rows] = np.add(found, self._middle[rows], out=found)
        shaped: NDArray[Any] = out.reshape(self._shape)
        return shaped


def _rows(part: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return rising indices, as a slice where none is left out: it takes no copy."""
    first, last = int(part[0]), int(part[-1])
    return slice(first, last + 1) if last - first + 1 == part.size else part


def chosen(where: NDArray[np.bool_], one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Return what `np.where` does, to the bit, of float32 or float64 of one kind.

    A processor guesses at every pixel which of the two it will be, and scattered pixels cannot be guessed: choosing by
    the bits takes a tenth of the time.

    Args:
        where: Where the first counts.
        one: Values, of a shape that goes with `where`.
        other: Values.
    """
    if one.dtype != other.dtype or one.dtype.name not in ("float32", "float64"):
        return np.where(where, one, other)
    kind = np.dtype(np.int32 if one.dtype.itemsize == 4 else np.int64)
    every = where.astype(kind)
    np.negative(every, out=every)
    first, second = (np.ascontiguousarray(values).view(kind) for values in (one, other))
    out: NDArray[Any] = np.bitwise_xor(first, second)
    out &= every
    out ^= second
    return out.view(one.dtype)


def _reach(shape: Sequence[int], spacing: Sequence[float] | None) -> tuple[float, ...]:
    """Return how much a neighbour counts along each axis, 1 along the finest."""
    if spacing is None or max(shape) == 1:
        return (1.0,) * len(shape)
    finest = min(mm for mm, side in zip(spacing, shape, strict=True) if side > 1)
    return tuple(min(1.0, (finest / mm) ** 2) for mm in spacing)
