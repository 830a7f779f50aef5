"""Some rows of a tensor: side by side they are a part of it, else gathered, faster than by the index of an array."""

from __future__ import annotations

from typing import Any

import numpy as np


def placed(rows: Any, device: Any) -> Any:
    """Return rows as a slice where each follows on the one before, else as an index tensor; others as they are.

    Args:
        rows: (m,) int64 array, or any index.
        device: Of the tensors.
    """
    import torch

    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.kind != "i":
        return rows
    size = rows.size
    if size == 1 and rows[0] >= 0:
        return slice(int(rows[0]), int(rows[0]) + 1)
    if size and rows[0] >= 0 and rows[-1] - rows[0] == size - 1 and (size < 3 or bool((rows[1:] > rows[:-1]).all())):
        return slice(int(rows[0]), int(rows[0]) + size)
    return torch.as_tensor(rows, device=device)


def taken(tensor: Any, at: Any, out: Any = None) -> Any:
    """Return rows of a tensor, which may share its memory.

    Args:
        tensor: (n, ...) tensor.
        at: What `placed` gives.
        out: (m, ...) memory that may be written over where they do not.
    """
    import torch

    if not (isinstance(at, torch.Tensor) and at.ndim == 1):
        return tensor[at]
    return tensor.index_select(0, at) if out is None else torch.index_select(tensor, 0, at, out=out)


def put(tensor: Any, at: Any, values: Any) -> None:
    """Write rows of a tensor.

    Args:
        tensor: (n, ...) tensor.
        at: What `placed` gives.
        values: (m, ...) rows.
    """
    import torch

    if isinstance(at, torch.Tensor) and at.ndim == 1:
        tensor.index_copy_(0, at, values)
    else:
        tensor[at] = values


def copied(tensor: Any, rows: Any) -> Any:
    """Return a copy of some rows of a tensor."""
    at = placed(rows, tensor.device)
    return tensor[at].clone() if isinstance(at, slice) else taken(tensor, at)
