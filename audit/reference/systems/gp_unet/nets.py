"""An encoder and decoder at full resolution that counts by global pooling, and so shows where it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

_WIDTHS = (8, 16, 24)
_DETAILS = 4
_NEAR = 5
_LEAST, _MOST = 0.3, 1.2
VOXELS_OF_ONE = 100.0
"""Voxels whose evidence adds up to one pooled value: a constant; the last layer then learns as fast as others."""
CONTRAST = 10.0
"""What contrast, a share of the stored range, is multiplied by: it is about 1 in a space."""


def gp_unet() -> nn.Module:
    """Return the network.

    What a voxel adds to the count is how much it stands out from the 5 x 5 x 5 voxels around it, seen through learned
    filters, times what encoder and decoder make of the place. Its method `attention_map` gives, for images as the
    network gets them, (n, planes, rows, columns): these amounts, half of each shared out over the voxels around, since
    contrast is made of both. The sum of the map and the bias of the last layer is the answer.

    Returns:
        A module from (n, 1, planes, rows, columns) in [0, 1], sides of multiples of 4, to (n, 1) counts.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    first, second, third = _WIDTHS

    class GpUnet(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.details = nn.Conv3d(1, _DETAILS, 3, padding=1)
            self.fine = nn.Sequential(*_block(1, first), *_block(first, first))
            self.coarse = nn.Sequential(nn.MaxPool3d(2), *_block(first, second), *_block(second, second))
            self.coarsest = nn.Sequential(nn.MaxPool3d(2), *_block(second, third), *_block(third, third))
            self.joined = nn.Sequential(*_block(second + third, second))
            self.here = nn.Conv3d(first, _DETAILS, 1)
            self.around = nn.Conv3d(second, _DETAILS, 1, bias=False)
            self.counts = nn.Linear(_DETAILS, 1)
            _begin(self)

        def evidence(self, x: Tensor) -> Tensor:
            """Return (n, planes, rows, columns) what every voxel adds, before it is shared out."""
            fine = self.fine(x)
            coarse = self.coarse(fine)
            joined = self.joined(torch.cat([coarse, _enlarged(self.coarsest(coarse), coarse)], dim=1))
            place = self.here(fine) + _enlarged(self.around(joined), fine)
            near = functional.avg_pool3d(x, _NEAR, 1, _NEAR // 2, count_include_pad=False)
            details = functional.relu(self.details(CONTRAST * (x - near)))
            weights = self.counts.weight[0] / VOXELS_OF_ONE
            found: Tensor = torch.tensordot(details * place, weights, dims=([1], [0]))
            return found

        def total(self, evidence: Tensor) -> Tensor:
            """Return (n, 1) counts from what every voxel adds."""
            answer: Tensor = evidence.sum(dim=(1, 2, 3))[:, None] + self.counts.bias
            return answer

        def forward(self, x: Tensor) -> Tensor:
            return self.total(self.evidence(x))

        def attention_map(self, x: Tensor) -> Tensor:
            evidence = self.evidence(x)
            # Divided first by what each voxel gets back at the border, so that nothing is lost.
            given = evidence / _shared(torch.ones_like(evidence))
            found: Tensor = (evidence + _shared(given)) / 2
            return found

    return GpUnet()


def _block(inputs: int, outputs: int) -> tuple[Any, ...]:
    from torch import nn

    return nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()


def _begin(net: Any) -> None:
    """Start from contrast above four thresholds, weighed nearly alike everywhere."""
    import torch

    with torch.no_grad():
        net.details.weight.mul_(0.25)
        net.details.weight[:, 0, 1, 1, 1] += 1.0
        net.details.bias.copy_(-torch.linspace(_LEAST, _MOST, _DETAILS))
        for layer in (net.here, net.around):
            layer.weight.mul_(0.2)
        net.here.bias.fill_(1.0)
        net.counts.weight.fill_(1.0)


def _enlarged(values: Tensor, like: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.interpolate(values, size=like.shape[2:], mode="trilinear", align_corners=False)


def _shared(values: Tensor) -> Tensor:
    """Return values (n, *spatial) spread by three means over 3 voxels an axis: a standard deviation of 1.4 voxels."""
    from torch.nn import functional

    out = values[:, None]
    for _ in range(3):
        out = functional.avg_pool3d(out, 3, 1, 1)
    return out[:, 0]
