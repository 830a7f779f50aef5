"""Where a map points: its peaks, the lesions that they hit, and where most of its relevance lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS_MM = 3.0
"""A peak hits a lesion within so many mm, or within the diagonal of a voxel where that is more."""
RADIUS_SHARE = 0.02
"""Without a known spacing: within this share of the shorter side, or the diagonal of a pixel where that is more."""
ALLOWED: tuple[int, ...] = (0, 1, 2)
"""False marks of a case up to which its share of lesions found is averaged."""
MOST_PEAKS = 64
_CANDIDATES = 2048


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The grid of an image, and how near counts as a hit.

    Args:
        spacing: Of each axis, in `unit`.
        radius: How near a peak must come to a lesion, in `unit`.
        unit: "mm", or "pixels" where the spacing is not known.
    """

    spacing: tuple[float, ...]
    radius: float
    unit: str

    @property
    def words(self) -> str:
        """The hit radius as it is printed."""
        return f"hit within {self.radius:.3g} {self.unit}"


def grid(shape: Sequence[int], spacing_mm: Sequence[float] | None) -> Grid:
    """Return the grid of images.

    Args:
        shape: Spatial size.
        spacing_mm: Of each axis, None where it is not known.
    """
    sides = [s for s in shape if s > 1]
    if spacing_mm is not None and len(spacing_mm) == len(shape):
        used = [mm for mm, s in zip(spacing_mm, shape, strict=True) if s > 1]
        radius = max(RADIUS_MM, float(np.hypot.reduce(used)) if used else 0.0)
        return Grid(spacing=tuple(float(mm) for mm in spacing_mm), radius=radius, unit="mm")
    radius = max(RADIUS_SHARE * min(sides, default=1), float(np.sqrt(len(sides))))
    return Grid(spacing=(1.0,) * len(shape), radius=radius, unit="pixels")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesions:
    """The lesions of one case.

    Args:
        mask: (*spatial) bool.
        labels: (*spatial) number of the lesion that a voxel belongs to, or that is nearest to it; from 0.
        distance: (*spatial) distance to the nearest lesion in the unit of the grid, 0 inside.
        count: Lesions; parts that touch at a face, an edge or a corner are one.
    """

    mask: NDArray[np.bool_]
    labels: NDArray[np.int64]
    distance: NDArray[np.float64]
    count: int


def lesions(mask: NDArray[Any], on: Grid) -> Lesions:
    """Return the lesions of a mask that is not empty.

    Args:
        mask: (*spatial) bool or 0/1.
        on: The grid.

    Raises:
        ValueError: The mask is empty.
    """
    from scipy import ndimage

    marked = np.asarray(mask, dtype=bool)
    if not marked.any():
        raise ValueError("expected a mask with a lesion, got an empty one")
    parts, count = ndimage.label(marked, structure=np.ones((3,) * marked.ndim))
    distance, nearest = ndimage.distance_transform_edt(~marked, sampling=on.spacing, return_indices=True)
    return Lesions(mask=marked, labels=parts[tuple(nearest)].astype(np.int64) - 1, distance=distance, count=int(count))


@dataclass(frozen=True, kw_only=True, eq=False)
class Peaks:
    """Peaks of one map, the highest first.

    Args:
        places: (k, d) voxels.
        heights: (k,) in standard deviations of the smoothed map above its mean, so that cases can be compared.
    """

    places: NDArray[np.int64]
    heights: NDArray[np.float64]


def peaks(values: NDArray[np.float64], on: Grid, region: NDArray[np.bool_] | None = None) -> Peaks:
    """Return the peaks of a map: what speaks for the decision, after a blur of half the hit radius.

    A peak is exceeded by none of its neighbours and rises above the map's mean; of two that are no further apart than
    the hit radius, the higher one stays. A flat map has none.

    Args:
        values: (*spatial) map, the more the more relevant; what speaks against the decision counts as 0.
        on: The grid.
        region: (*spatial) where peaks may lie and what heights are relative to; everywhere by default.
    """
    from scipy import ndimage

    inside = np.ones(values.shape, bool) if region is None or not region.any() else region
    smooth = smoothed(values, on)
    seen = smooth[inside]
    spread = float(seen.std())
    if not spread > 1e-12 * max(float(np.abs(seen).max(initial=0.0)), 1e-300):
        return Peaks(places=np.empty((0, values.ndim), np.int64), heights=np.empty(0))
    heights = (smooth - seen.mean()) / spread
    allowed = np.where(inside, heights, -np.inf)
    top = ndimage.maximum_filter(allowed, size=3, mode="constant", cval=-np.inf)
    places = np.argwhere((allowed >= top) & (allowed > 0))
    order = np.argsort(-allowed[tuple(places.T)], kind="stable")[:_CANDIDATES]
    kept = _apart(places[order], on)
    return Peaks(places=kept, heights=allowed[tuple(kept.T)])


