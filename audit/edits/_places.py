"""Where in an image a shape fits, and where its surroundings look most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, ...]

TRIES = 96
"""Places that are tried."""
MARGIN = 3
"""Pixels around a shape that its surroundings are compared in."""
PROBED = 256


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

    @property
    def around(self) -> Mask:
        """(*box) bool, the pixels of the box that are not of the shape."""
        return ~self.region


def shape_of(part: Mask) -> Shape:
    """Return the shape of a connected part of a mask; the margin ends at the image's edge.

    Args:
        part: (*spatial) bool, not empty.
    """
    start, box = [], []
    for axis in range(part.ndim):
        line = np.flatnonzero(part.any(axis=tuple(a for a in range(part.ndim) if a != axis)))
        first, last = max(0, int(line[0]) - MARGIN), min(part.shape[axis], int(line[-1]) + MARGIN + 1)
        start.append(first)
        box.append(slice(first, last))
    return Shape(region=part[tuple(box)].copy(), start=tuple(start))


def free_places(shape: Shape, allowed: Mask, rng: np.random.Generator, *, tries: int = TRIES) -> list[Place]:
    """Return starts of boxes that put every pixel of a shape into the allowed pixels, in the order drawn.

    Args:
        shape: The shape; its box stays inside the image.
        allowed: (*spatial) bool.
        rng: Draws the places.
        tries: Places tried.
    """
    room = [a - s for a, s in zip(allowed.shape, shape.region.shape, strict=True)]
    offsets = np.argwhere(shape.region)
    if min(room) < 0 or not len(offsets):
        return []
    # Draw where one pixel of the shape lies, not where its box starts: allowed pixels may be few.
    anchor = offsets[len(offsets) // 2]
    inner = tuple(slice(int(a), int(a) + r + 1) for a, r in zip(anchor, room, strict=True))
    candidates = np.flatnonzero(allowed[inner])
    if not candidates.size:
        return []
    drawn = rng.choice(candidates, size=min(tries, candidates.size), replace=False)
    starts = np.stack(np.unravel_index(drawn, tuple(r + 1 for r in room)), axis=1)
    few = offsets if len(offsets) <= PROBED else offsets[rng.choice(len(offsets), size=PROBED, replace=False)]
    fits = allowed.ravel()[_flat(starts, few, allowed.shape)].all(axis=1)
    found: list[Place] = [tuple(s) for s in starts[fits].tolist()]
    return found if few is offsets else [s for s in found if allowed[shape.box_at(s)][shape.region].all()]


def most_alike(
    image: NDArray[Any], shape: Shape, like: NDArray[Any], usable: Mask, places: list[Place], allowed: Mask
) -> Place | None:
    """Return the place whose surroundings differ least from given ones, in the mean square; None without places.

    Args:
        image: (channels, *spatial) where the places are.
        shape: The shape that is to lie there.
        like: (channels, *box) surroundings to compare with.
        usable: (*box) bool, which of these count.
        places: Starts of boxes.
        allowed: (*spatial) bool, pixels of the image that count.
    """
    around = shape.around & usable
    if not places or not around.any():
        return places[0] if places else None
    offsets = np.argwhere(around)
    wanted = like[:, around].astype(np.float64)
    at = _flat(np.array(places), offsets, allowed.shape)
    counted = allowed.ravel()[at].astype(np.float64)
    squares = (image.reshape(len(image), -1)[:, at] - wanted[:, None, :]) ** 2
    squares = squares[0] if len(squares) == 1 else squares.mean(axis=0)
    n = counted.sum(axis=1)
    # A place with hardly anything to compare is no better for it.
    cost = np.where(n >= 0.25 * len(offsets), (squares * counted).sum(axis=1) / np.maximum(n, 1), np.inf)
    return places[int(np.argmin(cost))] if np.isfinite(cost).any() else places[0]


def _flat(starts: NDArray[np.int64], offsets: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return (places, pixels) where the pixels at some offsets from each start stand in the raster order."""
    strides = np.cumprod([1, *shape[:0:-1]])[::-1]
    out: NDArray[np.int64] = (starts @ strides)[:, None] + offsets @ strides
    return out
