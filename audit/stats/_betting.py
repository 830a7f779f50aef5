"""Bounds that hold at any time, by betting against a limit; valid for any bounded outcome."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Floats, Ints, Patients, estimate, finite, same_length, too_few

METHOD = "betting, patients in random order"
SequentialState = Literal["undecided", "above", "below"]
SHARE = 0.9
GRID, HALVINGS = 200, 14


def _stake(variance: Any, level: float, horizon: int) -> Any:
    """Return how much is staked on a patient, before the caps that keep the capital positive."""
    return np.sqrt(2 * math.log(1 / level) / (variance * (horizon / 2)))


class SequentialTest:
    """Two bets, that a rate is above and that it is below a limit, taken up patient by patient.

    Each bet's capital starts at 1. If the rate is at the limit or on its other side, the capital reaches 1 / level with
    a probability of at most `level`, whenever one looks and whenever one stops (Ville's inequality). So the audit may
    stop at the first decision, and an undecided one is a result, too.

    The rate is that of cases: a patient with k hits among m cases enters as (k - limit m) / m_max + limit, whose
    expectation is the limit just where the rate of cases is.

    Args:
        limit: The limit, in (0, 1).
        level: One-sided error, in (0, 0.5).
        horizon: Patients at most; the stakes are tuned to half of them, validity does not depend on it.
        most_cases: Cases that a patient has at most, known beforehand.

    References:
        Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, Journal of the Royal
        Statistical Society Series B 86.
    """

    def __init__(self, limit: float, level: float, horizon: int, *, most_cases: int = 1) -> None:
        if not 0 < limit < 1:
            raise ValueError(f"limit: expected a number in (0, 1), got {limit}")
        if not 0 < level < 0.5:
            raise ValueError(f"level: expected a number in (0, 0.5), got {level}")
        if horizon < 1 or most_cases < 1:
            raise ValueError(f"horizon, most_cases: expected at least 1, got {horizon} and {most_cases}")
        self.limit, self.level, self.horizon, self.most_cases = limit, level, horizon, most_cases
        self.patients = 0
        self._log = [0.0, 0.0]
        self._best = [0.0, 0.0]
        self._sum, self._squares = 0.5, 0.25
        self._decided: SequentialState = "undecided"

    def update(self, k: float, m: int = 1) -> SequentialState:
        """Take up one patient.

        Args:
            k: Hits among the patient's cases (or their sum of values in [0, 1]).
            m: The patient's cases.

        Returns:
            What is decided so far; a decision once made stands.

        Raises:
            ValueError: The numbers do not fit.
        """
        if not (1 <= m <= self.most_cases and 0 <= k <= m):
            raise ValueError(f"expected 0 <= k <= m <= {self.most_cases} and m >= 1, got k={k}, m={m}")
        x = (k - self.limit * m) / self.most_cases + self.limit
        stake = float(_stake(self._squares / (self.patients + 1), self.level, self.horizon))
        gain = x - self.limit
        for side, (sign, room) in enumerate(((1.0, self.limit), (-1.0, 1 - self.limit))):
            self._log[side] += math.log1p(sign * min(stake, SHARE / room) * gain)
            self._best[side] = max(self._best[side], self._log[side])
        self.patients += 1
        self._sum += x
        self._squares += (x - self._sum / (self.patients + 1)) ** 2
        if self._decided == "undecided":
            self._decided = self._decision()
        return self._decided

    def _decision(self) -> SequentialState:
        needed = -math.log(self.level)
        if self._best[0] >= needed:
            return "above"
        return "below" if self._best[1] >= needed else "undecided"

    @property
    def state(self) -> SequentialState:
        """What is decided so far."""
        return self._decided

    @property
    def p_above(self) -> float:
        """p-value, valid at any time, of "the rate is at most the limit"."""
        return math.exp(-self._best[0])

    @property
    def p_below(self) -> float:
        """p-value, valid at any time, of "the rate is at least the limit"."""
        return math.exp(-self._best[1])


def betting_interval(values: NDArray[Any], patients: Ints, levels: Levels, rng: np.random.Generator) -> Estimate:
    """Estimate the mean over cases of values in [0, 1] with bounds that are guaranteed for any number of patients.

    A bound at a level is where the bet against a limit stops winning 1 / level. Nothing is assumed of the values but
    their range and that the patients are a random sample; the price is a wider interval than by t or Korn-Graubard.

    Args:
        values: (n,) bool, or in [0, 1], for example Dice.
        patients: (n,) patient codes; whole patients are taken up, in an order that `rng` draws.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.

    Returns:
        Value in [0, 1]; absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length, or a value is outside [0, 1].
    """
    same_length(values=values, patients=patients)
    numbers, found, n = finite("values", values), Patients.of(patients), len(patients)
    if n and not (numbers.min() >= 0 and numbers.max() <= 1):
        raise ValueError(f"expected values in [0, 1], got {numbers.min()} to {numbers.max()}")
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    order = rng.permutation(found.count)
    sums, sizes = found.sums(numbers)[order], found.sizes[order]
    low = np.array([_bound(sums, sizes, level) for level in levels.rungs])
    high = 1 - np.array([_bound(sizes - sums, sizes, level) for level in levels.rungs])
    k = float(numbers.sum()) if np.asarray(values).dtype == bool else None
    return estimate(
        float(numbers.mean()), (low, high), levels, method=METHOD, n=n, n_patients=found.count, k=k
    )  # fmt: skip


def _bound(sums: Floats, sizes: Floats, level: float) -> float:
    """Return the lower bound: below it every limit is rejected."""
    edges = np.arange(1, GRID) / GRID
    beaten = np.concatenate([_beaten(sums, sizes, part, level) for part in np.array_split(edges, 8)])
    first = GRID - 1 if beaten.all() else int(np.argmin(beaten))
    low, high = first / GRID, (first + 1) / GRID
    if high >= 1:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _beaten(sums, sizes, np.array([middle]), level)[0]:
            low = middle
        else:
            high = middle
    return low


def _beaten(sums: Floats, sizes: Floats, limits: Floats, level: float) -> NDArray[np.bool_]:
    """Return for each limit whether the bet that the mean is above it ever wins 1 / level."""
    count = len(sums)
    x = (sums[:, None] - limits * sizes[:, None]) / sizes.max() + limits
    seen = np.arange(1, count + 1)[:, None]
    mean = (0.5 + np.cumsum(x, axis=0)) / (seen + 1)
    squares = 0.25 + np.cumsum((x - mean) ** 2, axis=0)
    before = np.concatenate([np.full((1, len(limits)), 0.25), squares[:-1]]) / seen
    stake = np.minimum(_stake(before, level, count), SHARE / limits)
    capital = np.cumsum(np.log1p(stake * (x - limits)), axis=0)
    out: NDArray[np.bool_] = capital.max(axis=0) >= -math.log(level)
    return out
