"""The architecture of the reference classifiers; `torch` is imported when a net is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 24, 24, 48)
# Layers up to and including the map, at half resolution, on which lesions are pointed out in training.
MAP_LAYERS = 9


def lesion_net(widths: tuple[int, int, int, int] = WIDTHS) -> nn.Module:
    """Return a small convolutional classifier of one-channel planes with a single logit.

    Four blocks of convolution, batch norm and ReLU; the first halves the size by its stride, and a pooling before the
    last halves it again. The mean over the plane, normalised, feeds one linear layer, so the logit grows with how much
    of the plane looks like lesion.

    Args:
        widths: Channels of the four blocks.

    Returns:
        A module from (n, 1, rows, columns) in [0, 1] to (n, 1) logits, any size divisible by 4.
    """
    from torch import nn

    def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    first, second, third, fourth = widths
    layers = [*block(1, first, kernel=5, stride=2), *block(first, second), *block(second, third), nn.MaxPool2d(2)]
    # Lesions fill little of the plane: without a norm after the mean their signal is lost in that of the whole brain.
    layers += [*block(third, fourth), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(fourth)]
    return nn.Sequential(*layers, nn.Linear(fourth, 1))
