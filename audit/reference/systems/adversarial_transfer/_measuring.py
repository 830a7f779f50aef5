"""How much of a network's ranking survives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RESAMPLES = 400


def ranked(scores: Floats, labels: NDArray[np.bool_]) -> Estimate:
    """Return the AUC of logits, one patch a patient."""
    from audit.stats import auc

    return auc(scores, labels, np.arange(len(labels)), Levels())


def percent_left(attacked: Floats, clean: Floats, labels: NDArray[np.bool_], rng: np.random.Generator) -> Estimate:
    """Return the AUC under attack in per cent of the clean one, by resampling patients.

    Args:
        attacked: (n,) logits of the perturbed images.
        clean: (n,) logits of the images as they are.
        labels: (n,) True for a lesion.
        rng: Draws the resamples.
    """
    from audit.stats import Ranking, bootstrap

    cases, controls = np.flatnonzero(labels), np.flatnonzero(~labels)
    over, under = Ranking(attacked, cases, controls), Ranking(clean, cases, controls)

    def left(weights: Floats) -> Floats:
        # A resample may hold one class alone, or a network may rank every pair the wrong way round.
        with np.errstate(invalid="ignore", divide="ignore"):
            share: Floats = 100 * over.area(weights) / under.area(weights)
        return np.where(np.isfinite(share), share, np.nan)

    return bootstrap(
        left, np.arange(len(labels)), Levels(), rng, resamples=_RESAMPLES, vectorised=True, support=(0.0, None),
        method="per cent of the clean AUC, patient bootstrap",
    )  # fmt: skip
