"""Two small families of networks for one-channel patches: plain, and residual with dense connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

PLACES = 3
"""Rows and columns that are left before the last layer, so that it can tell the middle of a patch from its rim."""


def plain(outputs: int = 1) -> nn.Module:
    """Return three convolutions in a row: (n, 1, rows, columns) in [0, 1] to (n, outputs) logits."""
    from torch import nn

    return nn.Sequential(
        *_block(1, 16), nn.MaxPool2d(2), *_block(16, 24), nn.MaxPool2d(2), *_block(24, 32),
        nn.AdaptiveAvgPool2d(PLACES), nn.Flatten(), nn.Linear(32 * PLACES**2, outputs),
    )  # fmt: skip


def dense(outputs: int = 1) -> nn.Module:
    """Return a dense block and a residual block: (n, 1, rows, columns) in [0, 1] to (n, outputs) logits."""
    import torch
    from torch import nn

    class Grown(nn.Module):  # type: ignore[misc]
        """Each layer is given everything before it (Huang 2017)."""

        def __init__(self, before: int, growth: int, layers: int) -> None:
            super().__init__()
            widths = range(before, before + growth * layers, growth)
            self.layers = nn.ModuleList(nn.Sequential(*_block(width, growth)) for width in widths)

        def forward(self, x: Tensor) -> Any:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], dim=1)
            return x

    class Residual(nn.Module):  # type: ignore[misc]
        """What two layers add to what they are given (He 2016)."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.added = nn.Sequential(
                *_block(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
            )

        def forward(self, x: Tensor) -> Any:
            return torch.relu(x + self.added(x))

    return nn.Sequential(
        *_block(1, 12, kernel=5, stride=2), Grown(12, 8, 3), *_block(36, 24, kernel=1), nn.AvgPool2d(2), Residual(24),
        nn.AdaptiveAvgPool2d(PLACES), nn.Flatten(), nn.Linear(24 * PLACES**2, outputs),
    )  # fmt: skip


FAMILIES = {"plain": plain, "dense": dense}


def _block(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    from torch import nn

    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]
