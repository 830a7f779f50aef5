"""Whole stored steps under L2: the largest changes are rounded away from 0 until the size is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNTED = 2**16
"""Largest number of steps that are counted by how many changes take so many; more are sorted."""
_ROUNDING = 1 + 1e-12


def largest_rounded(delta: Any, most: Any) -> Any:
    """Return changes rounded to whole steps, the largest first, until their squares add up to a sum; others are 0.

    Every change but 0 counts at least one step. Of two as large, the one that comes first goes first.

    Args:
        delta: (m, channels, *spatial) changes, finite float32.
        most: (m,) float64 largest sum of squares.
    """
    import torch

    size = delta.abs()
    near = size.round().clamp_min_(1.0).mul_(delta.sign()).flatten(1)
    flat = size.flatten(1)
    if delta.device.type != "cpu" or float(flat.max() if flat.numel() else 0.0) > _COUNTED - 1:
        fits = _sorted(flat, near, most)
    else:
        limits = (most * _ROUNDING).numpy()
        fits = torch.empty_like(near)
        for kept, *row in zip(fits.numpy(), flat.numpy(), near.abs().numpy(), limits, strict=True):
            kept[:] = _counted(*row)
    return near.mul_(fits).reshape(delta.shape)


def _sorted(size: Any, near: Any, most: Any) -> Any:
    """Return (m, k) which changes are kept."""
    import torch

    order = size.argsort(dim=1, descending=True, stable=True)
    spent = near.double().square().gather(1, order).cumsum(dim=1)
    return torch.zeros_like(near, dtype=torch.bool).scatter(1, order, spent <= most[:, None] * _ROUNDING)


def _counted(size: NDArray[np.float32], steps: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """Return (k,) which changes of one row are kept, as `_sorted` does, without sorting.

    Larger changes take no fewer steps, so how many are kept follows from how many take how many steps; which these are
    is a matter of selection. Sums of squares of whole numbers are exact in any order.
    """
    counts = np.bincount(steps.astype(np.int64))[:0:-1]
    cost = np.arange(counts.size, 0, -1, dtype=np.float64) ** 2
    spent = np.cumsum(counts * cost)
    over = int(np.searchsorted(spent, limit, side="right"))
    if over == spent.size:
        return np.ones(size.size, dtype=bool)
    before = float(spent[over - 1]) if over else 0.0
    kept = int(counts[:over].sum()) + _most(limit - before, float(cost[over]), before, limit)
    if not kept:
        return np.zeros(size.size, dtype=bool)
    least = np.partition(size, size.size - kept)[size.size - kept]
    out: NDArray[np.bool_] = size > least
    # Of those as large as the last one, the first in their order.
    out[np.flatnonzero(size == least)[: kept - np.count_nonzero(out)]] = True
    return out


def _most(left: float, cost: float, before: float, limit: float) -> int:
    """Return how many more of a cost stay within a limit, past rounding of the quotient."""
    count = max(0, int(left // cost))
    while before + (count + 1) * cost <= limit:
        count += 1
    while count and before + count * cost > limit:
        count -= 1
    return count
