"""Skull-base scans that are drawn when they are asked for, with readers, a rescan and what became of the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._skull_base import MIDDLE_YEARS, SkullBaseKnobs, SkullBasePatient, draw_patient
from audit.reference.phantoms._skull_base_drawn import THRESHOLD_HU, SkullBaseScan, draw_scan

if TYPE_CHECKING:
    from numpy.random import Generator

    Mask = NDArray[np.bool_]

_SCAN, _RESCAN, _READ, _LATER = range(4)
SHIFT_MM = 0.8
"""How far a patient lies elsewhere at the rescan, at most, in each direction."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How somebody marks calcified plaque.

    Attributes:
        name: What the manifest calls the column.
        half_mm3: Volume of a plaque that is seen in one of two scans.
        steep: How fast larger ones are seen more often, log odds for e-fold.
        generous: Share of plaques that are marked with all dense voxels next to them, bone or not.
        spicules: Share of ossified ligaments that are taken for plaque.
        bone: Share of scans in which a piece of bone beside a vessel is.
    """

    name: str
    half_mm3: float
    steep: float
    generous: float
    spicules: float
    bone: float


READERS = (
    Reader(name="reader_2", half_mm3=2.0, steep=1.5, generous=0.2, spicules=0.10, bone=0.05),
    Reader(name="reader_3", half_mm3=3.0, steep=1.5, generous=0.1, spicules=0.05, bone=0.05),
    Reader(name="reader_4", half_mm3=1.5, steep=1.2, generous=0.35, spicules=0.25, bone=0.10),
)
"""A panel beside the truth; nobody was measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SkullBaseVolumes:
    """Scans of skull bases, one patient a place; nothing is held.

    A patient depends on the seed, the place and the knobs alone, so patients can be read in any order.

    Args:
        patients: How many.
        seed: Entropy of the cohort, for example `(1, 2)`.
        knobs: What is planted.
    """

    patients: int
    seed: Sequence[int]
    knobs: SkullBaseKnobs = field(default_factory=SkullBaseKnobs)

    def __len__(self) -> int:
        return self.patients

    def patient(self, index: int) -> SkullBasePatient:
        """What was drawn for a patient; cheap, nothing is rendered."""
        return draw_patient(np.random.default_rng([*self.seed, index]), self.knobs)

    def scan(self, index: int) -> SkullBaseScan:
        """Image and masks of a patient, about 5 ms."""
        return draw_scan(self.patient(index), self._rng(index, _SCAN), self.knobs)

    def rescan(self, index: int) -> SkullBaseScan:
        """The same patient on the same day on the same scanner, lying a little elsewhere, with other noise."""
        rng = self._rng(index, _RESCAN)
        up, back, left = (float(v) for v in rng.uniform(-SHIFT_MM, SHIFT_MM, 3))
        return draw_scan(self.patient(index), rng, self.knobs, shift_mm=(up, back, left))

    def reading(self, index: int, reader: Reader, scan: SkullBaseScan | None = None) -> Mask:
        """Return what a reader marks on the scan of a patient, (planes, rows, columns) bool.

        Args:
            index: The patient.
            reader: Who reads.
            scan: The scan of the patient where it has been drawn already.
        """
        scan = scan or self.scan(index)
        rng = self._rng(index, _READ, *reader.name.encode())
        return _read(scan, reader, rng, self.voxel_mm3)

    def stroke(self, index: int, volume_mm3: float) -> bool:
        """Return whether a patient has a stroke later.

        Args:
            index: The patient.
            volume_mm3: Volume of the planted plaques.
        """
        k, age = self.knobs, self.patient(index).age
        odds = k.stroke + k.stroke_of_volume * np.log2(1 + volume_mm3) + k.stroke_of_age * (age - MIDDLE_YEARS) / 10
        return bool(self._rng(index, _LATER).random() < 1 / (1 + np.exp(-odds)))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.knobs.spacing_mm))

    def annotated_plane(self, scan: SkullBaseScan) -> int | None:
        """Return the plane with most calcium, which a reader in a hurry would look at; None without any."""
        counts = scan.plaques.sum(axis=(1, 2))
        return int(np.argmax(counts)) if counts.any() else None

    def _rng(self, index: int, *what: int) -> Generator:
        return np.random.default_rng([*self.seed, index, 1, *what])


def _read(scan: SkullBaseScan, reader: Reader, rng: Generator, voxel_mm3: float) -> Mask:
    from scipy.ndimage import binary_dilation

    dense = scan.image >= THRESHOLD_HU
    marked = np.zeros_like(dense)
    for part in _parts(scan.plaques):
        odds = reader.steep * np.log(part.sum() * voxel_mm3 / reader.half_mm3)
        seen, wide = rng.random() < 1 / (1 + np.exp(-odds)), rng.random() < reader.generous
        if seen:
            near = binary_dilation(part)
            # A careful reader leaves out what belongs to the bone beside it.
            marked |= dense & near & (True if wide else ~scan.bone | part)
    for part in _parts(scan.spicules):
        if rng.random() < reader.spicules:
            marked |= dense & part
    if rng.random() < reader.bone:
        marked |= _piece(dense & scan.bone & ~scan.plaques, scan, rng)
    return marked


def _parts(mask: Mask) -> list[Mask]:
    from scipy.ndimage import label

    parts, count = label(mask, structure=np.ones((3, 3, 3)))
    return [parts == i for i in range(1, count + 1)]


def _piece(bone: Mask, scan: SkullBaseScan, rng: Generator) -> Mask:
    """Return a piece of bone of 3 voxels a side that lies next to soft tissue about a vessel."""
    from scipy.ndimage import binary_dilation

    edge = np.argwhere(bone & binary_dilation(scan.region, iterations=2))
    out = np.zeros_like(bone)
    if len(edge):
        z, y, x = edge[int(rng.integers(len(edge)))]
        out[max(0, z - 1) : z + 2, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
    return out & bone
