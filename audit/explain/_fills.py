"""What takes the place of pixels that are removed from an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLUR_SHARE = 0.03
"""Standard deviation of the blur that replaces a pixel, as a share of the image's least side.

Little enough that a blurred image is still one of its kind, enough that a small lesion is gone. On phantoms a blur
three times as wide made the model decide by the blur itself.
"""


def blurred(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images after a Gaussian blur that leaves brightness and anatomy, and no small detail.

    Args:
        images: (n, channels, *spatial).
    """
    from scipy import ndimage

    sides = images.shape[2:]
    sigma = max(1.0, BLUR_SHARE * min(s for s in sides if s > 1)) if max(sides) > 1 else 0.0
    out: NDArray[np.float32] = ndimage.gaussian_filter(images, sigma=(0, 0, *[sigma] * len(sides)), mode="nearest")
    return out


def flat(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images of one value a channel: the image's mean."""
    axes = tuple(range(2, images.ndim))
    return np.broadcast_to(images.mean(axis=axes, keepdims=True), images.shape).astype(np.float32)
