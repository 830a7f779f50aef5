"""Values of removed pixels of many images, by conjugate gradients from a coarse grid to the finest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.explain._neighbours import Grid, grid_of, inner

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_MOST = 2000
_COARSEST = 8


class Solver:
    """Solves for the removed pixels of images of one size, started from the solution on images of half the size.

    Its memory is taken once: what every solution and every step would take anew costs as much as the sums.

    Args:
        most: Images at a time at most.
        spatial: Size of an image.
        reach: How much a neighbour counts along each axis.
        dtype: Of the images.
        tolerance: Of each equation.
    """

    def __init__(
        self, most: int, spatial: tuple[int, ...], reach: tuple[float, ...], dtype: DTypeLike, tolerance: float
    ) -> None:
        self._spatial, self._grid = spatial, grid_of(spatial, reach, np.dtype(dtype).name)
        self._limit = tolerance * float(self._grid.weight.max())
        # Nothing is ever written on the border, which stays 0.
        self._known, self._inside, self._x = (np.zeros((most, self._grid.weight.size), dtype) for _ in range(3))
        self._spare = tuple(np.empty_like(self._x) for _ in range(4))
        self._stays = np.empty((most, *spatial), dtype)
        half = tuple(-(-side // 2) if side > _COARSEST else side for side in spatial)
        self._half = None if half == spatial else Solver(most, half, reach, dtype, tolerance)

    def solved(self, images: NDArray[Any], removed: NDArray[Any]) -> NDArray[Any]:
        """Return the images, solved.

        Args:
            images: (n, *spatial) of scale 1; removed pixels hold anything finite.
            removed: (n, *spatial) bool, not all of an image.

        Returns:
            The same shape, in memory that the next call writes over.
        """
        n = len(images)
        known, inside, x = (inner(flat[:n], self._spatial) for flat in (self._known, self._inside, self._x))
        inside[...] = removed
        stays = np.subtract(1, inside, out=self._stays[:n])
        np.multiply(images, stays, out=known)
        if self._half is None:
            x[...] = 0
        else:
            np.multiply(self._half.enlarged(known, stays, self._spatial), inside, out=x)
        steps = _Steps(self._grid, self._inside[:n], self._known[:n], self._x[:n], [a[:n] for a in self._spare])
        for _ in range(_MOST):
            if steps.within(self._limit):
                break
            steps.take()
        x += known
        return x

    def enlarged(self, known: NDArray[Any], stays: NDArray[Any], wanted: tuple[int, ...]) -> NDArray[Any]:
        """Return the solutions of images of twice the size, at this size and enlarged: all but the detail.

        Args:
            known: (n, *wanted), 0 where a pixel was removed.
            stays: (n, *wanted) 1 where a pixel stays, else 0.
            wanted: Size of the images.
        """
        values, weights = _halved(known), _halved(stays)
        values /= np.maximum(weights, 1)
        if not weights.all():
            values = self.solved(values, weights == 0)
        for axis, side in enumerate(wanted, start=1):
            if values.shape[axis] != side:
                values = _twice(values, axis, side)
        return values


class _Steps:
    """Conjugate gradients on several images at once.

    Args:
        grid: Sums over neighbours.
        inside: (n, padded size) 1 where a pixel was removed, else 0.
        known: (n, padded size) pixels that stay, else 0.
        x: (n, padded size) the start, 0 but in removed pixels; becomes the solution.
        spare: Four of the same shape, are written over.
    """

    def __init__(
        self, grid: Grid, inside: NDArray[Any], known: NDArray[Any], x: NDArray[Any], spare: list[NDArray[Any]]
    ) -> None:
        self._grid, self._inside, self._x = grid, inside, x
        self._r, self._p, self._step, self._spare = spare
        r = self._r
        grid.neighbours(np.add(known, x, out=self._step), r, self._spare)
        r -= np.multiply(grid.weight, x, out=self._spare)
        r *= inside
        np.copyto(self._p, r)
        self._size = _products(r, r)

    def within(self, limit: float) -> bool:
        """Return whether no equation of any image is further off than the limit."""
        return bool(self._r.max() <= limit) and bool(self._r.min() >= -limit)

    def take(self) -> None:
        """Take one step of every image, of those that are solved as well: all stop together."""
        p, r, step, spare = self._p, self._r, self._step, self._spare
        self._grid.neighbours(p, step, spare)
        np.subtract(np.multiply(self._grid.weight, p, out=spare), step, out=step)
        step *= self._inside
        along = _ratio(self._size, _products(p, step))
        self._x += np.multiply(along, p, out=spare)
        step *= along
        r -= step
        last, self._size = self._size, _products(r, r)
        p *= _ratio(self._size, last)
        p += r


def _products(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return (n, 1) inner products of rows."""
    out: NDArray[Any] = np.einsum("ij,ij->i", a, b)[:, None]
    return out


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return a / b, 0 where an image is solved already and both are 0."""
    out: NDArray[Any] = np.divide(a, b, out=np.zeros_like(a), where=b > 0)
    return out


def _halved(values: NDArray[Any]) -> NDArray[Any]:
    """Return sums over pairs along each axis that is longer than the coarsest grid's."""
    for axis, side in enumerate(values.shape[1:], start=1):
        if side > _COARSEST:
            even, odd = ((*(slice(None),) * axis, slice(first, None, 2)) for first in (0, 1))
            halved = values[even].copy()
            halved[(*(slice(None),) * axis, slice(side // 2))] += values[odd]
            values = halved
    return values


def _twice(values: NDArray[Any], axis: int, side: int) -> NDArray[Any]:
    """Return values at twice the places along an axis, linear between the middles of the old ones, cut to `side`."""

    def at(first: int | None, last: int | None = None, by: int | None = None) -> tuple[slice, ...]:
        return (*(slice(None),) * axis, slice(first, last, by))

    out = np.empty((*values.shape[:axis], 2 * values.shape[axis], *values.shape[axis + 1 :]), values.dtype)
    quarter = values * values.dtype.type(0.25)
    most = values - quarter
    np.add(most[at(1)], quarter[at(None, -1)], out=out[at(2, None, 2)])
    np.add(most[at(None, -1)], quarter[at(1)], out=out[at(1, -1, 2)])
    out[at(None, 1)] = most[at(None, 1)] + quarter[at(None, 1)]
    out[at(-1, None)] = most[at(-1, None)] + quarter[at(-1, None)]
    return out[at(None, side)]
