"""Lesions, and what looks like one, of a cohort's own images, to be put into others of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits._clone import Texture, seamless, texture_of
from audit.edits._grid import Grid, parts_of, tissue
from audit.edits._places import Shape, free_places, most_alike, shape_of
from audit.edits._stored import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Place = tuple[int, ...]

USUAL = (5.0, 95.0)
"""Centiles of size and of contrast between which a lesion counts as one of the cohort's usual ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spot:
    """One lesion, or one thing that looks like it, with a piece of plain tissue of the same shape and image.

    Args:
        shape: Its pixels with their edge.
        core: (*box) bool, the pixels of its mask.
        patch: (channels, *box) the image around it.
        plain: (channels, *box) the same image around a place without any, None where there was no such place.
        usable: (*box) bool, pixels around it that are tissue.
        plain_usable: (*box) bool, the same for `plain`.
        source: The case that it comes from.
        volume: Of its mask, in the grid's unit squared or cubed.
        contrast: Mean inside its mask less that of its surroundings, stored units.
    """

    shape: Shape
    core: Mask
    patch: Floats
    plain: Floats | None
    usable: Mask
    plain_usable: Mask | None
    source: int
    volume: float
    contrast: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Insertion:
    """One spot and where it goes.

    Args:
        spot: What is inserted.
        place: Start of its box.
    """

    spot: Spot
    place: Place

    def parameters(self, grid: Grid) -> dict[str, Any]:
        """Return what was drawn in physical units; it can be stored as JSON."""
        middle = [p + (s - 1) / 2 for p, s in zip(self.place, self.spot.shape.region.shape, strict=True)]
        return {
            "unit": grid.unit,
            "at": [grid.length(m, a) for a, m in enumerate(middle)],
            "volume": self.spot.volume,
            "contrast": self.spot.contrast,
            "source": self.spot.source,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """One image into which something may be put.

    Args:
        image: (channels, *spatial) stored intensities.
        allowed: (*spatial) bool, tissue that a spot may lie in, without what is there already.
        tissue: (*spatial) bool, pixels whose surroundings may be compared.
    """

    image: NDArray[Any]
    allowed: Mask
    tissue: Mask


def spots_of(
    image: NDArray[Any], mask: Mask, others: Mask, tissue: Mask, source: int, rng: np.random.Generator, *, grid: Grid,
    edge: float,
) -> list[Spot]:  # fmt: skip
    """Return the spots of one image that stand alone, each with plain tissue of the same image.

    Args:
        image: (channels, *spatial).
        mask: (*spatial) bool, the spots.
        others: (*spatial) bool, anything else that is no plain tissue.
        tissue: (*spatial) bool, where tissue is.
        source: The case.
        rng: Draws places of plain tissue.
        grid: Spacing.
        edge: How far a spot reaches beyond its mask, in the grid's unit.
    """
    values = np.asarray(image, dtype=np.float64)
    everything = grid.dilated(mask | others, edge)
    found = []
    for part in parts_of(mask):
        wide = grid.dilated(part, edge)
        if (wide & grid.dilated((mask & ~part) | others, edge)).any():
            continue
        shape = shape_of(wide)
        box = shape.box
        usable = (tissue & ~everything)[box]
        if not (usable & shape.around).any():
            continue
        patch = values[(slice(None), *box)].copy()
        clear = tissue & ~everything
        place = most_alike(values, shape, patch, usable, free_places(shape, clear, rng), clear)
        core = part[box].copy()
        contrast = float(patch[:, core].mean() - patch[:, usable & shape.around].mean())
        plain = None if place is None else values[(slice(None), *shape.box_at(place))].copy()
        found.append(
            Spot(
                shape=shape, core=core, patch=patch, plain=plain, usable=usable, source=source,
                plain_usable=None if place is None else clear[shape.box_at(place)].copy(),
                volume=float(part.sum()) * grid.voxel, contrast=contrast,
            )
        )  # fmt: skip
    return found


def usual(spots: Sequence[Spot]) -> list[Spot]:
    """Return the spots that can be inserted and whose size and contrast are usual among all that were found."""
    if not spots:
        return []
    kept = np.array([s.plain is not None for s in spots])
    for numbers in (np.array([s.volume for s in spots]), np.array([s.contrast for s in spots])):
        low, high = np.percentile(numbers, USUAL)
        kept &= (numbers >= low) & (numbers <= high)
    return [s for s, k in zip(spots, kept, strict=True) if k]


def sample_insertions(
    ground: Ground, spots: Sequence[Spot], count: int, rng: np.random.Generator, *, grid: Grid, gap: float,
    within: Mask | None = None, without: Mask | None = None,
) -> tuple[Insertion, ...]:  # fmt: skip
    """Draw up to so many spots and places that do not touch each other; fewer where there is no room.

    Each goes to the place, of those that were tried, whose surroundings are most like the spot's own.

    Args:
        ground: Where they go.
        spots: What may be inserted.
        count: How many at most.
        rng: Draws spots and places.
        grid: Spacing.
        gap: Distance between two, in the grid's unit.
        within: (*spatial) bool, pixels of which every spot must touch one, such as a plane.
        without: (*spatial) bool, pixels of which no spot may touch one.
    """
    values = np.asarray(ground.image, dtype=np.float64)
    allowed = ground.allowed.copy() if without is None else ground.allowed & ~without
    drawn: list[Insertion] = []
    for index in rng.permutation(len(spots))[: 4 * count]:
        if len(drawn) == count:
            break
        spot = spots[int(index)]
        places = free_places(spot.shape, allowed, rng)
        if within is not None:
            core = spot.core
            places = places[[bool(within[spot.shape.box_at(p)][core].any()) for p in places.tolist()]]
        place = most_alike(values, spot.shape, spot.patch, spot.usable, places, ground.tissue)
        if place is None:
            continue
        drawn.append(Insertion(spot=spot, place=place))
        taken = np.zeros_like(allowed)
        taken[spot.shape.box_at(place)] = spot.shape.region
        allowed &= ~grid.dilated(taken, gap)
    return tuple(drawn)


def inserted(
    image: NDArray[Any], insertions: Sequence[Insertion], *, grid: Grid, span: tuple[float, float], sham: bool = False
) -> NDArray[np.float32]:
    """Return the image with spots put in seamlessly; none is the image bit for bit.

    Args:
        image: (channels, *spatial).
        insertions: What goes where.
        grid: Spacing.
        span: Valid range of stored intensities.
        sham: Put in plain tissue of the same shape and source instead: the same blending without contrast.
    """
    if not insertions:
        return stored(image, image, span)
    texture = texture_of(image, tissue(image), grid.spacing)
    return list(in_turn(image, insertions, texture=texture, span=span, sham=sham))[-1]


def in_turn(
    image: NDArray[Any], insertions: Sequence[Insertion], *, texture: Texture, span: tuple[float, float],
    sham: bool = False,
) -> Iterator[NDArray[np.float32]]:  # fmt: skip
    """Yield the image with the first spot put in, with the first two, and so on; see `inserted`.

    Args:
        image: (channels, *spatial).
        insertions: What goes where.
        texture: Of the image's tissue.
        span: Valid range of stored intensities.
        sham: Put in plain tissue instead.
    """
    out = np.array(image, dtype=np.float64)
    for one in insertions:
        spot = one.spot
        donor, usable = (spot.plain, spot.plain_usable) if sham else (spot.patch, spot.usable)
        if donor is None or usable is None:
            raise ValueError("expected a spot with plain tissue of its image")
        box = (slice(None), *spot.shape.box_at(one.place))
        new = seamless(out[box], donor, spot.shape.region, usable, texture)
        if new is not None:
            out[box][:, spot.shape.region] = new
        yield stored(out, image, span)


def marks(insertions: Sequence[Insertion], size: tuple[int, ...]) -> list[Mask]:
    """Return where the mask of each inserted spot lies, (*spatial) bool each."""
    out = []
    for one in insertions:
        here = np.zeros(size, dtype=bool)
        here[one.spot.shape.box_at(one.place)] = one.spot.core
        out.append(here)
    return out
