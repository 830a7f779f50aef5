"""Cohorts of the parenchyma phantom, and pairs of lungs with one histogram."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.phantoms._parenchyma import (
    NONE,
    LungScan,
    ParenchymaKnobs,
    ParenchymaPatient,
    draw_patient,
    draw_scan,
)
from audit.reference.phantoms._parenchyma_render import ParenchymaVolume, match_histograms, render_parenchyma

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARENCHYMA = ParenchymaKnobs()


@dataclass(frozen=True, kw_only=True)
class ParenchymaScans:
    """A cohort of patients, each drawn and rendered when asked for.

    Args:
        n: Number of patients.
        seed: Entropy of the cohort; its patients are those of no other seed.
        knobs: What is planted.
        ill: (n,) whether each has emphysema; None: as age, smoking and sex make it likely.
    """

    n: int
    seed: tuple[int, ...]
    knobs: ParenchymaKnobs = PARENCHYMA
    ill: tuple[bool, ...] | None = None

    def __len__(self) -> int:
        return self.n

    def patient(self, index: int) -> ParenchymaPatient:
        """Return a patient; he depends on seed and place alone."""
        ill = None if self.ill is None else self.ill[index]
        return draw_patient(np.random.default_rng([*self.seed, index]), self.knobs, ill=ill)

    def scan(self, index: int, examination: int = 0) -> LungScan:
        """Return how a patient is scanned for the first time (0), the second (1) and so on."""
        rng = np.random.default_rng([*self.seed, index, 1 + examination])
        return draw_scan(rng, self.patient(index), self.knobs)

    def volume(self, index: int, examination: int = 0) -> ParenchymaVolume:
        """Return a scan of a patient."""
        return render_parenchyma(self.patient(index), self.scan(index, examination), self.knobs)


def alike(patient: ParenchymaPatient, *, pattern: str, extent: float, anatomy: int) -> ParenchymaPatient:
    """Return another patient with a lung of the same size, so that both can be given one histogram.

    Args:
        patient: Whose size, sex and history are kept.
        pattern: Of the other; `none` where the extent is 0.
        extent: Of the other, 0 to 1.
        anatomy: Seed of the other's texture, vessels, airways and lesions.
    """
    kept = pattern if extent > 0 else NONE
    return replace(patient, pattern=kept, extent=extent, second=NONE, second_share=0.0, anatomy=anatomy)


def matched_pair(
    patient: ParenchymaPatient, other: ParenchymaPatient, scan: LungScan, knobs: ParenchymaKnobs, *, noise: int
) -> tuple[tuple[ParenchymaVolume, NDArray[np.float32]], tuple[ParenchymaVolume, NDArray[np.float32]]]:
    """Return two patients scanned alike, each with the image in which both lungs hold the same intensities.

    Args:
        patient: The first.
        other: The second, from `alike`.
        scan: How both are scanned.
        knobs: What is planted.
        noise: Seed of the second's noise.
    """
    first = render_parenchyma(patient, scan, knobs)
    second = render_parenchyma(other, replace(scan, noise=noise), knobs)
    images = match_histograms(first, second)
    return (first, images[0]), (second, images[1])
