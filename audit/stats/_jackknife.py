"""Intervals of agreement, by leaving out one patient at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats._common import Bounds, Floats, Patients, t_quantile


@dataclass(frozen=True, kw_only=True, eq=False)
class Jackknife:
    """A statistic of sums over cases, and what it is without each patient.

    Args:
        value: The statistic on all cases.
        left: (patients,) the statistic without each patient.
    """

    value: float
    left: Floats

    @property
    def variance(self) -> float:
        """Jackknife variance of the statistic."""
        count = len(self.left)
        return (count - 1) / count * float(np.sum((self.left - self.left.mean()) ** 2))


def patient_sums(rows: NDArray[np.float64], patients: Patients) -> NDArray[np.float64]:
    """Return (patients, q) sums by patient of (n, q) contributions of the cases."""
    out = np.zeros((patients.count, rows.shape[1]))
    np.add.at(out, patients.code, rows)
    return out


def jackknife(sums: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], Floats]) -> Jackknife:
    """Return a statistic and its leave-one-patient-out values.

    Args:
        sums: (patients, q) sums by patient.
        statistic: From (m, q) sums over cases to (m,) values, NaN where it cannot be computed.
    """
    total = sums.sum(axis=0)
    return Jackknife(value=float(statistic(total[None])[0]), left=statistic(total[None] - sums))


def covariance(one: Jackknife, two: Jackknife) -> float:
    """Return the jackknife covariance of two statistics of the same patients."""
    count = len(one.left)
    return (count - 1) / count * float(np.sum((one.left - one.left.mean()) * (two.left - two.left.mean())))


def fisher_bounds(found: Jackknife, alpha: Floats) -> Bounds:
    """Return t bounds on Fisher's z scale, turned back; the value must lie inside (-1, 1)."""
    z = np.arctanh(found.value)
    se = float(np.sqrt(found.variance)) / (1 - found.value**2)
    half = t_quantile(alpha, len(found.left) - 1) * se
    return np.tanh(z - half), np.tanh(z + half)
