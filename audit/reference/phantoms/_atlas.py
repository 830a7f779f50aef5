"""Axial planes of tissue probability, cut from the ICBM 2009a maps that nilearn ships."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Between the top of the basal ganglia and the centrum semiovale white matter is wide enough to hold lesions.
_HEIGHTS_MM = tuple(range(6, 46, 2))


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """Tissue probability of a few axial planes.

    Attributes:
        tissue: Probabilities of shape (planes, 3, rows, columns) in [0, 1]; the middle axis is grey matter, white
            matter, cerebrospinal fluid. Row 0 is anterior, column 0 the patient's right.
        heights_mm: Height of each plane above the anterior commissure, in mm.
        step_mm: Distance of two pixels, in mm.
        centre: Row and column of the middle of the brain, in pixels.
    """

    tissue: NDArray[np.float32]
    heights_mm: tuple[int, ...]
    step_mm: float
    centre: tuple[float, float]


@lru_cache(maxsize=2)
def load_atlas(step_mm: int = 2) -> Atlas:
    """Read the maps from the installed nilearn; nothing is fetched.

    Args:
        step_mm: Distance of two pixels of a plane, 1 or 2 mm.

    Returns:
        The planes.

    References:
        Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 2011.
    """
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template

    grey_image = load_mni152_gm_template(resolution=1)
    origin = grey_image.affine[:3, 3]
    grey, white, brain = (
        np.asarray(image.get_fdata(dtype=np.float32))
        for image in (grey_image, load_mni152_wm_template(resolution=1), load_mni152_brain_mask(resolution=1))
    )
    planes = []
    for height in _HEIGHTS_MM:
        index = round(height - origin[2])
        gm, wm, inside = (_upright(volume[:, :, index], step_mm) for volume in (grey, white, brain))
        planes.append(np.stack([gm, wm, np.clip(inside - gm - wm, 0.0, 1.0)]))
    tissue = np.stack(planes).astype(np.float32)
    tissue.setflags(write=False)
    rows, columns = np.nonzero(tissue.sum(axis=(0, 1)) > 0)
    centre = (float(rows.min() + rows.max()) / 2, float(columns.min() + columns.max()) / 2)
    return Atlas(tissue=tissue, heights_mm=_HEIGHTS_MM, step_mm=float(step_mm), centre=centre)


def _upright(plane: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Turn (x to the left, y to the front) into rows from the front, and lower the resolution by means of blocks."""
    rows = np.clip(plane, 0.0, 1.0).T[::-1]
    height, width = rows.shape[0] // step * step, rows.shape[1] // step * step
    blocks = rows[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
