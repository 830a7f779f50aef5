"""The architecture; audit.toml names it, and train.py copies it beside the weights."""

from torch import nn


def small_cnn() -> nn.Module:
    """A small network for 28 x 28 gray images: (n, 1, 28, 28) to logits of normal and pneumonia, (n, 2)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(128, 2),
    )  # fmt: skip
