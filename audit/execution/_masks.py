"""One row of numbers for each predicted mask, so that no volume has to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, ModelCard
from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAU_MM = 2.0
"""Tolerance of the surface Dice where nobody declares another, in mm (in pixels where the spacing is unknown)."""

NO_ANSWER = "the model's mask is no finite number"
OTHER_SIZE = "the model's mask has another size than the reference"


def mask_row(card: ModelCard, cohort: Cohort, index: int, answer: NDArray[np.float64]) -> NDArray[np.float64] | str:
    """Return overlap, distance and volumes of one case.

    A voxel is foreground at a probability of 0.5 or more, which is a logit of 0 or more; with several channels, where
    any but the first has the largest answer.

    Args:
        card: The model's card; its output tells logits from probabilities.
        cohort: The cohort, with masks.
        index: The case.
        answer: (channels, *spatial) raw answer.

    Returns:
        dice, surface_dice, hd95, predicted and reference volume (mm³, or voxels where the spacing is unknown), NaN
        where one is undefined; then the lesions of the reference, those found, the predicted ones and those that are
        false; or the reason why the case is set aside.
    """
    from audit.metrics import dice, hd95, lesion_counts, surface_dice

    if cohort.masks is None:
        return "the cohort has no reference masks"
    if not np.isfinite(answer).all():
        return NO_ANSWER
    try:
        reference = np.asarray(cohort.masks.load(index))
    except ReadError as error:
        return error.problem
    predicted = foreground(card, answer)
    truth = _flat(reference)
    if predicted.shape != truth.shape:
        return OTHER_SIZE
    spacing = cohort.spacing_mm or card.input.spacing_mm or (1.0,) * predicted.ndim
    voxel = float(np.prod(spacing))
    lesions = lesion_counts(predicted, truth)
    measured = (
        dice(predicted, truth), surface_dice(predicted, truth, spacing, TAU_MM), hd95(predicted, truth, spacing),
        predicted.sum() * voxel, truth.sum() * voxel,
        lesions.reference, lesions.found, lesions.predicted, lesions.false,
    )  # fmt: skip
    return np.array([np.nan if value is None else float(value) for value in measured])


def foreground(card: ModelCard, answer: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the predicted mask, (*spatial) bool, of one raw answer (channels, *spatial)."""
    if answer.shape[0] > 1:
        largest: NDArray[np.bool_] = answer.argmax(axis=0) > 0
        return largest
    limit = 0.0 if card.output == "mask_logits" else 0.5
    positive: NDArray[np.bool_] = answer[0] >= limit
    return positive


def _flat(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a reference mask without its channel axis."""
    inside: NDArray[np.bool_] = np.logical_or.reduce(mask > 0, axis=0)
    return inside
