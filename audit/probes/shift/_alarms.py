"""The share of images that raise no alarm, where the threshold of the alarm is as uncertain as its images are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FALSE_ALARMS = 0.05
"""Share of the cohort's own images that may raise an alarm."""
METHOD = "Korn-Graubard, each end at the threshold that the own images allow for it (Bonferroni)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold:
    """The alarm that one in twenty of the own images exceeds, and which others that could be.

    Args:
        value: As these images have it.
        places: (t,) alarms from the median on, rising.
        above: t shares of the own images with a higher alarm.
    """

    value: float
    places: Floats
    above: tuple[Estimate, ...]

    @classmethod
    def of(cls, own: Floats, patients: Ints, levels: Levels) -> Threshold:
        """Return the threshold of some alarms (n,) of patients (n,)."""
        from audit.stats import proportion

        places = np.unique(own[own >= np.median(own)])
        above = tuple(proportion(own > place, patients, levels) for place in places)
        return cls(value=float(np.quantile(own, 1 - FALSE_ALARMS, method="higher")), places=places, above=above)

    def between(self, rung: float) -> tuple[float, float]:
        """Return the lowest possible threshold and the first alarm that is above every possible one."""
        bounds = [share.bounds(rung) or (0.0, 1.0) for share in self.above]
        fits = np.flatnonzero([low <= FALSE_ALARMS <= high for low, high in bounds])
        if not fits.size:
            return self.value, float(np.nextafter(self.value, np.inf))
        first, last = int(fits[0]), int(fits[-1]) + 1
        # Below the median and above the largest alarm there is nothing to hold a threshold against.
        low = float(self.places[first]) if first else -np.inf
        return low, float(self.places[last]) if last < self.places.size else np.inf


def unnoticed(threshold: Threshold, alarms: Floats, patients: Ints, levels: Levels) -> Estimate:
    """Return the share of images whose alarm is not above a threshold that was estimated, too.

    Half of the error of each bound is for the share and half for the threshold.

    Args:
        threshold: From the own images.
        alarms: (m,) of the images that do not belong.
        patients: (m,) their patients.
        levels: Levels of the bounds.
    """
    from audit.stats import proportion

    found = proportion(alarms <= threshold.value, patients, levels)
    if found.value is None:
        return found
    curve, low, high = [], found.value, found.value
    for rung in levels.rungs:
        least, beyond = threshold.between(rung / 2)
        under = proportion(alarms <= least, patients, levels).bounds(rung / 2) or (0.0, 1.0)
        over = proportion(alarms < beyond, patients, levels).bounds(rung / 2) or (0.0, 1.0)
        low, high = min(low, under[0]), max(high, over[1] if np.isfinite(beyond) else 1.0)
        curve.append((rung, low, high))
    return Estimate(
        value=found.value, curve=tuple(curve), method=METHOD, n=found.n, n_patients=found.n_patients, k=found.k
    )
