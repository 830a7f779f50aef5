"""The architecture; audit.toml names it, and train.py copies it beside the weights."""

from torch import nn


def small_cnn3d() -> nn.Module:
    """A small network for 12 x 24 x 24 volumes of one channel: (n, 1, 12, 24, 24) to one logit, (n, 1)."""
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool3d(1),
        nn.Flatten(), nn.Linear(16, 1),
    )  # fmt: skip
