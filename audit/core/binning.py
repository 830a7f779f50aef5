"""Bins that several parts must draw alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def equal_mass_bins(values: NDArray[np.float64], bins: int = 10) -> NDArray[np.int64]:
    """Return the bin of each value, with about as many values in each.

    Equal values share a bin, so that there may be fewer bins than asked for; the smallest and the largest value are
    inside.

    Args:
        values: (n,) finite.
        bins: Number of bins asked for, at least 1.

    Returns:
        (n,) bins 0, 1, ... without holes, in the order of the values.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    # The middle of the ranks of equal values decides, so that a large tie does not drag its neighbours along.
    middle = np.cumsum(counts) - counts / 2
    wanted = np.minimum((middle * bins / len(values)).astype(np.int64), bins - 1)
    used = np.unique(wanted, return_inverse=True)[1].reshape(-1)
    out: NDArray[np.int64] = used[inverse.reshape(-1)].astype(np.int64)
    return out
