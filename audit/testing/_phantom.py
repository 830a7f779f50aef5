"""Images whose label lies in a coarse signal that survives small changes and in a fine one that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.5
BLOCK = 4
"""Side of the squares that a fine pattern repeats in, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Signals:
    """How a code is written into an image of range [0, 1] around 0.5.

    The fine signal lies below the headline size of 2/255, so what rests on it can be undone by that; the coarse one
    lies far above it and is the less certain of the two, so that a network that is not told otherwise prefers the fine.

    Args:
        shape: Spatial size, multiples of 4.
        codes: Numbers that an image carries.
        fine: Amplitude of the fine pattern of a code of 1.
        coarse: Brightness of the coarse region of a code of 1.
        spread: Standard deviation from case to case of that brightness.
        noise: Standard deviation of the noise of each pixel.
        faint: Brightness that a code of 1 adds to every pixel.
        local: The fine pattern of a code lies in its coarse region, too, not all over the image.
    """

    shape: tuple[int, ...] = (16, 16)
    codes: int = 1
    fine: float = 0.003
    coarse: float = 0.1
    spread: float = 0.06
    noise: float = 0.02
    faint: float = 0.0
    local: bool = False

    @property
    def regions(self) -> NDArray[np.bool_]:
        """(codes, *shape) the coarse region of each code, a quarter of the image by its first two axes."""
        half = [s // 2 for s in self.shape[:2]]
        rows, columns = np.indices(self.shape)[:2]
        corner = 2 * (rows >= half[0]) + (columns >= half[1])
        return np.stack([corner == k for k in range(self.codes)])

    @property
    def patterns(self) -> NDArray[np.float64]:
        """(codes, *shape) the fine pattern of each code, 1 and -1 in turn along one axis or several, else 0."""
        index = np.indices(self.shape)
        # A different set of alternating axes for each code: their patterns are orthogonal.
        axes = [[int(b) for b in range(len(self.shape)) if (k % 3 + 1) >> b & 1] for k in range(self.codes)]
        signs = np.stack([(-1.0) ** index[chosen].sum(axis=0) for chosen in axes])
        return np.where(self.regions, signs, 0.0) if self.local else signs

    def images(self, code: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return images of codes.

        Args:
            code: (n, codes) numbers of about -1 to 1.
            rng: Draws noise and spread.

        Returns:
            (n, 1, *shape) within [0, 1].
        """
        values = np.asarray(code, dtype=np.float64)
        n, flat = len(values), int(np.prod(self.shape))
        bright = self.coarse * values + rng.normal(0, self.spread, values.shape)
        signal = bright @ self.regions.reshape(self.codes, flat) + self.fine * values @ self.patterns.reshape(-1, flat)
        signal += self.faint * values.sum(axis=1, keepdims=True)
        images = LEVEL + signal.reshape(n, *self.shape) + rng.normal(0, self.noise, (n, *self.shape))
        return np.clip(images, 0, 1)[:, None].astype(np.float32)

    @property
    def weights(self) -> tuple[float, float]:
        """Weights of the mean fine response and of the mean coarse brightness in the best linear score of a code."""
        pixels = float(np.abs(self.patterns[0]).sum())
        scatter = self.spread**2 + self.noise**2 / float(self.regions[0].sum())
        return 2 * self.fine * pixels / self.noise**2, 2 * self.coarse / scatter

    @property
    def gain(self) -> float:
        """Mean score of a code of 1 under `weights`."""
        fine, coarse = self.weights
        return fine * self.fine + coarse * self.coarse


def lesion_masks(n: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return masks with no, one or two cubic lesions of side 5 that do not touch each other.

    Args:
        n: Cases; of four, one has none, two have one and one has two.
        shape: Spatial size, at least 12 along the first axis.
        rng: Draws their places.

    Returns:
        (n, *shape).
    """
    masks = np.zeros((n, *shape), dtype=bool)
    half = shape[0] // 2
    for case, count in enumerate(np.resize([0, 1, 1, 2], n)):
        for side in range(count):
            # Each half holds one at most, so that two lesions keep a row between them.
            first = side * (half + 1) + int(rng.integers(0, half - 5))
            others = [int(rng.integers(0, s - 4)) for s in shape[1:]]
            masks[case][tuple(slice(a, a + 5) for a in (first, *others))] = True
    return masks


def checkerboard(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return 1 and -1 in turn along every axis, (*shape)."""
    signs: NDArray[np.float64] = (-1.0) ** np.indices(shape).sum(axis=0)
    return signs
