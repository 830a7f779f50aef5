"""Operations that several simulators share; arrays are (..., rows, columns) unless said otherwise."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def frequencies(shape: Sequence[int], pixel_mm: tuple[float, float]) -> Floats:
    """Return (rows, columns) spatial frequencies of a plane, in cycles per mm, in the order of the FFT."""
    down, across = (np.fft.fftfreq(n, d) for n, d in zip(shape[-2:], pixel_mm, strict=True))
    return np.asarray(np.hypot(down[:, None], across[None, :]), dtype=np.float64)


def gaussian_mtf(frequency: Floats, f50_per_mm: float) -> Floats:
    """Return a Gaussian modulation transfer that is one half at `f50_per_mm`."""
    return np.asarray(np.exp(-np.log(2) * (frequency / f50_per_mm) ** 2), dtype=np.float64)


def f50_of_sigma(sigma_mm: float) -> float:
    """Return where the modulation transfer of a Gaussian point spread is one half, in cycles per mm."""
    return float(np.sqrt(np.log(2) / 2) / (np.pi * sigma_mm))


def filtered(image: Floats, pixel_mm: tuple[float, float], transfer: Any, *, pad: int = 32) -> Floats:
    """Return planes filtered by a function of the frequency in cycles per mm, with mirrored borders.

    Args:
        image: (..., rows, columns).
        pixel_mm: Spacing of rows and columns.
        transfer: From (rows, columns) frequencies to gains.
        pad: Pixels of mirrored border.
    """
    room = max(0, min(pad, image.shape[-2] - 1, image.shape[-1] - 1))
    around = [(0, 0)] * (image.ndim - 2) + [(room, room)] * 2
    wide = np.pad(image, around, mode="reflect") if room else image
    gains = transfer(frequencies(wide.shape, pixel_mm))[:, : wide.shape[-1] // 2 + 1]
    out = np.fft.irfft2(np.fft.rfft2(wide) * gains, s=wide.shape[-2:])
    rows, columns = image.shape[-2:]
    return np.asarray(out[..., room : room + rows, room : room + columns], dtype=np.float64)


def coloured(shape: tuple[int, ...], amplitude: Floats, seed: int) -> Floats:
    """Return Gaussian noise of unit variance, each plane by itself, with a given amplitude spectrum.

    Args:
        shape: (..., rows, columns).
        amplitude: (rows, columns) root of the noise power in the order of the FFT, on any scale.
        seed: Of the noise.
    """
    white = np.random.default_rng(seed).standard_normal(shape)
    scale = amplitude / np.sqrt(np.mean(amplitude**2))
    return np.asarray(np.fft.ifft2(np.fft.fft2(white) * scale).real, dtype=np.float64)


def polynomial_terms(dimensions: int, order: int) -> tuple[tuple[int, ...], ...]:
    """Return the exponents of the products of Legendre polynomials up to an order, without the constant."""
    every = product(range(order + 1), repeat=dimensions)
    return tuple(sorted((e for e in every if 0 < sum(e) <= order), key=lambda e: (sum(e), e)))


def smooth_field(shape: tuple[int, ...], coefficients: Sequence[float], order: int, peak: float) -> Floats:
    """Return a smooth factor exp(sum c P) of mean logarithm 0 whose largest departure from 1 is `1 + peak`.

    Args:
        shape: Spatial shape.
        coefficients: One a term of `polynomial_terms`.
        order: Order of the Legendre polynomials.
        peak: Largest factor minus 1, or its inverse minus 1, over the whole grid.
    """
    from numpy.polynomial.legendre import legval

    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    basis = [[legval(axis, np.eye(order + 1)[k]) for k in range(order + 1)] for axis in axes]
    weights = np.zeros((order + 1,) * len(shape))
    for weight, term in zip(coefficients, polynomial_terms(len(shape), order), strict=True):
        weights[term] = weight
    log = weights
    for table in basis:
        # The first axis of the weights becomes the last one of the field, until all have had their turn.
        log = np.tensordot(log, np.asarray(table), axes=([0], [0]))
    log -= log.mean()
    most = float(np.abs(log).max())
    return np.asarray(np.exp(log * (np.log1p(peak) / most if most > 0 else 0.0)), dtype=np.float64)


def disc_kernel(radius_px: float) -> Floats:
    """Return the point spread of a defocused lens: a disc, each pixel weighed by the share that the disc covers."""
    fine, half = 9, int(np.ceil(radius_px))
    axis = (np.arange((2 * half + 1) * fine) - ((2 * half + 1) * fine - 1) / 2) / fine
    inside = np.hypot(axis[:, None], axis[None, :]) <= radius_px
    cells = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).sum(axis=(1, 3)).astype(np.float64)
    return np.asarray(cells / cells.sum(), dtype=np.float64)


def line_kernel(length_px: float, angle_degrees: float) -> Floats:
    """Return the point spread of an even motion: a line of unit sum."""
    half = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    along = np.linspace(-length_px / 2, length_px / 2, max(2, int(np.ceil(length_px * 16))))
    down, across = along * np.sin(np.radians(angle_degrees)), along * np.cos(np.radians(angle_degrees))
    for y, x in zip(down + half, across + half, strict=True):
        i, j = min(int(np.floor(y)), 2 * half - 1), min(int(np.floor(x)), 2 * half - 1)
        dy, dx = y - i, x - j
        kernel[i : i + 2, j : j + 2] += np.outer([1 - dy, dy], [1 - dx, dx])
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def convolved(image: Floats, kernel: Floats) -> Floats:
    """Return each plane convolved with a small kernel, borders repeated."""
    from scipy.ndimage import convolve

    planes = [convolve(plane, kernel, mode="nearest") for plane in image.reshape(-1, *image.shape[-2:])]
    return np.asarray(planes, dtype=np.float64).reshape(image.shape)


def resampled_planes(volume: Floats, *, thickness: float, spacing: float) -> Floats:
    """Return a volume as thicker planes, or planes further apart, would show it on the old grid.

    A new plane is the mean of `thickness` old planes around its middle; new planes lie `spacing` old planes apart, the
    stack of them in the middle of the old one, and what lies between is interpolated linearly.

    Args:
        volume: (channels, planes, rows, columns).
        thickness: In old planes, at least 1.
        spacing: In old planes, at least 1.
    """
    n = volume.shape[1]
    cumulated = np.concatenate([np.zeros_like(volume[:, :1]), np.cumsum(volume, axis=1)], axis=1)
    count = max(1, int(np.floor(n / spacing + 1e-9)))
    middles = (n - spacing * (count - 1)) / 2 + spacing * np.arange(count)
    low, high = np.clip(middles - thickness / 2, 0, n), np.clip(middles + thickness / 2, 0, n)
    slabs = (_at(cumulated, high) - _at(cumulated, low)) / (high - low)[None, :, None, None]
    if count == 1:
        return np.asarray(np.repeat(slabs, n, axis=1), dtype=np.float64)
    where = (np.arange(n) + 0.5 - middles[0]) / spacing
    return _at(slabs, np.clip(where, 0, count - 1))


def _at(stack: Floats, where: Floats) -> Floats:
    """Return planes at fractional places along axis 1."""
    first = np.minimum(np.floor(where).astype(int), max(0, stack.shape[1] - 2))
    second = np.minimum(first + 1, stack.shape[1] - 1)
    share = (where - first)[None, :, None, None]
    return np.asarray((1 - share) * stack[:, first] + share * stack[:, second], dtype=np.float64)


def jpeg(image: Floats, *, quality: int, low: float, high: float) -> Floats:
    """Return an image after it was written as JPEG of 8 bits and read again.

    Args:
        image: (1 or 3, rows, columns), or volumes of such planes.
        quality: 1 to 95, as Pillow and libjpeg count it.
        low: Stored intensity that is written as 0.
        high: Stored intensity that is written as 255.
    """
    from io import BytesIO

    from PIL import Image

    if image.ndim == 4:
        planes = [jpeg(image[:, i], quality=quality, low=low, high=high) for i in range(image.shape[1])]
        return np.asarray(np.stack(planes, axis=1), dtype=np.float64)
    if image.shape[0] not in (1, 3):
        raise ValueError(f"expected 1 or 3 channels, got {image.shape[0]}")
    written = np.round(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(written[0] if len(written) == 1 else np.moveaxis(written, 0, -1))
    file = BytesIO()
    picture.save(file, format="JPEG", quality=quality)
    file.seek(0)
    read = np.asarray(Image.open(file), dtype=np.float64)
    channels = read[None] if read.ndim == 2 else np.moveaxis(read, -1, 0)
    return np.asarray(low + channels / 255 * (high - low), dtype=np.float64)


def rotated(image: NDArray[Any], degrees: float, *, fill: float | str) -> NDArray[Any]:
    """Return planes rotated about their middle, bilinear; `fill` is an intensity, or "nearest" for repeated borders."""
    from scipy.ndimage import rotate

    how = {"mode": "nearest"} if isinstance(fill, str) else {"mode": "constant", "cval": fill}
    return np.asarray(rotate(image, degrees, axes=(-2, -1), reshape=False, order=1, **how))


def zoomed(image: Floats, factor: float, *, fill: float) -> Floats:
    """Return planes enlarged about their middle, bilinear; what was outside is `fill`."""
    from scipy.ndimage import affine_transform

    rows, columns = image.shape[-2:]
    middle = np.array([(rows - 1) / 2, (columns - 1) / 2])
    flat = image.reshape(-1, rows, columns)
    planes = [
        affine_transform(p, np.full(2, 1 / factor), offset=middle - middle / factor, order=1, cval=fill) for p in flat
    ]
    return np.asarray(planes, dtype=np.float64).reshape(image.shape)
