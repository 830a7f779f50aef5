"""Intervals of any statistic of weighted cases, by resampling patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, clipped, estimate, t_quantile, too_few
from audit.stats._kernel import chunk_rows, patient_weights

MIN_BEYOND = 20
MAX_LOST = 0.01
JACKKNIFED = 300
Support = tuple[float | None, float | None]
NOWHERE: Support = (None, None)
METHOD = "patient bootstrap"


def bootstrap_bounds(value: float, draws: Floats, count: int, alpha: Floats) -> Bounds:
    """Return bounds from resampled values.

    Where at least 20 resamples lie beyond a rung its percentile is used, unless the t interval with the bootstrap's
    standard error (patients - 1 degrees of freedom) is wider; beyond that the t interval alone.
    """
    half = t_quantile(alpha, count - 1) * float(np.std(draws, ddof=1))
    low, high = value - half, value + half
    for i in np.flatnonzero(alpha * len(draws) >= MIN_BEYOND):
        low[i] = min(low[i], float(np.quantile(draws, alpha[i], method="lower")))
        high[i] = max(high[i], float(np.quantile(draws, 1 - alpha[i], method="higher")))
    return low, high


def bootstrap(
    statistic: Callable[[Floats], Any],
    patients: Ints,
    levels: Levels,
    rng: np.random.Generator,
    *,
    resamples: int,
    method: str = METHOD,
    vectorised: bool = False,
    support: tuple[float | None, float | None] = (None, None),
) -> Estimate:
    """Estimate any statistic of weighted cases by resampling whole patients.

    Percentiles are used for rungs with at least 20 resamples beyond them, never narrower than a t interval with the
    bootstrap's standard error; rarer rungs have the t interval alone.

    Args:
        statistic: From (n,) case weights to a number, or None where it cannot be computed. With `vectorised`: from
            (b, n) weights, a resample a row, to (b,) numbers, NaN where it cannot be computed.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.
        method: Name of the method in the evidence.
        vectorised: The statistic takes many resamples at once, half a MB of weights at a time.
        support: Smallest and largest possible value, to which bounds are clipped.

    Returns:
        The statistic at equal weights, with n = cases and n_patients = patients of `patients`. Absent with fewer than
        5 patients, where it cannot be computed on all cases or on more than 1 % of the resamples, and where it does
        not vary.

    Raises:
        ValueError: Fewer than 100 resamples.
    """
    many = statistic if vectorised else _row_by_row(statistic)
    (only,) = bootstrap_many(
        lambda weights: np.asarray(many(weights), dtype=np.float64)[:, None], patients, levels, rng,
        resamples=resamples, methods=(method,), supports=(support,),
    )  # fmt: skip
    return only


def bootstrap_many(
    statistic: Callable[[Floats], Floats],
    patients: Ints,
    levels: Levels,
    rng: np.random.Generator,
    *,
    resamples: int,
    methods: Sequence[str],
    supports: Sequence[tuple[float | None, float | None]] | None = None,
    jackknife: bool = False,
) -> tuple[Estimate, ...]:
    """Estimate several statistics of weighted cases from the same resamples of whole patients.

    Args:
        statistic: From (b, n) weights, a resample a row, to (b, k) numbers, NaN where one cannot be computed.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.
        methods: k names of methods in the evidence.
        supports: k pairs of smallest and largest possible value; None: no bounds on any.
        jackknife: With at most 300 patients no bound is nearer than a t bound with the jackknife's standard error,
            which allows for patients of much weight where the bootstrap's does not.

    Returns:
        k estimates, each as `bootstrap` would give it.

    Raises:
        ValueError: Fewer than 100 resamples.
    """
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    found, n = Patients.of(patients), len(patients)
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return tuple(Estimate.absent(reason, method=m, n=n, n_patients=found.count) for m in methods)
    values = np.asarray(statistic(np.ones((1, n))), dtype=np.float64)[0]
    draws = np.zeros((0, len(methods)))
    if np.isfinite(values).any():
        draws = np.concatenate([
            np.asarray(statistic(weights[:, found.code]), dtype=np.float64)
            for weights in patient_weights(found.count, resamples, rng, rows=chunk_rows(n))
        ])  # fmt: skip
    errors = np.zeros(len(methods))
    if jackknife and found.count <= JACKKNIFED and len(draws):
        errors = _jackknife_errors(statistic, found)
    return tuple(
        _from_draws(
            float(value),
            draws[:, j],
            found.count,
            n,
            levels,
            methods[j],
            supports[j] if supports else NOWHERE,
            error=float(errors[j]),
        )
        for j, value in enumerate(values)
    )


def _jackknife_errors(statistic: Callable[[Floats], Floats], patients: Patients) -> Floats:
    """Return (k,) standard errors from leaving out one patient at a time, 0 where one cannot be computed."""
    count, rows = patients.count, chunk_rows(len(patients.code))
    parts = []
    for start in range(0, count, rows):
        left_out = np.arange(start, min(start + rows, count))
        weights = (patients.code[None, :] != left_out[:, None]).astype(np.float64)
        parts.append(np.asarray(statistic(weights), dtype=np.float64))
    left = np.concatenate(parts)
    out: Floats = np.sqrt((count - 1) / count * np.sum((left - left.mean(axis=0)) ** 2, axis=0))
    return np.where(np.isfinite(out), out, 0.0)


def _from_draws(
    value: float, draws: Floats, count: int, n: int, levels: Levels, method: str, support: Support, *, error: float
) -> Estimate:
    if not np.isfinite(value):
        return Estimate.absent("it cannot be computed on these cases", method=method, n=n, n_patients=count)
    kept = draws[np.isfinite(draws)]
    lost = 1 - len(kept) / len(draws)
    if lost > MAX_LOST:
        reason = f"it cannot be computed on {lost:.0%} of the resamples: too few patients of a kind"
        return Estimate.absent(reason, method=method, n=n, n_patients=count)
    if np.ptp(kept) <= 1e-12 * max(1.0, abs(value)):
        reason = "no interval: it does not vary between resamples"
        return Estimate.absent(reason, method=method, n=n, n_patients=count)
    low, high = bootstrap_bounds(value, kept, count, alphas(levels))
    half = t_quantile(alphas(levels), count - 1) * error
    bounds = clipped((np.minimum(low, value - half), np.maximum(high, value + half)), support)
    return estimate(value, bounds, levels, method=method, n=n, n_patients=count)


def _row_by_row(statistic: Callable[[Floats], float | None]) -> Callable[[Floats], Floats]:
    def many(weights: Floats) -> Floats:
        found = [statistic(row) for row in weights]
        return np.array([np.nan if x is None else x for x in found], dtype=np.float64)

    return many
