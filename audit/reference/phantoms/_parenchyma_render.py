"""A lung of the parenchyma phantom as a volume in HU, with the masks of what was planted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms._parenchyma import NONE, PATTERNS, LungScan, ParenchymaKnobs, ParenchymaPatient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

WALL_HU = 40.0
AIR_HU = -1000.0
RADII = (0.40, 0.37, 0.41)
DEPTH_OF = {"centrilobular": 1.0, "paraseptal": 1.15, "panlobular": 0.8}
_AIRWAY = (0.7, 1.0)
_VESSEL = (0.3, 0.7)


@dataclass(frozen=True, kw_only=True, eq=False)
class ParenchymaVolume:
    """A rendered scan.

    Attributes:
        image: (size, size, size) float32 HU; planes go from the apex to the base.
        lung: (size, size, size) bool, the region that is graded.
        lesions: By pattern, (size, size, size) bool; patterns that the patient has not are empty.
        airways: (size, size, size) bool, lumens inside the lung.
    """

    image: Floats
    lung: Bools
    lesions: Mapping[str, Bools]
    airways: Bools

    @property
    def emphysema(self) -> Bools:
        """All patterns together."""
        out: Bools = np.any([self.lesions[name] for name in PATTERNS], axis=0)
        return out

    @property
    def extent(self) -> float:
        """Share of the lung's voxels that are emphysematous."""
        return float(self.emphysema.sum() / self.lung.sum())


def render_parenchyma(patient: ParenchymaPatient, scan: LungScan, knobs: ParenchymaKnobs) -> ParenchymaVolume:
    """Return a scan of a patient; the same arguments always give the same volume.

    Args:
        patient: Who is scanned.
        scan: How.
        knobs: Size, texture, kernels and noise.
    """
    size, rng = knobs.size, np.random.default_rng(patient.anatomy)
    white = rng.standard_normal((3, size, size, size), dtype=np.float32)
    tubes = [_tubes(rng, size, mean, radius) for mean, radius in ((knobs.vessels, _VESSEL), (knobs.airways, _AIRWAY))]
    # A lung that holds more air is larger by the cube root of its volume in each direction.
    outward = _outward(size, patient.scale * np.cbrt(scan.inspiration), scan.shift)
    lung = outward < 1
    lesions = _lesions(patient, outward, lung, _spectra(white[1:]), size)
    tissue = patient.density + knobs.texture * _smooth(_spectra(white[:1]), size, 1.0)[0]
    for name, mask in lesions.items():
        tissue[mask] -= patient.depth * DEPTH_OF[name]
    # Tissue is diluted by air, and emphysema is never less than air.
    body = np.maximum(AIR_HU, AIR_HU + (tissue - AIR_HU) / scan.inspiration)
    body += (WALL_HU - body) * tubes[0]
    body += (AIR_HU - body) * tubes[1]
    image = _acquired(np.where(lung, body, np.float32(WALL_HU)), patient, scan, knobs)
    return ParenchymaVolume(image=image, lung=lung, lesions=lesions, airways=(tubes[1] > 0.5) & lung)


def match_histograms(first: ParenchymaVolume, second: ParenchymaVolume) -> tuple[Floats, Floats]:
    """Return two images whose lungs hold exactly the same intensities, each in the order of its own.

    The shared intensities are the means of both at each rank, so that neither image is nearer to what it was.

    Raises:
        ValueError: The lungs differ in their number of voxels; render them with the same scale, inspiration and shift.
    """
    count = int(first.lung.sum())
    if count != int(second.lung.sum()):
        raise ValueError(f"expected lungs of equally many voxels, got {count} and {int(second.lung.sum())}")
    inside = [one.image[one.lung] for one in (first, second)]
    shared = ((np.sort(inside[0]) + np.sort(inside[1])) / 2).astype(np.float32)
    out = []
    for one, values in zip((first, second), inside, strict=True):
        image, ranked = one.image.copy(), np.empty_like(values)
        ranked[np.argsort(values, kind="stable")] = shared
        image[one.lung] = ranked
        out.append(image)
    return out[0], out[1]


