"""The balanced AUC of a confounder that is a number, by weights that need no bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEGREE, STEPS = 3, 12
# A case must not stand for more than this many others: one odd patient is no cohort.
LARGEST = 20.0


def weighted_area(ctx: ProbeContext, strata: Strata, view: ClassView) -> Estimate:
    """Return the AUC under weights p(c) / p(c given the class), with the class modelled on the number.

    By Bayes the weight is p(class) / p(class given c); p(class given c) is a logistic regression on a cubic of the
    number, fitted again in every resample. On bins the same weights are the exact pair weights with each bin's share
    of the cohort, so the two check each other.
    """
    from audit.stats import Ranking, bootstrap

    assert strata.numbers is not None
    rows = np.flatnonzero(np.isfinite(strata.numbers))
    scores, labels = view.scores[rows], view.labels[rows]
    ranking = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels))
    basis = cubic(strata.numbers[rows])
    own = inverse_weights(basis, labels, np.ones((1, len(rows))))[0]
    effective = own.sum() ** 2 / (own**2).sum()
    return bootstrap(
        lambda w: ranking.area(w * inverse_weights(basis, labels, w)), ctx.cohort.patients[rows], ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples, vectorised=True, support=(0.0, 1.0),
        method=f"weights p(c) / p(c given class), logistic regression, effective n {effective:.0f}, patient bootstrap",
    )  # fmt: skip


def cubic(numbers: Floats) -> Floats:
    """Return (n, 4) powers 0 to 3 of the number's normal rank scores, which no outlier dominates."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    z = ndtri((rankdata(numbers) - 0.5) / len(numbers))
    out: Floats = z[:, None] ** np.arange(DEGREE + 1)
    return out


def inverse_weights(basis: Floats, labels: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return (b, n) p(class) / p(class given c), from one logistic regression a row of (b, n) case weights.

    Newton's steps for all rows at once; a slight ridge keeps a class that the number tells wholly from diverging.
    """
    powers = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
    size = basis.shape[1]
    beta = np.zeros((len(weights), size))
    total = weights.sum(axis=1, keepdims=True)
    share = np.clip((weights @ labels.astype(float))[:, None] / total, 1e-9, 1 - 1e-9)
    beta[:, :1] = np.log(share) - np.log1p(-share)
    ridge = 1e-3 * np.eye(size)
    for _ in range(STEPS):
        p = _sigmoid(beta @ basis.T)
        slope = (weights * (labels - p)) @ basis - beta @ ridge
        curve = ((weights * p * (1 - p)) @ powers).reshape(-1, size, size) + ridge
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    p = _sigmoid(beta @ basis.T)
    out: Floats = np.where(labels, share / np.maximum(p, 1e-12), (1 - share) / np.maximum(1 - p, 1e-12))
    return np.minimum(out, LARGEST)


def _sigmoid(x: Floats) -> Floats:
    out: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return out
