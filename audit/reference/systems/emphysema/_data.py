"""Development and test patients of the emphysema graders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.phantoms import LungScan, ParenchymaPatient, ParenchymaScans, ParenchymaVolume, alike, matched_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAINING, VALIDATION, TEST, MATCHED, AUDIT, AUDIT_MATCHED = 1, 2, 3, 4, 5, 6
_STREAM = 9_010


@dataclass(frozen=True, kw_only=True, eq=False)
class Scans:
    """Rendered patients.

    Attributes:
        images: (n, 1, size, size, size) float32 HU, as a file stores them: whole numbers.
        lungs: (n, size, size, size) bool.
        emphysema: (n, size, size, size) bool, what was planted.
        extents: (n,) planted share of the lung.
        grades: (n, 3) of the observers; the first one's are learned from.
    """

    images: NDArray[np.float32]
    lungs: NDArray[np.bool_]
    emphysema: NDArray[np.bool_]
    extents: NDArray[np.float64]
    grades: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def patients(part: int, n: int, seed: int) -> ParenchymaScans:
    """Return the patients of a part; those of one part, seed and size begin those of a larger size."""
    return ParenchymaScans(n=n, seed=(_STREAM, seed, part))


def stored(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image as a CT stores it: whole HU within 12 bits."""
    return np.clip(np.rint(image), -1024, 3071)


def render(part: int, n: int, seed: int) -> Scans:
    """Return n patients, some 2.5 ms each."""
    cohort = patients(part, n, seed)
    volumes = [cohort.volume(i) for i in range(n)]
    return _scans([(cohort.patient(i), v, v.image) for i, v in enumerate(volumes)])


def render_matched(part: int, pairs: int, seed: int) -> Scans:
    """Return pairs of one histogram: at even places a patient without emphysema, at odd ones a patient with some."""
    made = [matched(part, i, seed) for i in range(pairs)]
    return _scans([(one.patient, one.volume, one.image) for pair in made for one in pair])


@dataclass(frozen=True, kw_only=True, eq=False)
class Matched:
    """One of two patients whose lungs hold the same intensities.

    Attributes:
        patient: Who.
        scan: How he is scanned, like the other.
        volume: Before the intensities were shared.
        image: With them.
    """

    patient: ParenchymaPatient
    scan: LungScan
    volume: ParenchymaVolume
    image: NDArray[np.float32]


def matched(part: int, index: int, seed: int) -> tuple[Matched, Matched]:
    """Return a patient without emphysema and one with some, scanned alike, with one histogram."""
    cohort = ParenchymaScans(n=index + 1, seed=(_STREAM, seed, part), ill=(True,) * (index + 1))
    ill, scan = cohort.patient(index), cohort.scan(index)
    rng = np.random.default_rng([_STREAM, seed, part, index, 99])
    well = alike(ill, pattern="none", extent=0.0, anatomy=int(rng.integers(2**62)))
    of_ill, of_well = matched_pair(ill, well, scan, cohort.knobs, noise=int(rng.integers(2**62)))
    return (
        Matched(patient=well, scan=scan, volume=of_well[0], image=of_well[1]),
        Matched(patient=ill, scan=scan, volume=of_ill[0], image=of_ill[1]),
    )


def _scans(rows: list[tuple[ParenchymaPatient, ParenchymaVolume, NDArray[np.float32]]]) -> Scans:
    return Scans(
        images=np.stack([stored(image) for _, _, image in rows])[:, None],
        lungs=np.stack([volume.lung for _, volume, _ in rows]),
        emphysema=np.stack([volume.emphysema for _, volume, _ in rows]),
        extents=np.array([patient.extent for patient, _, _ in rows]),
        grades=np.array([patient.grades for patient, _, _ in rows], dtype=np.int64),
    )
