"""A region of an image filled with tissue of the same image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits._clone import Texture, expected, seamless, texture_of
from audit.edits._grid import Grid
from audit.edits._places import Shape, free_places, most_alike, shapes_of
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
        donor: Start of the box that they are replaced from; None: what its surroundings let expect, with noise.
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
        own = ~(self.region | self.avoid)
        texture = texture_of(source, own, self.grid.spacing) if self.pieces else None
        for piece in self.pieces:
            assert texture is not None
            values = _values(source, piece, own, texture)
            out[(slice(None), *piece.shape.box)][:, piece.shape.region] = values
        return stored(out, image, self.span)

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
    for shape in shapes_of(region):
        seed = int(rng.integers(2**48))
        places = free_places(shape, own, rng)
        donor = most_alike(source, shape, source[(slice(None), *shape.box)], own[shape.box], places, own)
        pieces.append(Piece(shape=shape, donor=donor, seed=seed))
    return Fill(pieces=tuple(pieces), region=region, avoid=avoid, grid=grid, span=span)


def _values(image: NDArray[np.float64], piece: Piece, own: Mask, texture: Texture) -> NDArray[np.float64]:
    """Return (channels, m) new values of a piece; `own` are the pixels that are tissue and stay as they are."""
    box, inside = piece.shape.box, piece.shape.region
    target, usable = image[(slice(None), *box)], own[box]
    if piece.donor is not None:
        place = piece.shape.box_at(piece.donor)
        values = seamless(target, image[(slice(None), *place)], inside, usable & own[place], texture)
        if values is not None:
            return values
    return _surface(target, inside, usable, texture, np.random.default_rng(piece.seed))


def _surface(
    target: NDArray[np.float64], inside: Mask, usable: Mask, texture: Texture, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return what is expected from the surroundings, with noise of the image's own."""
    there = usable & ~inside
    mean = (
        target[:, there].mean(axis=1, keepdims=True) if there.any() else target[:, inside].mean(axis=1, keepdims=True)
    )
    base = expected(target - mean.reshape(-1, *(1,) * inside.ndim), inside, there, texture)
    if base is None:
        # Nothing of the image is left around the region: its own mean is all that there is.
        return np.repeat(mean, int(inside.sum()), axis=1)
    noise: NDArray[np.float64] = mean + base + np.sqrt(texture.noise) * rng.normal(size=base.shape)
    return noise