def cut_regions(
    image: Floats, lung: Bools, *, count: int, size: int, rng: np.random.Generator, share: float = 0.75
) -> tuple[Floats, Bools]:
    """Return cubes at random places of a lung.

    Args:
        image: (planes, rows, columns) HU.
        lung: The same shape.
        count: Number of cubes; places may overlap, and recur where few fit.
        size: Side of a cube, in voxels.
        rng: Draws the places.
        share: Least share of a cube that is lung.

    Returns:
        (count, size, size, size) HU, and which of these voxels are lung.

    Raises:
        ValueError: No cube of this size holds that much lung.
    """
    cubes = np.lib.stride_tricks.sliding_window_view(lung, (size, size, size))
    places = np.argwhere(_boxed(lung, size) >= share * size**3)
    if not len(places):
        raise ValueError(f"expected a lung in which cubes of {size} voxels fit, got none with {share:.0%} of lung")
    chosen = places[rng.integers(len(places), size=count)]
    at = tuple(chosen.T)
    return np.lib.stride_tricks.sliding_window_view(image, (size, size, size))[at], cubes[at]


def _boxed(mask: Bools, size: int) -> NDArray[np.int64]:
    """Return how many voxels of a mask each cube holds."""
    total = np.pad(mask.astype(np.int64), ((1, 0), (1, 0), (1, 0))).cumsum(0).cumsum(1).cumsum(2)
    for axis in range(3):
        upper = np.take(total, range(size, total.shape[axis]), axis=axis)
        total = upper - np.take(total, range(total.shape[axis] - size), axis=axis)
    return total


def _lesions(
    patient: ParenchymaPatient, outward: Floats, lung: Bools, spectra: NDArray[Any], size: int
) -> dict[str, Bools]:
    """Return the masks by pattern; together they hold the share of the lung that was drawn, to half a voxel."""
    found = {name: np.zeros_like(lung) for name in PATTERNS}
    wanted = round(patient.extent * int(lung.sum()))
    second = round(wanted * patient.second_share) if patient.second != NONE else 0
    free = lung.copy()
    for name, count, spectrum in ((patient.pattern, wanted - second, spectra[0]), (patient.second, second, spectra[1])):
        if not count:
            continue
        likely = np.where(free, _likely(name, outward, spectrum, size), -np.inf).ravel()
        chosen = np.argpartition(likely, len(likely) - count)[-count:]
        found[name].ravel()[chosen] = True
        free &= ~found[name]
    return found


def _likely(name: str, outward: Floats, spectrum: NDArray[Any], size: int) -> Floats:
    """Return where a pattern settles first: the higher, the sooner."""
    if name == "centrilobular":
        holes: Floats = _smooth(spectrum[None], size, 1.4, coarse=3.0)[0]
        return np.asarray(holes - np.where(outward > 0.85, 20 * (outward - 0.85), 0), dtype=np.float32)
    if name == "paraseptal":
        bullae: Floats = _smooth(spectrum[None], size, 1.8)[0]
        # The outermost voxels are half chest wall and show nothing.
        return np.asarray(6 * outward - np.where(outward > 0.9, 30 * (outward - 0.9), 0) + 1.2 * bullae, np.float32)
    fields: Floats = _smooth(spectrum[None], size, 3.5)[0]
    base = np.linspace(-0.5, 0.5, size, dtype=np.float32)[:, None, None]
    return np.asarray(fields + base, dtype=np.float32)


@lru_cache(maxsize=4)
def _grid(size: int) -> Floats:
    return np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 3, indexing="ij"))


def _outward(size: int, scale: float, shift: tuple[float, float, float]) -> Floats:
    """Return how far out each voxel lies: 0 at the centre of the lung, 1 at the pleura."""
    # A voxel of chest wall stays on every side, so that the lung is enclosed in each plane.
    centre, most = (size - 1) / 2, size / 2 - 1.5
    radii = [min(part * size * scale, most - abs(by)) for part, by in zip(RADII, shift, strict=True)]
    at, out = _grid(size), np.zeros((size, size, size), np.float32)
    for axis in range(3):
        out += ((at[axis] - centre - shift[axis]) / radii[axis]) ** 2
    return np.asarray(np.sqrt(out), dtype=np.float32)


