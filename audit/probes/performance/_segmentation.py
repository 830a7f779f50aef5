"""Overlap and volume of a predicted segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext
from audit.probes._tasks import relative_volume_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = (0.0, 1.0)


def segmentation(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the means over cases of overlap, distance and signed relative volume error."""
    share: tuple[float | None, float | None] = SHARE
    nowhere: tuple[float | None, float | None] = (0.0, None)
    yield _mean(ctx, _column(ctx, "dice"), "dice", share, "higher", "neither mask has a voxel")
    yield _mean(ctx, _column(ctx, "surface_dice"), "surface_dice", share, "higher", "neither mask has a voxel")
    yield _mean(ctx, _column(ctx, "hd95"), "hd95", nowhere, "lower", "one of the masks is empty", unit="mm")
    yield _mean(ctx, _volume_error(ctx), "relative_volume_error", (-1.0, None), "zero", "the reference mask is empty")


def _column(ctx: ProbeContext, name: str) -> NDArray[np.float64] | None:
    return ctx.clean.column(name) if name in ctx.clean.columns else None


def _volume_error(ctx: ProbeContext) -> NDArray[np.float64] | None:
    known = {"volume_predicted", "volume_reference"} <= set(ctx.clean.columns)
    return relative_volume_error(ctx) if known else None


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
