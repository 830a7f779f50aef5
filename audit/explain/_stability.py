"""How much a map changes where the image changes by no more than its own noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def noisy(
    images: NDArray[np.float32], sd: float, rng: np.random.Generator, *, limits: tuple[float, float], whole: bool
) -> NDArray[np.float32]:
    """Return images with Gaussian noise of a scanner's size, as they could have been stored.

    Args:
        images: (n, channels, *spatial) stored intensities.
        sd: Standard deviation of the noise in stored units.
        rng: Draws the noise.
        limits: Valid stored intensities; an image that leaves them already may stay where it is.
        whole: Stored intensities are integers: the noise is rounded.
    """
    noise = rng.normal(0.0, sd, images.shape)
    low, high = np.minimum(images, limits[0]), np.maximum(images, limits[1])
    return np.clip(images + (np.round(noise) if whole else noise), low, high).astype(np.float32)


def relative_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far maps moved, relative to their own length; NaN for a map of zeros.

    Args:
        before: (n, *spatial) maps.
        after: The same on changed images.

    Returns:
        (n,) Euclidean norm of the difference over that of `before`, 0 where nothing changed.

    References:
        Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, NeurIPS.
    """
    one, two = before.reshape(len(before), -1), after.reshape(len(after), -1)
    # Scaled first: squares of maps of saturated networks lie below what floating point holds.
    peak = np.abs(one).max(axis=1, initial=0.0)
    scale = np.where(peak > 0, peak, 1.0)[:, None]
    moved, size = (np.linalg.norm(values / scale, axis=1) for values in (two - one, one))
    out = np.full(len(one), np.nan)
    np.divide(moved, size, out=out, where=size > 0)
    return out
