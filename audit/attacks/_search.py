"""Searches of many cases at once, each at its own size and step: signed steps that shrink, or APGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._rows import placed, put, taken

Kind = Literal["apgd", "sign"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_RISING = 0.75
_MANY_STEPS = 10
_RETURNS = (4, 6, 7)
"""Eighths of its steps after which a search by signed steps returns to its best image."""


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
        n = len(ball.x0)
        # One number a slot lies beside the images, not among them: what it decides is decided here.
        self._size, self._limits = np.zeros(n), ball.limits(np.zeros(n))
        self.lowest, self._last, self._looked = np.zeros(n), np.zeros(n), np.zeros(n)
        self.done = np.zeros(n, dtype=np.int64)
        self._falls, self._since, self._window = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self._total = np.ones(n, dtype=np.int64)
        self._halved, self._plain = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._returns = np.zeros((n, len(_RETURNS)), dtype=np.int64)
        self._held: tuple[Any, Ball] | None = None

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
        # Other images may have been put into the ball.
        self._held = None
        if first is None:
            first = 2.0 if self.steps >= _MANY_STEPS else 1.0
        self._total[slots] = max(steps, 1)
        self._plain[slots] = kind == "sign"
        # No search returns before its first step.
        self._returns[slots] = [max(steps, 1) * eighths // 8 or -1 for eighths in _RETURNS]
        at, size = placed(slots, self.x.device), np.asarray(epsilon.cpu() if hasattr(epsilon, "cpu") else epsilon)
        for images in (self.x, self.best, self._before):
            images[at] = x
        self._limits[slots] = self.ball.limits(size, slots)
        self._size[slots] = (2 if kind == "apgd" else first) * size
        for values in (self.lowest, self._last, self._looked):
            values[slots] = np.inf
        self.done[slots] = self._falls[slots] = self._since[slots] = 0
        self._window[slots] = self._windows.first
        # True, so that the first look does not halve a step for want of a look before.
        self._halved[slots] = True

    def advance(self, slots: Any, margin: Any, gradient: Any) -> None:
        """Move some searches by one step, given margin and gradient of the images where they stand.

        Args:
            slots: (m,) slots.
            margin: (m,) margins, a tensor or a float64 array; one that is no number is the lowest of all.
            gradient: (m, channels, *spatial) gradients of the margin.
        """
        low = margin if isinstance(margin, np.ndarray) else margin.double().cpu().numpy()
        if not np.isfinite(low).all():
            low = np.nan_to_num(low, nan=-np.inf)
        at = placed(slots, self.x.device)
        # Rows side by side are looked up faster where they are a part.
        rows = at if isinstance(at, slice) else slots
        plain = self._plain[rows]
        self._keep(slots, at, rows, low, gradient)
        if plain.any():
            gradient = self._back(slots, rows, low, gradient)
        if not plain.all():
            self._falls[rows] += low < self._last[rows]
            gradient = self._look(slots, rows, gradient)
        self._last[rows] = low
        self._move(slots, at, rows, plain, gradient)
        self.done[rows] += 1

    def _keep(self, slots: Any, at: Any, rows: Any, low: Any, gradient: Any) -> None:
        """Keep images and gradients of margins that are lower than any before."""
        lower = low < self.lowest[rows]
        if not lower.any():
            return
        if not lower.all():
            hit = np.flatnonzero(lower)
            rows, low, gradient = slots[hit], low[hit], taken(gradient, placed(hit, self.x.device))
            at = placed(rows, self.x.device)
        self.lowest[rows] = low
        put(self.best, at, taken(self.x, at))
        put(self._slope, at, gradient)

    def _back(self, slots: Any, rows: Any, margin: Any, gradient: Any) -> Any:
        """Bring searches by signed steps back to their best image when their steps are half, a quarter and an eighth.

        A step that leaps out of a narrow valley may lead to where no gradient points back.
        """
        due = (self._returns[rows] == self.done[rows][:, None]).any(axis=1)
        if not due.any():
            return gradient
        due &= self._plain[rows] & (margin > self.lowest[rows])
        return self._returned(slots, np.flatnonzero(due), gradient) if due.any() else gradient

    def _returned(self, slots: Any, which: Any, gradient: Any) -> Any:
        """Bring some of the searches back to their best image, and return the gradients with those found there."""
        import torch

        at = placed(slots[which], self.x.device)
        put(self.x, at, taken(self.best, at))
        return gradient.index_copy(0, torch.as_tensor(which, device=gradient.device), taken(self._slope, at))

    def _look(self, slots: Any, rows: Any, gradient: Any) -> Any:
        """Halve the step of searches that stall at the end of a window and bring them back to their best image."""
        # The first margin is that of the start; windows count the steps after it.
        self._since[rows] += self.done[rows] > 0
        due = (self._since[rows] >= self._window[rows]) & ~self._plain[rows]
        if not due.any():
            return gradient
        at = slots[due]
        lowest, looked = self.lowest[at], self._looked[at]
        stalls = (self._falls[at] <= _RISING * self._window[at]) | (~self._halved[at] & (lowest >= looked))
        self._halved[at], self._looked[at] = stalls, self.lowest[at]
        self._since[at] = self._falls[at] = 0
        self._window[at] = np.maximum(self._window[at] - self._windows.less, self._windows.least)
        back = at[stalls]
        if back.size:
            self._size[back] /= 2
            gradient = self._returned(slots, np.flatnonzero(due)[stalls], gradient)
        return gradient

    def _move(self, slots: Any, at: Any, rows: Any, plain: Any, gradient: Any) -> None:
        import torch

        ball, kept = self._balls(slots), self.ball.kept
        limits, size, done = self._limits[rows], self._size[rows], self.done[rows]
        if plain.any():
            left = np.maximum(1 - done / self._total[rows], 0)
            size = size * (left if plain.all() else np.where(plain, left, 1.0))
        x = taken(self.x, at, kept.like("x", ball.x0))
        delta = torch.sub(x, ball.x0, out=kept.like("delta", x))
        moved = ball.valid_(ball.step(delta, gradient, size, kept.like("way", x)), limits)
        if not plain.all():
            share = 0.75 if done.all() else ball.column(np.where(done == 0, 1.0, 0.75)).to(x.dtype)
            mixed = torch.sub(moved, x, out=delta).mul_(share).add_(x)
            onward = kept.like("onward", x)
            torch.sub(x, taken(self._before, at, onward), out=onward).mul_(1 - share)
            mixed = ball.valid_(mixed.add_(onward).sub_(ball.x0), limits)
            # What becomes of signed steps must not depend, to the last bit, on what else is in the batch.
            moved = torch.where(ball.column(plain).bool(), moved, mixed) if plain.any() else mixed
            put(self._before, at, x)
        put(self.x, at, moved)

    def _balls(self, slots: Any) -> Ball:
        """Return the ball of some slots: the same as a step ago, where no search has begun since."""
        if len(slots) == len(self.x):
            return self.ball
        held = self._held
        if held is None or not np.array_equal(held[0], slots):
            held = self._held = slots.copy(), self.ball.take(slots)
        return held[1]
