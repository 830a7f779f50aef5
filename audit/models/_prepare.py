"""The preprocessing of models that are not torch modules, the same steps as in `_pipeline`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


def prepare(images: NDArray[Any], spec: InputSpec) -> NDArray[np.float32]:
    """Return stored intensities as the network receives them.

    Args:
        images: (n, channels, *spatial) stored intensities.
        spec: Window, range and normalisation.

    Returns:
        float32 of the same shape: clipped to the window, mapped from the range to [0, 1], normalised per channel.
    """
    x = np.array(images, dtype=np.float32)
    if spec.window is not None:
        np.clip(x, spec.window[0], spec.window[1], out=x)
    if spec.scale:
        x = (x - np.float32(spec.range[0])) / np.float32(spec.span)
    if spec.mean:
        x = x - _per_channel(spec.mean, x.ndim)
    if spec.std:
        x = x / _per_channel(spec.std, x.ndim)
    return x


def _per_channel(values: tuple[float, ...], dimensions: int) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32).reshape(1, -1, *(1,) * (dimensions - 2))
