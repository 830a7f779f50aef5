"""Patches of brain seen by three MR sequences at once: the same tissue, lesion and anatomy under T1, T2 and FLAIR.

Tissue comes from the ICBM maps that nilearn ships; contrast from TR, TE and TI. No patient is like them.
"""

from __future__ import annotations

from collections.abc import Sequence as Entropy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._atlas import load_atlas
from audit.reference.phantoms._protocol import FLUID, TISSUES, Tissue, spin_echo

SEQUENCES = ("T1", "T2", "FLAIR")
SCANNERS = ("A", "B")
NOTHING, LESION, LACUNE = 0, 1, 2
STORED = 4095
# White matter that lost its myelin: more water, both relaxation times longer; of the usual order, not of one paper.
DAMAGED = Tissue(t1_ms=1900.0, t2_ms=170.0, proton_density=0.86)
_WHITE = 0.75
_NEAR_MM = 7.0


@dataclass(frozen=True, kw_only=True)
class MrSequence:
    """One sequence of one scanner.

    Attributes:
        tr_ms: Repetition time, ms.
        te_ms: Echo time, ms.
        null: Tissue whose signal an inversion takes away; None without inversion.
        white_matter: Mean stored signal of white matter, 1 = full scale.
        noise: Standard deviation of the noise in either receive channel, 1 = full scale.
    """

    tr_ms: float
    te_ms: float
    null: Tissue | None = None
    white_matter: float
    noise: float

    def signal(self, tissue: Tissue) -> float:
        """Return the signal of a tissue, 1 = full scale."""
        return self.white_matter * self._raw(tissue) / self._raw(TISSUES[1])

    def _raw(self, tissue: Tissue) -> float:
        if self.null is None:
            return spin_echo(tissue, tr_ms=self.tr_ms, te_ms=self.te_ms)
        inversion = inversion_ms(self.null, tr_ms=self.tr_ms)
        recovered = abs(1 - 2 * np.exp(-inversion / tissue.t1_ms) + np.exp(-self.tr_ms / tissue.t1_ms))
        return float(tissue.proton_density * recovered * np.exp(-self.te_ms / tissue.t2_ms))


def inversion_ms(tissue: Tissue, *, tr_ms: float) -> float:
    """Return the inversion time at which a tissue gives no signal, T1 ln(2 / (1 + exp(-TR / T1))), in ms."""
    return float(tissue.t1_ms * np.log(2 / (1 + np.exp(-tr_ms / tissue.t1_ms))))


SCANNED: dict[str, dict[str, MrSequence]] = {
    "A": {
        "T1": MrSequence(tr_ms=500.0, te_ms=12.0, white_matter=0.55, noise=0.030),
        "T2": MrSequence(tr_ms=4500.0, te_ms=95.0, white_matter=0.25, noise=0.030),
        "FLAIR": MrSequence(tr_ms=9000.0, te_ms=110.0, null=FLUID, white_matter=0.35, noise=0.030),
    },
    "B": {
        "T1": MrSequence(tr_ms=650.0, te_ms=15.0, white_matter=0.60, noise=0.036),
        "T2": MrSequence(tr_ms=3800.0, te_ms=85.0, white_matter=0.28, noise=0.036),
        "FLAIR": MrSequence(tr_ms=8000.0, te_ms=120.0, null=FLUID, white_matter=0.32, noise=0.036),
    },
}
"""TR, TE and gain by scanner and sequence; of the usual order at 3 T, no product's."""


