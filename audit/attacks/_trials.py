"""Attacks that test an attack: with nothing or everything allowed, longer, shorter, and without gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._attack import attack
from audit.attacks._ball import Ball
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region
from audit.attacks._objectives import Question
from audit.attacks._outcome import Cases, Plan
from audit.attacks._path_check import paths_agree
from audit.attacks._query import QueryPlan, query_attack
from audit.attacks._search import Search
from audit.attacks._slope_check import slopes_agree
from audit.attacks._steady import close, repeats
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_STEPS = 20
"""Steps of the attack that must break all but everything; few steps do not cross the whole range."""
QUERIED, HELD = 24, 16
"""Cases that are asked about without gradients, and whose gradients are held against finite differences."""
_QUERIES_A_STEP = 4
"""Images asked for each gradient step: a gradient costs about three images."""
_QUERIES, _FEW_QUERIES, _FEW_STEPS = 400, 150, 10
"""Images asked for at least, and in an attack of few steps; fewer break nothing, whatever the model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What every trial works on: some cases of an attack, at the headline size.

    Args:
        model: The model under attack.
        question: What was to be overturned.
        images: (m, channels, *spatial) images.
        target: (m, ...) their targets.
        plan: How much the attack under test tried.
        rng: Random starts.
        batch: Images a batch.
    """

    model: DifferentiableModel
    question: Question
    images: NDArray[np.float32]
    target: NDArray[Any]
    plan: Plan
    rng: np.random.Generator
    batch: int

    def some(self, which: NDArray[Any]) -> Trial:
        """Return the trial of some of the cases."""
        return replace(self, images=self.images[which], target=self.target[which])

    def _each(self, of: Callable[[Trial], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return (m,) what a function gives of each batch."""
        rows = np.arange(len(self.images))
        parts = [of(self.some(rows[i : i + self.batch])) for i in range(0, rows.size, self.batch)]
        return np.concatenate([*parts, np.zeros(0, dtype=bool)])

    def identity(self, clean: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (m,) whether an attack of size 0 leaves image and answer as they were, in the graph, too.

        Args:
            clean: (m, k) what the model said before, as kept by the objective.
        """
        rows = range(0, len(self.images), self.batch)
        parts = [self.some(np.arange(i, min(i + self.batch, len(self.images))))._still(clean[i : i + self.batch])
                 for i in rows]  # fmt: skip
        return np.concatenate(parts)

    def _still(self, clean: NDArray[np.float64]) -> NDArray[np.bool_]:
        import torch

        still = replace(self.plan, epsilons=(0.0,), headline=0.0, steps=1, restarts=1)
        nothing = attack(self.model, self.question, self.images, self.target, plan=still, rng=self.rng)
        with torch.no_grad():
            graph = self.model.forward(torch.as_tensor(self.images, device=self._device)).double().cpu().numpy()
        kept = self.question.objectives[0].keep(graph, self.target)
        moved = np.abs(nothing.worst - self.images).reshape(len(self.images), -1).max(axis=1)
        same: NDArray[np.bool_] = np.equal(moved, 0) & close(nothing.answers[:, 0], clean) & close(kept, clean)
        return same

    @property
    def _device(self) -> Any:
        import torch

        return next((p.device for p in self.model.module.parameters()), torch.device("cpu"))

    def repeated(self) -> NDArray[np.bool_]:
        """Return (m,) whether the same answer is given twice."""
        return self._each(lambda t: repeats(t.model, t.images))

    def large(self) -> NDArray[np.bool_]:
        """Return (m,) which cases stand when the whole range may be used."""
        return self._each(Trial._large)

    def _large(self) -> NDArray[np.bool_]:
        whole = self.model.card.input.span
        last = self.plan.epsilons[-1]
        sizes = [last, *(e for e in (whole / 16, whole / 4) if e > 1.5 * last)]
        strong = replace(
            self.plan, epsilons=(*(e for e in sizes if e < whole), whole), headline=whole,
            steps=max(self.plan.steps, LEAST_STEPS), whole=True, ranking=False,
        )  # fmt: skip
        return self._attacked(strong)

    def _attacked(self, plan: Plan) -> NDArray[np.bool_]:
        out = attack(self.model, self.question, self.images, self.target, plan=plan, rng=self.rng)
        last: NDArray[np.bool_] = out.right[:, -1]
        return last

    def longer(self) -> NDArray[np.bool_]:
        """Return (m,) which cases stand at the headline size under twice the steps from another start."""
        # A random start, where the attack under test went on from the size before.
        plan = replace(
            self.plan, epsilons=(self.plan.headline,), steps=2 * self.plan.steps, restarts=1, cold=True, ranking=False
        )
        return self._each(lambda t: t._attacked(plan))

    def one_step(self) -> NDArray[np.bool_]:
        """Return (m,) which cases one step breaks at the headline size, and the search alone from a random start not.

        The attack under test takes whatever broke a case, so that it is never weaker than one step; whether its search
        is worth anything shows only without that.
        """
        return self._each(Trial._one_step)

    def _one_step(self) -> NDArray[np.bool_]:
        import torch

        forward, objectives = self.model.forward, self.question.objectives
        count, epsilon = len(self.images), self.plan.headline
        x0 = torch.as_tensor(self.images, device=self._device)
        region = attack_region(self.images, self.model.card.input.modality).astype(np.float32)
        ball = Ball.around(
            x0, self.model.card.input.range, torch.as_tensor(region, device=self._device), self.plan.norm
        )
        wanted = torch.as_tensor(self.target, device=self._device)
        one, many = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        for number in range(len(objectives)):
            which = np.full(count, number)
            _, slope = slopes(forward, objectives, which, x0, wanted)
            one |= self._breaks(ball.along(-slope, epsilon))
        for number in range(len(objectives)):
            open_ = np.flatnonzero(one & ~many)
            if not open_.size:
                break
            own, which = ball.take(open_), np.full(open_.size, number)
            search = Search(own, self.plan.rule, self.plan.steps)
            slots = np.arange(open_.size)
            sizes = torch.full((open_.size,), epsilon, dtype=torch.float64, device=self._device)
            search.begin(slots, own.project(own.random(sizes, self.rng.spawn(open_.size)), sizes), sizes)
            for _ in range(self.plan.steps):
                margin, slope = slopes(forward, objectives, which, search.x, wanted[open_])
                search.advance(slots, margin, slope)
            for found in (search.best, search.x):
                many[open_] |= self.some(open_)._breaks(own.project(found - own.x0, sizes))
        return one & ~many & self._right(self.images)

    def _breaks(self, x: Any) -> NDArray[np.bool_]:
        return ~self._right(x.detach().cpu().numpy())

    def _right(self, images: NDArray[np.float32]) -> NDArray[np.bool_]:
        return self.question.objectives[0].right(self.model.predict(images), self.target)

    def asked(self) -> NDArray[np.bool_]:
        """Return (m,) which cases stand when the model is only asked, with no gradient, at the headline size."""
        least = _QUERIES if self.plan.steps > _FEW_STEPS else _FEW_QUERIES
        queries = max(least, _QUERIES_A_STEP * self.plan.steps)
        norm: Any = self.plan.norm
        plan = QueryPlan(
            epsilons=(self.plan.headline,), headline=self.plan.headline, queries=queries, decisions=queries, norm=norm,
            batch=self.batch,
        )  # fmt: skip
        cases = Cases.of(self.images, self.target)
        out = query_attack(self.model, self.question, cases, plan=plan, rng=self.rng)
        last: NDArray[np.bool_] = out.right[:, -1]
        return last

    def gradients_agree(self) -> NDArray[np.bool_]:
        """Return (m,) whether gradients agree with finite differences."""
        return self._each(lambda t: slopes_agree(t.model, t.question, t.images, t.target, t.rng))

    def paths(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return cases, and whether gradients add up from each to one of another answer; see `paths_agree`."""
        return paths_agree(self.model, self.question, self.images, self.target, self.batch)
