"""Parameters to an image: geometry, contrast, spots, receiver, noise, stored grey levels."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._atlas import Atlas, load_atlas
from audit.reference.phantoms._parameters import WARP_TERMS, BrainKnobs, PlaneParameters, Spot
from audit.reference.phantoms._protocol import PROTOCOLS, Protocol

STORED_MAXIMUM = 4095
_EDGE_FREE = 0.75
_GAP_MM = 4.0


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One rendered plane.

    Attributes:
        image: Stored grey levels, (size, size), uint16, 0 to 4095.
        lesions: Where planted lesions are, (size, size), bool.
        distractors: Where distractors are, (size, size), bool.
        brain: Where the brain is, (size, size), bool.
        n_placed: Lesions that found room in white matter.
        contrast_to_noise: Mean over the lesion mask of the noise-free contrast, in SDs of the noise; None without one.
    """

    image: NDArray[np.uint16]
    lesions: NDArray[np.bool_]
    distractors: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    n_placed: int
    contrast_to_noise: float | None


@dataclass(frozen=True, kw_only=True)
class _Grid:
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]
    warp: NDArray[np.float32]
    bias: NDArray[np.float32]


@lru_cache(maxsize=4)
def _grid(size: int, pixel_mm: float) -> _Grid:
    """Coordinates in mm from the middle, and the bases of the warp and of the bias field."""
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * pixel_mm
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    y, x = rows / axis[-1], columns / axis[-1]
    half = np.pi / 2
    warp = [np.sin(2 * half * y), np.cos(2 * half * y), np.sin(2 * half * x), np.cos(2 * half * x)]
    warp += [np.sin(3 * half * y) * np.cos(half * x), np.cos(half * y) * np.sin(3 * half * x)]
    bias = [y, x, y * x, y**2 - 1 / 3, x**2 - 1 / 3]
    assert len(warp) == WARP_TERMS
    return _Grid(rows=rows, columns=columns, warp=np.stack(warp), bias=np.stack(bias))


def render(parameters: PlaneParameters, *, knobs: BrainKnobs) -> Plane:
    """Apply the parameters.

    Args:
        parameters: What `sample_parameters` drew.
        knobs: The same settings that they were drawn with.
    """
    from scipy.ndimage import gaussian_filter

    protocol = PROTOCOLS[parameters.protocol]
    grid = _grid(knobs.size, knobs.pixel_mm)
    tissue = _warped_tissue(parameters, load_atlas(), grid)
    signal = np.tensordot(np.asarray(protocol.signals(), dtype=np.float32), tissue, axes=1)
    rng = np.random.default_rng(parameters.noise_seed)
    grain = gaussian_filter(rng.standard_normal(signal.shape, dtype=np.float32), 0.6)
    signal *= 1.0 + (parameters.texture / 0.47) * grain
    signal = gaussian_filter(signal, protocol.blur_mm / knobs.pixel_mm)
    contrast, lesions, distractors, placed = _spots(parameters.spots, tissue, protocol, knobs)
    signal += contrast
    signal *= np.exp(np.tensordot(np.asarray(parameters.bias, dtype=np.float32), grid.bias, axes=1))
    brain = tissue.sum(axis=0) > 0.5
    # As after brain extraction: nothing of the air is left.
    noisy = _rician(signal, protocol.noise, rng) * parameters.gain * brain
    image = np.round(np.clip(noisy, 0.0, 1.0) * STORED_MAXIMUM).astype(np.uint16)
    cnr = float(contrast[lesions].mean()) / protocol.noise if lesions.any() else None
    return Plane(
        image=image, lesions=lesions, distractors=distractors, brain=brain, n_placed=placed, contrast_to_noise=cnr
    )


