"""Every attack of torchattacks by name, through the same objectives, as further candidates of an attack.

`extended(model, question, cases, outcome, names, plan=plan, rng=rng, meter=meter)` gives an outcome again, with what
these attacks broke on top, and which of them refused the model.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import inspect
import io
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._ladder import attack_region
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Objective, Question
from audit.attacks._outcome import Cases, Meter, Outcome, Plan
from audit.attacks._refusals import REFUSALS
from audit.core import DifferentiableModel
from audit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFIX = "torchattacks:"
NAMES: tuple[str, ...] = (
    "APGD", "APGDT", "AutoAttack", "BIM", "CW", "DIFGSM", "DeepFool", "EADEN", "EADL1", "EOTPGD", "FAB", "FFGSM",
    "FGSM", "GN", "JSMA", "Jitter", "MIFGSM", "NIFGSM", "OnePixel", "PGD", "PGDL2", "PGDRS", "PGDRSL2", "PIFGSM",
    "PIFGSMPP", "Pixle", "RFGSM", "SINIFGSM", "SPSA", "SparseFool", "Square", "TIFGSM", "TPGD", "UPGD", "VMIFGSM",
    "VNIFGSM",
)  # fmt: skip
"""Attacks of torchattacks 3.5.1; its wrappers around other attacks, and the one that does nothing, are left out."""
CATALOGUE: tuple[str, ...] = tuple(PREFIX + name for name in NAMES)
"""What an audit can be asked for, by the name that it is asked for."""
_L2 = ("CW", "PGDL2", "PGDRSL2", "DeepFool", "EADEN", "EADL1")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An attack that did not run on this model.

    Args:
        name: As it was asked for.
        reason: What the library said.
        cases: Cases that it was not run on.
    """

    name: str
    reason: str
    cases: int


