"""One simulated image a modality, whose truth is known: what the simulators are tested on and drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CT_NOISE_HU = 12.0
MR_NOISE_SHARE = 0.02
XRAY_QUANTA = 4000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A simulated image with what is declared of it.

    Args:
        image: (channels, *spatial) stored intensities.
        input: What `[model.input]` would say of it.
        shown: Stored intensities that are drawn black and white.
    """

    image: NDArray[np.float32]
    input: InputSpec
    shown: tuple[float, float]


def scene(modality: str, *, size: int = 96, seed: int = 0, planes: int = 0) -> Scene:
    """Return the simulated image of a modality.

    Args:
        modality: "ct", "mr", "xray", "us", "photo" or "microscopy".
        size: Rows and columns.
        seed: Of its texture and noise.
        planes: Above 0 a volume of so many planes, for "ct" and "mr".

    Raises:
        KeyError: No such modality.
    """
    rng = np.random.default_rng(seed)
    image, low, high, shown, pixel_mm, unit = _SCENES[modality](size, rng)
    shape: tuple[int, ...] = (size, size)
    spacing: tuple[float, ...] = (pixel_mm, pixel_mm)
    if planes:
        stack = [_SCENES[modality](size, rng)[0] for _ in range(planes)]
        image, shape, spacing = np.stack(stack, axis=1), (planes, size, size), (2.0, *spacing)
    stored = np.round(np.clip(image, low, high)).astype(np.float32)
    spec = InputSpec(
        modality=modality, unit=unit, range=(low, high), size=shape, channels=len(stored), spacing_mm=spacing
    )
    return Scene(image=stored, input=spec, shown=shown)


_Made = tuple["Floats", float, float, tuple[float, float], float, str]


def _axes(size: int) -> tuple[Floats, Floats]:
    axis = np.linspace(-1, 1, size)
    return axis[:, None], axis[None, :]


def _ellipse(size: int, middle: tuple[float, float], half: tuple[float, float]) -> NDArray[np.bool_]:
    y, x = _axes(size)
    return np.asarray(((y - middle[0]) / half[0]) ** 2 + ((x - middle[1]) / half[1]) ** 2 <= 1, dtype=np.bool_)


