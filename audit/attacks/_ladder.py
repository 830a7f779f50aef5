"""Attack sizes in stored units, by modality, and what of the image may be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Norm
from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EIGHT_BIT = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_ULTRASOUND = (1.0, 2.0, 4.0, 8.0)
_PERCENT = (0.25, 0.5, 1.0, 2.0, 4.0)
_HU_BRAIN = (1.0, 2.0, 4.0)
_HU_SOFT = (1.0, 2.0, 4.0, 8.0, 16.0)
_HU_LUNG = (4.0, 8.0, 15.0, 30.0, 60.0)
_PADDED = ("ct", "mr", "us")
_PADDING = 0.05
"""Share of an image that constant padding takes up at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Sizes of an attack under one norm.

    Args:
        epsilons: Rising, in `unit`, six significant digits.
        headline: The one of them that a release is judged by.
        unit: Unit of stored intensities.
        why: How the sizes came about, in one sentence.
        noise_sd: Noise of the sampled images in the same unit, or None where it cannot be measured.
        n: Images that it was measured on.
    """

    epsilons: tuple[float, ...]
    headline: float
    unit: str
    why: str
    noise_sd: float | None = None
    n: int = 0


def default_ladder(spec: InputSpec, images: Sequence[NDArray[Any]], norm: Norm = "linf") -> Ladder:
    """Return the default attack sizes of a modality.

    Under L2 they are a quarter of those under L-infinity, as the root mean square of the change over pixels.

    Args:
        spec: What the model receives.
        images: A sample of the cohort, each (channels, *spatial) stored intensities. The scale of MR is arbitrary and
            is measured on it, as is the noise.
        norm: "linf" or "l2".

    Returns:
        The sizes in stored units.
    """
    sizes, headline, scale, why = _sizes(spec, images)
    if norm == "l2":
        scale, why = scale / 4, f"a quarter of the sizes for single pixels: {why}"
    epsilons = tuple(float(f"{s * scale:.6g}") for s in sizes)
    return Ladder(
        epsilons=epsilons,
        headline=epsilons[sizes.index(headline)],
        unit=spec.unit or "stored units",
        why=why,
        noise_sd=noise_sd(images),
        n=len(images),
    )


def _sizes(spec: InputSpec, images: Sequence[NDArray[Any]]) -> tuple[tuple[float, ...], float, float, str]:
    """Return sizes, the headline among them, the factor to stored units, and the reason."""
    low, high = spec.window or spec.range
    width = high - low
    if spec.range == (0.0, 1.0) or spec.modality in ("photo", "microscopy"):
        return _EIGHT_BIT, 2.0, spec.span / 255, "steps of 1/255 of the range"
    if spec.modality == "us":
        return _ULTRASOUND, 4.0, spec.span / 255, "steps of 1/255 of the range"
    if spec.modality == "ct" and spec.unit in ("", "HU"):
        if width <= 120:
            return _HU_BRAIN, 1.0, 1.0, "about 1 % of a brain window, at least one stored step"
        if width >= 1000:
            return _HU_LUNG, 15.0, 1.0, "1 % of a lung window"
        return _HU_SOFT, 4.0, 1.0, "1 % of a soft-tissue window"
    if spec.modality == "mr":
        measured = foreground_width(images)
        if measured is not None:
            why = f"percentages of {measured:.6g}, the 0.5 to 99.5 percentile of the foreground of {len(images)} cases"
            return _PERCENT, 1.0, measured / 100, why
    if not spec.modality and spec.span == 255:
        return _EIGHT_BIT, 2.0, 1.0, "steps of 1/255 of the range"
    return _PERCENT, 1.0, width / 100, "percentages of the " + ("window" if spec.window else "range")


def foreground_width(images: Sequence[NDArray[Any]]) -> float | None:
    """Return the distance from the 0.5 to the 99.5 percentile of the foreground, pooled over images.

    Foreground is what lies above a tenth of the way from an image's minimum to its 99.5 percentile.
    """
    pooled = []
    for image in images:
        values = np.asarray(image, dtype=np.float64).ravel()
        bottom, top = float(values.min()), float(np.percentile(values, 99.5))
        pooled.append(values[values > bottom + 0.1 * (top - bottom)])
    every = np.concatenate(pooled) if pooled else np.empty(0)
    if not every.size:
        return None
    low, high = np.percentile(every, [0.5, 99.5])
    return float(high - low) or None


def noise_sd(images: Sequence[NDArray[Any]]) -> float | None:
    """Return the noise of images from their second differences along the last axis, robust to edges.

    The median absolute second difference of white noise is 0.6745 * sqrt(6) of its standard deviation. Pixels without
    any change (padding, saturation) are left out.
    """
    changes = [np.diff(np.asarray(i, dtype=np.float64), n=2, axis=-1).ravel() for i in images if i.shape[-1] > 2]
    every = np.abs(np.concatenate(changes)) if changes else np.empty(0)
    every = every[every > 0]
    if not every.size:
        return None
    return float(np.median(every) / (0.6745 * np.sqrt(6)))


def attack_region(images: NDArray[Any], modality: str) -> NDArray[np.bool_]:
    """Return where an attack may change images: all but constant padding.

    Padding is what equals the image's minimum in every channel and is connected with the border, where that is at
    least 5 % of the image. Photographs, micrographs and radiographs are attacked everywhere.

    Args:
        images: (n, channels, *spatial) stored intensities.
        modality: One of `audit.core.MODALITIES`, or "".

    Returns:
        (n, 1, *spatial).
    """
    region = np.ones((len(images), 1, *images.shape[2:]), dtype=bool)
    if modality in _PADDED:
        for i, image in enumerate(images):
            lowest = (image == image.min()).all(axis=0)
            # Where that little is as low as the minimum, none of it needs to be followed to the border.
            padding = _padding(lowest) if lowest.mean() >= _PADDING else lowest
            if padding.mean() >= _PADDING:
                region[i, 0] = ~padding
    return region


def _padding(lowest: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a mask that touch the border of the image."""
    from scipy import ndimage

    labels, count = ndimage.label(lowest)
    touching = np.zeros(count + 1, dtype=bool)
    for axis in range(labels.ndim):
        for edge in (0, -1):
            touching[np.take(labels, edge, axis=axis)] = True
    touching[0] = False
    out: NDArray[np.bool_] = touching[labels]
    return out


def stored_step(images: NDArray[Any], span: float) -> float | None:
    """Return 1 where stored intensities are integers, else None.

    Args:
        images: (n, channels, *spatial) stored intensities.
        span: Width of the range; a binary or [0, 1] image is no evidence of a bit depth.
    """
    return 1.0 if span >= 15 and bool((images == np.round(images)).all()) else None
