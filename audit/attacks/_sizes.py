"""Sizes as an attack is given them: one number a case, or one for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numbers(values: Any) -> NDArray[np.float64]:
    """Return sizes, one a row or the same for all, of an array, a tensor or a number."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values, dtype=np.float64)


def share(most: NDArray[np.float64], of: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
    """Return one over the other, and something else where the other is not above 0."""
    above = of > 0
    out: NDArray[np.float64] = np.divide(most, of, out=np.full(of.shape, nothing), where=above)
    return out


def at_most(values: Any) -> NDArray[np.float32]:
    """Return (m,) the largest float32 that is not above each size, or one for all."""
    exact = np.atleast_1d(numbers(values))
    near = exact.astype(np.float32)
    over = near > exact
    if over.any():
        near[over] = np.nextafter(near[over], np.float32(0))
    return near