def known_attacks(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a selection, without repeats.

    Args:
        names: For example "torchattacks:EADEN".

    Raises:
        InputError: A name is not in the catalogue.
    """
    for name in names:
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, CATALOGUE, n=1, cutoff=0.5)
            raise InputError(
                "an attack that is not in the catalogue", expected=f"{PREFIX} and one of {', '.join(NAMES)}",
                got=repr(name), fix=f"did you mean {near[0]!r}?" if near else "correct [audit] attacks",
            )  # fmt: skip
    return tuple(dict.fromkeys(names))


def extended(
    model: DifferentiableModel, question: Question, cases: Cases, outcome: Outcome, names: Sequence[str], *, plan: Plan,
    rng: np.random.Generator, meter: Meter,
) -> tuple[Outcome, tuple[Refusal, ...]]:  # fmt: skip
    """Return an outcome with what further attacks broke on top of it.

    Only the cases that still stand at a size are attacked. Whatever an attack gives is brought within the size, the
    range and the region, also where the attack knows no size, and counts only if the untouched model gives in to that.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        cases: The n cases.
        outcome: What became of them before.
        names: As `known_attacks` gives them.
        plan: Sizes, steps and norm.
        rng: Seeds of the attacks.
        meter: Where the cost is counted.

    Returns:
        The outcome, whose `by` names the attack that broke a case first, and the attacks that refused.
    """
    seeds = [int(rng.integers(2**31)) for _ in names]
    return extended_part(model, question, cases, outcome, names, plan=plan, seeds=seeds, meter=meter)


def extended_part(
    model: DifferentiableModel, question: Question, cases: Cases, outcome: Outcome, names: Sequence[str], *, plan: Plan,
    seeds: Sequence[int], meter: Meter,
) -> tuple[Outcome, tuple[Refusal, ...]]:  # fmt: skip
    """Return `extended` of a part of the cases.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        cases: Whole batches of the plan's size, as `Cases.part` gives them: a library draws for a batch at once.
        outcome: What became of them before.
        names: As `known_attacks` gives them.
        plan: Sizes, steps and norm.
        seeds: Of each attack, the same for every part.
        meter: Where the cost is counted.
    """
    run = _Extension(model, question, cases, outcome, plan, meter)
    refused = []
    for name, seed in zip(names, seeds, strict=True):
        reason, lost = run.with_attack(name, seed)
        if reason:
            refused.append(Refusal(name=name, reason=reason, cases=lost))
    return run.outcome(), tuple(refused)


class _Extension:
    """An outcome in the making."""

    def __init__(
        self, model: DifferentiableModel, question: Question, cases: Cases, outcome: Outcome, plan: Plan, meter: Meter
    ) -> None:
        self.model, self.question, self.cases, self.plan, self.meter = model, question, cases, plan, meter
        self.before = outcome
        self.right, self.stored = outcome.right.copy(), outcome.right_stored.copy()
        self.answers, self.by, self.attacked = (
            outcome.answers.copy(),
            outcome.by.astype("U32"),
            outcome.right_attack.copy(),
        )
        self.worst = outcome.worst.copy()
        self.ledger = Ledger(model, question, 0, 0, meter)

    def outcome(self) -> Outcome:
        """Return the outcome as it is now."""
        return replace(
            self.before, right=self.right, right_stored=self.stored, answers=self.answers, by=self.by,
            right_attack=self.attacked, worst=self.worst,
        )  # fmt: skip

    def with_attack(self, name: str, seed: int) -> tuple[str, int]:
        """Run one attack on what still stands; return why it did not run, if so, and on how many cases."""
        if importlib.util.find_spec("torchattacks") is None:
            return "torchattacks is not installed", self.cases.count
        reason, lost = "", 0
        for begin in range(0, self.cases.count, self.plan.batch):
            rows = np.arange(begin, min(begin + self.plan.batch, self.cases.count))
            first = int(self.cases.at(rows)[0])
            rows = rows[self.right[rows, -1]]
            if not rows.size:
                continue
            try:
                self._batch(name, rows, seed + first)
            except REFUSALS as error:
                said = " ".join(str(error).split())[:160]
                reason, lost = f"{type(error).__name__}: {said}" if said else type(error).__name__, lost + rows.size
        return reason, lost

    def _batch(self, name: str, rows: NDArray[np.int64], seed: int) -> None:
        images, target = self.cases.images(rows), self.cases.targets(rows)
        found: dict[int, NDArray[np.float32]] = {}
        for index, epsilon in enumerate(self.plan.epsilons):
            standing = np.flatnonzero(self.right[rows, index])
            if not standing.size:
                continue
            for number, objective in enumerate(self.question.objectives):
                # An attack that knows no size gives the same at each: it is run once, on all that stand at the first.
                if number not in found or _bounded(name):
                    found[number] = images.copy()
                    for group in _groups(target[standing]):
                        at = standing[group]
                        found[number][at] = _run(
                            name, self.model, objective, images[at], target[at], self.plan, epsilon, seed, self.meter
                        )
                self._offer(name, rows[standing], found[number][standing], images[standing], target[standing], index)

    def _offer(
        self, name: str, rows: NDArray[np.int64], x: NDArray[np.float32], images: NDArray[np.float32],
        target: NDArray[Any], index: int,
    ) -> None:  # fmt: skip
        import torch

        epsilon, spec = self.plan.epsilons[index], self.model.card.input
        region = attack_region(images, spec.modality).astype(np.float32)
        ball = Ball.around(torch.as_tensor(images), spec.range, torch.as_tensor(region), self.plan.norm)
        moved = torch.as_tensor(x) - ball.x0
        inside = ball.project(moved, epsilon)
        self._verify(name, rows, inside.numpy(), target, index, stored=False)
        whole = self.before.integer[rows] & ball.storable(epsilon)
        if whole.any():
            steps = ball.take(np.flatnonzero(whole)).whole(inside[whole], epsilon).numpy()
            self._verify(name, rows[whole], steps, target[whole], index, stored=True)

    def _verify(
        self, name: str, rows: NDArray[np.int64], x: NDArray[np.float32], target: NDArray[Any], index: int, *,
        stored: bool,
    ) -> None:  # fmt: skip
        raw, _, right = self.ledger.ask(x, target)
        broken = ~right & self.right[rows, index]
        hit = rows[broken]
        finite = np.isfinite(raw[broken]).all(axis=1)
        for later in range(index, len(self.plan.epsilons)):
            new = self.right[hit, later]
            if self.plan.epsilons[later] == self.plan.headline:
                shown = new & finite & (hit < len(self.worst))
                self.worst[hit[shown]] = x[broken][shown]
            self.answers[hit[new & finite], later] = raw[broken][new & finite]
            self.right[hit, later] = False
        if stored:
            self.stored[rows[~right], index:] = False
        if self.plan.epsilons[index] <= self.plan.headline:
            self.attacked[hit] = False
        # A case that fell only at a larger size before now falls to this attack first.
        self.by[hit] = name


def _groups(target: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return positions that share a target: an attack that reorders its images cannot be told one target each."""
    if target.ndim == 1 and np.issubdtype(target.dtype, np.integer):
        return [np.flatnonzero(target == value) for value in np.unique(target)]
    return [np.array([i]) for i in range(len(target))]


def _bounded(name: str) -> bool:
    return bool({"eps", "norm"} & set(inspect.signature(_class(name).__init__).parameters))


def _class(name: str) -> Callable[..., Any]:
    import torchattacks

    found: Callable[..., Any] = getattr(torchattacks, name.removeprefix(PREFIX))
    return found


def _run(
    name: str, model: DifferentiableModel, objective: Objective, images: NDArray[np.float32], target: NDArray[Any],
    plan: Plan, epsilon: float, seed: int, meter: Meter,
) -> NDArray[np.float32]:  # fmt: skip
    """Return what an attack makes of images that share a target, in stored units, as it gives it."""
    import torch

    low, high = model.card.input.range
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    u0 = torch.as_tensor(np.clip((images - low) / (high - low), 0, 1), dtype=torch.float32, device=device)
    wanted = torch.as_tensor(target[:1], device=device)
    head = _head(model, objective, wanted, u0, meter)
    with _alone(seed):
        attack = _class(name)(head, **_arguments(name, plan, epsilon / (high - low), images))
        u = attack(u0, torch.zeros(len(u0), dtype=torch.long, device=device))
    moved = (u - u0).detach().double().cpu().numpy() * (high - low)
    out: NDArray[np.float32] = (images + moved).astype(np.float32)
    return out


def _head(model: DifferentiableModel, objective: Objective, wanted: Any, u0: Any, meter: Meter) -> Any:
    """Return a model of two logits on [0, 1] images whose difference is the margin, of the order of 1.

    Attacks that rest on a cross-entropy see no saturated output then, and attacks that ask for a decision see the right
    one: class 0 while the margin is at least 0.
    """
    import torch

    low, high = model.card.input.range

    class Head(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.device_hint = torch.nn.Parameter(torch.zeros(1, device=u0.device), requires_grad=False)
            self.scale = 1.0

        def forward(self, u: Any) -> Any:
            meter.gradients += len(u)
            every = wanted.expand(len(u), *wanted.shape[1:])
            margin = objective.margin(model.forward(low + u * (high - low)), every) / self.scale
            # A graph that does not reach the image gives a gradient of 0, not an exception.
            margin = margin + 0 * u.flatten(1).sum(dim=1)
            return torch.stack([margin, torch.zeros_like(margin)], dim=1)

    head = Head().eval()
    with torch.no_grad():
        usual = head(u0)[:, 0].abs()
    usual = usual[torch.isfinite(usual) & (usual > 0)]
    head.scale = float(usual.median()) if len(usual) else 1.0
    return head


def _arguments(name: str, plan: Plan, epsilon: float, images: NDArray[np.float32]) -> Mapping[str, Any]:
    """Return the settings of an attack at a size on [0, 1], with a number of steps like that of the others."""
    bare = name.removeprefix(PREFIX)
    known = inspect.signature(_class(name).__init__).parameters
    steps = max(1, plan.steps)
    l2 = bare in _L2 or (plan.norm == "l2" and "norm" in known)
    # The library's L2 is the length of the change on [0, 1]; ours is its root mean square.
    size = epsilon * float(np.sqrt(images[0].size)) if l2 else epsilon
    wanted: dict[str, Any] = {
        "eps": size, "alpha": 2.5 * size / steps, "steps": steps, "n_classes": 2, "n_queries": 50 * steps,
        "norm": "L2" if plan.norm == "l2" else "Linf", "max_iterations": steps, "n_restarts": 1,
        "nb_sample": 2 * steps, "nb_iter": steps, "max_batch_size": 16,
    }  # fmt: skip
    return {key: value for key, value in wanted.items() if key in known}


@contextlib.contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Seed the library's generators for its time, put them back, and keep it quiet."""
    import torch

    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)
