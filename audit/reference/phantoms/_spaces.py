"""A cohort of brain regions with perivascular spaces that holds nothing and renders a scan when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from audit.reference.phantoms._spaces_draw import Anatomy, draw_anatomy
from audit.reference.phantoms._spaces_observers import OBSERVERS
from audit.reference.phantoms._spaces_patients import SpacesKnobs, SpacesPatient, draw_patient
from audit.reference.phantoms._spaces_regions import REGIONS
from audit.reference.phantoms._spaces_scan import SpacesScan, draw_scan


@dataclass(frozen=True, kw_only=True, eq=False)
class PerivascularSpaces:
    """Patients, one region of each, scanned once or twice.

    What is drawn for a patient depends on the seed, the patient's index, the region and the knobs alone, so scans can
    be read in any order and by several workers.

    Args:
        n: Patients.
        region: One of `REGIONS`.
        seed: Entropy of the cohort, for example `(1, 2)`; the same patients have their other regions under it.
        knobs: What is planted.
        whole: All of a region is read, whatever its plane.
    """

    n: int
    region: str
    seed: Sequence[int]
    knobs: SpacesKnobs = field(default_factory=SpacesKnobs)
    whole: bool = False

    def __len__(self) -> int:
        return self.n

    def patient(self, index: int) -> SpacesPatient:
        """Return who a patient is."""
        return draw_patient(self.seed, index, knobs=self.knobs)

    def anatomy(self, index: int) -> Anatomy:
        """Return what lies in a patient's region."""
        rng = self._rng(index, 0)
        return draw_anatomy(rng, REGIONS[self.region], self.patient(index), knobs=self.knobs)

    def scan(self, index: int, *, again: bool = False) -> SpacesScan:
        """Return a patient's scan, or the rescan of the same state."""
        rng = self._rng(index, 2 if again else 1)
        anatomy = self.anatomy(index)
        if self.whole:
            anatomy = replace(anatomy, region=replace(anatomy.region, plane=None))
        return draw_scan(rng, anatomy, self.patient(index).scanner, knobs=self.knobs, again=again)

    def readings(self, index: int, scan: SpacesScan, *, again: bool = False) -> dict[str, int]:
        """Return what every observer counts on a scan, by name."""
        return {
            name: observer.count(scan, self._rng(index, 10 + 2 * number + int(again)))
            for number, (name, observer) in enumerate(OBSERVERS.items())
        }

    def _rng(self, index: int, what: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, index, list(REGIONS).index(self.region), what])
