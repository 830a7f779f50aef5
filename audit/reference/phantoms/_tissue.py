"""Brain tissue through two protocols: voxels of fluid, grey and white matter, each with the patch of image around it.

Anatomy comes from the ICBM maps that nilearn ships, warped for each patient; the protocols are ours. No patient is like
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._atlas import Atlas, load_atlas
from audit.reference.phantoms._protocol import TISSUES, spin_echo

TISSUE_NAMES = ("fluid", "grey matter", "white matter")
PATCH = 25
"""Rows and columns of a patch, pixels of 1 mm: four standard deviations of the widest filter on either side."""
STORED = 4095
_ORDER = (2, 0, 1)
"""Where fluid, grey and white matter stand in the atlas."""
_LOW, _HIGH = 0.04, 0.96
_FLOOR, _CEILING = -0.5, 1.5
_HALF = PATCH // 2


@dataclass(frozen=True, kw_only=True)
class TissueProtocol:
    """How an image is made.

    Attributes:
        name: Level of the attribute `protocol`.
        tr_ms: Repetition time of the spin echo, ms.
        te_ms: Echo time, ms.
        curve: Exponent of the monotone curve that contrast goes through, signal of white matter = 1; above 1 grey
            matter moves from white matter towards fluid.
        blur_mm: Standard deviation of the point spread, mm.
        noise: Standard deviation of the noise in either receive channel, signal of white matter = 1.
        bias: Standard deviation of each term of the log receive field.
    """

    name: str
    tr_ms: float = 450.0
    te_ms: float = 12.0
    curve: float = 1.0
    blur_mm: float = 0.8
    noise: float = 0.03
    bias: float = 0.03

    def signals(self) -> tuple[float, ...]:
        """Return the signal of fluid, grey and white matter before the curve, white matter = 1."""
        raw = [spin_echo(TISSUES[i], tr_ms=self.tr_ms, te_ms=self.te_ms) for i in _ORDER]
        return tuple(signal / raw[2] for signal in raw)

    def towards(self, other: TissueProtocol, share: float) -> TissueProtocol:
        """Return a protocol on the way to another one: 0 is this one, 1 the other, above 1 beyond it."""
        names = ("tr_ms", "te_ms", "curve", "blur_mm", "noise", "bias")
        between = {n: getattr(self, n) + share * (getattr(other, n) - getattr(self, n)) for n in names}
        return TissueProtocol(name=f"{self.name} to {other.name}, {share:g}", **between)


SPIN_ECHO = TissueProtocol(name="A")
PREPARED = TissueProtocol(name="B", curve=4.0, blur_mm=1.3, noise=0.06, bias=0.08)
"""Heavier T1 weighting, as after an inversion, with less resolution and more noise."""


@dataclass(frozen=True, kw_only=True)
class TissueKnobs:
    """What is planted.

    Attributes:
        warp_mm: Standard deviation of each term of the smooth displacement, mm.
        head_of_sex: Factor on the size of the head in men: what ties sex to the appearance.
        atrophy: Share of grey matter that gives way to fluid in each decade above 50: age drives the tissue.
        b_of_sex: Log odds of protocol B that men have above women: ties the protocol to sex; 0: none.
        texture: Standard deviation of a multiplicative grain of the tissue itself.
        reader: Standard deviation of the noise on tissue shares with which either observer names a voxel.
        purest: Voxels whose largest share of one tissue is below this are not asked about.
    """

    warp_mm: float = 2.5
    head_of_sex: float = 1.04
    atrophy: float = 0.04
    b_of_sex: float = 0.0
    texture: float = 0.02
    reader: float = 0.12
    purest: float = 0.55


@dataclass(frozen=True, kw_only=True)
class TissuePatient:
    """Who a patient is.

    Attributes:
        sex: `female` or `male`.
        age: Years.
        protocol: `A` or `B`: how the patient is scanned, if once.
        height: Index of the plane.
    """

    sex: str
    age: float
    protocol: str
    height: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TissueVoxels:
    """Voxels of one scan.

    Attributes:
        patches: (m, 25, 25) uint16 stored grey levels, 0 to 4095: the 4th centile of the plane's brain lies at a
            quarter of the range, the 96th at three quarters.
        tissue: (m,) 0 fluid, 1 grey matter, 2 white matter: the largest share in the voxel.
        second: (m,) what the second observer calls it.
        third: (m,) what a third one does.
        place: (m, 2) row and column of the voxel in the plane.
    """

    patches: NDArray[np.uint16]
    tissue: NDArray[np.int64]
    second: NDArray[np.int64]
    third: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TissuePatients:
    """Patients whose scans are made when asked for.

    A patient depends on the seed and its index alone, a scan on the patient, the protocol and the visit, so they can be
    read in any order.

    Args:
        n: Patients.
        seed: Entropy of the cohort.
        knobs: What is planted.
        protocols: Source and target.
    """

    n: int
    seed: Sequence[int]
    knobs: TissueKnobs = field(default_factory=TissueKnobs)
    protocols: tuple[TissueProtocol, TissueProtocol] = (SPIN_ECHO, PREPARED)

    def __len__(self) -> int:
        return self.n

    def patient(self, index: int) -> TissuePatient:
        """Return who a patient is."""
        rng = self._generator(index, 0)
        male = bool(rng.random() < 0.5)
        odds = self.knobs.b_of_sex * (0.5 if male else -0.5)
        second = bool(rng.random() < 1 / (1 + np.exp(-odds)))
        age = float(np.clip(rng.normal(65, 9), 45, 90))
        height = int(rng.integers(len(load_atlas(1).heights_mm)))
        name = self.protocols[int(second)].name
        return TissuePatient(sex="male" if male else "female", age=round(age, 1), protocol=name, height=height)

    def shares(self, index: int) -> NDArray[np.float32]:
        """Return the share of fluid, grey and white matter in each voxel of the plane, (3, rows, columns)."""
        patient = self.patient(index)
        tissue = _warped(load_atlas(1), patient, self.knobs, self._generator(index, 1))
        lost = tissue[1] * np.float32(self.knobs.atrophy * max(0.0, patient.age - 50) / 10)
        tissue[0] += lost
        tissue[1] -= lost
        return tissue

    def image(
        self, index: int, protocol: TissueProtocol, *, visit: int = 0, shares: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint16]:
        """Return the stored plane of a patient under any protocol.

        Args:
            index: The patient.
            protocol: How it is made.
            visit: Another visit has other noise and another receive field; anatomy stays.
            shares: What `shares` says, where it is at hand.
        """
        tissue = self.shares(index) if shares is None else shares
        rng = self._generator(index, 2, self._code(protocol), visit)
        return _scanned(tissue, protocol, self.knobs, self._generator(index, 3), rng)

    def voxels(self, index: int, protocol: TissueProtocol, *, each: int, visit: int = 0, draw: int = 0) -> TissueVoxels:
        """Return as many voxels of either tissue, at the same places under every protocol and visit.

        Args:
            index: The patient.
            protocol: How the plane is made.
            each: Voxels of each tissue.
            visit: As in `image`.
            draw: Another number asks about other places.
        """
        tissue = self.shares(index)
        stored = self.image(index, protocol, visit=visit, shares=tissue)
        rng = self._generator(index, 4, draw)
        rows, columns, names = _places(tissue, each, self.knobs, rng)
        windows = np.lib.stride_tricks.sliding_window_view(stored, (PATCH, PATCH))
        share = tissue[:, rows, columns].T
        seen = [share + self.knobs.reader * rng.standard_normal(share.shape) for _ in range(2)]
        second, third = (s.argmax(axis=1).astype(np.int64) for s in seen)
        return TissueVoxels(
            patches=np.array(windows[rows - _HALF, columns - _HALF]), tissue=names, second=second, third=third,
            place=np.stack([rows, columns], axis=1),
        )  # fmt: skip

    def _code(self, protocol: TissueProtocol) -> int:
        names = [p.name for p in self.protocols]
        return names.index(protocol.name) if protocol.name in names else 2

    def _generator(self, index: int, *part: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, index, *part])


@lru_cache(maxsize=1)
def _bases() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return coordinates in mm from the middle, (2, rows, columns), and bases of the warp and of the receive field."""
    shape = load_atlas(1).tissue.shape[2:]
    axes = [np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    y, x = grid[0] / axes[0][-1], grid[1] / axes[1][-1]
    half = np.pi / 2
    warp = [np.sin(2 * half * y), np.cos(2 * half * y), np.sin(2 * half * x), np.cos(2 * half * x)]
    warp += [np.sin(3 * half * y) * np.cos(half * x), np.cos(half * y) * np.sin(3 * half * x)]
    bias = [y, x, y * x, y**2 - 1 / 3, x**2 - 1 / 3]
    return grid, np.stack(warp).astype(np.float32), np.stack(bias).astype(np.float32)


def _warped(atlas: Atlas, patient: TissuePatient, knobs: TissueKnobs, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return fluid, grey and white matter of the patient's plane, (3, rows, columns)."""
    from scipy.ndimage import map_coordinates

    grid, warp, _ = _bases()
    terms = rng.normal(0, knobs.warp_mm, (2, len(warp))).astype(np.float32)
    size = (knobs.head_of_sex if patient.sex == "male" else 1.0) * float(np.exp(rng.normal(0, 0.03)))
    where = grid / np.float32(size) + np.tensordot(terms, warp, axes=1)
    where += np.array(atlas.centre, dtype=np.float32)[:, None, None]
    plane = atlas.tissue[patient.height][list(_ORDER)]
    moved = [map_coordinates(channel, where, order=1, prefilter=False) for channel in plane]
    return np.asarray(np.stack(moved), dtype=np.float32)


def _scanned(
    tissue: NDArray[np.float32], protocol: TissueProtocol, knobs: TissueKnobs, own: np.random.Generator,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:  # fmt: skip
    """Return stored grey levels of a plane; `own` draws what belongs to the patient, `rng` what belongs to the scan."""
    from scipy.ndimage import gaussian_filter

    signal = np.tensordot(np.asarray(protocol.signals(), dtype=np.float32), tissue, axes=1)
    grain = gaussian_filter(own.standard_normal(signal.shape, dtype=np.float32), 0.7)
    signal *= 1 + np.float32(knobs.texture / 0.40) * grain
    signal = np.clip(signal, 0, None) ** np.float32(protocol.curve)
    signal = gaussian_filter(signal, protocol.blur_mm)
    terms = rng.normal(0, protocol.bias, len(_bases()[2])).astype(np.float32)
    signal *= np.exp(np.tensordot(terms, _bases()[2], axes=1))
    real, imaginary = np.float32(protocol.noise) * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    noisy = np.hypot(signal + real, imaginary)
    brain = tissue.sum(axis=0) > 0.5
    low, high = np.quantile(noisy[brain], (_LOW, _HIGH))
    levels = np.clip((noisy - low) / (high - low), _FLOOR, _CEILING)
    # As after brain extraction: nothing of the air is left.
    stored = np.where(brain, (levels - _FLOOR) / (_CEILING - _FLOOR), 0.0)
    return np.round(stored * STORED).astype(np.uint16)


def _places(
    tissue: NDArray[np.float32], each: int, knobs: TissueKnobs, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows, columns and tissue of drawn voxels; fewer of a tissue where the plane has fewer."""
    largest, name = tissue.max(axis=0), tissue.argmax(axis=0)
    free = largest >= knobs.purest
    for axis in (0, 1):
        edge = np.moveaxis(free, axis, 0)
        edge[:_HALF] = False
        edge[-_HALF:] = False
    found = []
    for code in range(3):
        candidates = np.flatnonzero(free & (name == code))
        found.append(rng.choice(candidates, min(each, len(candidates)), replace=False))
    rows, columns = np.divmod(np.concatenate(found), tissue.shape[2])
    names = np.repeat(np.arange(3), [len(f) for f in found])
    return rows.astype(np.int64), columns.astype(np.int64), names.astype(np.int64)
