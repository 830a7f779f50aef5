"""Measures of a lung's density, as functions that an audit can call: from stored HU to one number an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LUNG_HU = -500.0
PERCENTILE = 15.0


def ra950(images: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) per cent of the lung's voxels below -950 HU; of all voxels below -500 HU, as the lung.

    Args:
        images: (n, 1, planes, rows, columns) HU.
    """
    return _each(images, lambda lung: 100 * float((lung < -950).mean()))


def ra910(images: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) per cent of the lung's voxels below -910 HU; see `ra950`."""
    return _each(images, lambda lung: 100 * float((lung < -910).mean()))


def perc15(images: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) minus the 15th percentile of the lung in HU, so that more is more emphysema; see `ra950`."""
    return _each(images, lambda lung: -float(np.percentile(lung, PERCENTILE)))


def _each(images: NDArray[Any], measure: Callable[[NDArray[Any]], float]) -> NDArray[np.float64]:
    found = []
    for image in np.asarray(images):
        lung = image[image < LUNG_HU]
        # An image without lung has nothing below a threshold, and no percentile.
        found.append(measure(lung if lung.size else np.zeros(1)))
    return np.array(found, dtype=np.float64)


MEASURES = {"RA950": ra950, "RA910": ra910, "Perc15": perc15}
