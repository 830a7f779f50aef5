"""What an attack lowers on a risk at a horizon and on the candidates of a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._objectives import Objective, all_finite, crossing
from audit.core import ModelCard
from audit.core.outputs import sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENSORED = -1
"""Target of a case that left before the horizon without the event: nobody knows what became of it."""


def status_at(horizon: float) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """Return the function from time and event to what became of a case by a horizon.

    Args:
        horizon: In the unit of the cohort's time.

    Returns:
        A function of (n, 2) time and event that gives (n,) 1 where the event was seen at the horizon or before, 0 where
        the case was without it up to the horizon, `CENSORED` else.
    """

    def status(targets: NDArray[Any]) -> NDArray[np.int64]:
        time, event = targets[:, 0], targets[:, 1] == 1
        without = (time > horizon) | (~event & (time >= horizon))
        return np.where(event & (time <= horizon), 1, np.where(without, 0, CENSORED)).astype(np.int64)

    return status


def known(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) which cases have a known status."""
    out: NDArray[np.bool_] = np.asarray(target != CENSORED)
    return out


@dataclass(frozen=True, kw_only=True)
class CandidateMargin(Objective):
    """Distance from the operating point of what makes a case positive: any one of its scores.

    The scores are those of a detector's candidates, or the one risk of a survival model. A positive case is lost when
    the last score falls below the operating point, a negative one is a false alarm when the first reaches it. Where a
    candidate lies is not judged.

    Args:
        card: The model's card.
        threshold: Operating point on the probability scale, or on the output's own where that is a value.
    """

    card: ModelCard
    threshold: float

    def margin(self, raw: Any, target: Any) -> Any:
        """Return the signed distance from the operating point; see `Objective.margin`."""
        import torch

        z = crossing(raw, self.card.output, self.threshold)
        top = z.amax(dim=1)
        # Every candidate above the threshold must fall, so all of them are pushed and not the highest alone.
        standing = torch.where(top > 0, z.clamp_min(0).mean(dim=1), top)
        return torch.where(target == 1, standing, -top)

    def right(self, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the decision at the operating point equals the target; see `Objective.right`.

        Raises:
            ValueError: The status of a case is unknown.
        """
        if not known(target).all():
            raise ValueError("expected cases of a known status, got censored ones; ask Question.applies first")
        with np.errstate(invalid="ignore"):
            score = sigmoid(raw) if self.card.output == "logits" else raw
            decided: NDArray[np.bool_] = np.equal((score >= self.threshold).any(axis=1), target == 1)
        return decided & all_finite(raw)
