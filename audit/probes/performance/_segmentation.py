"""Overlap, volume and lesions of a predicted segmentation."""

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
NOT_MEASURED = "it was not measured on these cases"


def segmentation(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the means over cases of overlap, distance and signed relative volume error, then lesion by lesion."""
    share: tuple[float | None, float | None] = SHARE
    nowhere: tuple[float | None, float | None] = (0.0, None)
    yield _mean(ctx, _column(ctx, "dice"), "dice", share, "higher", "neither mask has a voxel")
    yield _mean(ctx, _column(ctx, "surface_dice"), "surface_dice", share, "higher", "neither mask has a voxel")
    yield _distance(ctx, nowhere)
    yield _mean(ctx, _volume_error(ctx), "relative_volume_error", (-1.0, None), "zero", "the reference mask is empty")
    yield Measurement.of(
        lesions_found(ctx), metric="lesion_sensitivity", level=ctx.levels.confidence, direction="higher"
    )
    yield _mean(ctx, _column(ctx, "lesions_false"), "false_lesions_per_case", nowhere, "lower", "it has no value")


def lesions_found(ctx: ProbeContext) -> Estimate:
    """Return the share of reference lesions that are found; a patient's lesions are no independent cases."""
    found, asked = _column(ctx, "lesions_found"), _column(ctx, "lesions_reference")
    return share_of_lesions(ctx, found, asked, "no reference mask holds a lesion")


def lesions_right(ctx: ProbeContext) -> Estimate:
    """Return the share of the model's lesions that touch a reference lesion."""
    false, named = _column(ctx, "lesions_false"), _column(ctx, "lesions_predicted")
    right = None if false is None or named is None else named - false
    return share_of_lesions(ctx, right, named, "no mask of the model holds a lesion")


def share_of_lesions(
    ctx: ProbeContext, hits: NDArray[np.float64] | None, counts: NDArray[np.float64] | None, empty: str
) -> Estimate:
    """Return hits over lesions, one row a lesion, with patients as the unit."""
    from audit.stats import proportion

    if hits is None or counts is None:
        return Estimate.absent(NOT_MEASURED, method="none")
    known = np.isfinite(hits) & np.isfinite(counts)
    k, n = hits[known].astype(np.int64), counts[known].astype(np.int64)
    if not n.sum():
        return Estimate.absent(empty, method="none")
    right = np.concatenate([np.arange(size) < hit for hit, size in zip(k, n, strict=True)])
    return proportion(right, np.repeat(ctx.cohort.patients[known], n), ctx.levels)


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
        estimate = Estimate.absent(NOT_MEASURED, method="none")
    else:
        known = np.isfinite(values)
        estimate = mean(values[known], ctx.cohort.patients[known], ctx.levels, support=support)
        left_out = int((~known).sum())
        if left_out:
            estimate = replace(estimate, method=f"{estimate.method}; {left_out} left out where {empty}")
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction=direction, unit=unit)
