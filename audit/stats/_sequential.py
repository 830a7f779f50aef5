"""Means over patients who are looked at in drawn order until enough is known: bounds that hold whenever one stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._betting import SHARE
from audit.stats._common import Bools, Bounds, Floats, Ints, Patients, alphas, clipped, estimate, finite, same_length
from audit.stats._common import too_few as lacking
from audit.stats._proportion import korn_graubard_bounds, share_of

METHOD = "betting, valid whenever it stops"
AT_THE_END = "betting, and Korn-Graubard after the last patient"
GAP = "difference of two betting bounds, valid whenever it stops"
RESERVE = 0.2
"""Share of a level that is kept for one look at all patients, should none be left to draw."""
_HALVINGS = 24


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is fixed before the first patient is drawn.

    Args:
        patients: Patients that there are, those of the measurement's own denominator.
        most_cases: Cases that one of them has at most.
    """

    patients: int
    most_cases: int

    def __post_init__(self) -> None:
        if self.patients < 1 or self.most_cases < 1:
            raise ValueError(f"expected at least 1 patient with 1 case, got {self.patients} and {self.most_cases}")

    @classmethod
    def of(cls, patients: Ints) -> Drawn:
        """Return what is fixed, given the patient codes (n,) of all cases that there are."""
        sizes = Patients.of(patients).sizes
        return cls(patients=max(1, sizes.size), most_cases=int(sizes.max(initial=1)))


def share_so_far(hits: Bools, patients: Ints, levels: Levels, drawn: Drawn) -> Estimate:
    """Estimate a proportion of cases from the patients that were looked at so far.

    Every rung of the curve is a bet of its own against every limit. With the truth at a limit, its capital reaches
    1 / level with a probability of at most `level`, whenever one looks and whenever one stops (Ville's inequality).
    A fifth of each level is kept for a last look at all patients, by Korn-Graubard, which is tighter near the limit:
    the chance that either errs is at most the sum of both.

    Args:
        hits: (n,) True where the case counts; whole patients, in the order in which they were drawn.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        drawn: What was fixed beforehand.

    Returns:
        Value in [0, 1] with k, n and n_patients; absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length, or do not fit what was fixed.

    References:
        Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, Journal of the Royal
        Statistical Society Series B 86.
    """
    same_length(hits=hits, patients=patients)
    found, n, k = Patients.of(patients), len(hits), int(np.count_nonzero(hits))
    reason = "no cases" if n == 0 else lacking(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count, k=k)
    level = alphas(levels)
    low, high = _bets(np.asarray(hits, dtype=np.float64), patients, (1 - RESERVE) * level, drawn)
    method = METHOD
    if found.count == drawn.patients:
        exact = korn_graubard_bounds(share_of(np.asarray(hits, dtype=bool), found), RESERVE * level)
        low, high, method = np.maximum(low, exact[0]), np.minimum(high, exact[1]), AT_THE_END
    return estimate(k / n, (low, high), levels, method=method, n=n, n_patients=found.count, k=k)


