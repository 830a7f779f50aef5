"""Which development cases a training gets: their mix of classes, and draws that keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import ProbeContext
from audit.probes._shared import count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 20
"""Patients of a class that a level must have, in either cohort, before it is trained or measured on."""


def strata_of_targets(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return (m,) the class of each development case, for draws that keep the mix of classes; 0 where there is none."""
    training = ctx.training
    targets = np.zeros(0) if training is None else training.cohort.targets
    if ctx.card.task in ("binary", "multiclass", "ordinal"):
        return np.asarray(targets, dtype=np.int64)
    if ctx.card.task == "multilabel":
        return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return np.zeros(len(targets), dtype=np.int64)


def too_few_to_train(ctx: ProbeContext) -> str | None:
    """Return that a class has too few patients in the development cohort, with the count, or None.

    All trainings see the same development cases, so intervals are given these; of a handful they would say too much.
    """
    if ctx.training is None:
        return "no training recipe is declared under [training]"
    strata, patients = strata_of_targets(ctx), ctx.training.cohort.patients
    if ctx.card.task == "multilabel":
        targets = ctx.training.cohort.targets
        sides = [targets[:, k] == v for k in range(targets.shape[1]) for v in (0, 1)]
    else:
        sides = [strata == name for name in np.unique(strata)]
    count = min(count_patients(patients, side) for side in sides)
    return f"fewer than {SMALLEST} development patients of a class: {count}" if count < SMALLEST else None


def draw(strata: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return so many of all cases, without replacement and with the mix of the strata, rising.

    Args:
        strata: (m,) stratum of each case.
        count: Cases to draw, at most m.
        rng: Draws them.
    """
    shuffled = rng.permutation(len(strata))
    # Every stratum is spread evenly over the order, so that each head of it has the mix of the whole.
    place = np.empty(len(strata))
    for stratum in np.unique(strata):
        own = shuffled[strata[shuffled] == stratum]
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return np.sort(np.argsort(place, kind="stable")[:count])
