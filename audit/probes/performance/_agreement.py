"""Agreement of a predicted real value with the reference value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NORMAL_95 = 1.959963984540054


def agreement(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give bias, absolute error, limits of agreement, slope and intraclass correlation."""
    from audit.stats import bootstrap, mean

    patients, levels = ctx.cohort.patients, ctx.levels
    predicted, reference = ctx.clean.scores, np.asarray(ctx.clean.targets, dtype=np.float64)
    error = predicted - reference

    def resampled(statistic: Callable[[Floats], Floats], method: str) -> Estimate:
        return bootstrap(
            statistic, patients, levels, ctx.rng, resamples=ctx.budget.resamples, method=method, vectorised=True
        )

    def given(estimate: Estimate, metric: str, direction: Direction = "none") -> Measurement:
        return Measurement.of(estimate, metric=metric, level=levels.confidence, direction=direction)

    yield given(mean(error, patients, levels), "mean_error", "zero")
    yield given(mean(np.abs(error), patients, levels), "mae", "lower")
    limits = "95 % limits of agreement, patient bootstrap"
    yield given(resampled(lambda w: _limit(w, error, -1), limits), "loa_low", "zero")
    yield given(resampled(lambda w: _limit(w, error, 1), limits), "loa_high", "zero")
    yield given(resampled(lambda w: _slope(w, reference, predicted), "least squares, patient bootstrap"), "slope")
    yield given(
        resampled(
            lambda w: _icc(w, predicted, reference), "ICC(A,1), model and reference as fixed raters, patient bootstrap"
        ),
        "icc",
        "higher",
    )


def _moments(weights: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return totals, weighted means and unbiased weighted variances, each (b,)."""
    total = weights.sum(axis=1)
    mean = weights @ values / total
    square = weights @ values**2 / total
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(square - mean**2, 0) * total / (total - 1)
    return total, mean, variance


def _limit(weights: Floats, error: Floats, sign: int) -> Floats:
    _, mean, variance = _moments(weights, error)
    out: Floats = mean + sign * NORMAL_95 * np.sqrt(variance)
    return out


def _slope(weights: Floats, x: Floats, y: Floats) -> Floats:
    # Centred first: squares of ages or volumes would lose digits otherwise.
    x, y = x - x.mean(), y - y.mean()
    total = weights.sum(axis=1)
    mx, my = weights @ x / total, weights @ y / total
    spread = weights @ x**2 / total - mx**2
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = np.where(spread > 0, (weights @ (x * y) / total - mx * my) / spread, np.nan)
    return out


def _icc(weights: Floats, a: Floats, b: Floats) -> Floats:
    """Return ICC(A,1) of two raters from the mean squares of the two-way table, cases counted by weight."""
    centre = (a.mean() + b.mean()) / 2
    a, b = a - centre, b - centre
    n, _, between = _moments(weights, (a + b) / 2)
    _, shift, within = _moments(weights, a - b)
    rows = 2 * between
    columns = n * shift**2 / 2
    error = within / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        bottom = rows + error + 2 * (columns - error) / n
        out: Floats = np.where(bottom > 0, (rows - error) / bottom, np.nan)
    return out
