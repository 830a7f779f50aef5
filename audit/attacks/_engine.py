"""The attack on one batch over all sizes: rising, carried, every success verified on the untouched model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ladder import attack_region, stored_step
from audit.attacks._objectives import Question
from audit.attacks._steps import Box, Meter, Search
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is tried.

    Args:
        epsilons: Rising sizes in stored units.
        headline: The one at which the noise control is run and the perturbation is kept.
        steps: Gradient steps a start.
        restarts: Random starts.
        torchattacks: Use its PGD for the first start, our own steps for the others; else our own for all.
        whole: Attack padding, too, and run no noise control.
    """

    epsilons: tuple[float, ...]
    headline: float
    steps: int
    restarts: int
    torchattacks: bool
    whole: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of n cases at E sizes; the first axis of every array is the case.

    Args:
        clean: (n, k) answers without an attack.
        right_clean: (n,) right without an attack.
        right: (n, E) right clean and under every perturbation of the size that was tried.
        right_stored: (n, E) the same where only images of whole stored steps count.
        answers: (n, E, k) the answer of the lowest margin at each size.
        gradient: (n,) finite and not zero throughout, without an attack.
        descends: (n,) one step along the gradient, of the least size, lowers the margin.
        right_attack: (n,) right clean and under the gradient attack at the headline size.
        right_noise: (n,) right clean and under random signs of the headline size.
        worst: (n, channels, *spatial) perturbed images at the headline size, float32.
        integer: (n,) whether stored intensities are integers.
    """

    clean: NDArray[np.float64]
    right_clean: NDArray[np.bool_]
    right: NDArray[np.bool_]
    right_stored: NDArray[np.bool_]
    answers: NDArray[np.float64]
    gradient: NDArray[np.bool_]
    descends: NDArray[np.bool_]
    right_attack: NDArray[np.bool_]
    right_noise: NDArray[np.bool_]
    worst: NDArray[np.float32]
    integer: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Return the outcome of several batches as one."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})


class _State:
    """The worst that was found so far for every case of a batch; right only ever turns to wrong."""

    def __init__(
        self, model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any],
        step: float | None, meter: Meter,
    ) -> None:  # fmt: skip
        self.model, self.question, self.target, self.step, self.meter = model, question, target, step, meter
        self.x0 = images
        self.raw, self.margin, self.right = self._ask(images, np.arange(len(images)))
        self.clean, self.clean_margin = self.raw.copy(), self.margin.copy()
        self.stored = self.right.copy()
        self.x = images.copy()

    def _ask(
        self, x: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return what is kept of the answers, their margins and whether they are right."""
        import torch

        self.meter.forwards += len(x)
        raw, target = self.model.predict(x), self.target[rows]
        tensor, wanted = torch.as_tensor(raw), torch.as_tensor(target)
        margins = torch.stack([o.margin(tensor, wanted) for o in self.question.objectives]).amin(dim=0)
        objective = self.question.objectives[0]
        return objective.keep(raw, target), margins.double().numpy(), objective.right(raw, target)

    def offer(self, x: NDArray[np.float32], rows: NDArray[np.int64], epsilon: float) -> NDArray[np.bool_]:
        """Verify candidates, and their whole stored steps where they have any; return (m,) which stay right."""
        right = self._offer(x, rows)
        if self.step is not None and epsilon >= self.step:
            held = self._offer(self._whole_steps(x, rows, epsilon), rows)
            self.stored[rows] &= held
            right &= held
        return right

    def _offer(self, x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        raw, margin, right = self._ask(x, rows)
        self.right[rows] &= right
        lower = (margin < self.margin[rows]) & np.isfinite(raw.reshape(len(raw), -1)).all(axis=1)
        hit = rows[lower]
        self.raw[hit], self.margin[hit], self.x[hit] = raw[lower], margin[lower], x[lower]
        return right

    def _whole_steps(self, x: NDArray[np.float32], rows: NDArray[np.int64], epsilon: float) -> NDArray[np.float32]:
        """Return the nearest whole steps that stay within epsilon and the valid range."""
        x0, (low, high) = self.x0[rows], self.model.card.input.range
        limit = np.floor(epsilon + 1e-9)
        moved = x0 + np.clip(np.round(x - x0), -limit, limit)
        out: NDArray[np.float32] = np.clip(moved, np.minimum(np.ceil(low), x0), np.maximum(np.floor(high), x0))
        return out.astype(np.float32)

    def open(self, epsilon: float) -> NDArray[np.int64]:
        """Return the cases that are not yet broken in every sense that the size allows."""
        whole = self.step is not None and epsilon >= self.step
        return np.flatnonzero(self.right | (self.stored if whole else False))


def attack(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], *, plan: Plan,
    rng: np.random.Generator, meter: Meter | None = None,
) -> Outcome:  # fmt: skip
    """Attack one batch at rising sizes.

    At every size the candidates are one step along the clean gradient, the worst perturbation of the size before, grown
    to this one, and for cases that still stand the search from `plan.restarts` starts. The per-case minimum counts,
    and a case that is broken stays broken at larger sizes, by the perturbation that broke it.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (n, channels, *spatial) stored intensities.
        target: (n, ...) targets.
        plan: How much is tried.
        rng: Random starts and noise.
        meter: Where the cost is counted.

    Returns:
        The outcome of the n cases.
    """
    import torch

    meter = meter or Meter()
    spec = model.card.input
    region = np.ones((len(images), 1, *images.shape[2:]), bool) if plan.whole else attack_region(images, spec.modality)
    step = stored_step(images, spec.span)
    state = _State(model, question, images, target, step, meter)
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    box = Box.around(
        torch.as_tensor(images, device=device), spec.range, torch.as_tensor(region, dtype=torch.float32, device=device)
    )
    searches = [Search(model=model, objective=o, steps=plan.steps, meter=meter) for o in question.objectives]
    wanted = torch.as_tensor(target, device=device)
    gradients = [s.gradient(box.x0, wanted)[1] for s in searches]
    run = _Run(state=state, box=box, searches=searches, target=wanted, plan=plan, rng=rng)
    every = np.arange(len(images))
    clean_right, columns = state.right.copy(), []
    descends = np.zeros(len(images), bool)
    attacked = noise = clean_right
    for index, epsilon in enumerate(plan.epsilons):
        for grad in gradients:
            state.offer(run.numpy(box.project(-epsilon * grad.nan_to_num(nan=0.0).sign(), epsilon)), every, epsilon)
        descends |= (state.margin < state.clean_margin) if index == 0 else False
        if index:
            grown = epsilon / plan.epsilons[index - 1]
            carried = torch.as_tensor(state.x, device=device) - box.x0
            state.offer(run.numpy(box.project(grown * carried, epsilon)), every, epsilon)
        run.search(epsilon)
        if epsilon == plan.headline:
            attacked = state.right.copy()
            noise = attacked if plan.whole else clean_right & run.noise(epsilon)
            worst = state.x.copy()
        columns.append((state.right.copy(), state.stored.copy(), state.raw.copy()))
    usable: NDArray[np.bool_] = np.logical_and.reduce([_usable(g) for g in gradients])
    return Outcome(
        clean=state.clean, right_clean=clean_right, gradient=usable, descends=descends & usable,
        right=np.stack([c[0] for c in columns], axis=1), right_stored=np.stack([c[1] for c in columns], axis=1),
        answers=np.stack([c[2] for c in columns], axis=1), right_attack=attacked, right_noise=noise, worst=worst,
        integer=np.full(len(images), step is not None),
    )  # fmt: skip


