"""Where in an image a shape fits, and where its surroundings look most alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, ...]
    Places = NDArray[np.int64]

TRIES = 96
"""Places that are tried."""
MARGIN = 3
"""Pixels around a shape that its surroundings are compared in."""
PROBED = 256
_TOGETHER = 2**20
"""Values that are looked at at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """A shape in its box, with a margin.

    Args:
        region: (*box) bool, the pixels of the shape.
        start: Index of the box's first pixel in the image that it was taken from.
    """

    region: Mask
    start: Place

    @property
    def box(self) -> tuple[slice, ...]:
        """The box in the image that the shape was taken from."""
        return self.box_at(self.start)

    def box_at(self, start: Place) -> tuple[slice, ...]:
        """Return the box whose first pixel is at a place."""
        return tuple(slice(a, a + s) for a, s in zip(start, self.region.shape, strict=True))

    @cached_property
    def around(self) -> Mask:
        """(*box) bool, the pixels of the box that are not of the shape."""
        return ~self.region

    @cached_property
    def offsets(self) -> Places:
        """(m, axes) places of the pixels of the shape in its box."""
        return np.argwhere(self.region)


def shape_of(part: Mask) -> Shape:
    """Return the shape of a mask; the margin ends at the image's edge.

    Args:
        part: (*spatial) bool, not empty.
    """
    from scipy.ndimage import find_objects

    box = _with_margin(find_objects(part.astype(np.int32))[0], part.shape)
    return Shape(region=part[box].copy(), start=tuple(side.start for side in box))


def shapes_of(mask: Mask) -> list[Shape]:
    """Return the shapes of the connected parts of a mask; what touches at a corner is one part.

    Args:
        mask: (*spatial) bool.
    """
    from scipy.ndimage import find_objects, label

    numbered, _ = label(mask, structure=np.ones((3,) * mask.ndim))
    boxes = [_with_margin(held, mask.shape) for held in find_objects(numbered)]
    return [
        Shape(region=numbered[box] == number, start=tuple(side.start for side in box))
        for number, box in enumerate(boxes, start=1)
    ]


def _with_margin(held: tuple[slice, ...], sides: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, part.start - MARGIN), min(side, part.stop + MARGIN))
        for part, side in zip(held, sides, strict=True)
    )


def free_places(shape: Shape, allowed: Mask, rng: np.random.Generator, *, tries: int = TRIES) -> Places:
    """Return starts of boxes that put every pixel of a shape into the allowed pixels, in the order drawn.

    Args:
        shape: The shape; its box stays inside the image.
        allowed: (*spatial) bool.
        rng: Draws the places.
        tries: Places tried.

    Returns:
        (k, axes).
    """
    none = np.zeros((0, allowed.ndim), np.int64)
    room = [a - s for a, s in zip(allowed.shape, shape.region.shape, strict=True)]
    offsets = shape.offsets
    if min(room) < 0 or not len(offsets):
        return none
    # Draw where one pixel of the shape lies, not where its box starts: allowed pixels may be few.
    anchor = offsets[len(offsets) // 2].tolist()
    inner = tuple(slice(a, a + r + 1) for a, r in zip(anchor, room, strict=True))
    candidates = np.flatnonzero(allowed[inner])
    if not candidates.size:
        return none
    drawn = rng.choice(candidates, size=min(tries, candidates.size), replace=False)
    starts = np.array(np.unravel_index(drawn, tuple(r + 1 for r in room))).T
    few = offsets if len(offsets) <= PROBED else offsets[rng.choice(len(offsets), size=PROBED, replace=False)]
    found = starts[allowed.ravel().take(_flat(starts, few, allowed.shape)).all(axis=1)]
    if few is not offsets:
        found = found[[bool(allowed[shape.box_at(s)][shape.region].all()) for s in found.tolist()]]
    return found


def most_alike(
    image: NDArray[Any], shape: Shape, like: NDArray[Any], usable: Mask, places: Places, allowed: Mask
) -> Place | None:
    """Return the place whose surroundings differ least from given ones, in the mean square; None without places.

    Args:
        image: (channels, *spatial) where the places are.
        shape: The shape that is to lie there.
        like: (channels, *box) surroundings to compare with.
        usable: (*box) bool, which of these count.
        places: (k, axes) starts of boxes.
        allowed: (*spatial) bool, pixels of the image that count.
    """
    if not len(places):
        return None
    around = shape.around & usable
    offsets = np.argwhere(around)
    if not len(offsets):
        return _place(places[0])
    at = _flat(places, offsets, allowed.shape)
    counted = allowed.ravel().take(at).astype(np.float64)
    squares = _taken(image, at) - like[:, around].astype(np.float64)[:, None, :]
    squares *= squares
    squares = squares[0] if len(squares) == 1 else squares.mean(axis=0)
    n = counted.sum(axis=1)
    # A place with hardly anything to compare is no better for it.
    cost = np.where(n >= 0.25 * len(offsets), (squares * counted).sum(axis=1) / np.maximum(n, 1), np.inf)
    best = int(np.argmin(cost))
    return _place(places[best if np.isfinite(cost).any() else 0])


def levels_around(image: NDArray[Any], shape: Shape, places: Places, clear: Mask) -> NDArray[Any]:
    """Return (k, 2) mean and spread around a shape at each place, 0 where nothing clear is around it.

    Args:
        image: (channels, *spatial).
        shape: The shape.
        places: (k, axes) starts of boxes.
        clear: (*spatial) bool, pixels that count.
    """
    offsets = np.argwhere(shape.around)
    few = max(1, _TOGETHER // max(1, len(offsets) * len(image)))
    parts = [
        _levels(image, _flat(places[i : i + few], offsets, clear.shape), clear) for i in range(0, len(places), few)
    ]
    return np.concatenate([np.zeros((0, 2), image.dtype), *parts])


def _levels(image: NDArray[Any], at: NDArray[np.int64], clear: Mask) -> NDArray[Any]:
    """Return (k, 2) mean and spread of what is clear of (k, pixels) places in the flat image."""
    counted = clear.ravel().take(at)
    values = np.ascontiguousarray(image.reshape(len(image), -1).T).take(at, axis=0)
    counts, out = np.count_nonzero(counted, axis=1), np.zeros((len(at), 2), image.dtype)
    # Places around which as many pixels are clear, most of them as a rule, are added up together.
    for count in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == count)
        some = values[rows][counted[rows]].reshape(rows.size, -1)
        out[rows, 0] = np.add.reduce(some, axis=1) / some.shape[1]
        some -= out[rows, :1]
        out[rows, 1] = np.sqrt(np.add.reduce(np.multiply(some, some, out=some), axis=1) / some.shape[1])
    return out


def _taken(image: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
    """Return (channels, places, pixels) values; of one channel in half the time."""
    flat = image.reshape(len(image), -1)
    return flat[0].take(at)[None] if len(flat) == 1 else flat[:, at]


def _place(start: NDArray[np.int64]) -> Place:
    return tuple(start.tolist())


def _flat(starts: Places, offsets: Places, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return (places, pixels) where the pixels at some offsets from each start stand in the raster order."""
    strides = _strides(shape)
    out: NDArray[np.int64] = (starts @ strides)[:, None] + offsets @ strides
    return out


@lru_cache(maxsize=32)
def _strides(shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.cumprod([1, *shape[:0:-1]])[::-1]
