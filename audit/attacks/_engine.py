"""The attack: rising sizes, carried and warm-started, every success verified on the untouched model.

A slot holds one case, at its own size and step. As soon as a case is broken or its search ends it goes on to the next
size, and after the last one the next case takes the slot, so that memory does not depend on the number of cases. Small
images have slots for several batches, of which a batch passes at a time: what is asked of a few slots only, as whether
what seems broken is so, then fills batches as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._further import FurtherSlots
from audit.attacks._ledger import Ledger
from audit.attacks._outcome import CARRIED, ONE_STEP, Cases, Observer, Outcome, Plan
from audit.attacks._rows import copied, placed, taken
from audit.attacks._slots import each_own
from audit.attacks._stages import NEAR, Stages
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PUSH = 4
"""A case that is broken at the headline size is pushed on for the steps divided by this, where ranks are wanted."""
_GIVES_UP = 4
"""A search may be given up after its steps divided by this."""
_FEW_STEPS, _FEW_TRIES = 10, 3
"""Of few steps, further searches would be a large part of all that is spent."""
_ON, _POLISH = 1.0, 0.4
"""First step, as a share of the size, of a search that goes on from a smaller size, and from an image of this size."""
_REFILL = 4
"""Slots are filled again when one in so many is idle: single cases would be asked about in batches of one."""


class Run(FurtherSlots):
    """What happens in the slots."""

    def __init__(
        self, model: DifferentiableModel, cases: Cases, plan: Plan, ledger: Ledger, *, seed: int, keep: int,
        observe: Observer | None,
    ) -> None:  # fmt: skip
        super().__init__(model, cases, plan, ledger, seed)
        self.keep, self.observe = min(keep, cases.count), observe
        tries = len(NEAR) if plan.steps >= _FEW_STEPS else _FEW_TRIES
        self.stages = Stages(restarts=plan.restarts, objectives=len(self.objectives), tries=tries)
        self.searches_on = plan.search is None and plan.restarts > 0 and not plan.cold and plan.norm != "l0"
        count = len(self.case)
        self.stage, self.last, self.asked = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.busy, self.label = np.zeros(count, dtype=bool), np.full(count, plan.rule, dtype="U16")
        self.done = 0
        self.kept: NDArray[np.float32] | None = None

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
                kept = np.zeros(0, dtype=np.float32) if self.kept is None else self.kept
                return self.ledger.outcome(kept)
            self._step()

    def _advance(self) -> None:
        """Bring every idle slot to its next search, through sizes that need none, and fill empty slots."""
        while True:
            empty = np.flatnonzero(self.case < 0)[: self.cases.count - self.taken]
            for begin in range(0, empty.size, self.plan.batch):
                self.enter(empty[begin : begin + self.plan.batch])
            waiting = np.flatnonzero(~self.busy & (self.case >= 0))
            if not waiting.size:
                return
            self._next(waiting)

    def _headline(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = self.epsilons[self.size[slots]] == self.plan.headline
        return out

    def _next(self, slots: NDArray[np.int64]) -> None:
        """Start the next search of some idle slots, or end their size and begin the one after."""
        within = slots[self.size[slots] >= 0]
        still = self.open(within)
        again = within[still & (self.stage[within] + 1 < self.stages.regular)]
        close = within[still]
        close = close[self._close(close)]
        push = within[~still & (self.stage[within] < 0) & self._headline(within)] if self._pushes else within[:0]
        if again.size:
            self._start(again, self.stage[again] + 1, self.plan.steps)
        if push.size:
            self._start(push, np.zeros(push.size, dtype=np.int64), self.plan.steps // _PUSH)
        stage = self.stages.after(self.stage[close], self.lowest(close))
        for number in np.unique(self.stages.number(stage)):
            at = self.stages.number(stage) == number
            self._start(close[at], stage[at], self.plan.steps)
        ended = within[~np.isin(within, np.concatenate([again, push, close]))]
        ended = ended[~np.isin(ended, self._go_on(ended))]
        if ended.size:
            self._end(ended)
        rest = np.concatenate([slots[self.size[slots] < 0], ended])
        self.size[rest] += 1
        gone = rest[self.size[rest] == len(self.epsilons)]
        self.case[gone], self.done = -1, self.done + gone.size
        begun = rest[self.case[rest] >= 0]
        if begun.size:
            self._begin(begun)

    def _go_on(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Try further directions where a case stands after its searches, and return the slots that search on there."""
        searched = self.stages.searched(self.stage[slots])
        at: NDArray[np.int64] = slots[self.open(slots) & searched & (self.epsilons[self.size[slots]] > 0)]
        if not at.size:
            return at
        more, which = self.further(at, self._headline(at))
        if more.size:
            self._start(more, self.stages.regular + which, self.plan.steps)
        return more

    def _close(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which standing cases are searched on because they stand by little."""
        out: NDArray[np.bool_] = self.near(slots, self.stages.share(self.stage[slots])) & self.searches_on
        return out

    @property
    def _pushes(self) -> bool:
        return self.plan.ranking and self.stages.regular > 0 and self.plan.steps >= _PUSH

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
        return slots if self.plan.ranking else slots[self.open(slots)]

    def _try_grown(self, slots: NDArray[np.int64], worst: Any) -> None:
        ball, epsilon = self.ball.take(slots), self.epsilon(slots)
        self.offer(slots, ball.project(ball.scaled(copied(worst, slots) - ball.x0, epsilon), epsilon), CARRIED)

    def _try_one_step(self, slots: NDArray[np.int64], slope: Any) -> None:
        self.offer(slots, self.ball.take(slots).along(-copied(slope, slots), self.epsilon(slots)), ONE_STEP)

    def _start(self, slots: NDArray[np.int64], stage: NDArray[np.int64], steps: int) -> None:
        """Start searches of one kind: from the worst image of its objective so far, or at random."""
        self.stage[slots], self.last[slots], self.busy[slots] = stage, steps, True
        self.asked[slots] = -self.plan.steps
        ball, epsilon, which = self.ball.take(slots), self.epsilon(slots), stage % len(self.objectives)
        worst = each_own(self.worst, which, slots)
        number = int(self.stages.number(stage[:1])[0])
        if number > 0 and not self.stages.at_random(number):
            # The worst image has been gone on from already, or is that of the search before.
            worst = copied(self.search.best, slots)
        delta = ball.scaled(worst - ball.x0, epsilon) if number < 0 else worst - ball.x0
        # Stages between the restarts and the searches of what is close go on from what a further direction found.
        fresh = ((stage >= len(self.objectives)) | self.plan.cold) & (stage < self.stages.regular)
        fresh |= self.stages.at_random(number) | (ball.size_of(delta) == 0).cpu().numpy()
        if fresh.any():
            at = np.flatnonzero(fresh)
            keys = np.stack([self.cases.at(self.case[slots[at]]), self.size[slots[at]], self.stage[slots[at]]], axis=1)
            rngs = [np.random.default_rng([self.seed, *key]) for key in keys.tolist()]
            delta[at] = ball.take(at).random(epsilon[at], rngs)
        kind, x = self.stages.kind(number, self.plan.rule), ball.project(delta, epsilon)
        self.label[slots] = kind
        on = _POLISH if number >= 0 or steps < self.plan.steps else _ON
        for at, first in ((np.flatnonzero(fresh), None), (np.flatnonzero(~fresh), on)):
            if at.size:
                self.search.begin(slots[at], x[at], epsilon[at], kind, first=first, steps=steps)

    def _step(self) -> None:
        """Take one gradient step in every busy slot and verify what seems broken."""
        slots = np.flatnonzero(self.busy)
        which = self.stage[slots] % len(self.objectives)
        at = placed(slots, self.device)
        x = taken(self.search.x, at)
        margin, slope = self.slopes(self.forward, which, x, taken(self.wanted, at))
        low = margin.double().cpu().numpy()
        wait = max(1, self.plan.steps // _PUSH)
        seems = ~(low >= 0) & (self.search.done[slots] + 1 - self.asked[slots] >= wait)
        if seems.any():
            seems &= self.open(slots)
        hits = slots[seems]
        # Taken now: the search moves its images where they are.
        broken = copied(x, np.flatnonzero(seems)) if hits.size else None
        self.search.advance(slots, low, slope)
        if hits.size:
            self.asked[hits] = self.search.done[hits]
            self.offer(hits, self._exact(hits, broken), self.label[hits])
            self._broken(hits[~self.open(hits)])
        self._give_up(slots[self.busy[slots]])
        ended = np.flatnonzero(self.busy & (self.search.done >= self.last))
        if ended.size:
            self.offer(ended, self._exact(ended, self.search.x[ended]), self.label[ended])
            # Where the last image is the best of the search, the best before it has nothing to add.
            lowest = self.ledger.margin[self.case[ended], self.stage[ended] % len(self.objectives)]
            before = ended[self.search.lowest[ended] < lowest]
            self.offer(before, self._exact(before, self.search.best[before]), self.label[before])
            self.busy[ended] = False

    def _give_up(self, slots: NDArray[np.int64]) -> None:
        """End searches that are far from falling after a part of their steps, where more sizes follow."""
        few = -(-self.plan.steps // _GIVES_UP)
        if not self.searches_on:
            return
        at = slots[self.search.done[slots] == few]
        if not at.size:
            return
        early = (self.stage[at] < self.stages.regular) & ~self._headline(at)
        at = at[early & (self.size[at] < len(self.epsilons) - 1)]
        if at.size:
            self.last[at[self.far(at, self.search.lowest[at])]] = few

    def _broken(self, slots: NDArray[np.int64]) -> None:
        """End the searches of broken cases, or let them go on for a while where their ranks are wanted."""
        push = self._headline(slots) & self._pushes
        self.busy[slots[~push]] = False
        more = self.search.done[slots] + self.plan.steps // _PUSH
        self.last[slots[push]] = np.minimum(self.last[slots], more)[push]

    def _exact(self, slots: NDArray[np.int64], x: Any) -> Any:
        ball = self.ball.take(slots)
        return ball.project(x - ball.x0, self.epsilon(slots))

    def _end(self, slots: NDArray[np.int64]) -> None:
        """Note what stands at the end of a size; at the headline size, run the control and show the worst images."""
        shown = slots[self._headline(slots)]
        if shown.size:
            rows = self.case[shown]
            self.ledger.attacked[rows] = self.ledger.right[rows]
            self.control(shown)
            self._show(shown)
        self.ledger.close(self.case[slots], self.size[slots], self.storable(slots))

    def _show(self, slots: NDArray[np.int64]) -> None:
        rows = self.case[slots]
        worst = each_own(self.worst, self.ledger.margin[rows].argmin(axis=1), slots).cpu().numpy()
        if self.kept is None:
            self.kept = np.zeros((self.keep, *worst.shape[1:]), dtype=np.float32)
        few = rows < self.keep
        self.kept[rows[few]] = worst[few]
        if self.observe is not None:
            self.observe(rows, self.ball.x0[slots].cpu().numpy(), worst)
