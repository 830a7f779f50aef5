"""Overlap, volume and lesions of a predicted segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext
from audit.probes._shared import count_patients
from audit.probes._tasks import relative_volume_error
from audit.probes._unanswered import unanswered, unbounded, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = (0.0, 1.0)
# A lesion that was missed as a whole has no distance; with more of them the mean speaks of the found ones alone.
MOST_MISSED = 0.05
NOR_ANSWERED = " or the model did not answer"
NOT_MEASURED = "it was not measured on these cases"


def segmentation(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the means over cases of overlap, distance and signed relative volume error, then lesion by lesion."""
    share: tuple[float | None, float | None] = SHARE
    nowhere: tuple[float | None, float | None] = (0.0, None)
    for name in ("dice", "surface_dice"):
        yield _mean(ctx, _column(ctx, name), name, share, "higher", "neither mask has a voxel", failure=0.0)
    yield _distance(ctx, nowhere)
    empty, any_size = "the reference mask is empty", (-1.0, None)
    yield _mean(ctx, _volume_error(ctx), "relative_volume_error", any_size, "zero", empty, failure=-1.0)
    agreed = unbounded(volume_agreement(ctx), unanswered(ctx).failures)
    yield Measurement.of(agreed, metric="icc", level=ctx.levels.confidence, direction="higher")
    yield Measurement.of(
        lesions_found(ctx), metric="lesion_sensitivity", level=ctx.levels.confidence, direction="higher"
    )
    yield _false_lesions(ctx, nowhere)


def volume_agreement(ctx: ProbeContext) -> Estimate:
    """Return ICC(A,1) of predicted and reference volumes; one large lesion weighs as much as many small ones."""
    from audit.stats import AbsoluteIcc, agreement

    predicted, reference = _column(ctx, "volume_predicted"), _column(ctx, "volume_reference")
    if predicted is None or reference is None:
        return Estimate.absent(NOT_MEASURED, method="none")
    centre = float(reference.mean()) if len(reference) else 0.0
    measure = AbsoluteIcc(centre=centre, name="ICC(A,1) of volumes, model and reference as fixed raters")
    return agreement(measure, predicted, reference, ctx.cohort.patients, ctx.levels)


def lesions_found(ctx: ProbeContext) -> Estimate:
    """Return the share of reference lesions that are found; a patient's lesions are no independent cases."""
    found, asked = _column(ctx, "lesions_found"), _column(ctx, "lesions_reference")
    plain, gone = share_of_lesions(ctx, found, asked, "no reference mask holds a lesion"), unanswered(ctx)
    if not gone.failures or found is None or plain.value is None:
        return plain
    if gone.known.any():
        count = int(gone.known.sum())
        reason = f"{count} unanswered case{'' if count == 1 else 's'} of unknown number of lesions"
        return Estimate.absent(reason, method=plain.method, n=plain.n, n_patients=plain.n_patients)
    none = np.where(gone.declined, 0.0, found)
    return widened(plain, share_of_lesions(ctx, none, asked, ""), gone.failures)


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
    gone = unanswered(ctx)
    # A case without a mask has no distance either; one that was declined counts where it has not been counted yet.
    outside = int(gone.known.sum())
    unread = int((gone.declined & np.isfinite(values) & np.isfinite(overlap)).sum()) + outside
    missed += unread
    asked += outside
    if missed <= MOST_MISSED * asked:
        return given
    rows = np.isfinite(overlap)
    estimate = Estimate.absent(
        f"in {missed} of {asked} cases one mask alone is empty{NOR_ANSWERED if unread else ''}, more than "
        f"{100 * MOST_MISSED:g} %, and has no distance",
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
    failure: float | None = None,
) -> Measurement:
    """Return the mean over the cases that have a value; how many have none is part of the method's name.

    An unanswered case counts as `failure`, in the bounds; without one it is not counted.
    """
    from dataclasses import replace

    from audit.stats import mean

    if values is None:
        estimate = Estimate.absent(NOT_MEASURED, method="none")
    else:
        known = np.isfinite(values)
        estimate = mean(values[known], ctx.cohort.patients[known], ctx.levels, support=support)
        estimate = _with_failures(ctx, estimate, values, failure, support)
        left_out = int((~known).sum())
        if left_out:
            estimate = replace(estimate, method=f"{estimate.method}; {left_out} left out where {empty}")
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction=direction, unit=unit)


def _false_lesions(ctx: ProbeContext, support: tuple[float | None, float | None]) -> Measurement:
    """Return the mean number of false lesions; nothing bounds how many an unanswered case would have had."""
    metric = "false_lesions_per_case"
    plain = _mean(ctx, _column(ctx, "lesions_false"), metric, support, "lower", "it has no value")
    count = unanswered(ctx).failures
    if not count or plain.value is None:
        return plain
    found = Estimate(value=plain.value, curve=plain.curve, method=plain.method, n=plain.n, n_patients=plain.n_patients)
    return Measurement.of(unbounded(found, count), metric=metric, level=ctx.levels.confidence, direction="lower")


def _with_failures(
    ctx: ProbeContext, plain: Estimate, values: NDArray[np.float64], failure: float | None,
    support: tuple[float | None, float | None],
) -> Estimate:  # fmt: skip
    """Return the mean with bounds that hold with every unanswered case as a failure, which is an empty mask."""
    from audit.stats import mean

    gone = unanswered(ctx)
    # A declined case of an empty reference mask has no value, whatever the model says.
    count = int((gone.declined & np.isfinite(values)).sum()) + int(gone.known.sum())
    if failure is None or not count:
        return plain
    failed = gone.with_known(np.where(gone.declined & np.isfinite(values), failure, values), failure)
    known = np.isfinite(failed)
    return widened(plain, mean(failed[known], gone.patients_of(ctx)[known], ctx.levels, support=support), count)
