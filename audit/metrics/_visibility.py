"""How visible a change of an image is, from the two images alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 11
"""Pixels across the Gaussian window of the structural similarity, sigma 1.5, as in its paper."""
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def _same_shape(image: NDArray[Any], changed: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(image, dtype=np.float64), np.asarray(changed, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"expected images of one shape, got {a.shape} and {b.shape}")
    return a, b


def psnr(image: NDArray[Any], changed: NDArray[Any], span: float) -> float | None:
    """Return the peak signal-to-noise ratio of a changed image.

    Args:
        image: (channels, *spatial) stored intensities.
        changed: The same after the change.
        span: Width of the displayed range, in the same unit.

    Returns:
        Decibels, 10 log10(span squared / mean squared change); None where nothing changed, since it is infinite then.

    Raises:
        ValueError: The shapes differ.
    """
    a, b = _same_shape(image, changed)
    error = float(np.square(b - a).mean())
    return 10 * math.log10(span**2 / error) if error > 0 else None


def ssim(image: NDArray[Any], changed: NDArray[Any], span: float) -> float | None:
    """Return the mean structural similarity of a changed image, averaged over channels.

    Gaussian window of sigma 1.5, population covariances, constants 0.01 and 0.03 of the span, borders of half a window
    left out; in a volume the window is three-dimensional and takes voxels as cubes.

    Args:
        image: (channels, *spatial) stored intensities.
        changed: The same after the change.
        span: Width of the displayed range, in the same unit.

    Returns:
        Value in [-1, 1], 1 where nothing changed; None where an axis is shorter than the window of 11 pixels.

    Raises:
        ValueError: The shapes differ.

    References:
        Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, IEEE Transactions on
        Image Processing 13.
    """
    a, b = _same_shape(image, changed)
    if min(a.shape[1:]) < WINDOW:
        return None
    return float(np.mean([_one_channel(x, y, span) for x, y in zip(a, b, strict=True)]))


def _one_channel(x: NDArray[np.float64], y: NDArray[np.float64], span: float) -> float:
    from scipy.ndimage import gaussian_filter

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = gaussian_filter(values, _SIGMA, truncate=3.5)
        return out

    mx, my = smooth(x), smooth(y)
    vx, vy, vxy = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    similarity = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    edge = WINDOW // 2
    return float(similarity[tuple(slice(edge, n - edge) for n in x.shape)].mean())