def smoothed(values: NDArray[np.float64], on: Grid) -> NDArray[np.float64]:
    """Return what speaks for the decision, blurred by half the hit radius.

    Args:
        values: (*spatial) map.
        on: The grid.
    """
    from scipy import ndimage

    positive = np.maximum(values, 0.0)
    scale = float(positive.max(initial=0.0)) or 1.0
    sigma = [0.0 if s == 1 else on.radius / 2 / mm for s, mm in zip(values.shape, on.spacing, strict=True)]
    out: NDArray[np.float64] = ndimage.gaussian_filter(positive / scale, sigma, mode="reflect")
    return out


def _apart(places: NDArray[np.int64], on: Grid) -> NDArray[np.int64]:
    """Return places, the first first, none nearer to an earlier one than the hit radius."""
    where = places * np.array(on.spacing)
    left = np.ones(len(places), bool)
    kept: list[int] = []
    while left.any() and len(kept) < MOST_PEAKS:
        first = int(np.argmax(left))
        kept.append(first)
        left &= np.linalg.norm(where - where[first], axis=1) > on.radius * (1 + 1e-9)
    return places[kept]


@dataclass(frozen=True, kw_only=True, eq=False)
class Marked:
    """What the peaks of one case's map mean for its lesions.

    Args:
        lesion: (lesions,) highest peak that hits the lesion, -inf where none does.
        false: (f,) heights of the peaks that hit none, falling.
        distance: Distance of the highest peak from the nearest lesion in the grid's unit; None without a peak.
    """

    lesion: NDArray[np.float64]
    false: NDArray[np.float64]
    distance: float | None

    @property
    def pointed(self) -> bool:
        """Whether the highest peak hits a lesion: the pointing game."""
        best = float(self.lesion.max(initial=-np.inf))
        return bool(np.isfinite(best) and best > (self.false[0] if self.false.size else -np.inf))

    @property
    def found(self) -> float:
        """Share of lesions that are hit before more than so many false marks, mean over `ALLOWED`, in [0, 1]."""
        limits = [self.false[k] if k < self.false.size else -np.inf for k in ALLOWED]
        return float(np.mean([(self.lesion > limit).mean() for limit in limits]))


def marked(at: Peaks, of: Lesions, on: Grid) -> Marked:
    """Return which lesions the peaks of a map hit.

    A peak that hits belongs to its nearest lesion; further peaks on a lesion are neither hits nor false.

    Args:
        at: Peaks.
        of: Lesions of the same case.
        on: The grid.
    """
    best = np.full(of.count, -np.inf)
    index = tuple(at.places.T)
    distance = of.distance[index]
    hit = distance <= on.radius * (1 + 1e-9)
    np.maximum.at(best, of.labels[index][hit], at.heights[hit])
    return Marked(lesion=best, false=at.heights[~hit], distance=float(distance[0]) if distance.size else None)


def mass(values: NDArray[np.float64], of: Lesions) -> float | None:
    """Return the share of what speaks for the decision that lies inside lesions; None for a map without any.

    Args:
        values: (*spatial) map.
        of: Lesions of the same case.

    References:
        Arras, Osman and Samek 2022, CLEVR-XAI: a benchmark dataset for the ground truth evaluation of neural network
        explanations, Information Fusion 81 (relevance mass accuracy).
    """
    positive = np.maximum(values, 0.0)
    total = float(positive.sum())
    return float(positive[of.mask].sum()) / total if total > 0 else None


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What a map without any knowledge scores, in closed form.

    Args:
        pointed: Probability that a place drawn evenly in the region hits a lesion.
        mass: Share of the region that is lesion.
    """

    pointed: float
    mass: float


def chance(of: Lesions, on: Grid, region: NDArray[np.bool_] | None = None) -> Chance:
    """Return the level of chance for the size of the lesions within a region.

    Args:
        of: Lesions.
        on: The grid.
        region: (*spatial) the organ; the lesions belong to it in any case.
    """
    inside = np.ones(of.mask.shape, bool) if region is None else region | of.mask
    near = of.distance <= on.radius * (1 + 1e-9)
    return Chance(pointed=float(near[inside].mean()), mass=float(of.mask[inside].mean()))


_SIDES = (("top", "", "bottom"), ("left", "", "right"))
_SLICES = ("first", "middle", "last")


def thirds(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return how what speaks for the decision is shared out over the thirds of each axis; None for a map without any.

    Args:
        values: (*spatial) map.

    Returns:
        (3, ..., 3) shares that add up to 1.
    """
    part = np.maximum(values, 0.0)
    for axis, side in enumerate(values.shape):
        edges = np.minimum(np.arange(side) * 3 // side, 2)
        part = np.stack([np.compress(edges == k, part, axis=axis).sum(axis=axis) for k in range(3)], axis=axis)
    total = float(part.sum())
    return part / total if total > 0 else None


def region_name(cell: Sequence[int]) -> str:
    """Return the name of a third of each axis, for example "top left corner".

    Args:
        cell: 0, 1 or 2 along rows and columns; of a volume, along slices first.
    """
    words = [names[k] for names, k in zip(_SIDES, cell[-2:], strict=True) if names[k]]
    name = " ".join(words) + (" corner" if len(words) == 2 else " side" if words else "")
    flat = name or "centre"
    return flat if len(cell) == 2 else f"{flat}, {_SLICES[cell[0]]} third of the slices"
