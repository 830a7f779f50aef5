"""Networks from a lung in HU to the share of it that is diseased, in per cent; torch is loaded when one is built.

Built after Bortsova and others, MICCAI 2018, as far as the abstract and the lecture tell; widths, normalisation and the
reading of the lung from the image are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

RANGE = (-1024.0, 176.0)
"""HU that the stored range maps to [0, 1]."""
LUNG_HU = -500.0
CENTRE_HU = -870.0
UNIT_HU = 40.0
MOST = 3.0
"""Units either way beyond which an intensity says no more: vessels and chest wall would outweigh everything."""
WIDTHS = (8, 8, 8)
NORMS = ("none", "group", "batch")


def gap_net(norm: str = "group") -> nn.Module:
    """Return GAPNet: the mean of features over the lung, one linear layer, a sigmoid.

    Args:
        norm: Normalisation after each convolution, one of `NORMS`.

    Returns:
        A module from (n, 1, planes, rows, columns) in [0, 1], sides even, to (n, 1) per cent.
    """
    return _net(norm, by_voxel=False)


def proportion_net(norm: str = "group") -> nn.Module:
    """Return ProportionNet: a sigmoid in each voxel, and its mean over the lung.

    Args:
        norm: As for `gap_net`.

    Returns:
        A module like that of `gap_net`; `attention_map` gives the sigmoids, (n, planes, rows, columns).
    """
    return _net(norm, by_voxel=True)


def _net(norm: str, *, by_voxel: bool) -> nn.Module:
    import torch
    from torch import nn
    from torch.nn import functional

    low, high = RANGE

    def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        after = {"none": [], "group": [nn.GroupNorm(4, outputs)], "batch": [nn.BatchNorm3d(outputs)]}[norm]
        return [nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=1), *after, nn.ReLU()]

    class Shares(nn.Module):  # type: ignore[misc]
        """The share of a lung that is diseased."""

        def __init__(self) -> None:
            super().__init__()
            first, second, third = WIDTHS
            # The stride takes the place of the one pooling: convolutions at full resolution cost three times as much.
            self.trunk = nn.Sequential(*block(1, first, 4, 2), *block(first, second), *block(second, third))
            self.head = nn.Conv3d(third, 1, 1) if by_voxel else nn.Linear(third, 1)
            for layer in self.trunk:
                if isinstance(layer, nn.Conv3d):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    nn.init.zeros_(layer.bias)
            nn.init.normal_(self.head.weight, std=0.1)
            nn.init.constant_(self.head.bias, -2.0)

        def forward(self, images: Tensor) -> Tensor:
            """Return (n, 1) per cent."""
            features, lung = self._seen(images)
            weight = lung / lung.sum(dim=(2, 3, 4), keepdim=True).clamp(min=1e-6)
            if by_voxel:
                return 100 * (torch.sigmoid(self.head(features)) * weight).sum(dim=(2, 3, 4))
            return 100 * torch.sigmoid(self.head((features * weight).sum(dim=(2, 3, 4))))

        def _seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
            """Return features, and the share of lung, on the grid of half the resolution."""
            density = images * (high - low) + low
            lung = (density < LUNG_HU).to(images.dtype)
            features: Tensor = self.trunk(((density - CENTRE_HU) / UNIT_HU).clamp(-MOST, MOST) * lung)
            return features, functional.avg_pool3d(lung, 2)

    class Mapped(Shares):
        """The same, with the map that it sums up."""

        def attention_map(self, images: Tensor) -> Tensor:
            """Return how diseased each voxel is, 0 to 1, on the grid of the images; 0 outside the lung."""
            features, _ = self._seen(images)
            coarse = torch.sigmoid(self.head(features))
            lung = (images * (high - low) + low < LUNG_HU).to(images.dtype)
            return (functional.interpolate(coarse, scale_factor=2, mode="nearest") * lung)[:, 0]

    return Mapped() if by_voxel else Shares()
