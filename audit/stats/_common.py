"""What all estimators share: patient codes, sums by patient, and the curve of bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Curve, Estimate

MIN_PATIENTS = 5
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bounds = tuple[Floats, Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patients:
    """Patients of some cases, as codes without holes.

    Args:
        code: (n,) codes 0..count-1.
        ids: (count,) the caller's codes, sorted.
    """

    code: Ints
    ids: NDArray[Any]

    @classmethod
    def of(cls, patients: NDArray[Any]) -> Patients:
        """Return the patients of some cases, given any integer codes (n,)."""
        ids, code = np.unique(np.asarray(patients), return_inverse=True)
        return cls(code=code.reshape(-1).astype(np.int64), ids=ids)

    @property
    def count(self) -> int:
        """Number of patients."""
        return int(self.ids.size)

    @property
    def sizes(self) -> Floats:
        """(count,) cases a patient."""
        return self.sums(np.ones(len(self.code)))

    def sums(self, values: NDArray[Any]) -> Floats:
        """Return (count,) sums of (n,) values by patient."""
        totals = np.bincount(self.code, weights=np.asarray(values, dtype=np.float64), minlength=self.count)
        return np.asarray(totals, dtype=np.float64)


def same_length(**arrays: NDArray[Any]) -> None:
    """Check that arrays are one-dimensional and of one length.

    Raises:
        ValueError: They are not.
    """
    shapes = {name: np.shape(a) for name, a in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(s) != 1 for s in shapes.values()):
        raise ValueError(f"expected arrays of one shape (n,), got {shapes}")


def finite(name: str, values: NDArray[Any]) -> Floats:
    """Return values as float64.

    Raises:
        ValueError: One is not finite; such cases are set aside before any number is made.
    """
    out = np.asarray(values, dtype=np.float64)
    if not np.isfinite(out).all():
        raise ValueError(f"{name}: expected finite numbers, got {int((~np.isfinite(out)).sum())} that are not")
    return out


def too_few(count: int, what: str = "") -> str | None:
    """Return the reason why so few patients carry no interval, or None."""
    if count >= MIN_PATIENTS:
        return None
    of = f" {what}" if what else ""
    return f"{count} patient{'' if count == 1 else 's'}{of}, fewer than the {MIN_PATIENTS} that an interval needs"


def alphas(levels: Levels) -> Floats:
    """Return the one-sided levels of the curve, falling."""
    return np.asarray(levels.rungs, dtype=np.float64)


def t_quantile(alpha: Floats, df: float) -> Floats:
    """Return the upper quantile of Student's t at one-sided levels."""
    from scipy.special import stdtrit

    out: Floats = -stdtrit(float(df), alpha)
    return out


def widening(value: float, bounds: Bounds) -> Bounds:
    """Return bounds that hold the value and never narrow as the level falls."""
    low = np.minimum.accumulate(np.minimum(bounds[0], value))
    high = np.maximum.accumulate(np.maximum(bounds[1], value))
    return low, high


def clipped(bounds: Bounds, support: tuple[float | None, float | None]) -> Bounds:
    """Return bounds held inside a support."""
    least = -np.inf if support[0] is None else support[0]
    most = np.inf if support[1] is None else support[1]
    return np.clip(bounds[0], least, most), np.clip(bounds[1], least, most)


def estimate(
    value: float, bounds: Bounds, levels: Levels, *, method: str, n: int, n_patients: int, k: float | None = None
) -> Estimate:
    """Return an estimate with its curve, or an absent one where a bound is not finite."""
    low, high = widening(value, bounds)
    if not (np.isfinite(value) and np.isfinite(low).all() and np.isfinite(high).all()):
        return Estimate.absent("its interval is not finite", method=method, n=n, n_patients=n_patients, k=k)
    curve: Curve = tuple(zip(levels.rungs, low.tolist(), high.tolist(), strict=True))
    return Estimate(value=float(value), curve=curve, method=method, n=n, n_patients=n_patients, k=k)
