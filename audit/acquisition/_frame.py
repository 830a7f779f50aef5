"""What a simulator must know of an image: how it is stored, where the patient is, its noise and its signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WINDOW = 7
_PADDED_SHARE = 0.05
_BODY_HU = -500.0
_LEAST_SPAN = 15.0
_LEAST_WINDOWS = 25
_FOREGROUND = 0.1
_PLANES = 8


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How images are stored; together with its parameters, all that a change of an image needs.

    Args:
        modality: One of `audit.core.MODALITIES`.
        low: Lower end of the stored range.
        high: Upper end of the stored range.
        spacing_mm: Pixel spacing in the order of the spatial axes, in mm; None where unknown: pixels then count as mm.
    """

    modality: str
    low: float
    high: float
    spacing_mm: tuple[float, ...] | None = None

    @property
    def span(self) -> float:
        """Width of the stored range."""
        return self.high - self.low

    def pixel_mm(self, axis: int) -> float:
        """Return the spacing along an axis, counted from the last one (-1), in mm; 1 where unknown."""
        return 1.0 if self.spacing_mm is None else float(self.spacing_mm[axis])


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSpec:
    """One image as a simulator sees it before it draws parameters.

    Args:
        frame: How the image is stored.
        shape: Spatial shape, (rows, columns) or (planes, rows, columns).
        channels: Number of channels.
        field: (*shape) bool, where the image may change: not padding, not air, not outside the field of view.
        signal: Mean stored intensity in the field; in MR of what is above a tenth of the way from the lower end of
            the range to the 99.5 percentile, so that air with its noise is not counted.
        noise_sd: Standard deviation of the noise in homogeneous parts of the field, in stored units; None where there
            is no homogeneous part, or nobody measured it.
    """

    frame: Frame
    shape: tuple[int, ...]
    channels: int
    field: NDArray[np.bool_]
    signal: float
    noise_sd: float | None

    @property
    def volume(self) -> bool:
        """Whether the image has planes."""
        return len(self.shape) == 3


def frame_of(spec: InputSpec, spacing_mm: tuple[float, ...] | None = None) -> Frame:
    """Return how images are stored, from `[model.input]` and the cohort's spacing."""
    return Frame(
        modality=spec.modality, low=float(spec.range[0]), high=float(spec.range[1]),
        spacing_mm=spec.spacing_mm or spacing_mm,
    )  # fmt: skip


def describe(image: NDArray[Any], frame: Frame, *, noise: bool = True) -> ImageSpec:
    """Look at an image.

    Args:
        image: (channels, *spatial) stored intensities.
        frame: How it is stored.
        noise: Whether its noise is measured, which takes longest.

    Raises:
        ValueError: The image has neither two nor three spatial axes, or another number of them than the spacing.
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim not in (3, 4):
        raise ValueError(f"expected (channels, rows, columns) or (channels, planes, rows, columns), got {values.shape}")
    if frame.spacing_mm is not None and len(frame.spacing_mm) != values.ndim - 1:
        raise ValueError(f"expected a spacing of {values.ndim - 1} axes, got {frame.spacing_mm}")
    field = field_of(values, frame)
    inside = values[:, field]
    if frame.modality == "mr" and inside.size:
        bright = float(np.percentile(inside, 99.5))
        bright_enough = inside > frame.low + _FOREGROUND * (bright - frame.low)
        inside = inside[bright_enough] if bright_enough.any() else inside
    return ImageSpec(
        frame=frame, shape=values.shape[1:], channels=values.shape[0], field=field,
        signal=float(inside.mean()) if inside.size else 0.0,
        noise_sd=homogeneous_sd(values, field, frame) if noise else None,
    )  # fmt: skip


def field_of(image: NDArray[Any], frame: Frame) -> NDArray[np.bool_]:
    """Return where an image may change: all but padding, and in CT the patient without the air around.

    Padding is what equals the image's minimum in every channel and is connected with the border, where that is at least
    5 % of the image. The patient in a CT is what lies above -500 HU, with all that it encloses in its plane.

    Args:
        image: (channels, *spatial) stored intensities.
        frame: How it is stored.

    Returns:
        (*spatial) bool.
    """
    from scipy import ndimage

    values = np.asarray(image)
    if frame.modality == "ct":
        body = (values > _BODY_HU).any(axis=0)
        planes = body.reshape(-1, *body.shape[-2:])
        # Structures of one or two pixels are not the patient: the noise of the air reaches above any threshold.
        filled = [ndimage.binary_fill_holes(ndimage.binary_opening(plane)) for plane in planes]
        return np.asarray(np.reshape(filled, body.shape), dtype=np.bool_)
    lowest = (values == values.min()).all(axis=0)
    padding = _touching(lowest)
    return np.asarray(~padding if padding.mean() >= _PADDED_SHARE else np.ones_like(lowest), dtype=np.bool_)


def _touching(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a mask that touch the border of the image."""
    from scipy import ndimage

    if not mask.any():
        return mask
    labels, _ = ndimage.label(mask)
    sides = [np.take(labels, edge, axis=axis).ravel() for axis in range(labels.ndim) for edge in (0, -1)]
    touching = np.unique(np.concatenate(sides))
    return np.asarray(np.isin(labels, touching[touching > 0]), dtype=np.bool_)


