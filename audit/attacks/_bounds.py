"""Whether the images that an attack came up with keep to size, range and region, measured on the images themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball, Norm
from audit.attacks._ladder import attack_region, stored_step
from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 2.0**-22
"""Rounding of the range's ends to float32, relative to the largest intensity."""
_SUMS = 1e-6
"""What the sum of squares in another order explains, relative to the size."""


class Bounds:
    """Watches an attack: an observer for `attack_cases` that measures the worst images as they come.

    The size is computed here from the images alone, in float64, and not by the code that kept to it. Where a cohort
    stores integers and the size allows a whole step, the image in whole steps that a file would hold is measured, too.

    Args:
        rows: (m,) rising rows of the attacked cases that are looked at.
        spec: What the model receives.
        epsilon: The headline size.
        norm: How it is measured.
        whole: Padding may be changed, too.
    """

    def __init__(
        self, rows: NDArray[np.int64], spec: InputSpec, epsilon: float, norm: Norm = "linf", *, whole: bool = False
    ) -> None:
        self.rows, self._spec, self._epsilon, self._norm, self._whole = rows, spec, epsilon, norm, whole
        self.kept = np.zeros(rows.size, dtype=bool)
        self.seen = np.zeros(rows.size, dtype=bool)

    def part(self, positions: NDArray[np.int64]) -> Bounds:
        """Return what watches some of the cases only, by their rows among all."""
        rows = self.rows[np.isin(self.rows, positions)]
        return Bounds(rows, self._spec, self._epsilon, self._norm, whole=self._whole)

    @property
    def found(self) -> dict[str, NDArray[np.bool_]]:
        """What was seen of each row, and whether it was."""
        return {"kept": self.kept, "seen": self.seen}

    def look(self, rows: NDArray[np.int64], images: NDArray[np.float32], worst: NDArray[np.float32]) -> None:
        """Measure the worst images of some cases; see `audit.attacks.Observer`."""
        wanted = np.isin(rows, self.rows)
        if not wanted.any():
            return
        images, worst = images[wanted], worst[wanted]
        at = np.searchsorted(self.rows, rows[wanted])
        region = np.ones((len(images), 1, *images.shape[2:]), dtype=bool)
        if not self._whole:
            region = attack_region(images, self._spec.modality)
        kept = np.array([self._within(*one) for one in zip(images, worst, region, strict=True)], dtype=bool)
        self.kept[at] = kept & self._stored(images, worst, region)
        self.seen[at] = True

    def _within(self, image: NDArray[Any], changed: NDArray[Any], region: NDArray[np.bool_]) -> bool:
        """Return whether one image keeps to size, range and region."""
        x, y = image.astype(np.float64), changed.astype(np.float64)
        low, high = self._spec.range
        slack = _ROUNDING * float(np.abs(x).max())
        inside = (y >= np.minimum(x, low) - slack) & (y <= np.maximum(x, high) + slack)
        still = (y == x) | np.broadcast_to(region, x.shape)
        size = _size(y - x, region, self._norm)
        kept = inside.all() and still.all() and size <= self._epsilon * (1 + _SUMS)
        return bool(kept and np.isfinite(y).all())

    def _stored(
        self, images: NDArray[np.float32], worst: NDArray[np.float32], region: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return (m,) whether the image in whole stored steps keeps to them as well; True where there is none."""
        import torch

        out = np.ones(len(images), dtype=bool)
        whole = np.array([stored_step(image, self._spec.span) is not None for image in images], dtype=bool)
        ball = Ball.around(
            torch.as_tensor(images), self._spec.range, torch.as_tensor(region.astype(np.float32)), self._norm
        )
        epsilon = torch.full((len(images),), self._epsilon, dtype=torch.float64)
        at = np.flatnonzero(whole & ball.storable(epsilon))
        if at.size:
            steps = ball.take(at).whole(torch.as_tensor(worst[at]), epsilon[at]).numpy()
            for row, image in zip(at, steps, strict=True):
                out[row] = self._within(images[row], image, region[row]) and bool((image == np.round(image)).all())
        return out


def _size(delta: NDArray[np.float64], region: NDArray[np.bool_], norm: Norm) -> float:
    """Return the size of one change (channels, *spatial); see `Ball`."""
    pixels = max(1, int(region.sum()))
    if norm == "linf":
        return float(np.abs(delta).max())
    if norm == "l2":
        return float(np.sqrt((delta**2).sum() / (pixels * delta.shape[0])))
    return int((delta != 0).any(axis=0).sum()) / pixels
