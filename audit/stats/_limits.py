"""Limits of agreement after Bland and Altman, by the non-central t distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few

NORMAL_95 = 1.959963984540054
EXACT = "mean ± 1.96 SD, non-central t"
CLUSTERED = "mean ± 1.96 SD of both variance components, non-central t at the effective numbers"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation of a difference of one case, and what they rest on.

    Args:
        mean: Mean over cases.
        sd: Standard deviation of a single difference, between and within patients together.
        cases: Independent cases that would carry as much for the mean.
        df: Degrees of freedom of the standard deviation.
    """

    mean: float
    sd: float
    cases: float
    df: float


def spread_of(values: Floats, patients: Patients) -> Spread:
    """Return mean and standard deviation by one-way variance components (after Bland and Altman 2007).

    With one case a patient these are the plain ones, with n cases and n - 1 degrees of freedom.
    """
    n, count = len(values), patients.count
    mean = float(values.mean())
    if count == n:
        return Spread(mean=mean, sd=float(values.std(ddof=1)), cases=float(n), df=float(n - 1))
    sizes, sums = patients.sizes, patients.sums(values - mean)
    within = max(float(np.sum((values - mean) ** 2)) - float(np.sum(sums**2 / sizes)), 0.0) / (n - count)
    # Means of patients with few and with many cases alike, as their variance is then near a chi-square.
    of_means, inverse = float(np.var(sums / sizes, ddof=1)), float(np.mean(1 / sizes))
    # By luck patients may differ less than their own cases do; they are then taken to differ not at all.
    of_means = max(of_means, within * inverse)
    apart = of_means - within * inverse
    variance = apart + within
    uncertain = of_means**2 / (count - 1) + ((1 - inverse) * within) ** 2 / (n - count)
    of_mean = apart * float(np.sum(sizes**2)) / n**2 + within / n
    if not variance > 0:
        return Spread(mean=mean, sd=0.0, cases=float(count), df=float(count - 1))
    return Spread(
        mean=mean, sd=float(np.sqrt(variance)), cases=variance / of_mean, df=min(variance**2 / uncertain, n - 1.0)
    )


def limit_of_agreement(
    differences: NDArray[Any], patients: Ints, levels: Levels, *, side: Literal["low", "high"]
) -> Estimate:
    """Estimate a limit between which about 95 % of differences lie: mean -/+ 1.96 standard deviations.

    For normal differences with one case a patient the bounds are exact: (mean - limit) / (s / sqrt(n)) follows a
    non-central t. With several cases a patient the standard deviation is that of both variance components together,
    and the bounds use the effective number of cases and degrees of freedom, an approximation.

    Args:
        differences: (n,) finite, one method minus the other.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        side: "low" for mean - 1.96 SD, "high" for mean + 1.96 SD.

    Returns:
        Value in the unit of the differences. Absent with fewer than 5 patients, and where the differences do not vary.

    Raises:
        ValueError: The arrays are not of one length, a value is not finite, or the side is unknown.

    References:
        Bland and Altman 1986, Statistical methods for assessing agreement between two methods of clinical
        measurement, The Lancet 327; Bland and Altman 2007, Agreement between methods of measurement with multiple
        observations per individual, Journal of Biopharmaceutical Statistics 17.
    """
    same_length(differences=differences, patients=patients)
    if side not in ("low", "high"):
        raise ValueError(f"side: expected low or high, got {side}")
    values, found, n = finite("differences", differences), Patients.of(patients), len(differences)
    method = EXACT if found.count == n else CLUSTERED
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    spread = spread_of(values, found)
    if spread.sd <= 1e-12 * max(1.0, abs(spread.mean)):
        reason = "no interval: the differences do not vary"
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    sign = -1.0 if side == "low" else 1.0
    bounds = _tolerance_bounds(spread, sign, alphas(levels))
    value = spread.mean + sign * NORMAL_95 * spread.sd
    return estimate(value, bounds, levels, method=method, n=n, n_patients=found.count)


def _tolerance_bounds(spread: Spread, sign: float, alpha: Floats) -> Bounds:
    """Return bounds of mean + sign * 1.96 SD."""
    from scipy.special import nctdtrit

    root = np.sqrt(spread.cases)
    near, far = (nctdtrit(spread.df, NORMAL_95 * root, a) for a in (alpha, 1 - alpha))
    inner, outer = spread.mean + sign * spread.sd / root * near, spread.mean + sign * spread.sd / root * far
    return (inner, outer) if sign > 0 else (outer, inner)
