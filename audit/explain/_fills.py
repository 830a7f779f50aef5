"""What takes the place of pixels that are removed from an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from audit.explain._imputation import Imputation, chosen

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINEAR, BLUR, MEAN = "linear", "blur", "mean"
FILLS: tuple[str, ...] = (LINEAR, BLUR, MEAN)
"""Noisy linear imputation, a blurred copy, and one value; the last leaves the distribution and only compares."""
BLUR_SHARE = 0.03
"""Standard deviation of the blur that replaces a pixel, as a share of the image's least side.

Little enough that a blurred image is still one of its kind, enough that a small lesion is gone. On phantoms a blur
three times as wide made the model decide by the blur itself.
"""
NOISE_SHARE = 0.01
"""Standard deviation of the noise on imputed pixels, as a share of that of the image: the outline of what was removed
would otherwise show by its smoothness."""


class Fill(Protocol):
    """Replaces removed pixels of the images that it was made for."""

    def __call__(self, removed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return (n, channels, *spatial) images with the (n, *spatial) removed pixels replaced."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Still:
    """Replaces pixels by those of another image, whatever else is removed.

    Args:
        images: (n, channels, *spatial).
        instead: The same shape.
    """

    images: NDArray[np.float32]
    instead: NDArray[np.float32]

    def __call__(self, removed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the images with removed pixels replaced; see `Fill`."""
        return chosen(removed[:, None], self.instead, self.images)


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """Replaces pixels by the weighted mean of their neighbours, and a little noise.

    The noise is the same for every order of the pixels, so that it does not tell two of them apart. Values stay between
    the least and the largest of their image.

    Args:
        images: (n, channels, *spatial).
        noise: (n, channels, *spatial), in stored units.
        spacing: Spacing in mm along each axis; None: all alike.

    References:
        Rong et al. 2022, A consistent and efficient evaluation strategy for attribution methods, ICML.
    """

    images: NDArray[np.float32]
    noise: NDArray[np.float32]
    spacing: tuple[float, ...] | None = None

    def __call__(self, removed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the images with removed pixels replaced; see `Fill`."""
        filled = self._imputation.values(removed)
        filled += self.noise
        return chosen(removed[:, None], np.clip(filled, *self._ends, out=filled), self.images)

    @cached_property
    def _imputation(self) -> Imputation:
        return Imputation(self.images, spacing=self.spacing)

    @cached_property
    def _ends(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        axes = tuple(range(2, self.images.ndim))
        return self.images.min(axis=axes, keepdims=True), self.images.max(axis=axes, keepdims=True)


def make_fill(
    name: str, images: NDArray[np.float32], rng: np.random.Generator, *, spacing: Sequence[float] | None = None
) -> Fill:
    """Return a fill of some images.

    Args:
        name: One of `FILLS`.
        images: (n, channels, *spatial) stored intensities, finite.
        rng: Draws the noise of `linear`.
        spacing: Spacing in mm along each axis, where known.
    """
    if name == BLUR:
        return Still(images=images, instead=blurred(images, spacing=spacing))
    if name == MEAN:
        return Still(images=images, instead=flat(images))
    spread = images.std(axis=tuple(range(2, images.ndim)), keepdims=True)
    noise = (NOISE_SHARE * spread * rng.standard_normal(images.shape)).astype(np.float32)
    return Linear(images=images, noise=noise, spacing=None if spacing is None else tuple(spacing))


def blurred(images: NDArray[np.float32], *, spacing: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Return images after a Gaussian blur that leaves brightness and anatomy, and no small detail.

    Args:
        images: (n, channels, *spatial).
        spacing: Spacing in mm along each axis: the blur is then as wide in mm along each; None: in pixels.
    """
    from scipy import ndimage

    sides = images.shape[2:]
    mm = spacing or (1.0,) * len(sides)
    extents = [side * step for side, step in zip(sides, mm, strict=True) if side > 1]
    wide = BLUR_SHARE * min(extents) if extents else 0.0
    finest = min((step for side, step in zip(sides, mm, strict=True) if side > 1), default=1.0)
    sigma = [max(wide, finest) / step if extents else 0.0 for step in mm]
    out: NDArray[np.float32] = ndimage.gaussian_filter(images, sigma=(0, 0, *sigma), mode="nearest")
    return out


def flat(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images of one value a channel: the image's mean."""
    axes = tuple(range(2, images.ndim))
    return np.broadcast_to(images.mean(axis=axes, keepdims=True), images.shape).astype(np.float32)
