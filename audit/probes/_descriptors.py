"""A few numbers that tell how an image was made, without saying what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, ProbeContext, joined
from audit.edits import median, quantiles
from audit.probes._images import load_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

DESCRIPTORS: tuple[str, ...] = (
    "mean", "spread", "1st percentile", "99th percentile", "noise", "sharpness", "fine detail",
)  # fmt: skip
MOST_CHANNELS = 4
_A_SHARD = 256
# The second difference of independent noise has six times its variance; 0.6745: third quartile of a standard normal.
_NOISE = 0.6745 * np.sqrt(6)


def descriptor_names(channels: int) -> tuple[str, ...]:
    """Return the names of the columns of `described`."""
    shown = min(channels, MOST_CHANNELS)
    return tuple(name if shown == 1 else f"{name}, channel {c + 1}" for c in range(shown) for name in DESCRIPTORS)


def described(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the descriptors of one image.

    Args:
        image: (channels, *spatial) stored intensities.

    Returns:
        (7 * channels,) of at most 4 channels: mean, standard deviation, 1st and 99th percentile and noise, all in
        stored units; sharpness, the mean gradient over the standard deviation; and the share of the variance that a
        blur of one pixel takes away. Noise is the median absolute second difference, scaled to the standard deviation
        of independent noise, the least over the axes, so that edges count little.
    """
    return np.concatenate([_one(channel.astype(np.float64)) for channel in image[:MOST_CHANNELS]])


def described_cases(ctx: ProbeContext, cases: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (m, p) descriptors of some cases, read one by one, in shards.

    Raises:
        NotApplicable: The cohort has no images.
    """

    def work(positions: NDArray[np.int64]) -> Arrays:
        rows = cases[positions]
        return {"rows": np.stack([described(load_images(ctx.cohort, rows[i : i + 1])[0]) for i in range(rows.size)])}

    return joined(ctx.parts.map("images described", work, cases.size, size=_A_SHARD))["rows"]


def _one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import ndimage

    spread = float(values.std())
    # An image with a value that is no number has no order that can be looked at faster.
    shares, middle = (quantiles, median) if np.isfinite(spread) else (np.quantile, np.median)
    low, high = shares(values.ravel(), (0.01, 0.99))
    seconds, slopes = [], []
    for axis in range(values.ndim):
        if values.shape[axis] > 2:
            first = np.diff(values, axis=axis)
            second = np.diff(first, axis=axis)
            seconds.append(float(middle(np.abs(second, out=second).ravel())) / _NOISE)
            slopes.append(float(np.mean(np.abs(first, out=first))))
    scale = spread if spread > 0 else 1.0
    fine = values - ndimage.gaussian_filter(values, 1.0, mode="nearest")
    return np.array(
        [
            values.mean(), spread, low, high, min(seconds, default=0.0), sum(slopes) / max(1, len(slopes)) / scale,
            float(fine.var()) / scale**2,
        ]
    )  # fmt: skip