@dataclass(frozen=True, kw_only=True)
class PatchKnobs:
    """What is planted.

    Attributes:
        size: Rows and columns of a patch, pixels.
        pixel_mm: Distance of two pixels, mm.
        patches: Patches a patient.
        lesion: Log odds that a patch has a lesion in its middle, at 65 years.
        lesion_of_age: What a decade adds to these log odds: age drives the lesion.
        lesion_of_scanner: What scanner B adds: ties the scanner to the lesion.
        scanner_b: Share of patients on scanner B.
        lacune: Share of the patches without a lesion that have a lacune, a hole full of fluid, in their middle.
        others: Mean number of lesions or lacunes elsewhere in the patch.
        radius_mm: Smallest and largest radius of either.
        damage: Smallest and largest share of the tissue in a lesion that is damaged: how far it stands out.
        texture_of_men: Standard deviation of a multiplicative texture in men, of which women have a third: what ties
            sex to the appearance.
        gain: Standard deviation of the log receiver gain, by sequence and patient.
        bias: Standard deviation of the log bias field's slope across the patch.
        disagreement: Share of patches that the second observer reads otherwise.
    """

    size: int = 24
    pixel_mm: float = 1.0
    patches: int = 4
    lesion: float = 0.0
    lesion_of_age: float = 0.2
    lesion_of_scanner: float = 0.0
    scanner_b: float = 0.5
    lacune: float = 0.4
    others: float = 0.4
    radius_mm: tuple[float, float] = (3.5, 6.5)
    damage: tuple[float, float] = (0.3, 0.9)
    texture_of_men: float = 0.015
    gain: float = 0.04
    bias: float = 0.04
    disagreement: float = 0.06


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """The patches of one patient; k of them.

    Attributes:
        images: (k, 3, size, size) uint16 stored grey levels, 0 to 4095, in the order of `SEQUENCES`.
        rescan: The same tissue with other noise and gain, as on another day.
        lesions: (k, size, size) bool, all lesions.
        lacunes: (k, size, size) bool, all lacunes.
        white: (k, size, size) bool, white matter, in which either may lie.
        middle: (k,) `NOTHING`, `LESION` or `LACUNE`: what lies in the middle of the patch.
        second: (k,) bool, whether the second observer sees a lesion there.
        sex: `female` or `male`.
        age: Years.
        scanner: `A` or `B`.
    """

    images: NDArray[np.uint16]
    rescan: NDArray[np.uint16]
    lesions: NDArray[np.bool_]
    lacunes: NDArray[np.bool_]
    white: NDArray[np.bool_]
    middle: NDArray[np.int64]
    second: NDArray[np.bool_]
    sex: str
    age: float
    scanner: str


