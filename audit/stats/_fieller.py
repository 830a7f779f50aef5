"""The ratio of two means of the same cases, with Fieller's interval and patients as the unit of sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Ints, Patients, alphas, estimate, finite, same_length, t_quantile, too_few

METHOD = "Fieller, patients as clusters"
UNBOUNDED = 1e9
"""Stands for no bound at all on rungs at which the denominator may be 0."""


def ratio_of_means(a: NDArray[Any], b: NDArray[Any], patients: Ints, levels: Levels) -> Estimate:
    """Estimate mean(a) / mean(b) over cases that have both.

    The interval holds every ratio r at which mean(a) - r mean(b) does not differ from 0: Fieller's, with the linearised
    variances and covariance between patients and a t quantile of patients - 1. Where the denominator itself does not
    differ from 0 at the pointwise level the ratio may be anything, and there is no number; at rarer levels where that
    is so the bounds are so wide that nothing can be decided by them.

    Args:
        a: (n,) finite, the numerator's cases.
        b: (n,) finite, the denominator's.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        The ratio; absent with fewer than 5 patients, and where the denominator may be 0.

    Raises:
        ValueError: The arrays are not of one length, or a value is not finite.

    References:
        Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16.
    """
    same_length(a=a, b=b, patients=patients)
    top, bottom, found, n = finite("a", a), finite("b", b), Patients.of(patients), len(a)
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    x, y = float(top.mean()), float(bottom.mean())
    dx, dy = (found.sums(v) - m * found.sizes for v, m in ((top, x), (bottom, y)))
    scale = found.count / (found.count - 1) / n**2
    vxx, vxy, vyy = (scale * float(np.sum(p * q)) for p, q in ((dx, dx), (dx, dy), (dy, dy)))
    t2 = t_quantile(alphas(levels), found.count - 1) ** 2
    # r with (x - r y)^2 <= t2 (vxx - 2 r vxy + r^2 vyy), a quadratic in r that opens upwards where y is not 0.
    square, linear, constant = y * y - t2 * vyy, x * y - t2 * vxy, x * x - t2 * vxx
    bounded = square > 1e-12 * max(y * y, 1e-300)
    if y == 0 or not bounded[np.searchsorted(-alphas(levels), -levels.pointwise)]:
        reason = "the denominator is not told from 0, so the ratio may be anything"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    root = np.sqrt(np.maximum(linear**2 - square * constant, 0.0))
    safe = np.where(bounded, square, 1.0)
    low = np.where(bounded, (linear - root) / safe, -UNBOUNDED)
    high = np.where(bounded, (linear + root) / safe, UNBOUNDED)
    return estimate(x / y, (low, high), levels, method=METHOD, n=n, n_patients=found.count)