def mean_so_far(
    values: NDArray[Any], patients: Ints, levels: Levels, drawn: Drawn, *, support: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """Estimate a mean over cases from the patients that were looked at so far; see `share_so_far`.

    Nothing is assumed of the values but their range, so no level is kept for a last look.

    Args:
        values: (n,) finite, within `support`; whole patients, in the order in which they were drawn.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        drawn: What was fixed beforehand.
        support: Range that no value can leave.

    Returns:
        Value in the unit of the values; absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length, do not fit what was fixed, or a value is outside the range.
    """
    same_length(values=values, patients=patients)
    numbers, found, n = finite("values", values), Patients.of(patients), len(patients)
    least, most = support
    if not least < most:
        raise ValueError(f"support: expected a range, got {support}")
    if n and not (numbers.min() >= least and numbers.max() <= most):
        raise ValueError(f"expected values in [{least:g}, {most:g}], got {numbers.min()} to {numbers.max()}")
    reason = "no cases" if n == 0 else lacking(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    low, high = _bets((numbers - least) / (most - least), patients, alphas(levels), drawn)
    bounds = clipped((least + (most - least) * low, least + (most - least) * high), support)
    return estimate(float(numbers.mean()), bounds, levels, method=METHOD, n=n, n_patients=found.count)


def gap_so_far(hits: Bools, members: Bools, patients: Ints, levels: Levels, drawn: tuple[Drawn, Drawn]) -> Estimate:
    """Estimate the proportion of some cases minus that of the others, from the patients looked at so far.

    The lower bound is that of the one minus the upper one of the other, each at half the level.

    Args:
        hits: (n,) True where the case counts; whole patients, in the order in which they were drawn.
        members: (n,) True for the cases on the left of the minus.
        patients: (n,) patient codes; a patient may have cases on both sides.
        levels: Levels of the bounds.
        drawn: What was fixed beforehand of the members, and of the others.

    Returns:
        Value in [-1, 1]; absent with fewer than 5 patients on a side.
    """
    same_length(hits=hits, members=members, patients=patients)
    chosen, n_patients = np.asarray(members, dtype=bool), Patients.of(patients).count
    sides = [(np.asarray(hits, dtype=np.float64)[s], patients[s]) for s in (chosen, ~chosen)]
    for own, who in sides:
        reason = "no cases" if not own.size else lacking(Patients.of(who).count)
        if reason:
            return Estimate.absent(reason, method=GAP, n=len(hits), n_patients=n_patients)
    half = alphas(levels) / 2
    (low, high), (other_low, other_high) = (
        _bets(own, who, half, fixed) for (own, who), fixed in zip(sides, drawn, strict=True)
    )
    value = float(sides[0][0].mean() - sides[1][0].mean())
    bounds = (low - other_high, high - other_low)
    return estimate(value, bounds, levels, method=GAP, n=len(hits), n_patients=n_patients)


def _bets(values: Floats, patients: Ints, level: Floats, drawn: Drawn) -> Bounds:
    """Return (r,) lower and upper bounds at r levels."""
    sums, sizes = _in_order(values, patients)
    if len(sums) > drawn.patients or sizes.max() > drawn.most_cases:
        raise ValueError(
            f"expected at most {drawn.patients} patients of at most {drawn.most_cases} cases, got {len(sums)} of at "
            f"most {sizes.max():g}"
        )
    return _lower(sums, sizes, level, drawn), 1 - _lower(sizes - sums, sizes, level, drawn)


def _in_order(values: Floats, patients: Ints) -> tuple[Floats, Floats]:
    """Return sums and numbers of cases of each patient, in the order in which the patients first appear."""
    found = Patients.of(patients)
    first = np.full(found.count, len(patients))
    np.minimum.at(first, found.code, np.arange(len(patients)))
    order = np.argsort(first, kind="stable")
    return found.sums(values)[order], found.sizes[order]


def _lower(sums: Floats, sizes: Floats, level: Floats, drawn: Drawn) -> Floats:
    """Return the largest limits that the bet "the rate is above" has beaten at some time, one a level.

    The stake does not depend on the limit but for its cap, so what a bet has won falls as the limit rises, at every
    time, and the limits that were beaten are all those below one number.
    """
    most = float(drawn.most_cases)
    seen = np.arange(1, len(sums) + 1)
    centre = (most / 2 + np.cumsum(sums)) / (most + np.cumsum(sizes))
    squares = 0.25 + np.cumsum(((sums - centre * sizes) / most) ** 2)
    before = np.concatenate([[0.25], squares[:-1]]) / seen
    stake = np.sqrt(-2 * np.log(level)[:, None] / (before * (drawn.patients / 2)))
    low, high = np.zeros(len(level)), np.ones(len(level))
    for _ in range(_HALVINGS):
        limit = (low + high) / 2
        gain = (sums - limit[:, None] * sizes) / most
        gain *= np.minimum(stake, SHARE / limit[:, None])
        won = np.cumsum(np.log1p(gain, out=gain), axis=1).max(axis=1) >= -np.log(level)
        low, high = np.where(won, limit, low), np.where(won, high, limit)
    return low
