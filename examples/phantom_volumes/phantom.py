"""Volumes of lung tissue with vessels, half of them with a nodule; all that is known of them is what was planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SHAPE = (12, 24, 24)
SPACING_MM = (2.0, 1.5, 1.5)
LOWEST, HIGHEST = -1024, 400
TISSUE, TEXTURE, VESSEL, NODULE = -860.0, 40.0, 350.0, 420.0
NOISE = {"A": 20.0, "B": 35.0}
"""Standard deviation of the noise of each scanner, HU."""


@dataclass(frozen=True, kw_only=True)
class Scans:
    """A simulated cohort.

    Attributes:
        volumes: (n, 12, 24, 24) int16 HU.
        nodules: (n, 12, 24, 24) bool, where the nodule lies; empty without one.
        label: (n,) 1 where there is a nodule.
        patient: (n,) patient numbers; one patient in four has two scans.
        sex: (n,) "f" or "m".
        scanner: (n,) "A" or "B".
    """

    volumes: NDArray[np.int16]
    nodules: NDArray[np.bool_]
    label: NDArray[np.int64]
    patient: NDArray[np.int64]
    sex: NDArray[np.str_]
    scanner: NDArray[np.str_]


def scans(patients: int, rng: np.random.Generator) -> Scans:
    """Return the scans of patients; a nodule is a patient's, sex and scanner say nothing of it."""
    of_patient = rng.permutation(np.arange(patients) % 2)
    sexes = np.where(rng.random(patients) < 0.5, "f", "m")
    patient = np.repeat(np.arange(patients), np.where(np.arange(patients) % 4 == 0, 2, 1))
    label, scanner = of_patient[patient], np.where(rng.random(patient.size) < 0.5, "A", "B")
    drawn = [_scan(bool(ill), NOISE[str(by)], rng) for ill, by in zip(label, scanner, strict=True)]
    return Scans(
        volumes=np.stack([volume for volume, _ in drawn]), nodules=np.stack([nodule for _, nodule in drawn]),
        label=label, patient=patient, sex=sexes[patient], scanner=scanner,
    )  # fmt: skip


def _scan(ill: bool, noise: float, rng: np.random.Generator) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    volume = TISSUE + TEXTURE * _texture(rng)
    for _ in range(int(rng.integers(2, 5))):
        volume += VESSEL * _vessel(rng)
    nodule = np.zeros(SHAPE, dtype=bool)
    if ill:
        place = [rng.uniform(3, side - 3) for side in SHAPE]
        far = _distance_mm(place) / rng.uniform(3.0, 5.0)
        volume += NODULE * rng.uniform(0.6, 1.0) * np.clip(2 * (1 - far) + 0.5, 0, 1)
        nodule = far <= 1
    volume += noise * rng.standard_normal(SHAPE)
    return np.clip(np.round(volume), LOWEST, HIGHEST).astype(np.int16), nodule


def _texture(rng: np.random.Generator) -> NDArray[np.float64]:
    smooth = gaussian_filter(rng.standard_normal(SHAPE), 1.0, mode="wrap")
    out: NDArray[np.float64] = smooth / smooth.std()
    return out


def _vessel(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a thin line through the volume, 1 at its middle: as bright as a nodule and thinner."""
    through = np.array([rng.uniform(0, side) for side in SHAPE]) * SPACING_MM
    way = rng.standard_normal(3)
    way /= np.linalg.norm(way)
    at = np.stack(np.indices(SHAPE), axis=-1) * SPACING_MM - through
    across = at - (at @ way)[..., None] * way
    out: NDArray[np.float64] = np.exp(-0.5 * (np.linalg.norm(across, axis=-1) / 1.0) ** 2)
    return out


def _distance_mm(place: list[float]) -> NDArray[np.float64]:
    at = (np.stack(np.indices(SHAPE), axis=-1) - np.array(place)) * SPACING_MM
    out: NDArray[np.float64] = np.linalg.norm(at, axis=-1)
    return out
