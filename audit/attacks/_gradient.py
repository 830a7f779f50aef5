"""Margins and their gradients, each row by its own objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._objectives import Objective

if TYPE_CHECKING:
    from numpy.typing import NDArray


def slopes(
    forward: Callable[[Any], Any], objectives: Sequence[Objective], which: NDArray[np.int64], x: Any, target: Any
) -> tuple[Any, Any]:
    """Return margins and gradients, which are 0 where the graph does not reach the image.

    Args:
        forward: From images to raw outputs.
        objectives: The margins to choose from.
        which: (m,) objective of each row.
        x: (m, channels, *spatial) images.
        target: (m, ...) targets.

    Returns:
        (m,) margins and (m, channels, *spatial) gradients.
    """
    import torch

    x = x.detach().requires_grad_()
    # A copy: a network that writes into what it is given must not move the images of a search.
    raw = forward(x.clone())
    # Most questions have one objective only.
    kinds = np.unique(which) if len(objectives) > 1 else np.zeros(1, dtype=np.int64)
    if kinds.size == 1:
        margin = objectives[int(kinds[0])].margin(raw, target)
    else:
        rows = [np.flatnonzero(which == k) for k in kinds]
        parts = [objectives[int(k)].margin(raw[r], target[r]) for k, r in zip(kinds, rows, strict=True)]
        margin = torch.cat(parts)[np.argsort(np.concatenate(rows))]
    if not margin.requires_grad:
        return margin.detach(), torch.zeros_like(x)
    (grad,) = torch.autograd.grad(margin.sum(), x, allow_unused=True)
    return margin.detach(), torch.zeros_like(x) if grad is None else grad.detach()
