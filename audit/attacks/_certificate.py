"""Whether a robust number may be believed: checks of the attack itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._engine import attack
from audit.attacks._objectives import Question
from audit.attacks._outcome import Outcome, Plan
from audit.core import DifferentiableModel, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_STEPS = 20
"""Steps of the attack that must break all but everything; few steps do not cross the whole range."""

_HOLDS: dict[str, Callable[[float], bool]] = {
    "certificate_identity": lambda v: v == 1.0,
    "certificate_large_epsilon": lambda v: v <= 0.05,
    "certificate_monotone": lambda v: v == 0.0,
    "certificate_gradient": lambda v: v >= 0.99,
    "certificate_descent": lambda v: v >= 0.9,
    "certificate_noise": lambda v: v >= 0.0,
    "certificate_steps": lambda v: v <= 0.05,
}
CHECKS: tuple[str, ...] = tuple(_HOLDS)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The checks of one attack and what they gave.

    `certificate_identity`: share of cases whose answer at size 0, from the differentiable graph and from the model,
    is the clean answer; must be 1. `certificate_large_epsilon`: share right when the whole range may be used; at most
    0.05. `certificate_monotone`: number of sizes at which more cases are right than at the size before; none.
    `certificate_gradient`: share of cases with a finite gradient that is not zero; at least 0.99.
    `certificate_descent`: share of the cases right without an attack whose margin a least step along the gradient
    lowers; at least 0.9. `certificate_noise`: share right under random signs minus share right under the attack, same
    size; at least 0. `certificate_steps`: share of cases right at the headline size that twice the steps from another
    start turn; at most 0.05.

    Args:
        values: By check.
        cases: Cases that each check looked at.
        patients: Patients among them.
    """

    values: dict[str, float]
    cases: dict[str, int]
    patients: dict[str, int]

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that do not hold."""
        return tuple(name for name, value in self.values.items() if not _HOLDS[name](value))

    def estimate(self, name: str) -> Estimate:
        """Return one check as a fact of this cohort."""
        return Estimate.counted(self.values[name], n=self.cases[name], n_patients=self.patients[name])

    def bound(self, estimate: Estimate, *, of_success: bool = False) -> Estimate:
        """Return a share in [0, 1] as far as the attack supports it.

        A robust number is an upper bound: what the attack did not break, a better one may. Where a check fails, nothing
        is known on the lower side, which opens to 0; a success is a fact whatever the checks say, so the upper side
        stays.

        Args:
            estimate: A robust share or AUC, or a share of successes.
            of_success: A share of successes, which is a lower bound: its upper side opens to 1.
        """
        if not self.failed or estimate.value is None:
            return estimate
        side = "lower" if of_success else "upper"
        return replace(
            estimate,
            curve=tuple((p, low, 1.0) if of_success else (p, 0.0, high) for p, low, high in estimate.curve),
            method=f"{estimate.method}; {side} bound only, the attack's certificate failed ({', '.join(self.failed)})",
        )


def certify(
    model: DifferentiableModel, question: Question, outcome: Outcome, *, images: NDArray[np.float32],
    target: NDArray[Any], clean: NDArray[np.float64], sample: NDArray[np.int64], patients: NDArray[np.int64],
    plan: Plan, rng: np.random.Generator, batch: int,
) -> Certificate:  # fmt: skip
    """Check an attack.

    Args:
        model: The model under attack.
        question: What was to be overturned.
        outcome: What became of the n attacked cases.
        images: (m, channels, *spatial) the images of some of them.
        target: (m, ...) their targets.
        clean: (m, k) what the model said of them before, as kept by the objective.
        sample: (m,) which of the n cases they are.
        patients: (n,) patient codes of the attacked cases.
        plan: How much was tried.
        rng: Random starts.
        batch: Images a batch.
    """
    parts = [slice(i, i + batch) for i in range(0, len(images), batch)]
    same = [_identity(model, question, images[p], target[p], clean[p], plan, rng) for p in parts]
    broken = [_large(model, question, images[p], target[p], plan, rng) for p in parts]
    right = np.column_stack([outcome.right_clean, outcome.right]).mean(axis=0)
    stored = np.column_stack([outcome.right_clean, outcome.right_stored]).mean(axis=0)
    rises = (np.diff(right) > 0).sum() + (np.diff(stored) > 0).sum()
    standing = outcome.right_clean
    found: dict[str, tuple[float, NDArray[np.int64]]] = {
        "certificate_identity": (float(np.concatenate(same).mean()), patients[sample]),
        "certificate_large_epsilon": (float(np.concatenate(broken).mean()), patients[sample]),
        "certificate_monotone": (float(rises), patients),
        "certificate_gradient": (float(outcome.gradient.mean()), patients),
        "certificate_noise": (float(outcome.right_noise.mean() - outcome.right_attack.mean()), patients),
    }
    if standing.any():
        found["certificate_descent"] = (float(outcome.descends[standing].mean()), patients[standing])
    held = outcome.right[sample, plan.epsilons.index(plan.headline)]
    turned = _turned(model, question, images[held], target[held], plan, rng, batch)
    found["certificate_steps"] = (turned / len(sample), patients[sample])
    ordered = [name for name in CHECKS if name in found]
    return Certificate(
        values={name: found[name][0] for name in ordered},
        cases={name: found[name][1].size for name in ordered},
        patients={name: int(np.unique(found[name][1]).size) for name in ordered},
    )


def _identity(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any],
    clean: NDArray[np.float64], plan: Plan, rng: np.random.Generator,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return (m,) whether an attack of size 0 leaves image and answer as they were, in the graph, too."""
    import torch

    still = replace(plan, epsilons=(0.0,), headline=0.0, steps=1, restarts=1)
    nothing = attack(model, question, images, target, plan=still, rng=rng)
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    with torch.no_grad():
        graph = model.forward(torch.as_tensor(images, device=device)).double().cpu().numpy()
    kept = question.objectives[0].keep(graph, target)
    moved = np.abs(nothing.worst - images).reshape(len(images), -1).max(axis=1)
    same: NDArray[np.bool_] = np.equal(moved, 0) & _close(nothing.answers[:, 0], clean) & _close(kept, clean)
    return same


def _close(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (m,) whether answers agree up to what float32 and the batch's make-up explain."""
    out: NDArray[np.bool_] = np.logical_and.reduce(np.isclose(a, b, rtol=1e-3, atol=1e-4), axis=1)
    return out


def _large(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], plan: Plan,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return (m,) which cases stand when the whole range may be used."""
    whole = model.card.input.span
    last = plan.epsilons[-1]
    sizes = [last, *(e for e in (whole / 16, whole / 4) if e > 1.5 * last)]
    strong = replace(
        plan,
        epsilons=(*(e for e in sizes if e < whole), whole),
        headline=whole,
        steps=max(plan.steps, LEAST_STEPS),
        whole=True,
        ranking=False,
    )
    right: NDArray[np.bool_] = attack(model, question, images, target, plan=strong, rng=rng).right[:, -1]
    return right


def _turned(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], plan: Plan,
    rng: np.random.Generator, batch: int,
) -> int:  # fmt: skip
    """Return how many cases that stand at the headline size twice the steps from another start turn."""
    # A random start, where the attack under test went on from the size before.
    longer = replace(
        plan, epsilons=(plan.headline,), steps=2 * plan.steps, restarts=1, cold=True, ranking=False
    )  # fmt: skip
    parts = [slice(i, i + batch) for i in range(0, len(images), batch)]
    right = [attack(model, question, images[p], target[p], plan=longer, rng=rng).right[:, -1] for p in parts]
    return sum(int((~r).sum()) for r in right)
