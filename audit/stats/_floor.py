"""Resampled intervals that are never narrower than what so many patients can show at best."""

from __future__ import annotations

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._bootstrap import MAX_LOST, bootstrap_bounds
from audit.stats._common import Floats, alphas, clipped, estimate

Support = tuple[float | None, float | None]


def resampled(
    value: float, draws: Floats, floor: Estimate, levels: Levels, *, count: int, method: str, support: Support
) -> Estimate:
    """Return the estimate of resampled values, with arms no shorter than those of a floor.

    A resampled interval collapses where a subgroup has no error at all, since no resample then has one. The floor is
    the interval of the same quantity with everything that was picked from the data held fixed; it does not collapse.

    Args:
        value: The statistic at equal weights.
        draws: (b,) resampled values, NaN where a resample has none.
        floor: Estimate whose arms are the shortest allowed; its n and n_patients are the result's.
        levels: Levels of the bounds.
        count: Patients of the smallest part that the statistic rests on, for the degrees of freedom; at least 2.
        method: Name of the method.
        support: Smallest and largest possible value.

    Returns:
        The estimate. Absent where the floor is, where the statistic cannot be computed, or with more than 1 % of the
        resamples lost.
    """
    if floor.value is None:
        return Estimate.absent(floor.missing or "missing", method=method, n=floor.n, n_patients=floor.n_patients)
    kept = draws[np.isfinite(draws)]
    lost = 1 - len(kept) / max(1, len(draws))
    if not np.isfinite(value) or lost > MAX_LOST:
        what = "on these cases" if not np.isfinite(value) else f"on {lost:.0%} of the resamples"
        reason = f"it cannot be computed {what}: too few patients of a kind"
        return Estimate.absent(reason, method=method, n=floor.n, n_patients=floor.n_patients)
    low, high = bootstrap_bounds(value, kept, count, alphas(levels))
    for i, level in enumerate(levels.rungs):
        bounds = floor.bounds(level)
        if bounds is not None:
            low[i] = min(low[i], value - (floor.value - bounds[0]))
            high[i] = max(high[i], value + (bounds[1] - floor.value))
    held = clipped((low, high), support)
    return estimate(value, held, levels, method=method, n=floor.n, n_patients=floor.n_patients)
