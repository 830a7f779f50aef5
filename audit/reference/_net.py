"""The architecture of the reference classifiers; `torch` is imported when a net is built."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 32, 64, 64)


def lesion_net(widths: tuple[int, ...] = WIDTHS) -> "nn.Module":
    """A small convolutional classifier of one-channel planes with a single logit.

    Blocks of convolution, batch norm and ReLU; all but the last halve the size. The mean over the plane feeds one linear
    layer, so the logit grows with how much of the plane looks like lesion.

    Args:
        widths: Channels of the blocks.

    Returns:
        A module from (n, 1, rows, columns) in [0, 1] to (n, 1) logits, any size divisible by 2 ** (len(widths) - 1).
    """
    from torch import nn

    layers: list[nn.Module] = []
    inputs = 1
    for position, width in enumerate(widths):
        layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        if position < len(widths) - 1:
            layers.append(nn.MaxPool2d(2))
        inputs = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1)]
    return nn.Sequential(*layers)
