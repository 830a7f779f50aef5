"""Features of an image that need no training: moments of its Gaussian scale space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGMAS = (1.0, 2.0, 3.0)
"""Standard deviations of the Gaussians, in pixels."""


def scale_space(images: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return mean, standard deviation, and 10th and 90th centile of the maps of each image.

    The maps are the intensity and, at three scales, its smoothed value, gradient magnitude and absolute Laplacian, each
    of every channel: the features of van Opbroek and others, whose unit is a voxel, summed up over the image.

    Args:
        images: (channels, *spatial) each, stored intensities.

    Returns:
        (n, 40 x channels).
    """
    return np.stack([np.concatenate([_of_channel(channel) for channel in image]) for image in images])


def _of_channel(channel: NDArray[Any]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, gaussian_laplace

    x = np.asarray(channel, dtype=np.float64)
    maps = [x]
    for sigma in SIGMAS:
        maps += [gaussian_filter(x, sigma), gaussian_gradient_magnitude(x, sigma), np.abs(gaussian_laplace(x, sigma))]
    found = [[m.mean(), m.std(), *np.quantile(m, (0.1, 0.9))] for m in maps]
    return np.asarray(found, dtype=np.float64).ravel()
