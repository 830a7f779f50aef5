"""Losses between a share of the lung and the grade that a reader gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.reference.phantoms import EDGES, MIDPOINTS

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("rms", "lpi", "presence")
STEEPNESS = 40.0
"""Of the sigmoids at the ends of an interval, on the root of the share."""
_LEAST = 1e-4


def loss_of(name: str, shares: Tensor, grades: Tensor, *, steepness: float = STEEPNESS) -> Tensor:
    """Return the mean loss.

    On the root of the share the six intervals are 0.07 to 0.27 wide, on the share itself 0.005 to 0.25: one steepness
    fits all of them there, and none here.

    Args:
        name: `rms`: squared error to the middle of the interval. `lpi`: minus the log of the probability of the
            interval, the difference of a sigmoid at its lower and one at its upper end. `presence`: the same of two
            intervals, none and some; what extent was graded is not looked at.
        shares: (n,) predicted shares, 0 to 1.
        grades: (n,) int64 grades, 0 to 5.
        steepness: Of the sigmoids.
    """
    import torch
    from torch.nn import functional

    if name == "rms":
        return ((shares - torch.tensor(MIDPOINTS, dtype=shares.dtype)[grades]) ** 2).mean()
    edges = torch.tensor(EDGES if name == "lpi" else EDGES[:1], dtype=shares.dtype).sqrt()
    grade = grades if name == "lpi" else (grades > 0).long()
    ends = torch.cat([edges.new_tensor([-torch.inf]), edges, edges.new_tensor([torch.inf])])
    root = torch.sqrt(shares + _LEAST)
    above, below = steepness * (root - ends[grade]), steepness * (root - ends[grade + 1])
    # log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a)); the last does not depend on the share.
    width = torch.where(torch.isinf(above) | torch.isinf(below), torch.inf, above - below)
    said = functional.logsigmoid(above) + functional.logsigmoid(-below) + torch.log1p(-torch.exp(-width))
    return -said.mean()
