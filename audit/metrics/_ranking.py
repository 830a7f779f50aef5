"""Curves behind the figures of a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.core.binning import equal_mass_bins

Floats = NDArray[np.float64]
MAX_POINTS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class RocCurve:
    """Points of a ROC curve from (0, 0) to (1, 1), all arrays (m,).

    Args:
        fpr: Share of negatives at or above the threshold, rising.
        tpr: Share of positives at or above the threshold, rising.
        thresholds: Falling and finite; the first lies just above every score.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats


def roc_curve(scores: Floats, labels: NDArray[np.bool_], *, points: int = MAX_POINTS) -> RocCurve:
    """Return the ROC curve, thinned to some of its own points for a figure.

    Args:
        scores: (n,) finite; higher means more likely positive.
        labels: (n,) True for positive cases; both classes present.
        points: Largest number of points, at least 2.

    Returns:
        At most `points` points of the full curve, evenly spread along it, both ends among them.

    Raises:
        ValueError: A class is absent, or fewer than 2 points are asked for.
    """
    positive = np.asarray(labels, dtype=bool)
    if not positive.any() or positive.all():
        raise ValueError("expected positive and negative cases, got one class")
    if points < 2:
        raise ValueError(f"points: expected at least 2, got {points}")
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ordered, hits = np.asarray(scores, dtype=np.float64)[order], positive[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    tpr = np.append(0.0, np.cumsum(hits)[ends] / hits.sum())
    fpr = np.append(0.0, np.cumsum(~hits)[ends] / (~hits).sum())
    thresholds = np.append(np.nextafter(ordered[0], np.inf), ordered[ends])
    keep = _spread(fpr + tpr, points)
    return RocCurve(fpr=fpr[keep], tpr=tpr[keep], thresholds=thresholds[keep])


def _spread(position: Floats, points: int) -> NDArray[np.int64]:
    """Return indices of at most so many places, evenly spread along a rising position, both ends among them."""
    if len(position) <= points:
        return np.arange(len(position))
    wanted = np.linspace(position[0], position[-1], points)
    found = np.searchsorted(position, wanted).clip(0, len(position) - 1)
    found[0], found[-1] = 0, len(position) - 1
    return np.unique(found).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityBins:
    """Equal-mass bins of a reliability diagram, all but `code` (bins,).

    Args:
        score: Mean score.
        frequency: Share of positive cases.
        n: Cases; they add up to all.
        positives: Positive cases.
        low: Smallest score.
        high: Largest score.
        code: (n,) the bin of each case.
    """

    score: Floats
    frequency: Floats
    n: NDArray[np.int64]
    positives: NDArray[np.int64]
    low: Floats
    high: Floats
    code: NDArray[np.int64]


def reliability_bins(scores: Floats, labels: NDArray[np.bool_], *, bins: int = 10) -> ReliabilityBins:
    """Return the mean score and the frequency of the outcome in bins of about as many cases each.

    Args:
        scores: (n,) finite, at least one; 0 and 1 are inside the outer bins.
        labels: (n,) True for positive cases.
        bins: Number of bins asked for; equal scores share a bin, so that there may be fewer.

    Returns:
        Bins in the order of the score.

    Raises:
        ValueError: There are no cases.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if values.size == 0:
        raise ValueError("expected at least one case, got none")
    code = equal_mass_bins(values, bins)
    n = np.bincount(code)
    positives = np.bincount(code[positive], minlength=len(n))
    low, high = np.full(len(n), np.inf), np.full(len(n), -np.inf)
    np.minimum.at(low, code, values)
    np.maximum.at(high, code, values)
    return ReliabilityBins(
        score=np.asarray(np.bincount(code, weights=values) / n, dtype=np.float64),
        frequency=positives / n,
        n=n.astype(np.int64),
        positives=positives.astype(np.int64),
        low=low,
        high=high,
        code=code,
    )
