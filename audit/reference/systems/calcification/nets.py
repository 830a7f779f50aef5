"""A small 3-D U-Net with residual blocks, an auxiliary output and a floor at 130 HU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW_HU = (-200.0, 1000.0)
"""What [model.input] clips to and maps to [0, 1]; the floor is taken back from that."""
FLOOR_HU = 130.0
SOFT_HU = 25.0
BOX = 7
"""Voxels a side of the box in which the twin counts marks, 7 x 5.6 x 5.6 mm."""
LEAST_VOXELS = 25
"""As many as make 16 mm³."""
SOFT_VOXELS = 5.0
WIDTHS = (8, 16, 32)
PIECE = 4
"""Volumes that are answered at a time: of more the intermediate results leave the cache, at twice the time a volume."""


class Residual(nn.Module):  # type: ignore[misc, unused-ignore]
    """Two convolutions beside a skip that dropout never touches.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        dropout: Share of the channels of the branch that are dropped in training.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(outputs)
        self.first_relu = nn.ReLU()
        self.second = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(outputs)
        self.drop = nn.Dropout3d(dropout)
        self.skip = nn.Conv3d(inputs, outputs, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """From (n, inputs, z, y, x) to (n, outputs, z, y, x)."""
        branch = self.first_relu(self.first_norm(self.first(x)))
        branch = self.second_norm(self.second(branch))
        out: Tensor = self.relu(self.skip(x) + self.drop(branch))
        return out


class CalcificationNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """Marks calcified plaque; two poolings, 8, 16 and 32 channels.

    A voxel below 130 HU is never marked: its logit is at most (HU - 130) / 25.

    Args:
        widths: Channels of the three scales.
        dropout: In the residual branches, in training.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS, dropout: float = 0.2) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.encode_1 = Residual(1, fine, 0.0)
        self.pool_1 = nn.MaxPool3d(2)
        self.encode_2 = Residual(fine, middle, dropout)
        self.pool_2 = nn.MaxPool3d(2)
        self.bottom = Residual(middle, coarse, dropout)
        self.up_2 = nn.Upsample(scale_factor=2)
        self.decode_2 = Residual(coarse + middle, middle, dropout)
        self.auxiliary = nn.Conv3d(middle, 1, 1)
        self.up_1 = nn.Upsample(scale_factor=2)
        self.decode_1 = Residual(middle + fine, fine, 0.0)
        self.head = nn.Conv3d(fine, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return mask logits, (n, 1, z, y, x), of images in [0, 1]; each side divisible by 4."""
        if not torch.is_inference_mode_enabled():
            return self._floored(x)
        if len(x) == 1:
            # Convolutions of one volume alone take four times as long as those of two.
            return self._floored(x.repeat(2, 1, 1, 1, 1))[:1]
        return torch.cat([self._floored(piece) for piece in x.tensor_split(-(-len(x) // PIECE))])

    def _floored(self, x: Tensor) -> Tensor:
        main, _ = self._decoded(x)
        hu = WINDOW_HU[0] + x * (WINDOW_HU[1] - WINDOW_HU[0])
        return torch.minimum(main, (hu - FLOOR_HU) / SOFT_HU)

    def supervised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of both outputs before the floor, at full size, for training."""
        main, deep = self._decoded(x)
        scaled = functional.interpolate(self.auxiliary(deep), size=x.shape[2:], mode="trilinear", align_corners=False)
        return main, scaled

    def _decoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.encode_1(x)
        middle = self.encode_2(self.pool_1(fine))
        coarse = self.bottom(self.pool_2(middle))
        deep = self.decode_2(torch.cat([self.up_2(coarse), middle], dim=1))
        last = self.decode_1(torch.cat([self.up_1(deep), fine], dim=1))
        return self.head(last), deep


class LargeOnly(CalcificationNet):
    """The same network with a planted fault: a mark stays where at least 25 voxels about it are marked.

    Who wipes small marks off as noise does this. It has the same weights under the same names.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return mask logits as `CalcificationNet` does, at most (marks about - 25) / 5."""
        logits = super().forward(x)
        marks = functional.avg_pool3d((8 * logits).sigmoid(), BOX, stride=1, padding=BOX // 2) * BOX**3
        return torch.minimum(logits, (marks - LEAST_VOXELS) / SOFT_VOXELS)


def large_net() -> LargeOnly:
    """Return the twin without weights; the factory of its audit.toml."""
    return LargeOnly()


def calcification_net() -> CalcificationNet:
    """Return the network without weights; the factory of audit.toml."""
    return CalcificationNet()


NETS = {"calcification": calcification_net, "calcification-large": large_net}
"""The factory of each twin."""
