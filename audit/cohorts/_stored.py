"""An image as its file holds it, and its anatomical axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LETTERS = ({"L", "R"}, {"P", "A"}, {"I", "S"})


class Stored(NamedTuple):
    """An image as its file holds it.

    Args:
        values: (channels, *spatial) stored intensities.
        spacing: mm along the spatial axes; () where the format could say it and the file does not, None where the
            format knows none.
    """

    values: NDArray[Any]
    spacing: tuple[float, ...] | None = None


def axis_codes(affine: NDArray[np.float64]) -> str:
    """Return the anatomical direction that each axis of a volume points to, for example "RAS".

    Args:
        affine: (4, 4) from voxel indices to mm, towards right, anterior, superior.

    Raises:
        ReadError: The affine is singular or not finite.
    """
    from nibabel.orientations import aff2axcodes

    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ReadError("volume whose orientation cannot be told")
    codes = aff2axcodes(affine)
    if None in codes:
        raise ReadError("volume whose orientation cannot be told")
    return "".join(codes)


def oriented(volume: NDArray[Any], affine: NDArray[np.float64], codes: str) -> Stored:
    """Return a volume with its axes permuted and flipped to point as declared; nothing is interpolated.

    Args:
        volume: (i, j, k).
        affine: (4, 4) from voxel indices to mm, towards right, anterior, superior.
        codes: Direction of each axis of the result, for example "RAS" or "SPL".

    Raises:
        ReadError: The codes are no three anatomical directions, or the affine is singular.
    """
    from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

    axis_codes(affine)
    letters = codes.upper()
    if len(letters) != 3 or not all(sum(c in pair for c in letters) == 1 for pair in _LETTERS):
        raise ReadError("orientation that is no three anatomical directions (expected for example RAS)")
    transform = ornt_transform(io_orientation(affine), axcodes2ornt(letters))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    order = np.argsort(transform[:, 0])
    spacing = tuple(float(lengths[int(i)]) for i in order)
    return Stored(np.ascontiguousarray(apply_orientation(volume, transform))[None], spacing)
