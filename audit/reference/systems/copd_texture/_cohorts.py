"""Who is trained on, tested on and audited; patients of one part are never those of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import RESCAN, SCAN, SHALLOW, CopdKnobs, CopdPatients, CopdScans, copd_patients

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRAIN, TEST, AUDIT, TUNING = 0, 1, 2, 3
HORIZON = 5.0
"""Years that a risk is said for."""
TRAINING_SCANS = 400
FUTURE = "future-copd"
_ENTROPY = {"copd-texture": 110, FUTURE: 111}
_UNKNOWN = 2
"""Patients at risk who are drawn for one whose status at the horizon must be known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scanned:
    """Rendered examinations.

    Attributes:
        patients: Who was examined.
        of: (m,) index of the patient of each examination.
        kinds: (m,) `SCAN`, `RESCAN` or `SHALLOW`.
        regions: (m, regions, z, y, x) int16 HU.
        density: Columns of densitometry by name, (m,): ra950, ra910, perc15, and the planted extent.
    """

    patients: CopdPatients
    of: NDArray[np.int64]
    kinds: NDArray[np.int64]
    regions: NDArray[np.int16]
    density: Mapping[str, Floats]

    def rows(self, kind: int) -> NDArray[np.int64]:
        """Return the places of the examinations of a kind, in the order of their patients."""
        return np.flatnonzero(self.kinds == kind)


def patients_of(name: str, *, seed: int, part: int, n: int, knobs: CopdKnobs | None = None) -> CopdPatients:
    """Return patients of a system: all who come, or for the future those without COPD.

    Args:
        name: The system.
        seed: Of the build or of the audit's cohort.
        part: `TRAIN`, `TEST`, `AUDIT` or `TUNING`.
        n: How many.
        knobs: What is planted; the defaults if None.
    """
    return copd_patients(n, seed=(seed, _ENTROPY[name], part), knobs=knobs, at_risk=name == FUTURE)


def scanned(
    patients: CopdPatients, *, again: int = 0, shallow: bool = True, of: NDArray[np.int64] | None = None
) -> Scanned:
    """Render examinations.

    Args:
        patients: Who is examined.
        again: How many of the first patients are scanned again.
        shallow: These are scanned once more at a shallower breath.
        of: Only these patients, once each.
    """
    who = np.arange(len(patients)) if of is None else of
    first = np.arange(again)
    last = first if shallow else first[:0]
    whose = np.concatenate([who, first, last]).astype(np.int64)
    kinds = np.repeat([SCAN, RESCAN, SHALLOW], [len(who), again, len(last)]).astype(np.int64)
    scans = CopdScans(patients=patients, of=whose.tolist(), kinds=kinds.tolist())
    made = [scans.examine(i) for i in range(len(scans))]
    density = {k: np.array([getattr(m, k) for m in made]) for k in ("ra950", "ra910", "perc15", "extent")}
    return Scanned(
        patients=patients, of=whose, kinds=kinds, regions=np.stack([m.regions for m in made]), density=density
    )


def training_set(name: str, *, seed: int, n: int = TRAINING_SCANS) -> tuple[Scanned, NDArray[np.bool_], Floats]:
    """Return scans, labels and weights to learn from.

    For the future these are the first patients whose status at the horizon is known, weighted against the censoring
    of the others.

    Args:
        name: The system.
        seed: Of the build.
        n: Scans.
    """
    if name != FUTURE:
        patients = patients_of(name, seed=seed, part=TRAIN, n=n)
        return scanned(patients), patients.copd, np.ones(n)
    patients = patients_of(name, seed=seed, part=TRAIN, n=_UNKNOWN * n)
    follow_up = followed(patients, np.zeros(len(patients))).follow_up
    weights = follow_up.shares(np.ones((1, len(patients))))[0]
    known = np.flatnonzero(follow_up.known)[:n]
    return scanned(patients, of=known), follow_up.failed[known], weights[known]


def followed(patients: CopdPatients, risk: Floats) -> Any:
    """Return patients with a risk and what became of them, as `audit.stats.Followed`."""
    from audit.stats import Followed

    return Followed(
        risk=risk, time=patients.time, event=patients.event, patients=np.arange(len(patients)), horizon=HORIZON
    )
