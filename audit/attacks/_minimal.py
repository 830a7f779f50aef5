"""The smallest perturbation that breaks each case, between two sizes of which the larger one is known to do so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball, Norm
from audit.attacks._fast import fast_forward
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Question
from audit.attacks._outcome import Meter
from audit.attacks._search import Search
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 1.02
"""A bracket whose ends differ by less than this factor is not narrowed further."""
_SHRINKS = 8


def smallest(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], *, norm: Norm,
    stood: NDArray[np.float64], broke: NDArray[np.float64], steps: int, rounds: int, meter: Meter,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the smallest size at which each case was broken, every success verified on the untouched model.

    The bracket of each case is halved on a logarithmic scale: a search at the middle either breaks the case, and what
    broke it is then shrunk along a line as far as it still does, or counts as the new lower end. A lower end is what
    failed, not what is impossible: the answer is an upper bound of the true smallest perturbation.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (n, channels, *spatial) stored intensities.
        target: (n, ...) targets.
        norm: How sizes are measured.
        stood: (n,) largest size at which a search failed; 0 for none.
        broke: (n,) smallest size known to break the case; infinite for none, 0 for a case that is wrong already.
        steps: Gradient steps a search.
        rounds: Halvings of the bracket.
        meter: Where the cost is counted.

    Returns:
        (n,) sizes, at most `broke`; infinite where nothing broke the case.

    References:
        Brendel et al. 2019, Accurate, reliable and fast robustness evaluation, NeurIPS, for the aim; the search is
        that of Croce and Hein 2020, ICML, at sizes that differ from case to case.
    """
    found = np.asarray(broke, dtype=np.float64).copy()
    rows = np.flatnonzero(np.isfinite(found) & (found > 0))
    if rows.size:
        halving = _Halving(model, question, images[rows], target[rows], norm, meter)
        found[rows] = halving.run(np.asarray(stood, dtype=np.float64)[rows], found[rows], steps, rounds)
    return found


def _between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the geometric middle, a quarter of the upper end where the lower one is 0."""
    out: NDArray[np.float64] = np.where(low > 0, np.sqrt(low * high), high / 4)
    return out


class _Halving:
    """The brackets of some cases and the smallest perturbation known of each."""

    def __init__(
        self, model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any],
        norm: Norm, meter: Meter,
    ) -> None:  # fmt: skip
        import torch

        self.model, self.question, self.target, self.meter = model, question, target, meter
        self.device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
        spec = model.card.input
        region = attack_region(images, spec.modality).astype(np.float32)
        self.ball = Ball.around(self._tensor(images), spec.range, self._tensor(region), norm)
        self.wanted = self._tensor(target)
        self.ledger = Ledger(model, question, 0, 0, meter)
        self.best = self.ball.x0.clone()
        self.known = np.zeros(len(images), dtype=bool)
        self.forward = fast_forward(model, question.objectives[0], self.ball.x0, self.wanted, meter)
        self.slope = [self._slopes(number, np.arange(len(images)), self.ball.x0)[1] for number in self._kinds]

    @property
    def _kinds(self) -> range:
        return range(len(self.question.objectives))

    def _tensor(self, values: NDArray[Any]) -> Any:
        import torch

        return torch.as_tensor(values, device=self.device)

    def _slopes(self, number: int, rows: NDArray[np.int64], x: Any) -> tuple[Any, Any]:
        self.meter.gradients += len(rows)
        which = np.full(len(rows), number)
        return slopes(self.forward, self.question.objectives, which, x, self.wanted[rows])

    def run(self, low: NDArray[np.float64], high: NDArray[np.float64], steps: int, rounds: int) -> NDArray[np.float64]:
        """Return the smallest verified sizes."""
        self.low, self.high = low.copy(), high.copy()
        for _ in range(rounds):
            rows = np.flatnonzero(self.high > np.maximum(self.low * _NEAR, np.finfo(np.float32).tiny))
            if not rows.size:
                break
            middle = _between(self.low, self.high)
            left = rows
            for number in self._kinds:
                if left.size:
                    left = self._at(number, left, middle[left], steps)
            self.low[left] = np.maximum(self.low[left], middle[left])
            self._shrink(np.setdiff1d(rows, left))
        self._shrink(np.arange(len(self.high)))
        return self.high

    def _at(self, number: int, rows: NDArray[np.int64], size: NDArray[np.float64], steps: int) -> NDArray[np.int64]:
        """Search for one objective at sizes of their own; return the rows that still stand."""
        import torch

        ball, epsilon = self.ball.take(rows), self._tensor(size)
        first = ball.along(-self.slope[number][rows], epsilon)
        standing = self._verify(rows, np.arange(rows.size), ball, first, epsilon)
        search = Search(ball, "apgd", steps)
        carried = ball.project(ball.scaled(self.best[rows] - ball.x0, epsilon), epsilon)
        known = self._tensor(self.known[rows]).reshape(-1, *(1,) * (carried.ndim - 1))
        search.begin(np.arange(rows.size), torch.where(known, carried, first), epsilon)
        for step in range(steps + 1):
            if not standing.size:
                break
            x = search.x[standing]
            margin, slope = self._slopes(number, rows[standing], x)
            seems = ~(margin.cpu().numpy() >= 0) | (step == steps)
            hits = standing[seems]
            left = self._verify(rows, hits, ball, x[seems], epsilon)
            kept = ~np.isin(standing, np.setdiff1d(hits, left))
            if kept.any():
                search.advance(standing[kept], margin[kept], slope[kept])
            standing = standing[kept]
        return rows[standing]

    def _verify(
        self, rows: NDArray[np.int64], at: NDArray[np.int64], ball: Ball, x: Any, epsilon: Any
    ) -> NDArray[np.int64]:
        """Offer images at some positions of `rows`; return the positions that still stand."""
        if not at.size:
            return at
        own = ball.take(at)
        exact = own.project(x - own.x0, epsilon[at])
        return at[self._offer(rows[at], own, exact)]

    def _offer(self, rows: NDArray[np.int64], ball: Ball, x: Any) -> NDArray[np.bool_]:
        """Verify images on the model, keep what breaks a case at a smaller size; return (m,) which stand."""
        _, _, right = self.ledger.ask(x.detach().cpu().numpy(), self.target[rows])
        size = ball.size_of(x - ball.x0).cpu().numpy()
        # The size of the verified image itself counts, which may be smaller than what it was allowed.
        better = ~right & (size <= self.high[rows])
        self.high[rows[better]], self.known[rows[better]] = size[better], True
        self.best[rows[better]] = x[better]
        return right

    def _shrink(self, rows: NDArray[np.int64]) -> None:
        """Shrink what broke a case along the line to its image, as far as it still does."""
        rows = rows[self.known[rows]]
        if not rows.size:
            return
        ball, delta = self.ball.take(rows), self.best[rows] - self.ball.x0[rows]
        bottom = np.minimum(self.low[rows], self.high[rows])
        for _ in range(_SHRINKS):
            size = _between(bottom, self.high[rows])
            epsilon = self._tensor(size)
            stands = self._offer(rows, ball, ball.project(ball.scaled(delta, epsilon), epsilon))
            bottom = np.where(stands, size, bottom)
