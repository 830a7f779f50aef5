"""Agreement of a predicted real value with the reference value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext
from audit.probes._unanswered import unanswered, unbounded
from audit.probes.performance._bland_altman import draw_bland_altman

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def agreement(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give bias, absolute error, limits of agreement, slope and intraclass correlation."""
    from audit import stats

    patients, levels = ctx.cohort.patients, ctx.levels
    predicted, reference = ctx.clean.scores, np.asarray(ctx.clean.targets, dtype=np.float64)
    error = predicted - reference

    gone = unanswered(ctx).failures

    def given(estimate: Estimate, metric: str, direction: Direction = "none") -> Measurement:
        estimate = unbounded(estimate, gone)
        return Measurement.of(estimate, metric=metric, level=levels.confidence, direction=direction)

    bias = stats.mean(error, patients, levels)
    low, high = (stats.limit_of_agreement(error, patients, levels, side=side) for side in ("low", "high"))
    yield given(bias, "mean_error", "zero")
    yield given(stats.mean(np.abs(error), patients, levels), "mae", "lower")
    yield given(low, "loa_low", "zero")
    yield given(high, "loa_high", "zero")
    slope = stats.bootstrap_many(
        lambda weights: _slope(weights, reference, predicted)[:, None], patients, levels, ctx.rng,
        resamples=ctx.budget.resamples, methods=("least squares, patient bootstrap, never nearer than the jackknife",),
        jackknife=True,
    )[0]  # fmt: skip
    yield given(slope, "slope")
    # The model and the reference are no sample of raters: the interval is of these two, not of others like them.
    measure = stats.AbsoluteIcc(
        centre=float(reference.mean()) if len(reference) else 0.0, name="ICC(A,1), model and reference as fixed raters"
    )
    yield given(stats.agreement(measure, predicted, reference, patients, levels), "icc", "higher")
    if low.value is not None:
        title = "Model minus reference over the mean of both"
        draw_bland_altman(ctx, title, predicted, reference, lines={"mean": bias, "low": low, "high": high})


def _slope(weights: Floats, x: Floats, y: Floats) -> Floats:
    # Centred first: squares of ages or volumes would lose digits otherwise.
    x, y = x - x.mean(), y - y.mean()
    total = weights.sum(axis=1)
    mx, my = weights @ x / total, weights @ y / total
    spread = weights @ x**2 / total - mx**2
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = np.where(spread > 0, (weights @ (x * y) / total - mx * my) / spread, np.nan)
    return out
