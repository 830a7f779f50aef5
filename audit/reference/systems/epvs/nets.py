"""A regression network in three dimensions: many convolutions, two poolings, no final activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

REGION_NAMES = ("midbrain", "hippocampi", "basal ganglia", "centrum semiovale")
"""In the order of the outputs."""
_WIDTHS = (8, 16, 32)


def counter(region: str | None = None) -> nn.Module:
    """Return the network: convolutions that all regions share, and a linear output for each.

    Args:
        region: Answer for this region alone; None: for all four.

    Returns:
        A module from (n, 1, planes, rows, columns) in [0, 1], sides divisible by 4, to (n, 1) or (n, 4) counts. Its
        weights are the same whatever the region.
    """
    from torch import nn

    first, second, third = _WIDTHS

    class Counter(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                *_block(1, first), *_block(first, first), nn.MaxPool3d(2), *_block(first, second),
                *_block(second, second), nn.MaxPool3d(2), *_block(second, third), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
                nn.BatchNorm1d(third),
            )  # fmt: skip
            self.counts = nn.Linear(third, len(REGION_NAMES))
            self.column = None if region is None else REGION_NAMES.index(region)

        def forward(self, x: Tensor) -> Tensor:
            every: Tensor = self.counts(self.trunk(x))
            return every if self.column is None else every[:, self.column : self.column + 1]

    return Counter()


def _block(inputs: int, outputs: int) -> tuple[Any, ...]:
    from torch import nn

    return nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()


def midbrain() -> nn.Module:
    """Return the network that counts in the midbrain."""
    return counter(REGION_NAMES[0])


def hippocampi() -> nn.Module:
    """Return the network that counts in a hippocampus."""
    return counter(REGION_NAMES[1])


def basal_ganglia() -> nn.Module:
    """Return the network that counts in the basal ganglia of one side."""
    return counter(REGION_NAMES[2])


def centrum_semiovale() -> nn.Module:
    """Return the network that counts in the centrum semiovale of one side."""
    return counter(REGION_NAMES[3])
