"""A region of an image filled with tissue of the same image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits._clone import seamless, smoothed
from audit.edits._grid import Grid, parts_of
from audit.edits._places import Shape, free_places, most_alike, shape_of
from audit.edits._stored import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """One connected part of a fill.

    Args:
        shape: The pixels that are replaced.
        donor: Start of the box that they are replaced from; None: a smooth surface with noise of the surroundings.
        seed: Of that noise.
    """

    shape: Shape
    donor: Place | None
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Fill:
    """What was drawn for one fill; `apply` makes the image.

    Args:
        pieces: Its connected parts.
        region: (*spatial) bool, all pixels that are replaced.
        avoid: (*spatial) bool, pixels that are no tissue of their own, such as lesions.
        grid: Spacing.
        span: Valid range of stored intensities.
    """

    pieces: tuple[Piece, ...]
    region: Mask
    avoid: Mask
    grid: Grid
    span: tuple[float, float]

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return the filled image; nothing to fill is the image bit for bit.

        Args:
            image: (channels, *spatial) the image that the fill was drawn for.
        """
        source = np.asarray(image, dtype=np.float64)
        out = source.copy()
        for piece in self.pieces:
            values = self._values(source, piece)
            out[(slice(None), *piece.shape.box)][:, piece.shape.region] = values
        return stored(out, image, self.span)

    def _values(self, image: NDArray[np.float64], piece: Piece) -> NDArray[np.float64]:
        box, inside = piece.shape.box, piece.shape.region
        target, usable = image[(slice(None), *box)], ~(self.region | self.avoid)[box]
        if piece.donor is not None:
            place = piece.shape.box_at(piece.donor)
            both = usable & ~(self.region | self.avoid)[place]
            values = seamless(target, image[(slice(None), *place)], inside, both, self.grid.spacing)
            if values is not None:
                return values
        return _surface(target, inside, usable, self.grid.spacing, np.random.default_rng(piece.seed))

    def parameters(self) -> tuple[dict[str, Any], ...]:
        """Return what was drawn in physical units, one row a part; it can be stored as JSON."""
        return tuple(
            {
                "unit": self.grid.unit,
                "at": [self.grid.length(p, a) for a, p in enumerate(piece.shape.start)],
                "from": None if piece.donor is None else [self.grid.length(p, a) for a, p in enumerate(piece.donor)],
                "volume": float(piece.shape.region.sum()) * self.grid.voxel,
                "seed": piece.seed,
            }
            for piece in self.pieces
        )


def sample_fill(
    image: NDArray[Any], region: Mask, avoid: Mask, rng: np.random.Generator, *, grid: Grid, span: tuple[float, float]
) -> Fill:
    """Draw a fill: for each connected part the place of the image whose surroundings are most like its own.

    Args:
        image: (channels, *spatial).
        region: (*spatial) bool, the pixels to be replaced.
        avoid: (*spatial) bool, pixels that must not be copied, such as other lesions.
        rng: Draws places and seeds.
        grid: Spacing.
        span: Valid range of stored intensities.
    """
    source = np.asarray(image, dtype=np.float64)
    own = ~(region | avoid)
    pieces = []
    for part in parts_of(region):
        shape = shape_of(part)
        seed = int(rng.integers(2**48))
        places = free_places(shape, own, rng)
        donor = most_alike(source, shape, source[(slice(None), *shape.box)], own[shape.box], places, own)
        pieces.append(Piece(shape=shape, donor=donor, seed=seed))
    return Fill(pieces=tuple(pieces), region=region, avoid=avoid, grid=grid, span=span)


def _surface(
    target: NDArray[np.float64], inside: Mask, usable: Mask, spacing: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a membrane through the surroundings, with detail drawn from theirs."""
    flat = np.zeros_like(target)
    there = usable & ~inside
    base = seamless(target, flat, inside, there, spacing)
    if base is None:
        # Nothing of the image is left around the region: its own mean is all that there is.
        return np.repeat(target[:, inside].mean(axis=1, keepdims=True), int(inside.sum()), axis=1)
    level = smoothed(target, there)
    if level is None or int(there.sum()) < 2:
        return base
    # The smoothing takes part of the noise out of the difference; its share is put back.
    detail = (target - level)[:, there]
    drawn: NDArray[np.float64] = detail[:, rng.integers(0, detail.shape[1], size=int(inside.sum()))]
    return base + drawn * _LOST_TO_SMOOTHING


_LOST_TO_SMOOTHING = 1.146
"""1 / sqrt(1 - 2 g(0) + sum of g squared) of white noise under a Gaussian g of one pixel in two dimensions."""
