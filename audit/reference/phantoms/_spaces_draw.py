"""What lies in one region of one patient: spaces, white-matter lesions and lacunes, each in its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._spaces_patients import SpacesKnobs, SpacesPatient
from audit.reference.phantoms._spaces_regions import SIZE, BrainRegion, RegionAtlas, inside, load_region

KINDS = ("space", "white matter lesion", "lacune")
GAP = 2.5
"""Distance between two, mm."""
CORE = 0.87
"""No mask of a tube is thinner: half the diagonal of a voxel, so that its voxels hang together."""
_TRIES = 16
WARP_TERMS = 6


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A space or what looks like one: all within a radius of a line; of a round one the line is a point.

    Attributes:
        kind: One of `KINDS`.
        middle: Plane, row, column from the middle of the crop, mm.
        direction: Unit vector of the line.
        length: Of the line, mm.
        radius: mm.
    """

    kind: str
    middle: tuple[float, float, float]
    direction: tuple[float, float, float]
    length: float
    radius: float

    @property
    def core(self) -> float:
        """Radius of its mask, mm."""
        return max(self.radius, CORE)

    def distance(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (*spatial) distance from its line, mm.

        Args:
            grid: (3, *spatial) places from the middle of the crop, mm.
        """
        apart = grid - np.array(self.middle, dtype=np.float32)[:, None, None, None]
        along = np.tensordot(np.array(self.direction, dtype=np.float32), apart, axes=1)
        beyond = np.clip(along, -self.length / 2, self.length / 2)
        square = (apart**2).sum(axis=0) - 2 * along * beyond + beyond**2
        return np.asarray(np.sqrt(np.maximum(square, 0.0)), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One region of one patient, whatever the scan.

    Attributes:
        region: Which region.
        head: Size relative to the atlas.
        left: Taken from the left and mirrored.
        offset: Where the middle of the region lies in the crop, mm.
        warp: Coefficients of the smooth displacement, (3, WARP_TERMS), mm.
        things: Spaces and distractors that found room.
    """

    region: BrainRegion
    head: float
    left: bool
    offset: tuple[float, float, float]
    warp: NDArray[np.float32]
    things: tuple[Thing, ...]

    def of_kind(self, kind: str) -> tuple[Thing, ...]:
        """Return the things of one kind."""
        return tuple(thing for thing in self.things if thing.kind == kind)

    @property
    def plane(self) -> float | None:
        """Height of the plane that is read, mm from the middle of the crop; None where all is read."""
        return None if self.region.plane is None else self.region.plane + self.offset[0]


def crop_grid() -> NDArray[np.float32]:
    """Return (3, *SIZE) places of the voxels from the middle of the crop: up, back, right, mm."""
    axes = [np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in SIZE]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def draw_anatomy(
    rng: np.random.Generator, region: BrainRegion, patient: SpacesPatient, *, knobs: SpacesKnobs
) -> Anatomy:
    """Draw the region of a patient.

    Args:
        rng: Source of all randomness of this region of this patient.
        region: Which.
        patient: Whose.
        knobs: What is planted.
    """
    left = region.paired and bool(rng.random() < 0.5)
    offset = tuple(float(v) for v in rng.normal(0.0, 0.8, 3))
    warp = rng.normal(0.0, 0.5, (3, WARP_TERMS)).astype(np.float32)
    empty = Anatomy(
        region=region, head=patient.head, left=left, offset=(offset[0], offset[1], offset[2]), warp=warp, things=()
    )
    counts = (
        int(rng.poisson(region.spaces * np.exp(patient.log_rate))),
        *(int(rng.poisson(mean * np.exp(patient.log_distractors))) for mean in knobs.distractors),
    )
    grid = crop_grid()
    where, tissue = tissue_at(empty, grid)
    free = inside(region, where, tissue)
    # What is brought in from the edge stays whole: a margin of a voxel on all sides.
    free[[0, -1]] = free[:, [0, -1]] = free[:, :, [0, -1]] = False
    things: list[Thing] = []
    for kind, count in zip(KINDS, counts, strict=True):
        for _ in range(count):
            placed = _placed(rng, kind, region, free, grid, knobs)
            if placed is not None:
                things.append(placed)
                free &= placed.distance(grid) > placed.core + GAP
    return Anatomy(region=region, head=empty.head, left=left, offset=empty.offset, warp=warp, things=tuple(things))


def _placed(
    rng: np.random.Generator, kind: str, region: BrainRegion, free: NDArray[np.bool_], grid: NDArray[np.float32],
    knobs: SpacesKnobs,
) -> Thing | None:  # fmt: skip
    """Return a thing of which every voxel is free, None without room."""
    candidates = np.flatnonzero(free)
    if not candidates.size:
        return None
    for attempt in range(_TRIES):
        at = np.unravel_index(int(candidates[int(rng.random() * candidates.size)]), SIZE)
        middle = grid[:, at[0], at[1], at[2]] + rng.uniform(-0.5, 0.5, 3)
        thing = _thing(rng, kind, region, (float(middle[0]), float(middle[1]), float(middle[2])), knobs, attempt)
        # A margin of half a voxel, so that masks do not touch after the next scan has moved them.
        if free[thing.distance(grid) <= thing.core + 0.5].all():
            return thing
    return None


def _thing(
    rng: np.random.Generator, kind: str, region: BrainRegion, middle: tuple[float, float, float], knobs: SpacesKnobs,
    attempt: int,
) -> Thing:  # fmt: skip
    direction = rng.standard_normal(3) + np.array([region.course * (1 if rng.random() < 0.5 else -1), 0.0, 0.0])
    direction /= np.linalg.norm(direction)
    length, radius = float(rng.uniform(*knobs.length)), float(rng.uniform(*knobs.radius))
    if kind == "space":
        # Where nothing fits, shorter ones are tried, down to the shortest.
        length = max(knobs.length[0], length * (1 - attempt / _TRIES))
    else:
        length = 0.0
        radius = float(rng.uniform(1.8, 3.2) if kind == "lacune" else rng.uniform(1.8, 3.6)) * (1 - attempt / 32)
    return Thing(
        kind=kind, middle=middle, direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        length=length, radius=radius,
    )  # fmt: skip


def tissue_at(anatomy: Anatomy, grid: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where places of a crop lie in the atlas, and the tissue there.

    Args:
        anatomy: Whose crop.
        grid: (3, *spatial) places from the middle of the crop, mm.

    Returns:
        (3, *spatial) distances from the centre of the region, and (3, *spatial) probabilities.
    """
    from scipy.ndimage import map_coordinates

    atlas: RegionAtlas = load_region(anatomy.region.name, left=anatomy.left)
    offset = np.array(anatomy.offset, dtype=np.float32)[:, None, None, None]
    where = (grid - offset) / np.float32(anatomy.head) + np.tensordot(anatomy.warp, _waves(grid), axes=1)
    at = where + atlas.middle[:, None, None, None]
    tissue = np.stack(
        [map_coordinates(channel, at, order=1, mode="nearest", prefilter=False) for channel in atlas.tissue]
    )
    return np.asarray(where, dtype=np.float32), np.asarray(tissue, dtype=np.float32)


def _waves(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (WARP_TERMS, *spatial) smooth waves of unit size."""
    half = np.array(SIZE, dtype=np.float32)[:, None, None, None] / 2
    up, back, right = np.float32(np.pi / 2) * grid / half
    return np.stack([np.sin(up), np.cos(up), np.sin(back), np.cos(back), np.sin(right), np.cos(right)])
