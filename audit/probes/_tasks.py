"""Gaps for tasks that are not classification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ProbeContext
from audit.probes._shared import Contrast, mean_contrast

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIFTHS = 5


def error_contrasts(ctx: ProbeContext) -> Iterator[Contrast]:
    """Give the contrasts of bias and absolute error of a real value, or of volume error and Dice of a segmentation.

    Dice is easier to have on a large structure. It is therefore taken relative to the mean of the cohort's cases in the
    same fifth of reference volume, so that a group with smaller lesions is not called badly served for that alone.
    """
    if ctx.card.task == "regression":
        error = ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64)
        yield mean_contrast(ctx, "bias_gap", error)
        yield mean_contrast(ctx, "mae_gap", np.abs(error))
    if ctx.card.task == "segmentation":
        names = set(ctx.clean.columns)
        if {"volume_predicted", "volume_reference"} <= names:
            yield mean_contrast(ctx, "volume_bias_gap", relative_volume_error(ctx))
        if {"dice", "volume_reference"} <= names:
            yield mean_contrast(ctx, "dice_gap", _dice_for_volume(ctx))


def relative_volume_error(ctx: ProbeContext) -> NDArray[np.float64]:
    """Return (n,) signed volume errors over the reference volume, NaN where the reference mask is empty."""
    predicted, reference = ctx.clean.column("volume_predicted"), ctx.clean.column("volume_reference")
    out = np.full(len(reference), np.nan)
    np.divide(predicted - reference, reference, out=out, where=reference > 0)
    return out


def _dice_for_volume(ctx: ProbeContext) -> NDArray[np.float64]:
    dice, volume = ctx.clean.column("dice"), ctx.clean.column("volume_reference")
    known = np.isfinite(dice) & np.isfinite(volume)
    out = np.full(len(dice), np.nan)
    if not known.any():
        return out
    edges = np.quantile(volume[known], np.linspace(0, 1, FIFTHS + 1)[1:-1])
    fifth = np.searchsorted(edges, volume, side="right")
    for index in range(FIFTHS):
        rows = known & (fifth == index)
        if rows.any():
            out[rows] = dice[rows] - dice[rows].mean()
    return out
