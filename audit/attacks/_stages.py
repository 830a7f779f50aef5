"""Which search of a size comes when: restarts, one from a further direction, those of cases that stand by little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = (0.1, 0.03, 0.03, 0.03)
"""A case stands by little where what is left of its margin is at most this share of what the margin has fallen by: the
share before each further search from a random start."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Numbers of searches: -1 before any, then the restarts, then from a further direction, then from random starts.

    Args:
        restarts: Restarts of each objective.
        objectives: Number of objectives; that of a stage is its remainder.
        tries: Searches from random starts at most; no more than `NEAR` has shares.
    """

    restarts: int
    objectives: int
    tries: int = len(NEAR)

    @property
    def regular(self) -> int:
        """Searches that every standing case gets."""
        return self.restarts * self.objectives

    def number(self, stage: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) which of the searches from random starts each stage is, -1 for those before them."""
        past = stage - self.regular - self.objectives
        out: NDArray[np.int64] = np.where(past < 0, -1, past // self.objectives)
        return out

    def after(self, stage: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) the next search from a random start, on some objectives."""
        return self.regular + (self.number(stage) + 2) * self.objectives + which

    def searched(self, stage: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return (m,) whether all restarts are done and no further direction was followed."""
        done: Any = (stage == self.regular - 1) & (self.regular > 0)
        out: NDArray[np.bool_] = done | (self.number(stage) >= 0)
        return out

    def share(self, stage: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (m,) how little must be left for the next search from a random start; nothing is as little as -1."""
        shares = np.array([*NEAR[: self.tries], -1.0])
        return np.where(self.searched(stage), shares[np.minimum(self.number(stage) + 1, len(shares) - 1)], -1.0)
