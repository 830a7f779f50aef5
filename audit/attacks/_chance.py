"""Whether a model is above chance before anything is attacked: what answers at random has nothing to lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._objectives import GradeMargin, Question, ToleranceMargin

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ONE_SIDED_95 = 1.6448536269514722


def above_chance(
    question: Question, right: NDArray[np.bool_], target: NDArray[Any], clean: NDArray[np.float64],
    patients: NDArray[np.int64],
) -> float | None:  # fmt: skip
    """Return the one-sided 95 % lower bound of how far the clean answers are above the best constant one.

    Of classes and grades it is the mean share right over the classes that occur, less what the best constant answer
    would have, so that prevalence plays no part; of values the share of the mean absolute
    error of the best constant value, the median, that the answers save. The bound is normal, with patients as the unit.

    Args:
        question: What is attacked.
        right: (n,) right without an attack.
        target: (n,) targets.
        clean: (n, k) answers without an attack.
        patients: (n,) patient codes.

    Returns:
        At most 1; None where right has no meaning, where targets are no single numbers, or where all are the same.
    """
    if not question.decided or target.ndim != 1 or not right.size:
        return None
    first = question.objectives[0]
    if isinstance(first, ToleranceMargin):
        off, constant = np.abs(clean[:, 0] - target), np.abs(np.median(target) - target)
        return _saved(constant, off, patients)
    classes = np.unique(target)
    if classes.size < 2:
        return None
    within = first.within if isinstance(first, GradeMargin) else 0
    answers = np.arange(classes.min(), classes.max() + 1)
    chance = max(float((np.abs(classes - c) <= within).mean()) for c in answers)
    members = [target == c for c in classes]
    return _lower([right[m] for m in members], [patients[m] for m in members]) - chance


def _saved(constant: NDArray[np.float64], off: NDArray[np.float64], patients: NDArray[np.int64]) -> float | None:
    """Return the lower bound of the share of one mean error that the other saves; None without an error to save."""
    if not constant.mean() > 0:
        return None
    own = np.unique(patients, return_inverse=True)[1]
    means = np.bincount(own, weights=constant - off) / np.bincount(own)
    if means.size < 2:
        return None
    return float((means.mean() - _ONE_SIDED_95 * means.std(ddof=1) / np.sqrt(means.size)) / constant.mean())


def _lower(groups: list[NDArray[np.bool_]], patients: list[NDArray[np.int64]]) -> float:
    """Return the lower bound of the mean share over groups."""
    shares = np.array([g.mean() for g in groups])
    counts = np.array([np.unique(p).size for p in patients])
    # Drawn towards a half by one patient, so that few patients who are all right are not taken for certainty.
    drawn = (shares * counts + 0.5) / (counts + 1)
    spread = np.sqrt((drawn * (1 - drawn) / counts).sum()) / len(groups)
    return float(shares.mean() - _ONE_SIDED_95 * spread)
