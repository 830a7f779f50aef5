"""The expected calibration error, debiased."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.core.binning import equal_mass_bins
from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._calibration import probabilities
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, estimate, same_length, t_quantile, too_few
from audit.stats._kernel import chunk_rows, patient_weights

METHOD = "debiased squared ECE in equal-mass bins, patient bootstrap"


@dataclass(frozen=True, kw_only=True, eq=False)
class Binned:
    """Sums by patient and bin, each (patients, bins): cases, and outcome minus score."""

    cases: NDArray[np.float64]
    excess: NDArray[np.float64]

    def squared(self, weights: NDArray[np.float64]) -> Floats:
        """Return (b,) debiased squared errors for (b, patients) weights.

        The square of a bin's mean excess is too large by its variance; that variance, between patients, is taken off.
        """
        total = weights @ self.cases
        safe = np.where(total > 0, total, 1.0)
        centre = weights @ self.excess / safe
        squares = (
            weights @ self.excess**2
            - 2 * centre * (weights @ (self.excess * self.cases))
            + centre**2 * (weights @ self.cases**2)
        )
        count = weights @ (self.cases > 0)
        # One patient alone has no variance to take off; an infinite one would throw the bin's error away as noise.
        correction = np.where(count > 1, count / np.maximum(count - 1, 1), 0.0)
        debiased = centre**2 - correction * np.maximum(squares, 0) / safe**2
        out: Floats = np.sum(total / total.sum(axis=1, keepdims=True) * debiased, axis=1)
        return out


def binned(scores: Floats, labels: Bools, patients: Patients, bins: int) -> Binned:
    """Return sums by patient and equal-mass bin."""
    code = equal_mass_bins(scores, bins)
    shape = patients.count, int(code.max()) + 1
    cell = patients.code * shape[1] + code
    cases = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    excess = np.bincount(cell, weights=labels - scores, minlength=shape[0] * shape[1])
    return Binned(cases=cases, excess=np.asarray(excess, dtype=np.float64).reshape(shape))


def ece(
    scores: Floats, labels: Bools, patients: Ints, levels: Levels, rng: np.random.Generator, *,
    resamples: int, bins: int = 10,
) -> Estimate:  # fmt: skip
    """Estimate the expected calibration error (root mean square over equal-mass bins), debiased.

    The plug-in error of a perfectly calibrated model is far from 0 in any real cohort; the debiased square (after
    Kumar, Liang and Ma 2019, with the variance between patients) is not. The interval is that of the square, by the
    bootstrap's standard error and a t quantile, and its root is what is given: a description, not a test. The upper
    bound starts from 0 where the debiased square is below 0, and is never below the largest share of patients that may
    be wholly missed though none was seen, 1 - level ** (1 / patients).

    Args:
        scores: (n,) probabilities of the positive class; 0 and 1 are inside the outer bins.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples of patients, at least 100.
        bins: Number of bins; equal scores share a bin.

    Returns:
        Value in [0, 1]. Absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length, a score is outside [0, 1], or fewer than 100 resamples.
    """
    same_length(scores=scores, labels=labels, patients=patients)
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    values, found, n = probabilities(scores), Patients.of(patients), len(scores)
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    table = binned(values, np.asarray(labels, dtype=bool), found, bins)
    square = float(table.squared(np.ones((1, found.count)))[0])
    rows = chunk_rows(found.count)
    draws = np.concatenate([table.squared(w) for w in patient_weights(found.count, resamples, rng, rows=rows)])
    error = float(np.std(draws, ddof=1))
    if error <= 0:
        reason = "no interval: it does not vary between resamples"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    half = t_quantile(alphas(levels), found.count - 1) * error
    low, high = np.sqrt(np.maximum(square - half, 0)), np.sqrt(np.clip(max(square, 0.0) + half, 0, 1))
    # Where by luck no outcome surprises, resamples do not vary: a share of patients whom the score misses wholly may
    # still have gone unseen, and no bound is better than that share.
    high = np.maximum(high, 1 - alphas(levels) ** (1 / found.count))
    value = float(np.sqrt(max(square, 0.0)))
    return estimate(value, (low, high), levels, method=METHOD, n=n, n_patients=found.count)
