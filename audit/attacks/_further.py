"""Slots whose standing cases are tried along directions that the search does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ledger import Ledger
from audit.attacks._outcome import NOISE, SMOOTHED, TURNING, Cases, Plan
from audit.attacks._slots import Slots, each_own, usable
from audit.attacks._stages import NEAR
from audit.attacks._turning import FEW, POINTS, Turning, rough
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORTH = 0.25
"""A gain is worth another search from this share of all that the margin has fallen by."""
_FAR = 0.5
"""A case is far from falling where more is left of its margin than this share of what the margin has fallen by."""
_DRAW = 2**20
"""Keeps the places around a case apart from its random starts."""


class FurtherSlots(Slots):
    """`Slots` with `further`, which offers one step along the gradients of other places.

    Args:
        model: The model under attack.
        cases: Where cases come from.
        plan: How much is tried.
        ledger: Where what is verified is noted.
        seed: Of random places; those of a case do not depend on the others.
    """

    def __init__(
        self, model: DifferentiableModel, cases: Cases, plan: Plan, ledger: Ledger, seed: int
    ) -> None:  # fmt: skip
        super().__init__(model, cases, plan, ledger)
        self.seed = seed
        self._turning = None if cases.anchors is None else Turning(ledger, cases.anchors)
        self._looked, self._turns = (np.zeros(len(self.case), dtype=bool) for _ in range(2))
        self._there: Any = None

    def enter(self, slots: NDArray[np.int64]) -> None:
        """Read the next cases; see `Slots.enter`."""
        super().enter(slots)
        self._looked[slots] = self._turns[slots] = False

    def near(self, slots: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (m,) which cases stand by so little that another search may turn them."""
        left = self.ledger.margin[self.case[slots]].min(axis=1)
        out: NDArray[np.bool_] = self._within(slots, left, share) & (self.epsilons[self.size[slots]] > 0) & (share >= 0)
        return out

    def far(self, slots: NDArray[np.int64], reached: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (m,) which cases are far from falling; `reached` are the lowest margins of their present searches.

        A search that has not come below what was reached before tells nothing: its steps are still too long.
        """
        before = self.ledger.margin[self.case[slots]].min(axis=1)
        out: NDArray[np.bool_] = (reached < before) & ~self._within(slots, reached, np.full(slots.size, _FAR))
        return out

    def _within(
        self, slots: NDArray[np.int64], left: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.bool_]:  # fmt: skip
        with np.errstate(invalid="ignore"):
            out: NDArray[np.bool_] = left <= share * (self.ledger.clean_margin[self.case[slots]] - left)
        return out

    def lowest(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) the objective of the lowest margin so far."""
        out: NDArray[np.int64] = self.ledger.margin[self.case[slots]].argmin(axis=1)
        return out

    def further(
        self, slots: NDArray[np.int64], headline: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offer further directions for cases that stand.

        Args:
            slots: (m,) slots of cases that stand after their searches.
            headline: (m,) whether at the headline size, where gradients are averaged, too.

        Returns:
            The slots that still stand with a margin so much lower that the search seems to have missed a way, from
            where another may go on, and the objective that gained most in each.
        """
        rows = self.case[slots]
        before = self.ledger.margin[rows].copy()
        self._try_turning(slots[~self.near(slots, np.full(slots.size, NEAR[0]))])
        self._try_smoothed(slots[headline & self.open(slots)])
        after = self.ledger.margin[rows]
        with np.errstate(invalid="ignore"):
            gained = before - after
            worth = (gained > 0) & (gained >= _WORTH * (self.ledger.clean_margin[rows][:, None] - after))
        more = worth.any(axis=1) & self.open(slots)
        return slots[more], np.where(worth, gained, 0.0)[more].argmax(axis=1)

    def _try_turning(self, slots: NDArray[np.int64]) -> None:
        """Take one step along the gradient where the answer turns on the way to another case."""
        import torch

        if self._turning is None:
            return
        if self._there is None:
            self._there = torch.zeros_like(self.ball.x0)
        new = slots[~self._looked[slots]]
        if new.size:
            self._look(new, self._turning)
        at = slots[self._turns[slots]]
        self.offer(at, self.ball.take(at).along(-self._there[at], self.epsilon(at)), TURNING)

    def _look(self, slots: NDArray[np.int64], turning: Turning) -> None:
        self._looked[slots] = True
        rows = self.case[slots]
        found, *sides, which = turning.sides(
            rows, self.cases.at(rows), self.ball.x0[slots].cpu().numpy(), self.target[slots]
        )
        self._turns[slots] = found
        # On one side of a jump the gradient may be none; the other side is asked for then.
        lacks = found.copy()
        for images in sides:
            at = slots[lacks]
            if at.size:
                x = self.tensor(images[lacks])
                _, slope = self.slopes(self.model.forward, which[lacks], x, self.wanted[at])
                self._there[at] = slope
                lacks[lacks] = ~usable(slope)

    def _try_smoothed(self, slots: NDArray[np.int64]) -> None:
        """Take one step along the mean gradient over the ball, where gradients there have little in common."""
        import torch

        if not slots.size:
            return
        rngs = [np.random.default_rng([self.seed, int(row), _DRAW]) for row in self.cases.at(self.case[slots])]
        first = self._around_slopes(slots, FEW, rngs)
        which = self.lowest(slots)
        clean = each_own(self.slope, which, slots)
        wiggles = np.flatnonzero(rough(torch.cat([first, clean[None]])))
        if wiggles.size:
            at = slots[wiggles]
            rest = self._around_slopes(at, POINTS - FEW, [rngs[i] for i in wiggles])
            mean = first[:, wiggles].sum(dim=0) + rest.sum(dim=0)
            self.offer(at, self.ball.take(at).along(-mean, self.epsilon(at)), SMOOTHED)

    def _around_slopes(self, slots: NDArray[np.int64], count: int, rngs: list[np.random.Generator]) -> Any:
        """Return (count, m, channels, *spatial) gradients of the lowest margin at random places of the ball."""
        import torch

        ball, epsilon = self.ball.take(slots), self.epsilon(slots)
        which, found = self.lowest(slots), []
        for _ in range(count):
            x = ball.project(ball.random(epsilon, rngs), epsilon)
            found.append(self.slopes(self.forward, which, x, self.wanted[slots])[1])
        return torch.stack(found)

    def control(self, slots: NDArray[np.int64]) -> None:
        """Try random signs of the size."""
        rows = self.case[slots]
        if self.plan.whole:
            self.ledger.noise[rows] = self.ledger.right[rows]
            return
        ball, epsilon = self.ball.take(slots), self.epsilon(slots)
        rngs = [np.random.default_rng([self.seed, int(row)]) for row in self.cases.at(rows)]
        if self.plan.norm == "l0":
            delta = ball.random(epsilon, rngs)
        else:
            shape = tuple(ball.x0.shape[1:])
            signs = np.stack([2.0 * g.integers(0, 2, shape) - 1.0 for g in rngs]).astype(np.float32)
            delta = self.tensor(signs) * ball.column(epsilon).float()
        stands = self.offer(slots, ball.project(delta, epsilon), NOISE)
        self.ledger.noise[rows] = self.ledger.right_clean[rows] & stands