class PairedPatches:
    """Patients whose patches are made when asked for.

    A patient depends on the seed and its index alone, so patients can be read in any order and by several workers.

    Args:
        count: Patients.
        seed: Entropy of the cohort, for example `(1, 2)`.
        knobs: What is planted.
    """

    def __init__(self, count: int, *, seed: Entropy[int], knobs: PatchKnobs | None = None) -> None:
        self.count = count
        self.seed = tuple(int(part) for part in seed)
        self.knobs = knobs or PatchKnobs()

    def __len__(self) -> int:
        return self.count

    def patient(self, index: int) -> Patches:
        """Return the patches of a patient."""
        k, rng = self.knobs, np.random.default_rng([*self.seed, index])
        sex, age = ("female", "male")[int(rng.random() < 0.5)], float(rng.uniform(45.0, 85.0))
        scanner = SCANNERS[int(rng.random() < k.scanner_b)]
        odds = k.lesion + k.lesion_of_age * (age - 65.0) / 10 + k.lesion_of_scanner * (scanner == "B")
        ill = rng.random(k.patches) < 1 / (1 + np.exp(-odds))
        middle = np.where(ill, LESION, np.where(rng.random(k.patches) < k.lacune, LACUNE, NOTHING))
        made = [_anatomy(int(m), k, rng) for m in middle]
        tissue = np.stack([m.tissue for m in made])
        texture = k.texture_of_men / (1.0 if sex == "male" else 3.0)
        tissue *= 1.0 + texture * rng.standard_normal((k.patches, 1, k.size, k.size), dtype=np.float32)
        return Patches(
            images=_scanned(tissue, scanner, k, rng),
            rescan=_scanned(tissue, scanner, k, rng),
            lesions=np.stack([m.lesions for m in made]),
            lacunes=np.stack([m.lacunes for m in made]),
            white=np.stack([m.white for m in made]),
            middle=middle.astype(np.int64),
            second=ill ^ (rng.random(k.patches) < k.disagreement),
            sex=sex,
            age=round(age, 1),
            scanner=scanner,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Anatomy:
    """One patch: (4, size, size) shares of grey matter, white matter, fluid and damaged tissue, and its masks."""

    tissue: NDArray[np.float32]
    lesions: NDArray[np.bool_]
    lacunes: NDArray[np.bool_]
    white: NDArray[np.bool_]


def _anatomy(middle: int, k: PatchKnobs, rng: np.random.Generator) -> _Anatomy:
    atlas = load_atlas()
    plane = atlas.tissue[int(rng.integers(len(atlas.tissue)))]
    rows, columns = np.nonzero(plane[1] > _WHITE)
    here = int(rng.integers(len(rows)))
    tissue = _cut(plane, (rows[here], columns[here]), atlas.step_mm, k, rng)
    white = tissue[1] > _WHITE
    full = np.concatenate([tissue, np.zeros_like(tissue[:1])])
    masks = np.zeros((3, k.size, k.size), dtype=bool)
    if middle != NOTHING:
        _plant(full, masks, middle, (0.0, 0.0), k, rng)
    for _ in range(int(rng.poisson(k.others))):
        place = rng.uniform(-0.5, 0.5, 2) * k.size * k.pixel_mm
        kind = LESION if rng.random() < 0.5 else LACUNE
        nearest = tuple(np.clip(np.round(place / k.pixel_mm + k.size / 2 - 0.5).astype(int), 0, k.size - 1))
        if np.hypot(*place) > _NEAR_MM + k.radius_mm[1] and white[nearest]:
            _plant(full, masks, kind, (float(place[0]), float(place[1])), k, rng)
    return _Anatomy(tissue=full, lesions=masks[LESION], lacunes=masks[LACUNE], white=white)


def _cut(
    plane: NDArray[np.float32], where: tuple[int, int], step_mm: float, k: PatchKnobs, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (3, size, size) shares of tissue around a point: turned, mirrored, a little larger or smaller."""
    from scipy.ndimage import map_coordinates

    axis = (np.arange(k.size) - (k.size - 1) / 2) * k.pixel_mm / step_mm * np.exp(rng.normal(0.0, 0.06))
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    down, across = np.meshgrid(axis, mirror * axis, indexing="ij")
    rows = where[0] + np.cos(angle) * down - np.sin(angle) * across
    columns = where[1] + np.sin(angle) * down + np.cos(angle) * across
    return np.stack([map_coordinates(channel, [rows, columns], order=1, mode="constant") for channel in plane])


def _plant(
    tissue: NDArray[np.float32], masks: NDArray[np.bool_], kind: int, place: tuple[float, float], k: PatchKnobs,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Put a round lesion or lacune with a soft edge into the shares of tissue, at mm from the middle."""
    axis = (np.arange(k.size, dtype=np.float32) - (k.size - 1) / 2) * k.pixel_mm
    radius = rng.uniform(*k.radius_mm)
    distance = np.hypot((axis - place[0])[:, None], (axis - place[1])[None])
    share = 1 / (1 + np.exp(np.minimum((distance - radius) / (0.35 * k.pixel_mm), 80.0)))
    # A lacune is a hole; how much of a lesion's tissue is damaged differs from one to the next.
    share = share * (1.0 if kind == LACUNE else rng.uniform(*k.damage))
    tissue *= 1 - share
    tissue[2 if kind == LACUNE else 3] += share
    masks[kind] |= distance <= radius


def _scanned(tissue: NDArray[np.float32], scanner: str, k: PatchKnobs, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return (k, 3, size, size) stored grey levels of the tissue under the three sequences of a scanner."""
    shape = (len(tissue), k.size, k.size)
    ramp = np.linspace(-1, 1, k.size, dtype=np.float32)
    out = np.empty((len(tissue), len(SEQUENCES), k.size, k.size), dtype=np.uint16)
    for number, name in enumerate(SEQUENCES):
        sequence = SCANNED[scanner][name]
        signals = np.array([sequence.signal(t) for t in (*TISSUES, DAMAGED)], dtype=np.float32)
        slopes = rng.normal(0.0, k.bias, (2, len(tissue), 1, 1)).astype(np.float32)
        field = np.exp(slopes[0] * ramp[:, None] + slopes[1] * ramp[None] + rng.normal(0.0, k.gain))
        clean = np.tensordot(signals, tissue, axes=([0], [1])) * field
        real, imaginary = sequence.noise * rng.standard_normal((2, *shape), dtype=np.float32)
        out[:, number] = np.round(np.clip(np.hypot(clean + real, imaginary), 0, 1) * STORED)
    return out
