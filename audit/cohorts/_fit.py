"""Whether an image is what the model takes; what does not fit is set aside, never bent in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._limits import MAX_VALUES, TOO_LARGE
from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import InputSpec

SPACING_TOLERANCE = 0.01
NOT_FINITE = "image with NaN or infinite values"


def shape_text(shape: Sequence[int]) -> str:
    """Return a size in words, for example "64 x 64"."""
    return " x ".join(str(int(s)) for s in shape)


def with_channels(array: NDArray[Any], spec: InputSpec) -> NDArray[Any]:
    """Return an array whose axes are not declared as (channels, *spatial).

    Args:
        array: (*spatial,), (channels, *spatial) or (*spatial, channels).
        spec: What the model receives; its `size` says how many spatial axes there are (2 where it is undeclared).

    Raises:
        ReadError: The number of axes or of channels does not fit.
    """
    spatial = len(spec.size) or 2
    if not spec.size and array.ndim == 3 and spec.channels == 1 and 1 not in (array.shape[0], array.shape[-1]):
        spatial = 3
    if array.ndim == spatial:
        return array[None]
    if array.ndim != spatial + 1:
        raise ReadError(f"wrong number of dimensions: expected {spatial}, got {array.ndim}")
    first = array.shape[0] == spec.channels
    last = array.shape[-1] == spec.channels
    if first and (not last or not spec.size or array.shape[1:] == spec.size):
        return array
    if last:
        return np.moveaxis(array, -1, 0)
    raise ReadError(f"wrong channels: expected {spec.channels}, got an array of {shape_text(array.shape)}")


def as_float(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return stored intensities as float32.

    Raises:
        ReadError: The values are no real numbers, not finite, or too many.
    """
    if array.dtype.kind not in "biuf":
        raise ReadError("image of a type that holds no real numbers")
    if array.size > MAX_VALUES:
        raise ReadError(TOO_LARGE)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ReadError(NOT_FINITE)
    return values


def fit(
    image: NDArray[Any], spec: InputSpec, *, nearest: bool = False, spacing: tuple[float, ...] | None = None
) -> NDArray[np.float32]:
    """Return an image as the model takes it.

    Args:
        image: (channels, *spatial) stored intensities of any real type.
        spec: What the model receives.
        nearest: Resize by the nearest value, for masks.
        spacing: Spacing of the file's grid in mm, None where its format knows none.

    Returns:
        (channels, *spatial) float32, stored intensities.

    Raises:
        ReadError: NaN, infinity, or dimensions, channels or a size that do not fit.
    """
    spatial = image.ndim - 1
    if spec.size and spatial != len(spec.size):
        raise ReadError(f"wrong number of dimensions: expected {len(spec.size)}, got {spatial}")
    if image.shape[0] != spec.channels:
        raise ReadError(f"wrong channels: expected {spec.channels}, got {image.shape[0]}")
    if 0 in image.shape:
        raise ReadError("image without any value")
    if spacing is not None:
        check_spacing(spacing, image.shape[1:], spec)
    values = as_float(image)
    if not spec.size or tuple(values.shape[1:]) == tuple(spec.size):
        return values
    if spec.resize is None:
        raise ReadError(f"wrong size: expected {shape_text(spec.size)}, got {shape_text(values.shape[1:])}")
    return resized(values, tuple(spec.size), nearest=nearest)


def check_spacing(spacing: tuple[float, ...], shape: Sequence[int], spec: InputSpec) -> None:
    """Check that a grid, once brought to the model's size, has the spacing that the model declares.

    Args:
        spacing: Spacing of the file's grid in mm; () where the file could say it and does not.
        shape: Spatial size of the file's grid.
        spec: What the model receives.

    Raises:
        ReadError: It differs by more than 1 %, or is unknown.
    """
    wanted = spec.spacing_mm
    if wanted is None:
        return
    text = " x ".join(f"{s:g}" for s in wanted)
    if len(spacing) != len(wanted):
        raise ReadError(f"unknown spacing: expected {text} mm")
    grown = [1.0] * len(wanted)
    if spec.size and spec.resize is not None:
        grown = [old / new for old, new in zip(shape, spec.size, strict=True)]
    got = [s * g for s, g in zip(spacing, grown, strict=True)]
    if any(abs(g - w) > SPACING_TOLERANCE * w for g, w in zip(got, wanted, strict=True)):
        raise ReadError(f"wrong spacing: expected {text} mm, got {' x '.join(f'{g:.4g}' for g in got)} mm")


def resized(image: NDArray[np.float32], size: tuple[int, ...], *, nearest: bool = False) -> NDArray[np.float32]:
    """Return an image of another size: bilinear (trilinear), pixel centres aligned, smoothed first when it shrinks.

    Args:
        image: (channels, *spatial).
        size: The new spatial size.
        nearest: Take the nearest value instead, without smoothing.
    """
    out = image
    for axis, length in enumerate(size, start=1):
        out = _resized_axis(out, axis, length, nearest=nearest)
    return np.ascontiguousarray(out, dtype=np.float32)


def _resized_axis(image: NDArray[np.float32], axis: int, length: int, *, nearest: bool) -> NDArray[np.float32]:
    old = image.shape[axis]
    if old == length:
        return image
    ratio = old / length
    centres = (np.arange(length) + 0.5) * ratio - 0.5
    if nearest:
        picked: NDArray[np.float32] = image.take(np.clip(np.rint(centres), 0, old - 1).astype(int), axis=axis)
        return picked
    # A triangle as wide as the step in the old grid: plain bilinear when it grows, an antialiased one when it shrinks.
    support = max(ratio, 1.0)
    weights = np.clip(1 - np.abs(np.arange(old)[None, :] - centres[:, None]) / support, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    moved = np.moveaxis(image, axis, -1).astype(np.float64) @ weights.T
    back: NDArray[np.float32] = np.moveaxis(moved, -1, axis).astype(np.float32)
    return back
