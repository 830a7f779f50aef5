"""Cases under attack at this moment, one a slot: images, sizes, gradients and the worst image of each objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._fast import CHECKED, Forward, fast_forward
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region, stored_step
from audit.attacks._ledger import Ledger
from audit.attacks._outcome import Cases, Plan
from audit.attacks._rows import copied, placed, put, taken
from audit.attacks._search import Search
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


_BATCHES = 4
"""Batches that the slots hold where images are small: what is asked of some of them at a time still fills a batch."""
_VALUES = 2**21
"""Pixels times channels that slots hold beyond one batch."""


def slots_for(batch: int, size: Sequence[int], channels: int) -> int:
    """Return how many cases are under attack at a time: whole batches, one where images are large or of no known size.

    Args:
        batch: Images a batch.
        size: Spatial size of an image, empty where it is not declared.
        channels: Of an image.
    """
    if not size:
        return batch
    room = _VALUES // max(1, math.prod(size) * channels * batch)
    return batch * max(1, min(_BATCHES, room))


class Slots:
    """Slots for some batches of cases; `enter` fills some, `offer` verifies candidates for some.

    Args:
        model: The model under attack.
        cases: Where cases come from.
        plan: How much is tried.
        ledger: Where what is verified is noted.
    """

    def __init__(self, model: DifferentiableModel, cases: Cases, plan: Plan, ledger: Ledger) -> None:
        self.model, self.cases, self.plan, self.ledger = model, cases, plan, ledger
        self.spec, self.objectives = model.card.input, ledger.question.objectives
        self.epsilons = np.array(plan.epsilons, dtype=np.float64)
        count = min(slots_for(plan.batch, self.spec.size, self.spec.channels), cases.count)
        self.case, self.size = np.full(count, -1), np.full(count, -1)
        self.taken = 0
        self.ball: Any = None
        self.worst: Any = None

    def enter(self, slots: NDArray[np.int64]) -> None:
        """Read the next cases, ask the model about them as they are, and take their gradients."""
        rows = np.arange(self.taken, self.taken + slots.size)
        self.taken += slots.size
        images = np.asarray(self.cases.images(rows), dtype=np.float32)
        target = np.asarray(self.cases.targets(rows))
        if self.ball is None:
            self._allocate(images, target)
        self.case[slots], self.size[slots] = rows, -1
        self.ball.put(slots, self._around(images))
        self.target[slots], self.wanted[slots] = target, self.tensor(target).to(self.wanted.dtype)
        self.ledger.enter(rows, images, target)
        self.ledger.integer[rows] = [stored_step(image, self.spec.span) is not None for image in images]
        x0, good = self.ball.x0[slots], np.ones(slots.size, bool)
        for number, worst in enumerate(self.worst):
            worst[slots] = x0
            _, slope = self.slopes(self.model.forward, np.full(slots.size, number), x0, self.wanted[slots])
            self.slope[number][slots] = slope
            good &= usable(slope)
        self.ledger.gradient[rows] = good

    def _allocate(self, images: NDArray[np.float32], target: NDArray[Any]) -> None:
        """Make the slots for images of this shape, and choose how gradients are taken."""
        import torch

        count = len(self.case)
        self.device = next((p.device for p in self.model.module.parameters()), torch.device("cpu"))
        shape = (count, *images.shape[1:])
        x0 = torch.zeros(shape, device=self.device)
        region = torch.zeros((count, 1, *images.shape[2:]), device=self.device)
        self.ball = Ball.around(x0, self.spec.range, region, self.plan.norm)
        self.target = np.zeros((count, *target.shape[1:]), dtype=target.dtype)
        self.wanted = self.tensor(self.target)
        self.worst, self.slope = ([torch.zeros_like(x0) for _ in self.objectives] for _ in range(2))
        self.search = Search(self.ball, self.plan.rule, self.plan.steps)
        self.forward: Forward = self.model.forward
        if self.plan.gradients == "fast" and self.plan.restarts:
            whole = self.cases.whole
            if whole is not None:
                # Every part of an attack takes its gradients from the same network.
                rows = np.arange(min(whole.count, self.plan.batch, CHECKED))
                images, target = np.asarray(whole.images(rows), dtype=np.float32), np.asarray(whole.targets(rows))
            self.forward = fast_forward(
                self.model, self.objectives[0], self.tensor(images), self.tensor(target), self.ledger.once
            )

    def slopes(self, forward: Forward, which: NDArray[np.int64], x: Any, target: Any) -> tuple[Any, Any]:
        """Return margins and gradients, batch by batch; see `audit.attacks.slopes`."""
        import torch

        self.ledger.meter.gradients += len(x)
        step = self.plan.batch
        parts = [
            slopes(forward, self.objectives, which[i : i + step], x[i : i + step], target[i : i + step])
            for i in range(0, len(x), step)
        ]
        return parts[0] if len(parts) == 1 else (torch.cat([m for m, _ in parts]), torch.cat([s for _, s in parts]))

    def tensor(self, values: NDArray[Any]) -> Any:
        """Return an array as a tensor on the model's device."""
        import torch

        return torch.as_tensor(values, device=self.device)

    def _around(self, images: NDArray[np.float32]) -> Ball:
        whole = self.plan.whole
        region = np.ones((len(images), 1, *images.shape[2:]), bool) if whole else attack_region(
            images, self.spec.modality
        )  # fmt: skip
        valid = self.spec.range
        return Ball.around(self.tensor(images), valid, self.tensor(region.astype(np.float32)), self.plan.norm)

    def epsilon(self, slots: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (m,) the present size of some slots."""
        sizes: NDArray[np.float64] = self.epsilons[self.size[slots]]
        return sizes

    def open(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which cases are not yet broken in every sense that their size allows."""
        rows = self.case[slots]
        right: NDArray[np.bool_] = self.ledger.right[rows]
        stored = self.ledger.stored[rows]
        if not (stored & ~right).any():
            return right
        either: NDArray[np.bool_] = right | (stored & self.storable(slots))
        return either

    def storable(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which cases are integers of which a whole step fits into their size."""
        held: NDArray[np.bool_] = self.ledger.integer[self.case[slots]].copy()
        if held.any():
            held &= self.ball.storable(self.epsilon(slots), slots)
        return held

    def offer(self, slots: NDArray[np.int64], x: Any, by: str | NDArray[np.str_]) -> NDArray[np.bool_]:
        """Verify candidates, and their whole stored steps where they have any; return (m,) which stay right."""
        if not slots.size:
            return np.zeros(0, dtype=bool)
        right = self._verify(slots, x, by)
        whole = self.ledger.stored[self.case[slots]] & self.storable(slots)
        if whole.any():
            at = slots[whole]
            steps = self.ball.take(at).whole(copied(x, np.flatnonzero(whole)), self.epsilon(at))
            right[whole] &= self._verify(at, steps, by if isinstance(by, str) else by[whole], stored=True)
        return right

    def _verify(
        self, slots: NDArray[np.int64], x: Any, by: str | NDArray[np.str_], *, stored: bool = False
    ) -> NDArray[np.bool_]:  # fmt: skip
        right, lower = self.ledger.offer(
            self.case[slots], x.detach().cpu().numpy(), self.target[slots], by, stored=stored
        )
        for worst, hit in zip(self.worst, lower.T, strict=True):
            if hit.any():
                put(worst, placed(slots[hit], x.device), taken(x, placed(np.flatnonzero(hit), x.device)))
        return right


def each_own(every: Sequence[Any], which: NDArray[np.int64], slots: NDArray[np.int64]) -> Any:
    """Return (m, ...) rows of several tensors, each row of its own.

    Args:
        every: Tensors (slots, ...).
        which: (m,) which of them.
        slots: (m,) which row of it.
    """
    out = copied(every[0], slots)
    for number in np.unique(which[which > 0]):
        at = np.flatnonzero(which == number)
        out[at] = copied(every[number], slots[at])
    return out


def usable(gradient: Any) -> NDArray[np.bool_]:
    """Return (n,) whether a gradient is finite throughout and not zero everywhere."""
    flat = gradient.flatten(1).cpu().numpy()
    out: NDArray[np.bool_] = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    return out
