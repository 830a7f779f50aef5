"""Edited images keep the depth and the range in which images are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


_FEW = 64


def stored(edited: NDArray[Any], original: NDArray[Any], span: tuple[float, float]) -> NDArray[np.float32]:
    """Return an edited image as a file could hold it.

    What was not changed stays bit for bit. What was is held within the valid range, or within the image's own where
    that is wider, and rounded where the image holds whole numbers alone.

    Args:
        edited: (channels, *spatial) new intensities.
        original: (channels, *spatial) the image as it was.
        span: Valid range of stored intensities.
    """
    before, after = np.asarray(original, dtype=np.float32), np.asarray(edited)
    changed = after != before
    values = np.asarray(after[changed], dtype=np.float64)
    out = before.copy()
    if not values.size:
        return out
    if not (values.min() >= span[0] and values.max() <= span[1]):
        values = np.clip(values, min(span[0], float(before.min())), max(span[1], float(before.max())))
    out[changed] = np.rint(values) if _whole(before) else values
    return out


def _whole(image: NDArray[np.float32]) -> bool:
    """Return whether an image holds whole numbers alone; most that do not are told by a few pixels."""
    few = image.ravel()[:: max(1, image.size // _FEW)]
    return bool((few == np.rint(few)).all()) and bool((image == np.rint(image)).all())
