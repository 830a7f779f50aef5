"""What a cohort of a given size can show at best, for sentences before the run."""

from __future__ import annotations

import math

import numpy as np

from audit.core.levels import Levels
from audit.stats._common import t_quantile
from audit.stats._sequential import Drawn, share_so_far

LARGEST = 10_000_000


def best_proportion_low(n_patients: int, levels: Levels, *, sequential: bool = False) -> float:
    """Return the best lower bound of a proportion at the policy's confidence: every case of every patient is right.

    Args:
        n_patients: Patients in the proportion's denominator.
        levels: Levels of the bounds.
        sequential: Whether its bounds hold whenever one stops.

    Returns:
        Lower bound in [0, 1); no cohort of so many patients has a better one.
    """
    if sequential and n_patients > 0:
        every, who = np.ones(n_patients, dtype=bool), np.arange(n_patients)
        found = share_so_far(every, who, levels, Drawn(patients=n_patients, most_cases=1))
        return (found.bounds(levels.pointwise) or (0.0, 1.0))[0]
    return float(levels.pointwise ** (1 / n_patients)) if n_patients > 0 else 0.0


def _wilson(p: float, patients: float, alpha: float) -> tuple[float, float]:
    n = patients - 1
    t2 = float(t_quantile(np.array([alpha]), max(int(n), 1))[0]) ** 2
    centre = (p + t2 / (2 * n)) / (1 + t2 / n)
    half = math.sqrt(t2 * (p * (1 - p) / n + t2 / (4 * n**2))) / (1 + t2 / n)
    return centre - half, centre + half


def _expected_bounds(a: float, b: float, n_a: float, n_b: float, alpha: float) -> tuple[float, float]:
    """Return MOVER bounds of a - b at expected values, one case a patient."""
    (l1, u1), (l2, u2) = _wilson(a, n_a, alpha), _wilson(b, n_b, alpha)
    return (a - b) - math.hypot(a - l1, u2 - b), (a - b) + math.hypot(u1 - a, b - l2)


def _error(a: float, b: float, n_a: float, n_b: float) -> float:
    return math.sqrt(a * (1 - a) / n_a + b * (1 - b) / n_b)


def _z(power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(power))


def _check(p: float, power: float, confidence: float) -> None:
    for name, value in (("p", p), ("power", power), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name}: expected a number in (0, 1), got {value}")


def patients_for_gap(
    margin: float, p: float, share: float, confidence: float, power: float = 0.8, *, two_sided: bool = True
) -> int | None:
    """Return about how many patients show that a proportion differs by less than a margin, if it truly does not.

    Args:
        margin: The gap that must be excluded, in (0, 1).
        p: The proportion on both sides, in (0, 1).
        share: The subgroup's share of the patients in the denominator, in (0, 1).
        confidence: Two-sided confidence of the interval.
        power: Probability with which the interval excludes the margin.
        two_sided: The margin holds in both directions, as for a two-level attribute whose levels must both not do
            worse; False for one direction.

    Returns:
        Patients of both sides together (positives for sensitivity), one case a patient; None above ten million.

    Raises:
        ValueError: A number is outside its range.
    """
    _check(p, power, confidence)
    for name, value in (("margin", margin), ("share", share)):
        if not 0 < value < 1:
            raise ValueError(f"{name}: expected a number in (0, 1), got {value}")
    alpha = (1 - confidence) / 2
    z = _z((1 + power) / 2 if two_sided else power)

    def enough(total: int) -> bool:
        sides = share * total, (1 - share) * total
        if min(sides) < 5:
            return False
        low, high = _expected_bounds(p, p, *sides, alpha)
        reach = max(-low, high) if two_sided else -low
        return reach + z * _error(p, p, *sides) <= margin

    if not enough(LARGEST):
        return None
    least, most = 1, LARGEST
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most


def smallest_detectable_gap(n_group: int, n_rest: int, p: float, confidence: float, power: float = 0.8) -> float | None:
    """Return the smallest gap that a subgroup of this size would show, if it did worse than the rest by that much.

    It is the root of (expected upper bound + z * standard error = 0), which is a little larger than the simple form.

    Args:
        n_group: Patients in the subgroup's denominator.
        n_rest: Patients in the rest's denominator.
        p: The proportion in the rest, in (0, 1).
        confidence: Two-sided confidence of the interval.
        power: Probability with which the interval lies below 0.

    Returns:
        Gap in (0, p], as a positive number; None where even a subgroup that is always wrong would not show it, or
        with fewer than 5 patients on a side.

    Raises:
        ValueError: A number is outside its range.
    """
    _check(p, power, confidence)
    if min(n_group, n_rest) < 5:
        return None
    alpha, z = (1 - confidence) / 2, _z(power)

    def short(gap: float) -> float:
        group = p - gap
        return _expected_bounds(group, p, n_group, n_rest, alpha)[1] + z * _error(group, p, n_group, n_rest)

    if short(p) > 0:
        return None
    from scipy.optimize import brentq

    return float(brentq(short, 0.0, p, xtol=1e-6))