def _tubes(rng: np.random.Generator, size: int, mean: float, radius: tuple[float, float]) -> Floats:
    """Return the share of each voxel that lies in a tube of a random place, direction, length and radius."""
    at, out = _grid(size), np.zeros((size, size, size), np.float32)
    for _ in range(rng.poisson(mean)):
        start = rng.uniform(0.2 * size, 0.8 * size, 3).astype(np.float32)
        way = rng.standard_normal(3).astype(np.float32)
        way /= np.linalg.norm(way)
        length, wide = np.float32(rng.uniform(0.25, 0.5) * size), np.float32(rng.uniform(*radius))
        low = np.floor(np.minimum(start, start + way * length) - 2).clip(0, size).astype(int)
        high = np.ceil(np.maximum(start, start + way * length) + 3).clip(0, size).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        apart = at[(slice(None), *box)] - start[:, None, None, None]
        along = np.clip(np.tensordot(way, apart, 1), 0, length)
        distance = np.sqrt(((apart - way[:, None, None, None] * along) ** 2).sum(axis=0))
        out[box] = np.maximum(out[box], np.clip(wide + 0.5 - distance, 0, 1))
    return out


def _acquired(body: Floats, patient: ParenchymaPatient, scan: LungScan, knobs: ParenchymaKnobs) -> Floats:
    """Blur by the kernel, and add noise that dose, kernel and body mass make."""
    sharp = scan.protocol == "sharp"
    sd = knobs.noise / np.sqrt(scan.dose) * (knobs.noise_of_kernel if sharp else 1.0)
    sd *= knobs.noise_of_bmi ** ((patient.bmi - 27.0) / 4.0)
    size, width = knobs.size, knobs.blur[int(sharp)]
    white = np.random.default_rng(scan.noise).standard_normal((size, size, size), dtype=np.float32)
    both = _spectra(np.stack([body, white]))
    gain = _gain(size, width)
    out = _back(both[:1] * gain + both[1:] * (gain * np.float32(sd / _strength(size, width))), size)[0]
    return np.asarray(out, dtype=np.float32)


def _spectra(fields: Floats) -> NDArray[Any]:
    from scipy import fft

    return np.asarray(fft.rfftn(fields, axes=(1, 2, 3)))


def _back(spectra: NDArray[Any], size: int) -> Floats:
    from scipy import fft

    return np.asarray(fft.irfftn(spectra, s=(size, size, size), axes=(1, 2, 3)), dtype=np.float32)


def _smooth(spectra: NDArray[Any], size: int, sigma: float, *, coarse: float = 0.0) -> Floats:
    """Return white noise after a Gaussian, less a coarser one if given: of unit variance, periodic."""
    return _back(spectra * (_gain(size, sigma, coarse) / np.float32(_strength(size, sigma, coarse))), size)


@lru_cache(maxsize=64)
def _gain(size: int, sigma: float, coarse: float = 0.0) -> Floats:
    along, last = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    return _response(along[:, None, None] ** 2 + along[None, :, None] ** 2 + last**2, sigma, coarse)


def _response(square: NDArray[np.float64], sigma: float, coarse: float) -> Floats:
    fine = np.exp(-2 * (np.pi * sigma) ** 2 * square)
    if coarse:
        fine = fine - np.exp(-2 * (np.pi * coarse) ** 2 * square)
    return np.asarray(fine, dtype=np.float32)


@lru_cache(maxsize=64)
def _strength(size: int, sigma: float, coarse: float = 0.0) -> float:
    """Return the standard deviation of white noise after the filter."""
    along = np.fft.fftfreq(size)
    square = along[:, None, None] ** 2 + along[None, :, None] ** 2 + along**2
    return float(np.sqrt((_response(square, sigma, coarse).astype(np.float64) ** 2).mean()))
