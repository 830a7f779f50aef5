"""The median of cases, with order statistics as bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few
from audit.stats._means import Support, within
from audit.stats._proportion import korn_graubard_bounds, share_of

EXACT = "order statistics"
CLUSTERED = "order statistics at the effective number of cases"


def median(values: NDArray[Any], patients: Ints, levels: Levels, *, support: Support = (None, None)) -> Estimate:
    """Estimate the median over cases.

    With one case a patient the bounds are order statistics by the binomial distribution, exact for any distribution.
    With several, they are the quantiles at the Korn-Graubard bounds of the share of cases below the median
    (Woodruff 1952).

    Args:
        values: (n,) finite.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        support: Smallest and largest possible value, the bound at rungs that no order statistic reaches; None where
            there is none.

    Returns:
        Value in the unit of `values`. Absent with fewer than 5 patients, and where a rung's bound lies beyond the
        extremes of so few patients and no support bounds it (with fewer than about 20 patients).

    Raises:
        ValueError: The arrays are not of one length, or a value is not finite or outside the support.
    """
    same_length(values=values, patients=patients)
    numbers, found, n = finite("values", values), Patients.of(patients), len(values)
    within(numbers, support)
    method = EXACT if found.count == n else CLUSTERED
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    value, ordered = float(np.median(numbers)), np.sort(numbers)
    ranks = _exact(n, alphas(levels)) if found.count == n else _clustered(numbers, value, found, alphas(levels))
    worst = (-np.inf if support[0] is None else support[0], np.inf if support[1] is None else support[1])
    padded = np.concatenate([[worst[0]], ordered, [worst[1]]])
    bounds = padded[ranks[0].astype(int)], padded[ranks[1].astype(int)]
    if not (np.isfinite(bounds[0]).all() and np.isfinite(bounds[1]).all()):
        reason = f"{found.count} patients, too few for order statistics at every level"
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    return estimate(value, bounds, levels, method=method, n=n, n_patients=found.count)


def _exact(n: int, alpha: Floats) -> Bounds:
    """Return ranks 1..n of the order statistics, 0 and n + 1 where none is far enough out."""
    from scipy.special import bdtr

    below = bdtr(np.arange(n), n, 0.5)
    low = np.searchsorted(below, alpha, side="right").astype(np.float64)
    return low, n + 1 - low


def _clustered(values: Floats, centre: float, patients: Patients, alpha: Floats) -> Bounds:
    # Cases at the median itself count half to either side, so that ties do not turn the share away from a half.
    n = len(values)
    sides = [share_of(values < centre, patients), share_of(values <= centre, patients)]
    low = np.minimum(*(korn_graubard_bounds(share, alpha)[0] for share in sides))
    high = np.maximum(*(korn_graubard_bounds(share, alpha)[1] for share in sides))
    return np.floor(low * n), np.ceil(high * n) + 1
