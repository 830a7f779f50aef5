"""Agreement between raters, values only."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Form = Literal["2,1", "3,1"]
Weights = Literal["none", "linear", "quadratic"]


def icc(ratings: NDArray[Any], *, form: Form) -> float | None:
    """Return an intraclass correlation of single ratings (Shrout and Fleiss 1979; McGraw and Wong 1996).

    Args:
        ratings: (n, raters) finite, n and raters at least 2, without holes.
        form: "2,1" for absolute agreement with raters drawn at random; "3,1" for consistency of these raters.

    Returns:
        At most 1; None where nothing varies.

    Raises:
        ValueError: The shape or a value makes no sense, or the form is unknown.
    """
    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise ValueError(f"ratings: expected finite numbers (n >= 2, raters >= 2), got shape {x.shape}")
    if form not in ("2,1", "3,1"):
        raise ValueError(f"form: expected 2,1 or 3,1, got {form}")
    n, k = x.shape
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    between = k * float(np.sum((rows - x.mean()) ** 2)) / (n - 1)
    raters = n * float(np.sum((columns - x.mean()) ** 2)) / (k - 1)
    residual = x - rows[:, None] - columns[None, :] + x.mean()
    error = float(np.sum(residual**2)) / ((n - 1) * (k - 1))
    denominator = between + (k - 1) * error + (k * (raters - error) / n if form == "2,1" else 0.0)
    # Rounding leaves some 1e-31 of variance in ratings that are all alike.
    if denominator <= 1e-24 * max(1.0, float(np.max(x**2))):
        return None
    return float((between - error) / denominator)


def weighted_kappa(
    a: NDArray[Any], b: NDArray[Any], categories: int, *, weights: Weights = "quadratic"
) -> float | None:
    """Return Cohen's kappa, with disagreement counted by its distance (Cohen 1968).

    Args:
        a: (n,) category index of one rater, 0..categories-1.
        b: (n,) category index of the other.
        categories: Number of categories, those that nobody chose included.
        weights: "none", "linear" or "quadratic".

    Returns:
        At most 1; None where chance alone leaves no disagreement, for example where both name one category only.

    Raises:
        ValueError: There are no cases, an index is outside the categories, or the weights are unknown.
    """
    one, two = np.asarray(a), np.asarray(b)
    if one.shape != two.shape or one.ndim != 1 or one.size == 0:
        raise ValueError(f"expected two arrays (n,), n >= 1, got {one.shape} and {two.shape}")
    for name, values in (("a", one), ("b", two)):
        if values.min() < 0 or values.max() >= categories:
            raise ValueError(f"{name}: expected categories 0 to {categories - 1}, got {values.min()} to {values.max()}")
    distance = np.abs(np.arange(categories)[:, None] - np.arange(categories)[None, :]).astype(np.float64)
    costs = {"none": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}
    if weights not in costs:
        raise ValueError(f"weights: expected none, linear or quadratic, got {weights}")
    table = np.bincount(one.astype(np.int64) * categories + two.astype(np.int64), minlength=categories**2)
    observed = table.reshape(categories, categories) / one.size
    by_chance = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    expected = float(np.sum(costs[weights] * by_chance))
    return None if expected == 0 else 1 - float(np.sum(costs[weights] * observed)) / expected
