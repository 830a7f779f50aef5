"""Which search of a size comes when: restarts, one from a further direction, those of cases that stand by little.

Of those of cases that stand by little, every other one goes on from the image of the one before by small steps, and
those between start at random, by one step rule and the other in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._search import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = (0.06, 0.03, 0.03, 0.02, 0.02)
"""A case stands by little where what is left of its margin is at most this share of what the margin has fallen by: the
share before each further search."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Numbers of searches: -1 before any, then the restarts, then from a further direction, then further ones.

    Args:
        restarts: Restarts of each objective.
        objectives: Number of objectives; that of a stage is its remainder.
        tries: Further searches at most; no more than `NEAR` has shares.
    """

    restarts: int
    objectives: int
    tries: int = len(NEAR)

    @property
    def regular(self) -> int:
        """Searches that every standing case gets."""
        return self.restarts * self.objectives

    def number(self, stage: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) which of the further searches each stage is, -1 for those before them."""
        past = stage - self.regular - self.objectives
        out: NDArray[np.int64] = np.where(past < 0, -1, past // self.objectives)
        return out

    def after(self, stage: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) the next further search, on some objectives."""
        return self.regular + (self.number(stage) + 2) * self.objectives + which

    def searched(self, stage: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return (m,) whether all restarts are done and no further direction was followed."""
        done: Any = (stage == self.regular - 1) & (self.regular > 0)
        out: NDArray[np.bool_] = done | (self.number(stage) >= 0)
        return out

    @staticmethod
    def at_random(number: int) -> bool:
        """Return whether a further search starts at random, not where the one before ended."""
        return number >= 0 and number % 2 == 1

    @staticmethod
    def kind(number: int, rule: Kind) -> Kind:
        """Return the step rule of a further search: after one from a random start by signed steps, one by APGD."""
        if number < 0:
            return rule
        return "apgd" if number % 4 == 3 else "sign"

    def share(self, stage: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (m,) how little must be left for the next further search; nothing is as little as -1."""
        shares = np.array([*NEAR[: self.tries], -1.0])
        return np.where(self.searched(stage), shares[np.minimum(self.number(stage) + 1, len(shares) - 1)], -1.0)
