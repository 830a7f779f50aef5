"""The architecture; audit.toml names it, and train.py copies it beside the weights."""

from torch import nn


def small_cnn() -> nn.Module:
    """A small network for 64 x 64 colour images: (n, 3, 64, 64) to one logit of melanoma, (n, 1)."""
    layers: list[nn.Module] = []
    before = 3
    for width in (16, 32, 64, 96):
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(before, 1))
