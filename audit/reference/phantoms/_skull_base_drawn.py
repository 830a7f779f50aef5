"""From the numbers of a skull-base patient to an image in HU and the masks of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._skull_base import (
    SHARP,
    Acquisition,
    Plaque,
    SkullBaseKnobs,
    SkullBasePatient,
    Spicule,
    Vessel,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

THRESHOLD_HU = 130.0
"""Density from which tissue counts as calcified."""
AIR, FAT, CISTERN, TISSUE, BLOOD, MARROW = -1000.0, -60.0, 8.0, 30.0, 48.0, 260.0
STORED_HU = (-1024, 3071)
REGION_MM = 9.0
LEAST_VOXELS = 2
SOME = 0.05
"""Share of a voxel from which it counts as bone or air."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SkullBaseScan:
    """One scan and the truth of it.

    Attributes:
        image: (planes, rows, columns) int16, HU.
        plaques: (planes, rows, columns) bool, the reference standard: what is above 130 HU because of plaque in an
            image of the sharp kernel in thin planes without noise, however the patient was scanned.
        spicules: (planes, rows, columns) bool, the same of ossified ligaments.
        bone: (planes, rows, columns) bool, bone and what else is no soft tissue, but plaques and ligaments.
        region: (planes, rows, columns) bool, soft tissue about both vessels, in which calcium may lie.
    """

    image: NDArray[np.int16]
    plaques: Mask
    spicules: Mask
    bone: Mask
    region: Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    z: Floats
    y: Floats
    x: Floats
    step: float


@lru_cache(maxsize=4)
def _grid(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> _Grid:
    """Middles of voxels in mm: from the lowest plane, from the front, from the midline."""
    z, y, x = ((np.arange(n, dtype=np.float32) + 0.5) * s for n, s in zip(size, spacing, strict=True))
    x = x - size[2] * spacing[2] / 2
    step = float(np.prod(spacing) ** (1 / 3))
    return _Grid(z=z[:, None, None], y=y[None, :, None], x=x[None, None, :].astype(np.float32), step=step)


def draw_scan(
    patient: SkullBasePatient, rng: Generator, knobs: SkullBaseKnobs, *,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0), acquisition: Acquisition | None = None,
) -> SkullBaseScan:  # fmt: skip
    """Return a scan of a patient.

    Args:
        patient: Who is scanned.
        rng: Draws the noise.
        knobs: Size and spacing.
        shift_mm: How the patient lies elsewhere than at the first scan: up, back, left.
        acquisition: How it is scanned, by default as the patient was.
    """
    grid = _moved(_grid(knobs.size, knobs.spacing_mm), shift_mm)
    solid, bone = _anatomy(patient, grid)
    region = np.zeros(knobs.size, dtype=bool)
    about = {vessel.side: _polar(vessel, grid) for vessel in patient.vessels}
    for rho, _ in about.values():
        region |= rho < REGION_MM
    plaques, clean = np.zeros(knobs.size, dtype=np.float32), solid
    for one in patient.plaques:
        cover = _of_plaque(one, _vessel_of(patient, one.side), about[one.side], grid)
        clean, plaques = _add(clean, plaques, cover, one.hu)
    spicules = np.zeros(knobs.size, dtype=np.float32)
    for rod in patient.spicules:
        cover = _of_spicule(rod, _vessel_of(patient, rod.side), grid)
        # A ligament that would run into bone or a plaque would be part of it.
        if not (_dilated((bone >= SOME) | (plaques > 0)) & (cover > 0)).any():
            clean, spicules = _add(clean, spicules, cover, rod.hu)
    dense, before = (_blurred(image, SHARP.blur_mm, knobs) >= THRESHOLD_HU for image in (clean, solid))
    lesions = _because_of(plaques, dense, before)
    image = _acquired(clean, acquisition or patient.acquisition, rng, knobs)
    hard = (bone >= SOME) & ~lesions
    return SkullBaseScan(
        image=image,
        plaques=lesions,
        spicules=_because_of(spicules, dense, before) & ~lesions,
        bone=hard,
        region=region & ~_dilated(hard),
    )


def _because_of(cover: Floats, dense: Mask, before: Mask) -> Mask:
    """Return what is dense because of something: not dense without it, or mostly made of it."""
    return np.asarray(dense & _dilated(cover > 0) & (~before | (cover >= 0.5)), dtype=bool)


def _vessel_of(patient: SkullBasePatient, side: int) -> Vessel:
    return next(vessel for vessel in patient.vessels if vessel.side == side)


