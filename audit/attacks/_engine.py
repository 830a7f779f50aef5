"""The attack: rising sizes, carried and warm-started, every success verified on the untouched model.

`attack(model, question, images, target, *, plan, rng, meter=None) -> Outcome` for images in memory;
`attack_cases(model, question, cases, *, plan, rng, meter=None, keep=0, observe=None, progress=None) -> Outcome` for a
cohort of any length, whose images are read when their turn comes and dropped when they are done.

A slot holds one case, at its own size and step. As soon as a case is broken or its search ends it goes on to the next
size, and after the last one the next case takes the slot, so that batches stay full and memory does not depend on the
number of cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._fast import Forward, fast_forward
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region, stored_step
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Question
from audit.attacks._outcome import CARRIED, NOISE, ONE_STEP, Cases, Meter, Observer, Outcome, Plan
from audit.attacks._search import Search
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PUSH = 4
"""A case that is broken at the headline size is pushed on for the steps divided by this, where ranks are wanted."""
_REFILL = 4
"""Slots are filled again when one in so many is idle: single cases would be asked about in batches of one."""


def attack(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], *, plan: Plan,
    rng: np.random.Generator, meter: Meter | None = None,
) -> Outcome:  # fmt: skip
    """Attack images that are in memory; see `attack_cases`.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (n, channels, *spatial) stored intensities.
        target: (n, ...) targets.
        plan: How much is tried.
        rng: Random starts and noise.
        meter: Where the cost is counted.

    Returns:
        The outcome of the n cases, with all n worst images.
    """
    cases = Cases.of(np.asarray(images, dtype=np.float32), target)
    return attack_cases(model, question, cases, plan=plan, rng=rng, meter=meter, keep=cases.count)


def attack_cases(
    model: DifferentiableModel, question: Question, cases: Cases, *, plan: Plan, rng: np.random.Generator,
    meter: Meter | None = None, keep: int = 0, observe: Observer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Attack cases at rising sizes.

    At every size the candidates are the worst perturbation of the size before, grown to this one, one step along the
    clean gradient, and for cases that still stand `plan.restarts` searches, the first of which goes on from the worst
    image so far. The per-case minimum counts, and a case that is broken stays broken at larger sizes, by the
    perturbation that broke it. Random numbers of a case do not depend on the others or on the batch.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        cases: The n cases.
        plan: How much is tried.
        rng: Random starts and noise; one number is drawn.
        meter: Where the cost is counted.
        keep: The worst images of so many first cases are kept.
        observe: Is shown the worst image of every case at the headline size.
        progress: Called with (cases done, cases in all).

    Returns:
        The outcome of the n cases.
    """
    ledger = Ledger(model, question, cases.count, len(plan.epsilons), meter or Meter())
    run = _Run(model, cases, plan, ledger, seed=int(rng.integers(2**63)), keep=keep, observe=observe)
    return run.all(progress or (lambda done, total: None))


