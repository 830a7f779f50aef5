"""Means of cases and of paired differences, with patients as the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import (
    Bounds,
    Floats,
    Ints,
    Patients,
    alphas,
    estimate,
    finite,
    same_length,
    t_quantile,
    too_few,
)

Support = tuple[float | None, float | None]
PLAIN = "cluster t, corrected for skewness"
BOUNDED = "cluster t with a pseudo-patient"


@dataclass(frozen=True, kw_only=True, eq=False)
class Average:
    """A mean over cases with the sums by patient that its interval needs."""

    value: float
    sums: Floats
    sizes: Floats
    patients: Patients
    influence: Floats


def average_of(values: Floats, patients: Patients) -> Average:
    """Return a mean over cases."""
    sums, sizes = patients.sums(values), patients.sizes
    value = float(np.mean(values))
    return Average(
        value=value, sums=sums, sizes=sizes, patients=patients, influence=(sums - value * sizes) / len(values)
    )


def average_bounds(average: Average, support: Support, alpha: Floats) -> Bounds | None:
    """Return t bounds, None where the values do not vary and no support bounds them.

    On a side with a support one pseudo-patient of average size is added at the worst value: rare complete failures,
    not one of which may be in the sample, otherwise leave the bound too near. On a side without one the bound is
    corrected for skewness towards it (Johnson 1978), since large errors are rare in a sample that happens to be mild.
    """
    steady = not np.any(np.abs(average.influence) > 1e-15 * max(1.0, abs(average.value)))
    sides = []
    for sign, worst in ((-1, support[0]), (1, support[1])):
        if worst is None and steady:
            return None
        sums, sizes = average.sums, average.sizes
        if worst is not None:
            size = float(sizes.mean())
            sums, sizes = np.append(sums, worst * size), np.append(sizes, size)
        mean, count = float(sums.sum() / sizes.sum()), len(sums)
        se = np.sqrt(count / (count - 1) * np.sum((sums - mean * sizes) ** 2)) / sizes.sum()
        t = t_quantile(alpha, count - 1)
        bound = mean + sign * (t if worst is not None else _unskewed(average.influence, t, sign)) * se
        sides.append(bound if worst is None else sign * np.minimum(sign * bound, sign * worst))
    return sides[0], sides[1]


def _unskewed(influence: Floats, t: Floats, sign: int) -> Floats:
    """Return t quantiles with Johnson's term for skewness, never below the plain ones.

    The term is g (1 + 2 t^2) / 6 with g the skewness over the root of the number of patients.
    """
    g = sign * float(np.sum(influence**3)) / float(np.sum(influence**2)) ** 1.5
    out: Floats = t + max(g, 0.0) * (1 + 2 * t**2) / 6
    return out


def method_of(support: Support) -> str:
    """Return the name of the interval's method."""
    return PLAIN if support == (None, None) else BOUNDED


def within(values: Floats, support: Support) -> None:
    """Check that values lie in their support.

    Raises:
        ValueError: One does not.
    """
    low = -np.inf if support[0] is None else support[0]
    high = np.inf if support[1] is None else support[1]
    if values.size and not (values.min() >= low and values.max() <= high):
        raise ValueError(f"expected values in [{low}, {high}], got {values.min()} to {values.max()}")


def mean(values: NDArray[Any], patients: Ints, levels: Levels, *, support: Support = (None, None)) -> Estimate:
    """Estimate the mean over cases.

    The variance is the linearised one between patients, with a t quantile of patients - 1. Where the values are
    bounded, the bound on that side is taken with one pseudo-patient at the worst value; where they are not, it is
    corrected for skewness towards that side (Johnson 1978, Journal of the American Statistical Association 73). No
    correction holds for any distribution whatever: with errors that are rare and very large a bound misses too often.

    Args:
        values: (n,) finite.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        support: Smallest and largest possible value, None where there is none; (0, 1) for Dice.

    Returns:
        Value in the unit of `values`. Absent with fewer than 5 patients, and where the values do not vary and have
        no support on both sides.

    Raises:
        ValueError: The arrays are not of one length, or a value is not finite or outside the support.
    """
    same_length(values=values, patients=patients)
    numbers, found, n = finite("values", values), Patients.of(patients), len(values)
    within(numbers, support)
    method = method_of(support)
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    average = average_of(numbers, found)
    bounds = average_bounds(average, support, alphas(levels))
    if bounds is None:
        reason = "no interval: the values do not vary between patients"
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    return estimate(average.value, bounds, levels, method=method, n=n, n_patients=found.count)


def paired_difference(
    a: NDArray[Any], b: NDArray[Any], patients: Ints, levels: Levels, *, support: Support = (None, None)
) -> Estimate:
    """Estimate the mean of a - b over cases that have both.

    Args:
        a: (n,) finite, or bool.
        b: (n,) finite, or bool.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        support: Smallest and largest possible difference; (-1, 1) where `a` and `b` are both bool.

    Returns:
        As `mean`.

    Raises:
        ValueError: As `mean`.
    """
    same_length(a=a, b=b, patients=patients)
    if support == (None, None) and np.asarray(a).dtype == bool and np.asarray(b).dtype == bool:
        support = (-1.0, 1.0)
    return mean(finite("a", a) - finite("b", b), patients, levels, support=support)
