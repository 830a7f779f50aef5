"""Overlap and volume of a predicted segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext
from audit.probes._shared import count_patients
from audit.probes._tasks import relative_volume_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = (0.0, 1.0)
# A lesion that was missed as a whole has no distance; with more of them the mean speaks of the found ones alone.
MOST_MISSED = 0.05


def segmentation(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the means over cases of overlap, distance and signed relative volume error."""
    share: tuple[float | None, float | None] = SHARE
    nowhere: tuple[float | None, float | None] = (0.0, None)
    yield _mean(ctx, _column(ctx, "dice"), "dice", share, "higher", "neither mask has a voxel")
    yield _mean(ctx, _column(ctx, "surface_dice"), "surface_dice", share, "higher", "neither mask has a voxel")
    yield _distance(ctx, nowhere)
    yield _mean(ctx, _volume_error(ctx), "relative_volume_error", (-1.0, None), "zero", "the reference mask is empty")


def _column(ctx: ProbeContext, name: str) -> NDArray[np.float64] | None:
    return ctx.clean.column(name) if name in ctx.clean.columns else None


def _volume_error(ctx: ProbeContext) -> NDArray[np.float64] | None:
    known = {"volume_predicted", "volume_reference"} <= set(ctx.clean.columns)
    return relative_volume_error(ctx) if known else None


def _distance(ctx: ProbeContext, support: tuple[float | None, float | None]) -> Measurement:
    """Return the mean distance, or that too many cases have none because one of the two masks alone is empty."""
    values, overlap = _column(ctx, "hd95"), _column(ctx, "dice")
    given = _mean(ctx, values, "hd95", support, "lower", "one of the masks is empty", unit="mm")
    if values is None or overlap is None:
        return given
    # Where both are empty the overlap has no value either: nothing was to be found.
    missed, asked = int((~np.isfinite(values) & np.isfinite(overlap)).sum()), int(np.isfinite(overlap).sum())
    if missed <= MOST_MISSED * asked:
        return given
    rows = np.isfinite(overlap)
    estimate = Estimate.absent(
        f"in {missed} of {asked} cases one mask alone is empty, more than {100 * MOST_MISSED:g} %, and has no distance",
        method="none", n=asked, n_patients=count_patients(ctx.cohort.patients, rows),
    )  # fmt: skip
    return Measurement.of(estimate, metric="hd95", level=ctx.levels.confidence, direction="lower", unit="mm")


def _mean(
    ctx: ProbeContext,
    values: NDArray[np.float64] | None,
    metric: str,
    support: tuple[float | None, float | None],
    direction: Direction,
    empty: str,
    unit: str = "",
) -> Measurement:
    """Return the mean over the cases that have a value; how many have none is part of the method's name."""
    from dataclasses import replace

    from audit.stats import mean

    if values is None:
        estimate = Estimate.absent("it was not measured on these cases", method="none")
    else:
        known = np.isfinite(values)
        estimate = mean(values[known], ctx.cohort.patients[known], ctx.levels, support=support)
        left_out = int((~known).sum())
        if left_out:
            estimate = replace(estimate, method=f"{estimate.method}; {left_out} left out where {empty}")
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction=direction, unit=unit)
