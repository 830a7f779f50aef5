"""The mean of a statistic over several trainings, uncertain in the patients and in the trainings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, clipped, estimate, t_quantile, too_few
from audit.stats._kernel import chunk_rows

METHOD = "mean over trainings; jackknife of patients plus variance between trainings, Satterthwaite t"
GROUPS = 200
"""Groups of patients that are left out in turn; every patient is one where there are no more."""


def over_trainings(
    statistic: Callable[[Floats], Floats],
    patients: Ints,
    levels: Levels,
    *,
    rarer: int | None = None,
    support: tuple[float | None, float | None] = (None, None),
    method: str = METHOD,
) -> Estimate:
    """Estimate the mean of a statistic over trainings that were repeated with other seeds and other draws of cases.

    Two things vary: which patients the statistic was taken of, and what the training happened to give. The variance is
    that of the mean over trainings when a group of patients is left out (jackknife), plus the variance between
    trainings over their number; its degrees of freedom are Satterthwaite's. With five trainings the second part has
    four, so the interval is wide where trainings differ.

    Args:
        statistic: From (b, n) weights of the cases to (b, s) numbers, one a training; NaN where there is none.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rarer: For an area under a curve: patients of the rarer class. The interval then lies on the logit scale and is
            never better than that of a flawless ranking of so many.
        support: Smallest and largest possible value, to which bounds are clipped.
        method: Name of the method.

    Returns:
        The mean at equal weights. Absent with fewer than 5 patients (in the rarer class, where that is given) or 2
        trainings, where the statistic cannot be computed, and where it does not vary.

    References:
        Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bulletin 2.
        Efron and Stein 1981, The jackknife estimate of variance, Annals of Statistics 9.
    """
    found, n = Patients.of(patients), len(patients)

    def absent(reason: str) -> Estimate:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)

    few = found.count if rarer is None else min(rarer, found.count)
    reason = "no cases" if n == 0 else too_few(few, "" if rarer is None else "of a class")
    if reason:
        return absent(reason)
    each = np.asarray(statistic(np.ones((1, n))), dtype=np.float64)[0]
    if len(each) < 2:
        return absent("one training says nothing of how trainings differ")
    if not np.isfinite(each).all():
        return absent("it cannot be computed on these cases")
    of_patients, groups = _jackknife(statistic, found)
    if not np.isfinite(of_patients):
        return absent("it cannot be computed without some of the patients: too few of a kind")
    value, of_trainings = float(each.mean()), float(each.var(ddof=1)) / len(each)
    freedom = min(groups, few) - 1
    bounds = _bounds(value, of_patients, of_trainings, freedom, len(each) - 1, levels, rarer)
    if bounds is None:
        return absent("no interval: it does not vary between patients or trainings")
    return estimate(value, clipped(bounds, support), levels, method=method, n=n, n_patients=found.count)


def _jackknife(statistic: Callable[[Floats], Floats], patients: Patients) -> tuple[float, int]:
    """Return the variance of the mean over trainings, and the number of groups that were left out in turn."""
    count = min(GROUPS, patients.count)
    # Patients in order of their first case would put those of one site into one group.
    group = (patients.code * 7919 % patients.count) % count if patients.count % 7919 else patients.code % count
    rows = chunk_rows(len(patients.code))
    left = []
    for start in range(0, count, rows):
        out = np.arange(start, min(start + rows, count))
        left.append(np.asarray(statistic((group[None, :] != out[:, None]).astype(np.float64))).mean(axis=1))
    means = np.concatenate(left)
    return float((count - 1) / count * np.sum((means - means.mean()) ** 2)), count


def _bounds(
    value: float, of_patients: float, of_trainings: float, freedom: int, trainings: int, levels: Levels,
    rarer: int | None,
) -> Bounds | None:  # fmt: skip
    alpha = alphas(levels)
    total = of_patients + of_trainings
    flawless = None if rarer is None else alpha ** (1 / rarer)
    if total <= 1e-24:
        if flawless is None or value not in (0.0, 1.0):
            return None
        return (flawless, np.ones_like(alpha)) if value == 1 else (np.zeros_like(alpha), 1 - flawless)
    df = total**2 / (of_patients**2 / freedom + of_trainings**2 / trainings)
    half = t_quantile(alpha, df) * np.sqrt(total)
    if flawless is None or not 0 < value < 1:
        low, high = value - half, value + half
    else:
        centre, scale = np.log(value) - np.log1p(-value), half / (value * (1 - value))
        low, high = _expit(centre - scale), _expit(centre + scale)
    if flawless is None:
        return low, high
    return np.minimum(low, flawless), np.maximum(high, 1 - flawless)


def _expit(x: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(x)
    return out
