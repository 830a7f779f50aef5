"""Images that the model is not meant for, made from the cohort's own: what is in them is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

BLOCKS = 4
INCIDENTAL_SHARE = 0.22
"""Width of the planted incidental finding as a share of the image's shorter side."""
ORGANS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign:
    """One kind of image that does not belong.

    Args:
        name: What a report calls it.
        make: From an image (channels, *spatial), the pixels (*spatial) that must stay visible or None, and a
            generator to an image of the same shape within the intensities of the first.
        whole: False where most of the image is still one of the cohort's own.
    """

    name: str
    make: Callable[[Any, Any, np.random.Generator], Any]
    whole: bool = True


def _noise(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    axes = tuple(range(1, image.ndim))
    middle, spread = image.mean(axis=axes, keepdims=True), image.std(axis=axes, keepdims=True)
    return _like(image, middle + spread * rng.normal(size=image.shape))


def _blank(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    return np.full_like(image, image.min())


def _inverted(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    return _like(image, image.min() + image.max() - image)


def _other_contrast(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    """Fold intensities in the middle, as no change of window does: bright and dark tissue look alike."""
    low, span = float(image.min()), float(np.ptp(image)) or 1.0
    share = (image - low) / span
    return _like(image, low + span * np.abs(2 * share - 1))


def _scrambled(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    """Cut the image into blocks and put them back in another order; what does not fill a block stays."""
    out = image.copy()
    sides = [side // min(BLOCKS, side) for side in image.shape[1:]]
    counts = [min(BLOCKS, side) for side in image.shape[1:]]
    places = list(np.ndindex(*counts))
    order = rng.permutation(len(places))
    for to, source in zip(places, (places[i] for i in order), strict=True):
        out[(slice(None), *_block(to, sides))] = image[(slice(None), *_block(source, sides))]
    return out


def _block(place: tuple[int, ...], sides: list[int]) -> tuple[slice, ...]:
    return tuple(slice(p * s, (p + 1) * s) for p, s in zip(place, sides, strict=True))


def _drawn_organ(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    """Draw ellipsoids of any place, size and intensity: anatomy that the model has never seen."""
    low, span = float(image.min()), float(np.ptp(image)) or 1.0
    axes = np.meshgrid(*[np.linspace(-1, 1, side) for side in image.shape[1:]], indexing="ij")
    out = np.full(image.shape, low)
    for _ in range(ORGANS):
        centre, radii = rng.uniform(-0.6, 0.6, len(axes)), rng.uniform(0.15, 0.6, len(axes))
        inside = sum(((x - c) / r) ** 2 for x, c, r in zip(axes, centre, radii, strict=True)) <= 1
        out[:, inside] = low + span * rng.random((image.shape[0], 1))
    return _like(image, out)


def _incidental(image: Image, keep: Any, rng: np.random.Generator) -> Image:
    """Plant a figure of a head, a trunk and four limbs where nothing must stay visible, bright or dark as stands out.

    After Drew, Vo and Wolfe 2013: 20 of 24 radiologists did not report a gorilla in a chest CT.
    """
    sides = image.shape[1:]
    width = max(3.0, INCIDENTAL_SHARE * min(s for s in sides if s > 1))
    free = np.argwhere(np.ones(sides, bool) if keep is None else ~keep)
    near, far = width / 2, np.array(sides) - width / 2
    inner = free[((free >= near) & (free <= far) | (np.array(sides) == 1)).all(axis=1)]
    places = inner if len(inner) else free if len(free) else np.array([sides]) // 2
    centre = places[int(rng.integers(len(places)))]
    grid = np.meshgrid(*[np.arange(side) for side in sides], indexing="ij")
    y, x = (2 * (grid[axis] - centre[axis]) / width for axis in (-2, -1))
    figure = _ellipse(y, x, 0.05, 0, 0.5, 0.42) | _ellipse(y, x, -0.65, 0, 0.28, 0.24)
    for side in (-1, 1):
        figure |= _ellipse(y, x, 0.05, 0.62 * side, 0.55, 0.16) | _ellipse(y, x, 0.75, 0.25 * side, 0.3, 0.17)
    if len(sides) == 3:
        figure &= np.abs(grid[0] - centre[0]) <= max(1.0, width / 4)
    out, where = image.copy(), figure & (np.ones(sides, bool) if keep is None else ~keep)
    if not where.any():
        return out
    for channel, before in zip(out, image, strict=True):
        under, ends = np.median(before[where]), np.percentile(before, (0.5, 99.5))
        channel[where] = ends[np.argmax(np.abs(ends - under))]
    return out


def _ellipse(y: Any, x: Any, cy: float, cx: float, ry: float, rx: float) -> Any:
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def _like(image: Image, values: Any) -> Image:
    """Return values within the intensities of an image, whole where these are."""
    out = np.clip(values, image.min(), image.max())
    if np.array_equal(image, np.round(image)):
        out = np.round(out)
    return np.asarray(out, dtype=np.float32)


KINDS: Mapping[str, Foreign] = {
    kind.name: kind
    for kind in (
        Foreign(name="noise", make=_noise),
        Foreign(name="blank", make=_blank),
        Foreign(name="inverted intensities", make=_inverted),
        Foreign(name="other contrast (folded intensities)", make=_other_contrast),
        Foreign(name="scrambled anatomy", make=_scrambled),
        Foreign(name="other organ (drawn)", make=_drawn_organ),
        Foreign(name="incidental finding", make=_incidental, whole=False),
    )
}