def _add(image: Floats, shares: Floats, cover: Floats, hu: float) -> tuple[Floats, Floats]:
    """Return image and shares with something put in; what fills hardly a voxel is left out altogether."""
    if (cover >= 0.5).sum() < LEAST_VOXELS:
        return image, shares
    return _over(image, cover, hu), np.maximum(shares, cover)


def _moved(grid: _Grid, shift: tuple[float, float, float]) -> _Grid:
    z, y, x = (
        np.asarray(a - np.float32(s), dtype=np.float32) for a, s in zip((grid.z, grid.y, grid.x), shift, strict=True)
    )
    return _Grid(z=z, y=y, x=x, step=grid.step)


def _cover(away: NDArray[np.floating[Any]], step: float) -> Floats:
    """Return the share of each voxel that lies inside a surface, given signed distances in mm."""
    return np.asarray(np.clip(0.5 - away / np.float32(step), 0, 1), dtype=np.float32)


def _middle(vessel: Vessel, grid: _Grid) -> tuple[Floats, Floats]:
    swing = np.sin(2 * np.pi * grid.z / np.float32(24.0) + np.float32(vessel.phase))
    row = np.float32(vessel.row_mm) + np.float32(vessel.sway_mm) * swing
    column = np.float32(vessel.column_mm) + np.float32(0.4 * vessel.sway_mm) * swing
    return row.astype(np.float32), column.astype(np.float32)


def _polar(vessel: Vessel, grid: _Grid) -> tuple[Floats, Floats]:
    """Return distance in mm from the middle of a vessel, in the plane, and direction in radians."""
    row, column = _middle(vessel, grid)
    dy, dx = grid.y - row, grid.x - column
    return np.sqrt(dy**2 + dx**2), np.arctan2(dy, dx)


def _turned(angle: Floats, by: float) -> Floats:
    """Return directions from another one, -pi to pi."""
    out: Floats = (angle - np.float32(by) + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    return out


def _of_plaque(one: Plaque, vessel: Vessel, about: tuple[Floats, Floats], grid: _Grid) -> Floats:
    rho, angle = about
    radius = vessel.radius_mm + 0.3
    squares = (
        ((rho - radius) / one.deep_mm) ** 2
        + (radius * _turned(angle, one.angle) / one.around_mm) ** 2
        + ((grid.z - one.height_mm) / one.along_mm) ** 2
    )
    return _cover((np.sqrt(squares) - 1) * one.deep_mm, grid.step)


def _of_spicule(rod: Spicule, vessel: Vessel, grid: _Grid) -> Floats:
    row, column = _middle(vessel, grid)
    dy = grid.y - row - np.float32(rod.away_mm * np.sin(rod.angle))
    dx = grid.x - column - np.float32(rod.away_mm * np.cos(rod.angle))
    along = np.abs(dy * np.float32(np.sin(rod.turn)) + dx * np.float32(np.cos(rod.turn)))
    across = dx * np.float32(np.sin(rod.turn)) - dy * np.float32(np.cos(rod.turn))
    beyond = np.maximum(along - rod.half_mm, 0)
    away = np.sqrt(across**2 + beyond**2 + (grid.z - np.float32(rod.height_mm)) ** 2) - rod.radius_mm
    return _cover(away, grid.step)


def _anatomy(patient: SkullBasePatient, grid: _Grid) -> tuple[Floats, Floats]:
    """Return HU without calcium and without noise, and the share of each voxel that is bone or air."""
    z, y, x = grid.z, grid.y, grid.x
    hard = patient.bone_hu
    image = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), TISSUE, dtype=np.float32)
    depth = float(y.max() + y.min()) / 2
    taken = np.zeros_like(image)
    # Body of the sphenoid in the midline: a cortical shell around marrow or air.
    body = np.maximum(np.abs(x) - 4.6, np.abs(y - np.float32(depth)) - 8.5 + 0 * z).astype(np.float32)
    image, taken = _put(image, taken, _cover(body, grid.step), hard)
    image, taken = _put(image, taken, _cover(body + 1.3, grid.step), AIR if patient.sinus else MARROW)
    # Petrous bone behind, the lesser wing in front.
    behind = np.float32(depth + 12.3) - y + 0.12 * np.abs(x) + 0.05 * z
    image, taken = _put(image, taken, _cover(behind, grid.step), hard)
    image, taken = _put(image, taken, _cover(behind + 1.6, grid.step), MARROW)
    front = y - np.float32(depth - 12.8) + 0.1 * np.abs(x) - 0.03 * z
    image, taken = _put(image, taken, _cover(front, grid.step), 0.9 * hard)
    for vessel in patient.vessels:
        image, taken = _of_vessel(image, taken, vessel, grid, hard)
    return image, taken


