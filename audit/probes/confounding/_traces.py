"""Whether a small classifier can tell images that were filled from images that were not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.edits import quantiles, tissue
from audit.probes._out_of_fold import FOLDS, lacking, log_odds_out_of_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST = 0.7
"""AUC of the classifier above which a fill is not accepted: it leaves a trace that a network could use."""
QUANTILES = (0.0, 0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.995, 1.0)
METHOD = "logistic regression on principal components of local quantiles, out of fold by patient"


def features(image: NDArray[Any]) -> Floats:
    """Return what could betray to a network that part of an image was filled, without saying which part.

    Quantiles, their extremes among them, of what stands around each pixel of the tissue: local level, roughness at two
    scales, the step to the neighbours and how many of these are equal, all relative to the spread of the image.

    Args:
        image: (channels, *spatial).
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    values = np.asarray(image, dtype=np.float64).mean(axis=0)
    where = tissue(image)
    scale = float(values[where].std()) + 1e-9 * (1 + float(np.abs(values).max()))
    level = (values - values[where].mean()) / scale
    smooth = gaussian_filter(level, 1.0)
    fine, coarse = level - smooth, smooth - gaussian_filter(level, 2.5)
    axes = [a for a in range(values.ndim) if values.shape[a] > 1]
    step = np.sqrt(sum(np.gradient(level, axis=a) ** 2 for a in axes)) if axes else np.zeros_like(level)
    equal = sum((np.diff(level, axis=a, append=np.nan) == 0).astype(float) for a in axes)
    rough = np.log(uniform_filter(fine**2, 3) + 1e-6)
    maps = [level, fine, coarse, np.asarray(step), rough, uniform_filter(np.asarray(equal), 3)]
    return np.concatenate([quantiles(m[where], QUANTILES) for m in maps])


def trace(ctx: ProbeContext, filled: list[Floats], untouched: list[Floats], patients: NDArray[np.int64]) -> Estimate:
    """Return the AUC with which filled images are told from untouched ones.

    Squares are among its columns, so that both too much and too little of anything is found.

    Args:
        ctx: The probe's context.
        filled: Features of (m,) filled images.
        untouched: Features of the same places in (m,) images as they were.
        patients: (m,) patient codes.
    """
    from audit.stats import stratified_auc

    if not filled:
        return Estimate.absent("no image to compare", method=METHOD)
    x = np.stack([*filled, *untouched])
    labels = np.arange(len(x)) < len(filled)
    owner = np.concatenate([patients, patients])
    reason = lacking(labels, owner, "filled images")
    if reason:
        return Estimate.absent(reason, method=METHOD, n=len(x), n_patients=int(np.unique(owner).size))
    middle = np.median(x, axis=0)
    x = np.concatenate([x, (x - middle) ** 2], axis=1)
    odds = log_odds_out_of_fold(x, labels, owner, ctx.rng, learner="linear probe")
    said = stratified_auc(odds.values, labels, odds.fold, owner, ctx.levels, folds=FOLDS)
    if said.value is None:
        return said
    return Estimate(value=said.value, curve=said.curve, method=METHOD, n=said.n, n_patients=said.n_patients)


def refused(found: Estimate) -> str | None:
    """Return why numbers on filled images are not given, or None.

    Args:
        found: The AUC of `trace`.
    """
    if found.value is None:
        return f"the fill could not be checked for traces: {found.missing}"
    if found.value > MOST:
        return (
            f"the fill leaves a trace: a small classifier tells filled from untouched images with an AUC of "
            f"{found.value:.2f}, above {MOST:g}"
        )
    return None
