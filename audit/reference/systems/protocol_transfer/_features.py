"""Scale-space features of the middle voxel of a patch, as sums over the patch and a few turns of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import STORED_TISSUE, TISSUE_PATCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIGMAS_MM = (1.0, 2.0, 3.0)
FEATURES = ("intensity", *(f"{what} at {s:g} mm" for s in SIGMAS_MM for what in ("blurred", "gradient", "|Laplacian|")))
_CHUNK = 4096


@lru_cache(maxsize=1)
def kernels() -> Floats:
    """Return (13, 25 * 25) kernels: the voxel itself and, at each scale, Gaussian, both derivatives and Laplacian."""
    half = TISSUE_PATCH // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    one = np.zeros_like(y)
    one[half, half] = 1.0
    found = [one]
    for sigma in SIGMAS_MM:
        gauss = np.exp(-(x**2 + y**2) / (2 * sigma**2))
        gauss /= gauss.sum()
        laplace = ((x**2 + y**2) / sigma**2 - 2) * gauss / sigma**2
        # Cut off at the patch's edge the weights no longer add up to 0, and a flat patch would have a Laplacian.
        found += [gauss, y * gauss / sigma**2, x * gauss / sigma**2, laplace - laplace.mean()]
    return np.stack(found).reshape(len(found), -1)


def features(patches: NDArray[Any]) -> Floats:
    """Return the features of the middle voxels.

    Args:
        patches: (n, 25, 25) or (n, 1, 25, 25) stored grey levels.

    Returns:
        (n, 10) in units of the stored range, derivatives per mm: `FEATURES`.
    """
    flat = np.asarray(patches).reshape(len(patches), -1)
    parts = [flat[i : i + _CHUNK].astype(np.float64) @ kernels().T for i in range(0, max(1, len(flat)), _CHUNK)]
    summed = np.concatenate(parts) / STORED_TISSUE
    out = [summed[:, 0]]
    for k in range(len(SIGMAS_MM)):
        blurred, down, right, laplace = summed[:, 1 + 4 * k : 5 + 4 * k].T
        out += [blurred, np.hypot(down, right), np.abs(laplace)]
    return np.stack(out, axis=1)