def _of_vessel(image: Floats, taken: Floats, vessel: Vessel, grid: _Grid, hard: float) -> tuple[Floats, Floats]:
    rho, angle = _polar(vessel, grid)
    radius = np.float32(vessel.radius_mm)
    image = _over(image, _cover(rho - radius - 2.2, grid.step) * (1 - taken), CISTERN)
    # The wall of the canal is thick, and goes over into the bone around: about a third of it is open.
    shut = np.float32(np.pi * 0.65) - np.abs(_turned(angle, vessel.canal_angle + np.pi))
    shell = np.maximum(np.abs(rho - radius - 2.0) - 1.0, -shut * rho)
    canal = np.maximum(shell, grid.z - np.float32(vessel.canal_mm))
    image, taken = _put(image, taken, _cover(canal, grid.step), 0.75 * hard)
    if vessel.clinoid is not None:
        # A tapering peg from the side that ends at the wall.
        out = np.pi if vessel.side < 0 else 0.0
        turned = _turned(angle, out + vessel.clinoid)
        along, across = rho * np.cos(turned), rho * np.sin(turned)
        height = grid.z - np.float32(vessel.canal_mm + 5.5)
        width = np.float32(0.6) + 0.25 * np.maximum(along - radius, 0)
        peg = np.maximum(np.sqrt(across**2 + height**2) - width, radius + 0.5 - along)
        image, taken = _put(image, taken, _cover(peg, grid.step), 0.85 * hard)
    lumen = _cover(rho - radius, grid.step)
    return _over(image, lumen, BLOOD), taken * (1 - lumen)


def _over(image: Floats, cover: Floats, hu: float) -> Floats:
    return np.asarray(image + cover * (np.float32(hu) - image), dtype=np.float32)


def _put(image: Floats, taken: Floats, cover: Floats, hu: float) -> tuple[Floats, Floats]:
    return _over(image, cover, hu), np.maximum(taken, cover)


def _dilated(mask: Mask) -> Mask:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask), dtype=bool)


def box_of(thickness_mm: float, step_mm: float) -> NDArray[np.float64]:
    """Return by how much each plane counts in one of a thickness: how far both overlap, as shares of 1.

    Args:
        thickness_mm: Of the new planes, above 0.
        step_mm: Thickness and distance of the planes that there are.
    """
    reach = int(np.ceil(thickness_mm / (2 * step_mm) - 0.5))
    edges = (np.arange(-reach, reach + 2) - 0.5) * step_mm
    overlap = np.diff(np.clip(edges, -thickness_mm / 2, thickness_mm / 2))
    return np.asarray(overlap / overlap.sum(), dtype=np.float64)


def _blurred(image: Floats, blur_mm: float, knobs: SkullBaseKnobs, box: NDArray[np.float64] | None = None) -> Floats:
    from scipy.ndimage import convolve1d, gaussian_filter1d

    out = image
    for axis in (1, 2):
        out = gaussian_filter1d(out, blur_mm / knobs.spacing_mm[axis], axis=axis, truncate=3.0)
    if box is not None and box.size > 1:
        out = convolve1d(out, box, axis=0, mode="nearest")
    return np.asarray(out, dtype=np.float32)


def _acquired(clean: Floats, how: Acquisition, rng: Generator, knobs: SkullBaseKnobs) -> NDArray[np.int16]:
    """Return stored HU: blurred in the plane by the kernel, along the planes by their thickness, with noise."""
    box = box_of(how.thickness_mm, knobs.spacing_mm[0])
    image = _blurred(clean, how.blur_mm, knobs, box)
    # Half the kernel's blur: noise is made before reconstruction, and a thick plane means over it.
    noise = _blurred(rng.standard_normal(knobs.size, dtype=np.float32), how.blur_mm / 2, knobs, box)
    thin = _sd_of(how.blur_mm / 2, knobs)
    image = image + noise * np.float32(how.noise_hu / thin)
    return np.clip(np.round(image), *STORED_HU).astype(np.int16)


@lru_cache(maxsize=16)
def _sd_of(blur_mm: float, knobs: SkullBaseKnobs) -> float:
    """Return the standard deviation that white noise of variance 1 has after the blur in the plane."""
    from scipy.ndimage import gaussian_filter1d

    line = np.zeros(41)
    line[20] = 1.0
    share = [float((gaussian_filter1d(line, blur_mm / knobs.spacing_mm[a], truncate=3.0) ** 2).sum()) for a in (1, 2)]
    return float(np.sqrt(np.prod(share)))
