"""The architecture of the reference classifiers; `torch` is imported when a net is built."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 32, 32, 64)
# Layers of the net up to and including the map, at half resolution, on which lesions are pointed out in training.
MAP_LAYERS = 10


def lesion_net(widths: tuple[int, int, int, int] = WIDTHS) -> "nn.Module":
    """A small convolutional classifier of one-channel planes with a single logit.

    Four blocks of convolution, batch norm and ReLU, with pooling after the first and the third. The mean over the
    plane feeds one linear layer, so the logit grows with how much of the plane looks like lesion.

    Args:
        widths: Channels of the four blocks.

    Returns:
        A module from (n, 1, rows, columns) in [0, 1] to (n, 1) logits, any size divisible by 4.
    """
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    first, second, third, fourth = widths
    layers = [*block(1, first), nn.MaxPool2d(2), *block(first, second), *block(second, third), nn.MaxPool2d(2)]
    layers += [*block(third, fourth), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers += [nn.BatchNorm1d(fourth), nn.Linear(fourth, 1)]
    return nn.Sequential(*layers)
