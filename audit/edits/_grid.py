"""Lengths on the grid of an image: in mm where its spacing is known, else in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, ModelCard
from audit.edits._clone import quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Spacing of the pixels or voxels of an image.

    Args:
        spacing: Distance of neighbours, an axis, in `unit`.
        unit: "mm", or "pixels" where no spacing is declared.
    """

    spacing: tuple[float, ...]
    unit: str

    @property
    def voxel(self) -> float:
        """Area or volume of one pixel or voxel, in `unit` squared or cubed."""
        return float(np.prod(self.spacing))

    @property
    def volume_unit(self) -> str:
        """Unit of areas and volumes."""
        power = {2: "\N{SUPERSCRIPT TWO}", 3: "\N{SUPERSCRIPT THREE}"}.get(len(self.spacing), "")
        return f"mm{power}" if self.unit == "mm" else "pixels"

    def dilated(self, mask: Mask, radius: float) -> Mask:
        """Return a mask with all that lies within a radius of it.

        A radius above 0 takes in the direct neighbours at least, however coarse the grid: the edge of a structure
        reaches into the voxel beside it.

        Args:
            mask: (*spatial) bool.
            radius: In `unit`, at least 0.

        Raises:
            ValueError: The radius is negative.
        """
        from scipy.ndimage import distance_transform_edt

        if radius < 0:
            raise ValueError(f"radius: expected at least 0, got {radius}")
        if radius == 0 or not mask.any():
            return mask.copy()
        # Nothing further away than the radius is looked at.
        box = tuple(
            slice(max(0, int(held[0]) - reach), int(held[-1]) + reach + 1)
            for axis, step in enumerate(self.spacing)
            for reach in [int(radius / step) + 2]
            for held in [np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))]
        )
        inside, out = mask[box], np.zeros_like(mask)
        near = out[box]
        near[...] = inside
        if radius + 1e-9 >= min(self.spacing):
            near |= distance_transform_edt(~inside, sampling=self.spacing) <= radius + 1e-9
        for axis in range(mask.ndim):
            first, last = ((*(slice(None),) * axis, part) for part in (slice(None, -1), slice(1, None)))
            near[first] |= inside[last]
            near[last] |= inside[first]
        return out

    def length(self, steps: float, axis: int) -> float:
        """Return a number of steps along an axis in `unit`."""
        return float(steps * self.spacing[axis])

    def steps(self, length: float, axis: int, *, least: int = 1) -> int:
        """Return a length in `unit` as a whole number of steps along an axis."""
        return max(least, round(length / self.spacing[axis]))


def grid_of(cohort: Cohort, card: ModelCard, axes: int) -> Grid:
    """Return the grid of a cohort's images; pixels where neither cohort nor model declares a spacing.

    Args:
        cohort: The cohort.
        card: The model's card.
        axes: Spatial axes of an image.
    """
    for spacing in (cohort.spacing_mm, card.input.spacing_mm):
        if spacing is not None and len(spacing) == axes:
            return Grid(spacing=tuple(float(s) for s in spacing), unit="mm")
    return Grid(spacing=(1.0,) * axes, unit="pixels")


def parts_of(mask: Mask) -> list[Mask]:
    """Return the connected parts of a mask, (*spatial) each; what touches at a corner is one part."""
    from scipy.ndimage import label

    if not mask.any():
        return []
    numbered, count = label(mask, structure=np.ones((3,) * mask.ndim))
    return [numbered == i + 1 for i in range(count)]


def tissue(image: NDArray[Any]) -> Mask:
    """Return where an image shows something: all of it, unless most of its frame is dark background.

    Dark is what lies within a tenth of the range from the 1st to the 99th centile above the smallest value.

    Args:
        image: (channels, *spatial).

    Returns:
        (*spatial) bool.
    """
    values = np.asarray(image, dtype=np.float64).mean(axis=0)
    low, (bottom, top) = float(values.min()), quantiles(values.ravel(), (0.01, 0.99))
    dark = values <= low + 0.1 * max(float(top - bottom), 0.0)
    frame = np.ones(values.shape, dtype=bool)
    frame[tuple(slice(1, -1) if s > 2 else slice(None) for s in values.shape)] = False
    if not frame.any() or dark[frame].mean() <= 0.5 or dark.all():
        return np.ones(values.shape, dtype=bool)
    out: Mask = ~dark
    return out
