"""Gaps for tasks that are not classification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.probes._shared import Contrast, Level, mean_contrast
from audit.probes._unanswered import Unanswered, unanswered, unbounded_contrast, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIFTHS = 5


def error_contrasts(ctx: ProbeContext) -> Iterator[Contrast]:
    """Give the contrasts of bias and absolute error of a real value, or of volume error and Dice of a segmentation.

    Dice is easier to have on a large structure. It is therefore taken relative to the mean of the cohort's cases in the
    same fifth of reference volume, so that a group with smaller lesions is not called badly served for that alone.
    """
    gone = unanswered(ctx)
    if ctx.card.task == "regression":
        error = ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64)
        for metric, values in (("bias_gap", error), ("mae_gap", np.abs(error))):
            yield unbounded_contrast(mean_contrast(ctx, metric, values), gone.failures)
    if ctx.card.task == "segmentation":
        names = set(ctx.clean.columns)
        if {"volume_predicted", "volume_reference"} <= names:
            yield _empty_masks(ctx, "volume_bias_gap", relative_volume_error(ctx), gone, -1.0, -1.0)
        if {"dice", "volume_reference"} <= names:
            relative, expected = _dice_for_volume(ctx)
            # Without its mask nobody knows how large a structure is: 0 is worst where the others have most.
            most = -float(np.nanmax(expected)) if np.isfinite(expected).any() else 0.0
            yield _empty_masks(ctx, "dice_gap", relative, gone, -expected, most)


def relative_volume_error(ctx: ProbeContext) -> NDArray[np.float64]:
    """Return (n,) signed volume errors over the reference volume, NaN where the reference mask is empty."""
    predicted, reference = ctx.clean.column("volume_predicted"), ctx.clean.column("volume_reference")
    out = np.full(len(reference), np.nan)
    np.divide(predicted - reference, reference, out=out, where=reference > 0)
    return out


def _dice_for_volume(ctx: ProbeContext) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n,) Dice minus the mean of its fifth of reference volume, and (n,) that mean; NaN where unknown."""
    dice, volume = ctx.clean.column("dice"), ctx.clean.column("volume_reference")
    known = np.isfinite(dice) & np.isfinite(volume)
    out, expected = np.full(len(dice), np.nan), np.full(len(dice), np.nan)
    if not known.any():
        return out, expected
    edges = np.quantile(volume[known], np.linspace(0, 1, FIFTHS + 1)[1:-1])
    fifth = np.searchsorted(edges, volume, side="right")
    for index in range(FIFTHS):
        rows = known & (fifth == index)
        if rows.any():
            expected[rows] = dice[rows].mean()
            out[rows] = dice[rows] - expected[rows]
    return out, expected


def _empty_masks(
    ctx: ProbeContext, metric: str, values: NDArray[np.float64], gone: Unanswered,
    declined: NDArray[np.float64] | float, outside: float,
) -> Contrast:  # fmt: skip
    """Return the contrast of a mean, widened to hold with an empty mask for every unanswered case, too.

    Args:
        ctx: The probe's context.
        metric: The metric's name.
        values: (n,) NaN where there is none.
        gone: The cases without an answer.
        declined: Value of an empty mask, one a case or one for all.
        outside: Value of an empty mask of a case that was set aside.
    """
    from audit.stats import mean_gap

    plain = mean_contrast(ctx, metric, values)
    count = int((gone.declined & np.isfinite(values)).sum()) + int(gone.known.sum())
    if not count:
        return plain
    failed = gone.with_known(np.where(gone.declined & np.isfinite(values), declined, values), outside)
    known, patients = np.isfinite(failed), gone.patients_of(ctx)

    def widen(level: Level, answered: Estimate) -> Estimate:
        members = np.concatenate([level.members, level.aside[gone.known]])
        return widened(answered, mean_gap(failed[known], members[known], patients[known], ctx.levels), count)

    return replace(plain, widen=widen)
