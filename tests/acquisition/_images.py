"""Even images and waves on which simulators are measured."""

from __future__ import annotations

import numpy as np

from audit.acquisition import KNOBS, Frame, ImageSpec, apply

N = 96
TENTH = 0.10


def flat(
    value: float, frame: Frame, *, noise_sd: float | None = None, channels: int = 1
) -> tuple[np.ndarray, ImageSpec]:
    """Return an even image of real numbers, and what a simulator sees of it."""
    image = np.full((channels, N, N), value, dtype=np.float64)
    field = np.ones((N, N), dtype=bool)
    spec = ImageSpec(frame=frame, shape=(N, N), channels=channels, field=field, signal=value, noise_sd=noise_sd)
    return image, spec


def changed(name: str, severity: float, image: np.ndarray, spec: ImageSpec, seed: int = 0) -> np.ndarray:
    """Return the image under one change, over the whole of it."""
    change = KNOBS[name].sample(severity, spec, np.random.default_rng(seed))
    return apply(image, change, field=spec.field)


def spectrum(noise: np.ndarray) -> np.ndarray:
    """Return the noise power of a plane."""
    return np.abs(np.fft.fft2(noise)) ** 2


def transfer(name: str, severity: float, frame: Frame, f: float, values: tuple[float, float]) -> float:
    """Return the modulation that is left of a cosine across the columns, f in cycles a pixel."""
    x = np.arange(N)
    middle, amplitude = values
    image = np.broadcast_to(middle + amplitude * np.cos(2 * np.pi * f * x), (1, N, N)).copy()
    _, spec = flat(middle, frame)
    out = changed(name, severity, image, spec)[0, N // 2]
    inner = slice(16, 80)
    wave = np.exp(-2j * np.pi * f * x[inner])
    return float(np.abs(np.sum((out[inner] - middle) * wave)) / np.abs(np.sum((image[0, 0, inner] - middle) * wave)))