def _usable(gradient: Any) -> NDArray[np.bool_]:
    """Return (n,) whether a gradient is finite throughout and not zero everywhere."""
    flat = gradient.flatten(1).cpu().numpy()
    out: NDArray[np.bool_] = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """What the search at one size needs."""

    state: _State
    box: Box
    searches: Sequence[Search]
    target: Any
    plan: Plan
    rng: np.random.Generator

    @staticmethod
    def numpy(x: Any) -> NDArray[np.float32]:
        """Return images as an array."""
        out: NDArray[np.float32] = x.detach().cpu().numpy()
        return out

    def search(self, epsilon: float) -> None:
        """Search from every start for the cases that still stand."""
        import torch

        for restart in range(self.plan.restarts):
            for search in self.searches:
                rows = self.state.open(epsilon)
                if not rows.size:
                    return
                index = torch.as_tensor(rows, device=self.box.x0.device)
                box, target = self.box.take(index), self.target[index]
                if self.plan.torchattacks and restart == 0:
                    delta = search.torchattacks(box, target, epsilon, int(self.rng.integers(2**31)))
                else:
                    start = torch.as_tensor(self.rng.uniform(-epsilon, epsilon, box.x0.shape), dtype=torch.float32)
                    delta = search.own(box, target, epsilon, start.to(box.x0.device))
                self.state.offer(self.numpy(box.project(delta, epsilon)), rows, epsilon)

    def noise(self, epsilon: float) -> NDArray[np.bool_]:
        """Return (n,) which cases stay right under random signs of the size; what they break counts as broken."""
        import torch

        signs = self.rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=self.state.x0.shape)
        delta = torch.as_tensor(epsilon * signs, device=self.box.x0.device)
        return self.state.offer(self.numpy(self.box.project(delta, epsilon)), np.arange(len(signs)), epsilon)
