"""Targets with errors in them: random ones, overlooked mild disease, coarser grades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FLIPS = (0.1, 0.2, 0.3, 0.4)
DELETED = (0.2, 0.4, 0.6)
GROUPS = (6, 3)
"""Groups that a real value is rounded to."""


def flipped(targets: NDArray[Any], share: float, classes: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return targets of which a share, drawn at random, are wrong.

    A class becomes another one, each as likely; a finding is turned; a real value becomes that of another case. With
    one state of the generator a larger share has the errors of a smaller one among its own.

    Args:
        targets: (m,) classes or real values, or (m, L) findings.
        share: Of the cases, or of the entries of a table of findings, 0 to 1.
        classes: Number of classes; 0 for a real value.
        rng: Draws them.
    """
    out = targets.copy()
    order = rng.random(targets.shape)
    if targets.ndim == 2:
        return np.where(order < share, 1 - out, out)
    count = round(share * len(targets))
    chosen = np.argsort(order, kind="stable")
    step = rng.integers(1, max(2, classes), size=len(targets))
    if classes:
        out[chosen[:count]] = (out[chosen[:count]] + step[chosen[:count]]) % classes
    elif count > 1:
        # Each of the chosen gets the value of the next one, so that all of them are another case's.
        out[chosen[:count]] = np.roll(targets[chosen[:count]], 1)
    return out


def overlooked(targets: NDArray[Any], share: float, subtle: Floats) -> NDArray[Any]:
    """Return targets in which a share of the ill are called healthy, the subtlest first.

    Args:
        targets: (m,) classes of which 0 is healthy, or (m, L) findings.
        share: Of the ill, 0 to 1.
        subtle: Of the shape of `targets`; low for what is easily overlooked.
    """
    if targets.ndim == 2:
        return np.stack([overlooked(targets[:, k], share, subtle[:, k]) for k in range(targets.shape[1])], axis=1)
    out, ill = targets.copy(), np.flatnonzero(targets > 0)
    first = ill[np.argsort(subtle[ill], kind="stable")]
    out[first[: round(share * len(ill))]] = 0
    return out


def coarser(targets: NDArray[Any], groups: int, classes: int) -> NDArray[Any]:
    """Return targets in fewer groups: neighbouring grades become the lowest of them, values the mean of their group.

    Args:
        targets: (m,) grades or real values.
        groups: Groups that are left.
        classes: Number of grades; 0 for a real value, whose groups hold equally many cases.
    """
    if classes:
        of_grade = np.arange(classes) * groups // classes
        lowest = np.array([int(np.flatnonzero(of_grade == g)[0]) for g in range(groups)])
        merged: NDArray[Any] = lowest[of_grade[targets]].astype(targets.dtype)
        return merged
    edges = np.quantile(targets, np.linspace(0, 1, groups + 1)[1:-1])
    group = np.searchsorted(edges, targets, side="right")
    sums, sizes = np.bincount(group, weights=targets, minlength=groups), np.bincount(group, minlength=groups)
    out: NDArray[Any] = (sums / np.maximum(sizes, 1))[group]
    return out