def _warped_tissue(parameters: PlaneParameters, atlas: Atlas, grid: _Grid) -> NDArray[np.float32]:
    """Grey matter, white matter and fluid on the plane's own grid, (3, size, size)."""
    from scipy.ndimage import map_coordinates

    plane = atlas.tissue[int(parameters.plane * len(atlas.tissue))]
    down, across = np.tensordot(np.asarray(parameters.warp, dtype=np.float32), grid.warp, axes=1)
    rows = (grid.rows - parameters.shift_mm[0]) / parameters.scale + down
    columns = (grid.columns - parameters.shift_mm[1]) / parameters.scale + across
    if parameters.mirrored:
        columns = -columns
    where = np.stack([rows / atlas.step_mm + atlas.centre[0], columns / atlas.step_mm + atlas.centre[1]])
    channels = [map_coordinates(channel, where, order=1, prefilter=False) for channel in plane]
    return np.asarray(np.stack(channels), dtype=np.float32)


def _rician(signal: NDArray[np.float32], sd: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Magnitude of the signal with complex Gaussian noise of this SD in either channel."""
    real, imaginary = sd * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    return np.asarray(np.hypot(signal + real, imaginary), dtype=np.float32)


def _spots(
    spots: tuple[Spot, ...], tissue: NDArray[np.float32], protocol: Protocol, knobs: BrainKnobs
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], int]:
    """Contrast of all spots, the masks of lesions and of distractors, and the count of lesions that found room."""
    white, grey = tissue[1] > _EDGE_FREE, tissue[0] > _EDGE_FREE - 0.15
    contrast = np.zeros(tissue.shape[1:], dtype=np.float32)
    lesions, distractors = np.zeros(contrast.shape, dtype=bool), np.zeros(contrast.shape, dtype=bool)
    placed = 0
    for spot in spots:
        middle = _middle(spot, grey if spot.kind == "cortical" else white, knobs.pixel_mm)
        if middle is None:
            continue
        distance = _distance(spot, middle, knobs)
        mask = distance <= spot.radius_mm
        contrast += _profile(distance, mask, spot, protocol, knobs.pixel_mm)
        (lesions if spot.kind == "lesion" else distractors)[mask] = True
        placed += spot.kind == "lesion"
        clear = distance > spot.radius_mm + _GAP_MM
        white &= clear
        grey &= clear
    return contrast, lesions, distractors, placed


def _middle(spot: Spot, allowed: NDArray[np.bool_], pixel_mm: float) -> tuple[float, float] | None:
    """Row and column, in mm from the first pixel, of a spot inside the allowed pixels; None without room."""
    candidates = np.flatnonzero(allowed)
    if not len(candidates):
        return None
    row, column = divmod(int(candidates[int(spot.place[0] * len(candidates))]), allowed.shape[1])
    offset = spot.place[1] - 0.5
    return (row + offset) * pixel_mm, (column - offset) * pixel_mm


def _distance(spot: Spot, middle: tuple[float, float], knobs: BrainKnobs) -> NDArray[np.float32]:
    """Distance of each pixel from the spot's middle point, or from the middle line of a streak, in mm."""
    axis = np.arange(knobs.size, dtype=np.float32) * knobs.pixel_mm
    down, across = (axis - middle[0])[:, None], (axis - middle[1])[None, :]
    along = down * np.float32(np.sin(spot.angle)) + across * np.float32(np.cos(spot.angle))
    beyond = along - np.clip(along, -spot.length_mm / 2, spot.length_mm / 2)
    aside = across * np.float32(np.sin(spot.angle)) - down * np.float32(np.cos(spot.angle))
    return np.asarray(np.hypot(beyond, aside), dtype=np.float32)


def _profile(
    distance: NDArray[np.float32], mask: NDArray[np.bool_], spot: Spot, protocol: Protocol, pixel_mm: float
) -> NDArray[np.float32]:
    """Blurred edge of the spot, scaled so that its mean over the mask is the asked contrast in any protocol.

    Blur alone would lower the contrast of small lesions under one protocol, and a fair model would then rightly find
    them less often there; the scale takes that difference out.
    """
    from scipy.special import erfc

    edge_mm = np.hypot(protocol.blur_mm, pixel_mm / 3.0)
    profile = 0.5 * erfc((distance - spot.radius_mm) / (np.sqrt(2.0) * edge_mm))
    mean = float(profile[mask].mean())
    return np.asarray(profile * (spot.contrast_to_noise * protocol.noise / mean), dtype=np.float32)