def homogeneous_sd(image: Floats, field: NDArray[np.bool_], frame: Frame) -> float | None:
    """Return the standard deviation of the noise, from windows of 7 x 7 pixels without structure.

    Windows lie wholly in the field (in CT: in soft tissue, -100 to 150 HU). Those with more than twice the variance of
    the quietest fifth hold an edge and are left out; of the others the median counts.

    Args:
        image: (channels, *spatial) stored intensities.
        field: (*spatial) bool.
        frame: How the image is stored.

    Returns:
        In stored units; None with fewer than 25 windows, and where the image has no noise.
    """
    from scipy.ndimage import minimum_filter, uniform_filter

    found = []
    for channel in image:
        planes = channel.reshape(-1, *channel.shape[-2:])
        masks = field.reshape(-1, *field.shape[-2:])
        for i in np.unique(np.linspace(0, len(planes) - 1, min(_PLANES, len(planes))).astype(int)):
            plane, inside = planes[i], masks[i]
            if frame.modality == "ct":
                middle = uniform_filter(plane, WINDOW)
                inside = inside & (middle > -100) & (middle < 150)
            whole = minimum_filter(inside, WINDOW, mode="constant", cval=0)
            mean = uniform_filter(plane, WINDOW)
            variance = np.maximum(uniform_filter(plane * plane, WINDOW) - mean * mean, 0.0)
            found.append(variance[whole] * WINDOW**2 / (WINDOW**2 - 1))
    every = np.concatenate(found) if found else np.empty(0)
    # What is saturated or padded inside the field has no noise and says nothing of it.
    every = every[every > 1e-12 * max(1.0, frame.span) ** 2]
    if every.size < _LEAST_WINDOWS:
        return None
    quiet = every[every <= 2 * np.quantile(every, 0.2)]
    return float(np.sqrt(np.median(quiet)))


def stored(changed: Floats, image: NDArray[Any], frame: Frame, field: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return a changed image as it would be stored: field, range, depth and type as they were.

    Args:
        changed: (channels, *spatial) after the change.
        image: The same before it.
        frame: How it is stored.
        field: (*spatial) bool, where the change counts; None for all of the image.

    Returns:
        An array of the type of `image`. Whole numbers stay whole where the range is wide enough to tell a bit depth;
        the result lies in the stored range, or in that of the image where the image leaves it.
    """
    before = np.asarray(image)
    low, high = min(frame.low, float(before.min())), max(frame.high, float(before.max()))
    after = np.clip(changed, low, high)
    if before.dtype.kind in "iub" or (frame.span >= _LEAST_SPAN and bool((before == np.round(before)).all())):
        after = np.round(after)
    out = after.astype(before.dtype)
    return out if field is None else np.where(field[None], out, before)
