"""Searches of many cases at once, each at its own size and step: signed steps that shrink, or APGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from audit.attacks._ball import Ball

Kind = Literal["apgd", "sign"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_RISING = 0.75
_MANY_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Steps between two looks at the progress, as in the paper: 22 % of all, then 3 % fewer each time, at least 6 %."""

    first: int
    less: int
    least: int

    @classmethod
    def of(cls, steps: int) -> Windows:
        """Return the windows of so many steps."""
        return cls(first=max(int(0.22 * steps), 1), less=max(int(0.03 * steps), 1), least=max(int(0.06 * steps), 1))


class Search:
    """Searches in the slots of a batch; `begin` starts some, `advance` moves some by one step.

    `apgd` is the step rule of Croce and Hein 2020: momentum, and a step that starts at twice the size and halves, from
    the best image so far, where progress stalls. `sign` takes steps along the gradient that shrink evenly to none, and
    returns to the best image when they are half, a quarter and an eighth of the first.

    Args:
        ball: What is allowed, one image a slot; images may be put into it later.
        kind: One of `KINDS`.
        steps: Gradient steps of a whole search.

    References:
        Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks, ICML.
    """

    def __init__(self, ball: Ball, kind: Kind, steps: int) -> None:
        import torch

        self.ball, self.kind, self.steps, self._windows = ball, kind, steps, Windows.of(steps)
        self.x, self.best, self._slope = ball.x0.clone(), ball.x0.clone(), torch.zeros_like(ball.x0)
        self._before = ball.x0.clone()
        n, device = len(ball.x0), ball.x0.device
        self.epsilon, self._size = (torch.zeros(n, dtype=torch.float64, device=device) for _ in range(2))
        self.lowest, self._last, self._looked = (torch.zeros(n, dtype=torch.float64, device=device) for _ in range(3))
        self.done = np.zeros(n, dtype=np.int64)
        self._falls, self._since, self._window = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self._total = np.ones(n, dtype=np.int64)
        self._halved, self._plain = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)

    def begin(
        self, slots: Any, x: Any, epsilon: Any, kind: Kind | None = None,
        *, first: float | None = None, steps: int | None = None,
    ) -> None:  # fmt: skip
        """Start a search in some slots.

        Args:
            slots: (m,) slots.
            x: (m, channels, *spatial) valid images to start from.
            epsilon: (m,) sizes.
            kind: The step rule of these searches, where it is not that of the others.
            first: First step of `sign` as a share of epsilon; by default one that crosses the range of allowed images,
                or half of it where few steps leave no time to come down.
            steps: Steps over which those of `sign` shrink, where it is not those of a whole search.
        """
        kind, steps = kind or self.kind, self.steps if steps is None else steps
        if first is None:
            first = 2.0 if self.steps >= _MANY_STEPS else 1.0
        self._total[slots] = max(steps, 1)
        self._plain[slots] = kind == "sign"
        self.x[slots] = x
        self.best[slots] = x
        self._before[slots] = x
        self.epsilon[slots] = epsilon
        self._size[slots] = (2 if kind == "apgd" else first) * epsilon
        for tensor in (self.lowest, self._last, self._looked):
            tensor[slots] = float("inf")
        self.done[slots] = self._falls[slots] = self._since[slots] = 0
        self._window[slots] = self._windows.first
        # True, so that the first look does not halve a step for want of a look before.
        self._halved[slots] = True

    def advance(self, slots: Any, margin: Any, gradient: Any) -> None:
        """Move some searches by one step, given margin and gradient of the images where they stand.

        Args:
            slots: (m,) slots.
            margin: (m,) margins; one that is no number is the lowest of all.
            gradient: (m, channels, *spatial) gradients of the margin.
        """
        import torch

        margin = torch.nan_to_num(margin.double(), nan=-float("inf"))
        lower = margin < self.lowest[slots]
        hit = slots[lower.cpu().numpy()]
        self.lowest[hit], self.best[hit] = margin[lower], self.x[hit]
        self._slope[hit] = gradient[lower]
        gradient = self._back(slots, margin, gradient)
        if not self._plain[slots].all():
            self._falls[slots] += (margin < self._last[slots]).cpu().numpy()
            gradient = self._look(slots, gradient)
        self._last[slots] = margin
        self._move(slots, gradient)
        self.done[slots] += 1

    def _back(self, slots: Any, margin: Any, gradient: Any) -> Any:
        """Bring searches by signed steps back to their best image when their steps are half, a quarter and an eighth.

        A step that leaps out of a narrow valley may lead to where no gradient points back.
        """
        import torch

        done, total = self.done[slots], self._total[slots]
        due = self._plain[slots] & (done > 0)
        due &= (done == total // 2) | (done == 3 * total // 4) | (done == 7 * total // 8)
        due &= (margin > self.lowest[slots]).cpu().numpy()
        if not due.any():
            return gradient
        back = slots[due]
        self.x[back] = self.best[back]
        return gradient.index_copy(0, torch.as_tensor(np.flatnonzero(due), device=gradient.device), self._slope[back])

    def _look(self, slots: Any, gradient: Any) -> Any:
        """Halve the step of searches that stall at the end of a window and bring them back to their best image."""
        import torch

        # The first margin is that of the start; windows count the steps after it.
        self._since[slots] += self.done[slots] > 0
        due = (self._since[slots] >= self._window[slots]) & ~self._plain[slots]
        if not due.any():
            return gradient
        at = slots[due]
        lowest, looked = self.lowest[at].cpu().numpy(), self._looked[at].cpu().numpy()
        stalls = (self._falls[at] <= _RISING * self._window[at]) | (~self._halved[at] & (lowest >= looked))
        self._halved[at], self._looked[at] = stalls, self.lowest[at]
        self._since[at] = self._falls[at] = 0
        self._window[at] = np.maximum(self._window[at] - self._windows.less, self._windows.least)
        back = at[stalls]
        if back.size:
            self._size[back] /= 2
            self.x[back] = self.best[back]
            where = torch.as_tensor(np.flatnonzero(due)[stalls], device=gradient.device)
            gradient = gradient.index_copy(0, where, self._slope[back])
        return gradient

    def _move(self, slots: Any, gradient: Any) -> None:
        import torch

        whole = len(slots) == len(self.x)
        ball = self.ball if whole else self.ball.take(slots)
        x, epsilon = self.x[slots], self.epsilon[slots]
        plain = self._plain[slots]
        left = np.where(plain, np.maximum(1 - self.done[slots] / self._total[slots], 0), 1.0)
        size = self._size[slots] * torch.as_tensor(left, device=x.device)
        moved = _valid(ball, ball.step(x - ball.x0, -gradient, size), epsilon)
        if not plain.all():
            before, first = self._before[slots], torch.as_tensor(self.done[slots] == 0, device=x.device)
            share = ball.column(torch.where(first, 1.0, 0.75)).to(x.dtype)
            mixed = _valid(ball, x + (moved - x) * share + (x - before) * (1 - share) - ball.x0, epsilon)
            # What becomes of signed steps must not depend, to the last bit, on what else is in the batch.
            signed = ball.column(torch.as_tensor(plain, device=x.device).double()).bool()
            moved = torch.where(signed, moved, mixed)
            self._before[slots] = x
        self.x[slots] = moved


def _valid(ball: Ball, delta: Any, epsilon: Any) -> Any:
    """Return images within size and range up to rounding; the last bit matters only for what is verified."""
    import torch

    return torch.minimum(torch.maximum(ball.x0 + ball.bounded(delta, epsilon), ball.low), ball.high)
