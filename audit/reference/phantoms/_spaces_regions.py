"""Four regions of the brain in which perivascular spaces are counted, cut from the ICBM 2009a maps of nilearn.

Nilearn ships no labels of these regions. They are ellipsoids that we placed by anatomy, in millimetres of ICBM space,
and cut to brain tissue; each holds the structure after which it is named and some of its surroundings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIZE = (20, 32, 28)
"""Planes from below, rows from the front, columns from the middle outwards, 1 mm each."""
_MARGIN = 8


@dataclass(frozen=True, kw_only=True)
class BrainRegion:
    """One region.

    Attributes:
        name: Its name.
        centre: x (right), y (front), z (up) of the middle of the crop, mm of ICBM space.
        axes: Half axes of the ellipsoid along x, y, z, mm.
        rise: How far the ellipsoid rises for each mm that it goes back; the hippocampus lies askew.
        tissue: What must prevail inside: "brain" or "white matter".
        paired: There is one on either side; the left one is mirrored onto the right.
        plane: Height above the centre, mm, of the plane that is read for the count; None: all of it is read.
        spaces: Mean number of perivascular spaces.
        course: How much spaces run upwards, 0 for any direction.
    """

    name: str
    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    rise: float = 0.0
    tissue: str = "brain"
    paired: bool = True
    plane: float | None = None
    spaces: float
    course: float = 0.0


REGIONS: Mapping[str, BrainRegion] = {
    region.name: region
    for region in (
        BrainRegion(
            name="midbrain", centre=(0.0, -24.0, -10.0), axes=(13.0, 12.0, 9.0), paired=False, spaces=3.0, course=1.0
        ),
        BrainRegion(
            name="hippocampi", centre=(28.0, -23.0, -14.0), axes=(10.0, 15.0, 7.0), rise=0.25, spaces=3.5
        ),
        BrainRegion(
            name="basal ganglia", centre=(20.0, 4.0, 2.0), axes=(13.0, 15.0, 9.5), plane=0.0, spaces=5.0, course=2.0
        ),
        BrainRegion(
            name="centrum semiovale", centre=(24.0, -14.0, 34.0), axes=(13.0, 15.0, 9.5), tissue="white matter",
            plane=0.0, spaces=6.0, course=1.0,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RegionAtlas:
    """Tissue around one region.

    Attributes:
        tissue: Probabilities of grey matter, white matter and fluid, (3, planes, rows, columns), 1 mm, with a margin
            around the crop.
        middle: Index of the crop's middle in it, (3,).
    """

    tissue: NDArray[np.float32]
    middle: NDArray[np.float32]


@lru_cache(maxsize=2 * len(REGIONS))
def load_region(name: str, *, left: bool = False) -> RegionAtlas:
    """Cut one region out of the installed maps; nothing is fetched.

    Args:
        name: One of `REGIONS`.
        left: Cut the one on the left, mirrored.

    References:
        Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 2011.
    """
    maps, origin = _maps()
    region = REGIONS[name]
    half = np.array(SIZE) // 2 + _MARGIN
    side = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    at = np.round(side * np.array(region.centre) - origin).astype(int)[::-1]
    box = tuple(slice(int(a - h), int(a + h + 1)) for a, h in zip(at, half, strict=True))
    # Rows run from the front, columns away from the middle; the maps run to the front and to the right.
    tissue = np.ascontiguousarray(maps[(slice(None), *box)][:, :, ::-1, :: -1 if left else 1])
    tissue.setflags(write=False)
    return RegionAtlas(tissue=tissue, middle=half.astype(np.float32))


@lru_cache(maxsize=1)
def _maps() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return (3, z, y, x) probabilities, and x, y, z of the first voxel in mm."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template

    image = load_mni152_gm_template(resolution=1)
    grey, white, brain = (
        np.clip(np.asarray(one.get_fdata(dtype=np.float32)).transpose(2, 1, 0), 0.0, 1.0)
        for one in (image, load_mni152_wm_template(resolution=1), load_mni152_brain_mask(resolution=1))
    )
    return np.stack([grey, white, np.clip(brain - grey - white, 0.0, 1.0)]), np.asarray(image.affine[:3, 3])


def inside(region: BrainRegion, where: NDArray[np.float32], tissue: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (*spatial) bool, the region.

    Args:
        region: Which.
        where: (3, *spatial) distance from its centre in the atlas: up, back, right, mm.
        tissue: (3, *spatial) probabilities there.
    """
    up, back, right = where
    axes = region.axes
    square = ((up - region.rise * back) / axes[2]) ** 2 + (back / axes[1]) ** 2 + (right / axes[0]) ** 2
    held = tissue[1] if region.tissue == "white matter" else tissue[0] + tissue[1]
    return np.asarray((square <= 1.0) & (held > 0.5), dtype=np.bool_)
