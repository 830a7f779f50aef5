"""What one simulation is, and what it must keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from audit.core import Estimate, Levels

LEVELS = Levels()
ALPHA = LEVELS.pointwise
"""One-sided level of the bounds that a verdict rests on, 2.5 %."""
COVERAGE, TAIL = 0.93, 0.035
"""Least coverage of a 95 % interval and largest miss of one tail (nominal 2.5 %) that a method may have."""

Values = Mapping[str, float | bool | None]


@dataclass(frozen=True, kw_only=True)
class Accept:
    """What the mean of a quantity over all repeats must keep.

    Args:
        low: Least mean, None where there is none.
        high: Largest mean, None where there is none.
        deviation: Why it is known not to be kept, in one sentence; empty where it must be kept. A deviation is held
            to its word: where the acceptance is kept after all, the deviation must go.
    """

    low: float | None = None
    high: float | None = None
    deviation: str = ""

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("expected a least mean, a largest mean, or both; got neither")

    def kept(self, mean: float, slack: float = 0.0) -> bool:
        """Tell whether a mean keeps it, give or take `slack`."""
        above = self.low is None or mean >= self.low - slack
        return above and (self.high is None or mean <= self.high + slack)

    def __str__(self) -> str:
        """Return it in signs, for example "≥ 0.93"."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"≥ {self.low:g}" if self.low is not None else f"≤ {self.high:g}"


TAILS: Mapping[str, Accept] = {"low_miss": Accept(high=TAIL), "high_miss": Accept(high=TAIL)}
COVERED: Mapping[str, Accept] = {"coverage": Accept(low=COVERAGE)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """One method in one scenario.

    Args:
        id: Unique, "job/method/scenario" in short words.
        job: Key of the job, see `validation.statistics.catalogue.JOBS`.
        method: The method in words.
        scenario: The scenario in words.
        draw: One repeat: from a generator to the value of every quantity; None where it has none in this repeat.
        repeats: Repeats of the full run.
        quick: Repeats in the tests, 0 to leave it to the full run.
        accept: What the quantities must keep.
        control: True for a method known to be bad, which must keep failing.
    """

    id: str
    job: str
    method: str
    scenario: str
    draw: Callable[[np.random.Generator], Values]
    repeats: int
    quick: int = 0
    accept: Mapping[str, Accept] = field(default_factory=dict)
    control: bool = False


def held(bounds: tuple[float, float] | None, truth: float) -> Values:
    """Return how an interval did against the truth.

    Returns:
        coverage, low_miss (the lower bound is above the truth), high_miss, width, and estimable; without an interval
        only the last is known.
    """
    if bounds is None:
        return {"coverage": None, "low_miss": None, "high_miss": None, "width": None, "estimable": False}
    low, high = bounds
    # Bounds that equal the truth hold it; sums in another order differ in the last bits.
    below, above = low > truth + 1e-12, high < truth - 1e-12
    return {
        "coverage": not (below or above), "low_miss": below, "high_miss": above, "width": high - low, "estimable": True,
    }  # fmt: skip


def held_by(estimate: Estimate, truth: float) -> Values:
    """Return how the interval of an estimate did at the verdict's level; see `held`."""
    return held(estimate.bounds(ALPHA), truth)
