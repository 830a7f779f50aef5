"""Edited images keep the depth and the range in which images are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stored(edited: NDArray[Any], original: NDArray[Any], span: tuple[float, float]) -> NDArray[np.float32]:
    """Return an edited image as a file could hold it.

    What was not changed stays bit for bit. What was is held within the valid range, or within the image's own where
    that is wider, and rounded where the image holds whole numbers alone.

    Args:
        edited: (channels, *spatial) new intensities.
        original: (channels, *spatial) the image as it was.
        span: Valid range of stored intensities.
    """
    before = np.asarray(original, dtype=np.float32)
    changed = np.asarray(edited) != before
    if not changed.any():
        return before.copy()
    low, high = min(span[0], float(before.min())), max(span[1], float(before.max()))
    values = np.clip(np.asarray(edited, dtype=np.float64), low, high)
    if np.array_equal(before, np.rint(before)):
        values = np.rint(values)
    return np.where(changed, values, before).astype(np.float32)
