"""Regions of lung of patients of the COPD phantom, and what densitometry reads of their whole lung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.phantoms._copd import CopdPatients
from audit.reference.phantoms._parenchyma import NONE, LungScan, ParenchymaKnobs, ParenchymaPatient
from audit.reference.phantoms._parenchyma_render import cut_regions, render_parenchyma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.reference.phantoms._parenchyma_render import ParenchymaVolume

SCAN, RESCAN, SHALLOW = 0, 1, 2
"""The scan, one on the same day at a breath of its own, and one as the first but at `SHALLOW_BREATH` of its volume."""
SHALLOW_BREATH = 0.85
LUNG = ParenchymaKnobs(size=48, spacing_mm=1.5)
REGIONS = 6
SIDE = 16
"""Voxels along each side of a region."""
INSIDE = 0.9
"""Least share of a region that is lung."""
STORED = (-1100, 200)
"""Lowest and highest number that is stored, HU."""
_RENDERED, _SCANNED, _CUT = 1, 2, 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """One examination.

    Attributes:
        regions: (REGIONS, SIDE, SIDE, SIDE) int16 HU, cubes at random places of the lung.
        ra950: Share of the whole lung below -950 HU, 0 to 1.
        ra910: The same below -910 HU.
        perc15: 15th percentile of the whole lung, HU.
        extent: Planted share of emphysema in the whole lung, 0 to 1.
    """

    regions: NDArray[np.int16]
    ra950: float
    ra910: float
    perc15: float
    extent: float


@dataclass(frozen=True, kw_only=True, eq=False)
class CopdScans:
    """Examinations that are rendered when asked for; each depends on its patient and its kind alone.

    Args:
        patients: Who is examined.
        of: (m,) index of the patient of each examination; one scan a patient if None.
        kinds: (m,) `SCAN`, `RESCAN` or `SHALLOW`; scans if None.
        lung: What the lungs are made of.
    """

    patients: CopdPatients
    of: Sequence[int] | None = None
    kinds: Sequence[int] | None = None
    lung: ParenchymaKnobs = field(default=LUNG)

    def __len__(self) -> int:
        return len(self.patients if self.of is None else self.of)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return the regions of one examination, (REGIONS, SIDE, SIDE, SIDE) HU."""
        return self.examine(index).regions.astype(np.float32)

    def examine(self, index: int) -> Examined:
        """Return one examination."""
        who, kind = self._who(index)
        volume = self.volume(index)
        rng = np.random.default_rng([*self.patients.seed, int(self.patients.number[who]), _CUT + kind])
        cubes, _ = cut_regions(volume.image, volume.lung, count=REGIONS, size=SIDE, rng=rng, share=INSIDE)
        inside = np.round(volume.image[volume.lung])
        return Examined(
            regions=np.clip(np.round(cubes), *STORED).astype(np.int16), ra950=float((inside < -950).mean()),
            ra910=float((inside < -910).mean()), perc15=float(np.percentile(inside, 15)), extent=volume.extent,
        )  # fmt: skip

    def volume(self, index: int) -> ParenchymaVolume:
        """Return the whole lung of one examination, with the masks of what was planted."""
        who, kind = self._who(index)
        return render_parenchyma(self._patient(who), self._scan(who, kind), self.lung)

    def _who(self, index: int) -> tuple[int, int]:
        who = index if self.of is None else int(self.of[index])
        return who, SCAN if self.kinds is None else int(self.kinds[index])

    def _patient(self, who: int) -> ParenchymaPatient:
        p, knobs = self.patients, self.patients.knobs
        rng = np.random.default_rng([*p.seed, int(p.number[who]), _RENDERED])
        ill, septal = (float(1 / (1 + np.exp(-odds[who]))) for odds in (p.log_odds, p.septal_log_odds))
        extent = min(0.9, ill + septal)
        low, high = self.lung.depth
        return ParenchymaPatient(
            sex="male" if p.male[who] else "female", age=float(p.age[who]), pack_years=float(p.pack_years[who]),
            bmi=float(np.clip(rng.normal(27, 4), 17, 45)), extent=extent,
            pattern="panlobular" if ill >= knobs.panlobular_from else "centrilobular",
            second="paraseptal" if septal > 0 else NONE, second_share=septal / (ill + septal),
            depth=float(rng.uniform(low, high)),
            density=float(
                rng.normal(self.lung.density + self.lung.density_of_women * (0.5 - p.male[who]),
                           self.lung.density_spread)
            ),
            scale=float((1.04 if p.male[who] else 0.96) * np.exp(rng.normal(0, 0.03))),
            anatomy=int(rng.integers(2**62)), grades=(0, 0, 0),
        )  # fmt: skip

    def _scan(self, who: int, kind: int) -> LungScan:
        p = self.patients
        rng = np.random.default_rng([*p.seed, int(p.number[who]), _SCANNED + kind])
        breath = p.breath[who, 1 if kind == RESCAN else 0] + (np.log(SHALLOW_BREATH) if kind == SHALLOW else 0.0)
        shift = rng.uniform(-0.4, 0.4, 3)
        return LungScan(
            protocol=str(p.kernel[who]), scanner="A", dose=self.lung.low_dose, inspiration=float(np.exp(breath)),
            shift=(float(shift[0]), float(shift[1]), float(shift[2])), noise=int(rng.integers(2**62)),
        )  # fmt: skip
