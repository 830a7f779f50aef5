"""A region to a scan of it: contrast from TR, TE and field, partial volume, bias, noise, stored grey levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audit.acquisition import spin_echo, t1_ms
from audit.reference.phantoms._spaces_draw import KINDS, Anatomy, Thing, crop_grid, tissue_at
from audit.reference.phantoms._spaces_patients import SpacesKnobs
from audit.reference.phantoms._spaces_regions import SIZE, inside

STORED = 4095
_FADE_MM = 1.0
_BOX_MM = 0.29
"""Standard deviation of a voxel's width of 1 mm."""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """A T2-weighted spin echo on one scanner.

    Attributes:
        field_tesla: Field strength; T1 follows it (Rooney 2007), and the noise falls with it.
        tr_ms: Repetition time.
        te_ms: Echo time.
        blur_mm: Standard deviation of the point spread.
        noise: Standard deviation of the noise in each receive channel, as a share of the stored range.
        white_matter: Mean stored signal of white matter, as a share of the range.
    """

    field_tesla: float
    tr_ms: float
    te_ms: float
    blur_mm: float
    noise: float
    white_matter: float = 0.28

    def signals(self) -> Mapping[str, float]:
        """Return the signal of grey matter, white matter, fluid and of a white-matter lesion, share of the range.

        T2 and proton density are round numbers of the usual size; only the order of the contrasts matters here.
        """
        t1 = {name: t1_ms(name, field_tesla=self.field_tesla) for name in ("grey matter", "white matter")}
        # Fluid hardly changes with the field; lesions are as long in T1 as grey matter.
        t1 |= {"fluid": 4000.0, "lesion": t1["grey matter"]}
        of = {
            "grey matter": (0.82, 95.0),
            "white matter": (0.70, 75.0),
            "fluid": (1.0, 1500.0),
            "lesion": (0.84, 130.0),
        }
        raw = {
            name: spin_echo(proton_density=pd, t1_ms=t1[name], t2_ms=t2, tr_ms=self.tr_ms, te_ms=self.te_ms)
            for name, (pd, t2) in of.items()
        }
        return {name: self.white_matter * value / raw["white matter"] for name, value in raw.items()}


SCANNER_SETTINGS: Mapping[str, Scanner] = {
    "1.5 T": Scanner(field_tesla=1.5, tr_ms=4000.0, te_ms=80.0, blur_mm=0.55, noise=0.030),
    "3 T": Scanner(field_tesla=3.0, tr_ms=4500.0, te_ms=95.0, blur_mm=0.50, noise=0.018),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SpacesScan:
    """One scan of one region, (planes, rows, columns) all.

    Attributes:
        image: Stored grey levels of the region, faded out around it, uint16.
        masks: By kind, where its voxels are, bool.
        region: The region, bool.
        plane: Index of the plane that is read for the count; -1 where all is read.
        things: Everything that the crop shows, with the planes (bool) in which its mask has voxels.
    """

    image: NDArray[np.uint16]
    masks: Mapping[str, NDArray[np.bool_]]
    region: NDArray[np.bool_]
    plane: int
    things: tuple[tuple[Thing, NDArray[np.bool_]], ...]

    def counted(self, kind: str, plane: int | None = None) -> tuple[Thing, ...]:
        """Return the things of a kind that lie in the plane that is read, or in the whole region where all is.

        Args:
            kind: One of `KINDS`.
            plane: Read this plane instead.
        """
        at = self.plane if plane is None or self.plane < 0 else plane
        return tuple(
            thing for thing, planes in self.things if thing.kind == kind and (planes[at] if at >= 0 else planes.any())
        )


def draw_scan(
    rng: np.random.Generator, anatomy: Anatomy, scanner: str, *, knobs: SpacesKnobs, again: bool = False
) -> SpacesScan:
    """Scan a region.

    Args:
        rng: Source of position and noise of this scan.
        anatomy: What is scanned.
        scanner: One of `SCANNER_SETTINGS`.
        knobs: What is planted.
        again: A rescan: the head lies a little differently. The first scan defines how it lies.
    """
    from scipy.ndimage import gaussian_filter

    turn, shift = (_turn(rng), rng.normal(0.0, 0.6, 3)) if again else (np.eye(3), np.zeros(3))
    setting = SCANNER_SETTINGS[scanner]
    flat = turn @ crop_grid().reshape(3, -1) + shift[:, None]
    grid = flat.reshape(3, *SIZE).astype(np.float32)
    where, tissue = tissue_at(anatomy, grid)
    region = inside(anatomy.region, where, tissue)
    said = setting.signals()
    levels = np.array([said["grey matter"], said["white matter"], said["fluid"]], dtype=np.float32)
    signal = np.tensordot(levels, tissue, axes=1)
    signal *= 1.0 + 0.02 / 0.25 * gaussian_filter(rng.standard_normal(SIZE, dtype=np.float32), 1.0)
    signal = gaussian_filter(signal, setting.blur_mm)
    masks = {kind: np.zeros(SIZE, dtype=bool) for kind in KINDS}
    plane = -1 if anatomy.plane is None else _plane(anatomy.plane, turn, shift)
    things: list[tuple[Thing, NDArray[np.bool_]]] = []
    for thing in anatomy.things:
        distance = thing.distance(grid)
        voxels = distance <= thing.core
        masks[thing.kind] |= voxels
        share = _share(thing, distance, setting, knobs)
        signal += share * (said["lesion" if thing.kind == "white matter lesion" else "fluid"] - signal)
        things.append((thing, np.asarray(voxels.any(axis=(1, 2)), dtype=np.bool_)))
    signal *= np.exp(np.tensordot(rng.normal(0.0, 0.05, 4).astype(np.float32), _bias(), axes=1))
    noise = knobs.noise * setting.noise
    real, imaginary = noise * rng.standard_normal((2, *SIZE), dtype=np.float32)
    noisy = np.hypot(signal + real, imaginary) * float(np.exp(rng.normal(0.0, 0.03)))
    faded = np.minimum(gaussian_filter(_wide(region).astype(np.float32), _FADE_MM), 1.0)
    image = np.round(np.clip(noisy * np.where(faded > 0.02, faded, 0.0), 0.0, 1.0) * STORED).astype(np.uint16)
    return SpacesScan(image=image, masks=masks, region=region, plane=plane, things=tuple(things))


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a small rotation, about 2 degrees an axis."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xyz", rng.normal(0.0, 2.0, 3), degrees=True).as_matrix())


def _plane(height: float, turn: NDArray[np.float64], shift: NDArray[np.float64]) -> int:
    """Return the index of the plane whose middle lies nearest to a height."""
    planes = np.arange(SIZE[0]) - (SIZE[0] - 1) / 2
    return int(np.argmin(np.abs(turn[0, 0] * planes + shift[0] - height)))


def _share(thing: Thing, distance: NDArray[np.float32], setting: Scanner, knobs: SpacesKnobs) -> NDArray[np.float32]:
    """Return how much of each voxel a thing fills after blur and partial volume, 0 to 1."""
    from scipy.special import erfc

    blur = float(np.hypot(setting.blur_mm, _BOX_MM))
    if thing.kind != "space":
        return np.asarray(0.5 * erfc((distance - thing.radius) / (np.sqrt(2.0) * blur)), dtype=np.float32)
    # A blurred disc: exact in its middle, and of the right width.
    peak = 1.0 - np.exp(-0.5 * (thing.radius / blur) ** 2)
    width = np.hypot(blur, thing.radius / 2)
    return np.asarray(knobs.contrast * peak * np.exp(-0.5 * (distance / width) ** 2), dtype=np.float32)


def _wide(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(region, iterations=2), dtype=np.bool_)


@lru_cache(maxsize=1)
def _bias() -> NDArray[np.float32]:
    """Return (4, *SIZE) shapes of the bias field: three slopes and a bowl."""
    z, y, x = crop_grid() / (np.array(SIZE, dtype=np.float32)[:, None, None, None] / 2)
    return np.stack([z, y, x, z**2 + y**2 + x**2 - 1.0])