def _smoothed(size: int, rng: np.random.Generator, width: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    grain = gaussian_filter(rng.standard_normal((size, size)), width, mode="wrap")
    return np.asarray(grain / grain.std(), dtype=np.float64)


def _ct(size: int, rng: np.random.Generator) -> _Made:
    hu = np.full((size, size), -1000.0)
    hu[_ellipse(size, (0, 0), (0.7, 0.9))] = -100.0
    hu[_ellipse(size, (0, 0), (0.62, 0.82))] = 45.0
    for side in (-1, 1):
        lung = _ellipse(size, (-0.1, 0.42 * side), (0.4, 0.28))
        hu[lung] = -850.0
        for _ in range(6):
            place = (-0.1 + rng.uniform(-0.25, 0.25), 0.42 * side + rng.uniform(-0.15, 0.15))
            hu[_ellipse(size, place, (0.03, 0.03)) & lung] = 30.0
    hu[_ellipse(size, (0.4, 0), (0.12, 0.12))] = 500.0
    hu[_ellipse(size, (-0.15, 0.02), (0.2, 0.12))] = 60.0
    body = _ellipse(size, (0, 0), (0.7, 0.9))
    from audit.acquisition._operations import coloured, frequencies, gaussian_mtf

    f = frequencies((size, size), (0.8, 0.8))
    grain = coloured((size, size), np.sqrt(f) * gaussian_mtf(f, 0.35), int(rng.integers(2**32)))
    hu[body] += CT_NOISE_HU * grain[body]
    return hu[None], -1024.0, 3071.0, (-1000.0, 400.0), 0.8, "HU"


def _mr(size: int, rng: np.random.Generator) -> _Made:
    signal = np.zeros((size, size))
    head = _ellipse(size, (0, 0), (0.88, 0.72))
    signal[head] = 1050.0
    ripple = 0.05 * _smoothed(size, rng, size / 20)
    y, x = _axes(size)
    white = ((y / (0.68 + ripple)) ** 2 + (x / (0.54 + ripple)) ** 2) <= 1
    signal[white] = 800.0
    for side in (-1, 1):
        signal[_ellipse(size, (-0.05, 0.14 * side), (0.26, 0.08))] = 1900.0
    for place in ((-0.35, 0.25), (0.3, -0.3), (0.2, 0.35)):
        signal[_ellipse(size, place, (0.05, 0.05))] = 1500.0
    sd = MR_NOISE_SHARE * 800.0
    noisy = np.hypot(signal + sd * rng.standard_normal(signal.shape), sd * rng.standard_normal(signal.shape))
    return (noisy * head)[None], 0.0, 4095.0, (0.0, 2200.0), 2.0, "grey level"


def _xray(size: int, rng: np.random.Generator) -> _Made:
    y, x = _axes(size)
    thickness = np.full((size, size), 0.15)
    thickness += 0.9 * np.sqrt(np.maximum(0, 1 - (x / 0.95) ** 2 - (y / 1.4) ** 2))
    for side in (-1, 1):
        thickness -= 0.55 * np.sqrt(np.maximum(0, 1 - ((y + 0.05) / 0.65) ** 2 - ((x - 0.42 * side) / 0.3) ** 2))
        for rib in np.linspace(-0.7, 0.5, 7):
            curve = np.abs(y - rib - 0.25 * (x - 0.4 * side) ** 2) < 0.025
            thickness += 0.12 * (curve & (np.abs(x - 0.45 * side) < 0.4))
    thickness += 0.5 * _ellipse(size, (0.2, 0.08), (0.35, 0.25)) + 0.35 * (np.abs(x) < 0.07)
    thickness += 0.2 * _ellipse(size, (-0.15, 0.45), (0.07, 0.07))
    intensity = np.exp(-1.7 * thickness)
    counted = rng.poisson(intensity * XRAY_QUANTA) / XRAY_QUANTA
    grey = -np.log(np.maximum(counted, 1e-3)) / 3.0 * 4095
    return grey[None], 0.0, 4095.0, (0.0, 3600.0), 3.5, "grey level"


def _us(size: int, rng: np.random.Generator) -> _Made:
    from scipy.ndimage import gaussian_filter

    echo = np.full((size, size), 1.0)
    echo[_ellipse(size, (0.05, 0.0), (0.3, 0.36))] = 0.35
    echo[_ellipse(size, (0.1, -0.55), (0.14, 0.14))] = 0.03
    echo[np.abs(_axes(size)[0] + 0.7 + 0.05 * np.sin(4 * _axes(size)[1])) < 0.04] = 3.0
    real, imaginary = (
        gaussian_filter(np.sqrt(echo) * rng.standard_normal(echo.shape), (0.6, 1.2), mode="nearest") for _ in range(2)
    )
    envelope = np.hypot(real, imaginary)
    decibels = 20 * np.log10(np.maximum(envelope / np.quantile(envelope, 0.999), 1e-6))
    return (255 * np.clip(1 + decibels / 60, 0, 1))[None], 0.0, 255.0, (0.0, 255.0), 0.4, "grey level"


def _photo(size: int, rng: np.random.Generator) -> _Made:
    y, x = _axes(size)
    skin = np.array([0.60, 0.38, 0.30])[:, None, None] * (1 + 0.03 * _smoothed(size, rng, 1.5))
    edge = 0.45 + 0.06 * _smoothed(size, rng, size / 12)
    lesion = 1 / (1 + np.exp((np.hypot(y, x * 1.2) - edge) * 25))
    dark = np.array([0.16, 0.07, 0.05])[:, None, None] * (1 + 0.25 * _smoothed(size, rng, 2.0))
    light = (skin * (1 - lesion) + dark * lesion).clip(0.0, 1.0)
    for _ in range(4):
        slope, offset = rng.uniform(-1, 1), rng.uniform(-0.8, 0.8)
        light = np.where(np.abs(y - slope * x - offset) < 0.012, light * 0.35, light)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return 255 * srgb + rng.normal(0, 1.0, srgb.shape), 0.0, 255.0, (0.0, 255.0), 0.1, "grey level"


def _microscopy(size: int, rng: np.random.Generator) -> _Made:
    from audit.acquisition._microscopy import stain_matrix

    tissue = 0.35 + 0.12 * _smoothed(size, rng, 2.5) + 0.1 * _smoothed(size, rng, size / 10)
    nuclei = np.zeros((size, size))
    for _ in range(26):
        place, half = rng.uniform(-0.95, 0.95, 2), rng.uniform(0.06, 0.11, 2)
        inside = _ellipse(size, (float(place[0]), float(place[1])), (float(half[0]), float(half[1])))
        nuclei = np.where(inside, rng.uniform(0.8, 1.3) + 0.15 * _smoothed(size, rng, 1.2), nuclei)
    glass = _smoothed(size, rng, size / 8) > 1.2
    amounts = np.stack([
        np.where(glass, 0.01, 0.08 + np.maximum(nuclei, 0)), np.where(glass, 0.01, np.maximum(tissue, 0.02)),
        np.zeros((size, size)),
    ])  # fmt: skip
    light = 256 * np.exp(-np.tensordot(stain_matrix(), amounts, axes=1)) - 1
    return light + rng.normal(0, 1.0, light.shape), 0.0, 255.0, (0.0, 255.0), 0.0005, "grey level"


_SCENES = {"ct": _ct, "mr": _mr, "xray": _xray, "us": _us, "photo": _photo, "microscopy": _microscopy}