class _Run:
    """The slots, and what happens in them."""

    def __init__(
        self, model: DifferentiableModel, cases: Cases, plan: Plan, ledger: Ledger, *, seed: int, keep: int,
        observe: Observer | None,
    ) -> None:  # fmt: skip
        self.model, self.cases, self.plan, self.ledger, self.seed = model, cases, plan, ledger, seed
        self.keep, self.observe, self.spec = min(keep, cases.count), observe, model.card.input
        self.objectives = ledger.question.objectives
        self.stages = plan.restarts * len(self.objectives)
        self.epsilons = np.array(plan.epsilons, dtype=np.float64)
        count = min(plan.batch, cases.count)
        self.case, self.size = np.full(count, -1), np.full(count, -1)
        self.stage, self.last, self.asked = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.busy = np.zeros(count, dtype=bool)
        self.taken = self.done = 0
        self.ball: Any = None
        self.worst: Any = None
        self.kept: NDArray[np.float32] = np.zeros((0,), dtype=np.float32)

    def all(self, progress: Callable[[int, int], None]) -> Outcome:
        """Go through all cases."""
        while True:
            idle = ~self.busy & ((self.case >= 0) | (self.taken < self.cases.count))
            if not self.busy.any() or idle.sum() >= max(1, len(idle) // _REFILL):
                before = self.done
                self._advance()
                if self.done > before:
                    progress(self.done, self.cases.count)
            if not self.busy.any():
                return self.ledger.outcome(self.kept)
            self._step()

    def _advance(self) -> None:
        """Bring every idle slot to its next search, through sizes that need none, and fill empty slots."""
        while True:
            empty = np.flatnonzero(self.case < 0)[: self.cases.count - self.taken]
            if empty.size:
                self._enter(empty)
            waiting = np.flatnonzero(~self.busy & (self.case >= 0))
            if not waiting.size:
                return
            self._next(waiting)

    def _enter(self, slots: NDArray[np.int64]) -> None:
        """Read the next cases, ask the model about them as they are, and take their gradients."""
        rows = np.arange(self.taken, self.taken + slots.size)
        self.taken += slots.size
        images = np.asarray(self.cases.images(rows), dtype=np.float32)
        target = np.asarray(self.cases.targets(rows))
        if self.ball is None:
            self._allocate(images, target)
        self.case[slots], self.size[slots] = rows, -1
        self.ball.put(slots, self._around(images))
        self.target[slots], self.wanted[slots] = target, self._tensor(target).to(self.wanted.dtype)
        self.ledger.enter(rows, images, target)
        self.ledger.integer[rows] = [stored_step(image, self.spec.span) is not None for image in images]
        x0, usable = self.ball.x0[slots], np.ones(slots.size, bool)
        for number, worst in enumerate(self.worst):
            worst[slots] = x0
            self.ledger.meter.gradients += slots.size
            which = np.full(slots.size, number)
            _, slope = slopes(self.model.forward, self.objectives, which, x0, self.wanted[slots])
            self.slope[number][slots] = slope
            usable &= _usable(slope)
        self.ledger.gradient[rows] = usable

    def _allocate(self, images: NDArray[np.float32], target: NDArray[Any]) -> None:
        """Make the slots for images of this shape, and choose how gradients are taken."""
        import torch

        count = len(self.case)
        self.device = next((p.device for p in self.model.module.parameters()), torch.device("cpu"))
        shape = (count, *images.shape[1:])
        x0 = torch.zeros(shape, device=self.device)
        region = torch.zeros((count, 1, *images.shape[2:]), device=self.device)
        self.ball = Ball(norm=self.plan.norm, x0=x0, low=x0.clone(), high=x0.clone(), region=region)
        self.target = np.zeros((count, *target.shape[1:]), dtype=target.dtype)
        self.wanted = self._tensor(self.target)
        self.worst, self.slope = ([torch.zeros_like(x0) for _ in self.objectives] for _ in range(2))
        self.search = Search(self.ball, self.plan.search, self.plan.steps)
        self.kept = np.zeros((self.keep, *images.shape[1:]), dtype=np.float32)
        self.forward: Forward = self.model.forward
        if self.plan.gradients == "fast" and self.stages:
            self.forward = fast_forward(
                self.model, self.objectives[0], self._tensor(images), self._tensor(target), self.ledger.meter
            )

    def _tensor(self, values: NDArray[Any]) -> Any:
        import torch

        return torch.as_tensor(values, device=self.device)

    def _around(self, images: NDArray[np.float32]) -> Ball:
        whole = self.plan.whole
        region = np.ones((len(images), 1, *images.shape[2:]), bool) if whole else attack_region(
            images, self.spec.modality
        )  # fmt: skip
        valid = self.spec.range
        return Ball.around(self._tensor(images), valid, self._tensor(region.astype(np.float32)), self.plan.norm)

    def _epsilon(self, slots: NDArray[np.int64]) -> Any:
        return self._tensor(self.epsilons[self.size[slots]])

    def _open(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which cases are not yet broken in every sense that their size allows."""
        rows = self.case[slots]
        out: NDArray[np.bool_] = self.ledger.right[rows] | (self.ledger.stored[rows] & self._storable(slots))
        return out

    def _storable(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        held: NDArray[np.bool_] = self.ledger.integer[self.case[slots]].copy()
        if held.any():
            held &= self.ball.take(slots).storable(self._epsilon(slots))
        return held

    def _headline(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = self.epsilons[self.size[slots]] == self.plan.headline
        return out

    def _next(self, slots: NDArray[np.int64]) -> None:
        """Start the next search of some idle slots, or end their size and begin the one after."""
        within = slots[self.size[slots] >= 0]
        still = self._open(within)
        again = within[still & (self.stage[within] + 1 < self.stages)]
        push = within[~still & (self.stage[within] < 0) & self._headline(within)] if self._pushes else within[:0]
        if again.size:
            self._start(again, self.stage[again] + 1, self.plan.steps)
        if push.size:
            self._start(push, np.zeros(push.size, dtype=np.int64), self.plan.steps // _PUSH)
        ended = within[~np.isin(within, again) & ~np.isin(within, push)]
        if ended.size:
            self._end(ended)
        rest = np.concatenate([slots[self.size[slots] < 0], ended])
        self.size[rest] += 1
        gone = rest[self.size[rest] == len(self.epsilons)]
        self.case[gone], self.done = -1, self.done + gone.size
        begun = rest[self.case[rest] >= 0]
        if begun.size:
            self._begin(begun)

    @property
    def _pushes(self) -> bool:
        return self.plan.ranking and self.stages > 0 and self.plan.steps >= _PUSH

    def _begin(self, slots: NDArray[np.int64]) -> None:
        """Try what costs no gradient at a new size: the perturbation so far, grown, and one step."""
        self.stage[slots] = -1
        first = self.size[slots] == 0
        if not self.plan.cold:
            for worst in self.worst:
                self._try_grown(self._worth(slots[~first]), worst)
        for slope in self.slope:
            self._try_one_step(self._worth(slots), slope)
        rows = self.case[slots[first]]
        lowered = self.ledger.margin[rows].min(axis=1) < self.ledger.clean_margin[rows]
        self.ledger.descends[rows] = lowered & self.ledger.gradient[rows]

    def _worth(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots for which a further candidate can still matter."""
        return slots if self.plan.ranking else slots[self._open(slots)]

    def _try_grown(self, slots: NDArray[np.int64], worst: Any) -> None:
        ball, epsilon = self.ball.take(slots), self._epsilon(slots)
        self._offer(slots, ball.project(ball.scaled(worst[slots] - ball.x0, epsilon), epsilon), CARRIED)

    def _try_one_step(self, slots: NDArray[np.int64], slope: Any) -> None:
        self._offer(slots, self.ball.take(slots).along(-slope[slots], self._epsilon(slots)), ONE_STEP)

    def _start(self, slots: NDArray[np.int64], stage: NDArray[np.int64], steps: int) -> None:
        """Start a search: from the worst image of its objective so far, or at random."""
        import torch

        self.stage[slots], self.last[slots], self.busy[slots] = stage, steps, True
        self.asked[slots] = -self.plan.steps
        ball, epsilon, which = self.ball.take(slots), self._epsilon(slots), stage % len(self.objectives)
        worst = torch.stack([self.worst[o][s] for o, s in zip(which, slots, strict=True)])
        delta = ball.scaled(worst - ball.x0, epsilon)
        fresh = (stage >= len(self.objectives)) | self.plan.cold | (ball.size_of(delta) == 0).cpu().numpy()
        if fresh.any():
            at, keys = np.flatnonzero(fresh), (self.case, self.size, self.stage)
            rngs = [np.random.default_rng([self.seed, *(int(k[s]) for k in keys)]) for s in slots[at]]
            delta[at] = ball.take(at).random(epsilon[at], rngs)
        self.search.begin(slots, ball.project(delta, epsilon), epsilon)

    def _step(self) -> None:
        """Take one gradient step in every busy slot and verify what seems broken."""
        slots = np.flatnonzero(self.busy)
        which = self.stage[slots] % len(self.objectives)
        x = self.search.x[slots]
        self.ledger.meter.gradients += slots.size
        margin, slope = slopes(self.forward, self.objectives, which, x, self.wanted[slots])
        self.search.advance(slots, margin, slope)
        wait = max(1, self.plan.steps // _PUSH)
        seems = ~(margin.cpu().numpy() >= 0) & (self.search.done[slots] - self.asked[slots] >= wait)
        seems &= self._open(slots)
        if seems.any():
            hits = slots[seems]
            self.asked[hits] = self.search.done[hits]
            self._offer(hits, self._exact(hits, x[seems]), self.plan.search)
            self._broken(hits[~self._open(hits)])
        ended = np.flatnonzero(self.busy & (self.search.done >= self.last))
        if ended.size:
            for found in (self.search.best[ended], self.search.x[ended]):
                self._offer(ended, self._exact(ended, found), self.plan.search)
            self.busy[ended] = False

    def _broken(self, slots: NDArray[np.int64]) -> None:
        """End the searches of broken cases, or let them go on for a while where their ranks are wanted."""
        push = self._headline(slots) & self._pushes
        self.busy[slots[~push]] = False
        more = self.search.done[slots] + self.plan.steps // _PUSH
        self.last[slots[push]] = np.minimum(self.last[slots], more)[push]

    def _exact(self, slots: NDArray[np.int64], x: Any) -> Any:
        ball = self.ball.take(slots)
        return ball.project(x - ball.x0, self._epsilon(slots))

    def _offer(self, slots: NDArray[np.int64], x: Any, by: str) -> NDArray[np.bool_]:
        """Verify candidates, and their whole stored steps where they have any; return (m,) which stay right."""
        if not slots.size:
            return np.zeros(0, dtype=bool)
        right = self._verify(slots, x, by)
        whole = self.ledger.stored[self.case[slots]] & self._storable(slots)
        if whole.any():
            at = slots[whole]
            steps = self.ball.take(at).whole(x[whole], self._epsilon(at))
            right[whole] &= self._verify(at, steps, by, stored=True)
        return right

    def _verify(self, slots: NDArray[np.int64], x: Any, by: str, *, stored: bool = False) -> NDArray[np.bool_]:
        right, lower = self.ledger.offer(
            self.case[slots], x.detach().cpu().numpy(), self.target[slots], by, stored=stored
        )
        for worst, hit in zip(self.worst, lower.T, strict=True):
            worst[slots[hit]] = x[hit]
        return right

    def _end(self, slots: NDArray[np.int64]) -> None:
        """Note what stands at the end of a size; at the headline size, run the control and show the worst images."""
        shown = slots[self._headline(slots)]
        if shown.size:
            rows = self.case[shown]
            self.ledger.attacked[rows] = self.ledger.right[rows]
            self._control(shown)
            self._show(shown)
        self.ledger.close(self.case[slots], self.size[slots], self._storable(slots))

    def _control(self, slots: NDArray[np.int64]) -> None:
        """Try random signs of the size."""
        rows = self.case[slots]
        if self.plan.whole:
            self.ledger.noise[rows] = self.ledger.right[rows]
            return
        ball, epsilon = self.ball.take(slots), self._epsilon(slots)
        rngs = [np.random.default_rng([self.seed, int(row)]) for row in rows]
        if self.plan.norm == "l0":
            delta = ball.random(epsilon, rngs)
        else:
            shape = tuple(ball.x0.shape[1:])
            signs = np.stack([2.0 * g.integers(0, 2, shape) - 1.0 for g in rngs]).astype(np.float32)
            delta = self._tensor(signs) * ball.column(epsilon).float()
        stands = self._offer(slots, ball.project(delta, epsilon), NOISE)
        self.ledger.noise[rows] = self.ledger.right_clean[rows] & stands

    def _show(self, slots: NDArray[np.int64]) -> None:
        import torch

        rows = self.case[slots]
        nearest = self.ledger.margin[rows].argmin(axis=1)
        worst = torch.stack([self.worst[o][s] for o, s in zip(nearest, slots, strict=True)]).cpu().numpy()
        few = rows < self.keep
        self.kept[rows[few]] = worst[few]
        if self.observe is not None:
            self.observe(rows, self.ball.x0[slots].cpu().numpy(), worst)


def _usable(gradient: Any) -> NDArray[np.bool_]:
    """Return (n,) whether a gradient is finite throughout and not zero everywhere."""
    flat = gradient.flatten(1).cpu().numpy()
    out: NDArray[np.bool_] = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    return out
