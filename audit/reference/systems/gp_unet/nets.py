"""An encoder and decoder at full resolution that counts by global pooling, and so shows where it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

_WIDTHS = (8, 16)
VOXELS_OF_ONE = 100.0
"""Voxels whose features add up to one pooled feature: a constant on the mean that lets the last layer learn as fast as
the others."""


def gp_unet() -> nn.Module:
    """Return the network.

    Its method `attention_map` gives, for images as the network gets them, (n, planes, rows, columns): what every voxel
    adds to the count. The sum of the map and the bias of the last layer is the answer.

    Returns:
        A module from (n, 1, planes, rows, columns) in [0, 1], sides even, to (n, 1) counts.
    """
    import torch
    from torch import nn

    first, second = _WIDTHS

    class GpUnet(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.fine = nn.Sequential(*_block(1, first), *_block(first, first))
            self.coarse = nn.Sequential(nn.MaxPool3d(2), *_block(first, second), *_block(second, second))
            self.enlarge = nn.Upsample(scale_factor=2.0, mode="nearest")
            self.joined = nn.Sequential(*_block(first + second, first))
            self.counts = nn.Linear(first, 1)

        def features(self, x: Tensor) -> Tensor:
            fine = self.fine(x)
            joined: Tensor = self.joined(torch.cat([fine, self.enlarge(self.coarse(fine))], dim=1))
            return joined

        def forward(self, x: Tensor) -> Tensor:
            pooled = self.features(x).sum(dim=(2, 3, 4)) / VOXELS_OF_ONE
            answer: Tensor = self.counts(pooled)
            return answer

        def attention_map(self, x: Tensor) -> Tensor:
            weights = self.counts.weight[0] / VOXELS_OF_ONE
            found: Tensor = torch.tensordot(self.features(x), weights, dims=([1], [0]))
            return found

    return GpUnet()


def _block(inputs: int, outputs: int) -> tuple[Any, ...]:
    from torch import nn

    return nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
