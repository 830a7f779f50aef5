"""Whether a robust number may be believed: checks of the attack itself, and the likely cause where one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._bounds import Bounds
from audit.attacks._chance import above_chance
from audit.attacks._diagnosis import diagnose
from audit.attacks._objectives import Question
from audit.attacks._outcome import Outcome, Plan
from audit.attacks._sound import opened
from audit.attacks._trials import HELD, QUERIED, Trial
from audit.core import DifferentiableModel, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOLDS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "certificate_deterministic": ("1", lambda v: v == 1.0),
    "certificate_identity": ("1", lambda v: v == 1.0),
    "certificate_bound": ("1", lambda v: v == 1.0),
    "certificate_monotone": ("0", lambda v: v == 0.0),
    "certificate_chance": ("above 0", lambda v: v > 0.0),
    "certificate_gradient": ("at least 0.99", lambda v: v >= 0.99),
    "certificate_finite_difference": ("at least 0.9", lambda v: v >= 0.9),
    "certificate_path": ("at least 0.8", lambda v: v >= 0.8),
    "certificate_descent": ("at least 0.9", lambda v: v >= 0.9),
    "certificate_noise": ("at least 0", lambda v: v >= 0.0),
    "certificate_one_step": ("at most 0.05", lambda v: v <= 0.05),
    "certificate_steps": ("at most 0.05", lambda v: v <= 0.05),
    "certificate_query": ("at most 0.05", lambda v: v <= 0.05),
    "certificate_large_epsilon": ("at most 0.05", lambda v: v <= 0.05),
}
Chance = tuple[float, "NDArray[np.int64]"]
"""How far answers are above the best constant one, and the patients (n,) of the cases."""
CHECKS: tuple[str, ...] = tuple(_HOLDS)
"""By name; `Certificate` says what each is."""


def must_be(check: str) -> str:
    """Return what a check must give, in words, for example "at most 0.05"."""
    return _HOLDS[check][0]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The checks of one attack and what they gave.

    `certificate_deterministic`: share of cases whose answer is the same when asked again; must be 1.
    `certificate_identity`: share of cases whose answer at size 0, from the differentiable graph and from the model, is
    the clean answer; must be 1. `certificate_bound`: share of worst images that keep to size, range and region, as they
    are and in whole stored steps; must be 1. `certificate_monotone`: number of sizes at which more cases are right than
    at the size before; none. `certificate_chance`: one-sided 95 % lower bound of the clean share right, classes
    weighing alike, less that of the best constant answer; above 0. `certificate_gradient`: share of the cases that are
    right anyway whose gradient is finite and not zero; at least 0.99. `certificate_finite_difference`: share of cases
    whose gradient predicts small changes of the margin, to 1 % in float64; at least 0.9. `certificate_path`: share of
    pairs of cases of different answers between which the gradients add up to the difference of the margins, to 10 %, of
    masks to that of a pixel; at least 0.8. `certificate_descent`: share of the cases right without an attack whose
    margin a least step along the gradient lowers; at least 0.9. `certificate_noise`: share right under random signs
    minus share right under the attack, same size; at least 0. `certificate_one_step`: share of cases that one step
    breaks at the headline size and the search alone, from a random start, does not; at most 0.05. `certificate_steps`:
    share of cases right at the headline size that twice the steps from another start turn; at most 0.05.
    `certificate_query`: the same for an attack that only asks; at most 0.05. `certificate_large_epsilon`: share right
    when the whole range may be used; at most 0.05.

    A check that cannot be made is left out: without classes or an operating point there is no chance level, and no
    attack by asking keeps to a share of pixels.

    Args:
        values: By check.
        cases: Cases that each check looked at.
        patients: Patients among them.
        cause: Why the failed ones fail, as far as the model's answers tell, one of `CAUSES`, or "".
    """

    values: dict[str, float]
    cases: dict[str, int]
    patients: dict[str, int]
    cause: str = ""

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that do not hold."""
        return tuple(name for name in self.values if not self.holds(name))

    def holds(self, name: str) -> bool:
        """Return whether a check holds."""
        return bool(_HOLDS[name][1](self.values[name]))

    def estimate(self, name: str) -> Estimate:
        """Return one check as a fact of this cohort."""
        return Estimate.counted(self.values[name], n=self.cases[name], n_patients=self.patients[name])

    def bound(self, estimate: Estimate, *, of_success: bool = False) -> Estimate:
        """Return a share in [0, 1] as far as the attack supports it; see `opened`.

        Args:
            estimate: A robust share or AUC, or a share of successes.
            of_success: A share of successes, which is a lower bound: its upper side opens to 1.
        """
        return opened(estimate, self.failed, of_success=of_success, cause=self.cause)


def certify(
    model: DifferentiableModel, question: Question, outcome: Outcome, *, images: NDArray[np.float32],
    target: NDArray[Any], clean: NDArray[np.float64], sample: NDArray[np.int64], patients: NDArray[np.int64],
    plan: Plan, rng: np.random.Generator, batch: int, bounds: Bounds | None = None,
    same: NDArray[np.bool_] | None = None, targets: NDArray[Any] | None = None, chance: Chance | None = None,
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
        bounds: What watched the attack; None where nothing did.
        same: (m,) whether the model repeated its answers, where it was asked before the attack.
        targets: (n, ...) targets of all attacked cases; None for those of the sample alone.
        chance: The lead over chance where more cases are known without an attack than were attacked; see
            `above_chance`.
    """
    trial = Trial(model=model, question=question, images=images, target=target, plan=plan, rng=rng, batch=batch)
    repeated = trial.repeated() if same is None else same
    found = {
        "certificate_deterministic": (float(repeated.mean()), patients[sample]),
        "certificate_identity": (float(trial.identity(clean).mean()), patients[sample]),
        **dict(_counted(outcome, patients, bounds)),
        **dict(_tried(trial, outcome, sample, patients)),
    }
    rows = sample if targets is None else np.arange(len(patients))
    own = target if targets is None else targets
    lead = above_chance(question, outcome.right_clean[rows], own, outcome.clean[rows], patients[rows])
    if chance is not None:
        found["certificate_chance"] = chance
    elif lead is not None:
        found["certificate_chance"] = (lead, patients[rows])
    ordered = [name for name in CHECKS if name in found]
    values = {name: found[name][0] for name in ordered}
    failed = [name for name in ordered if not _HOLDS[name][1](values[name])]
    return Certificate(
        values=values,
        cases={name: found[name][1].size for name in ordered},
        patients={name: int(np.unique(found[name][1]).size) for name in ordered},
        cause=diagnose(trial, failed),
    )


_Found = Iterator[tuple[str, tuple[float, "NDArray[np.int64]"]]]


def _counted(outcome: Outcome, patients: NDArray[np.int64], bounds: Bounds | None) -> _Found:
    """Give the checks that follow from what the attack left behind."""
    right = np.column_stack([outcome.right_clean, outcome.right]).mean(axis=0)
    stored = np.column_stack([outcome.right_clean, outcome.right_stored]).mean(axis=0)
    rises = (np.diff(right) > 0).sum() + (np.diff(stored) > 0).sum()
    standing = outcome.right_clean
    # A case that is wrong anyway is not attacked; a mask with no overlap at all has no slope, and need not have one.
    asked = standing if standing.any() else np.ones_like(standing)
    yield "certificate_monotone", (float(rises), patients)
    yield "certificate_gradient", (float(outcome.gradient[asked].mean()), patients[asked])
    yield "certificate_noise", (float(outcome.right_noise.mean() - outcome.right_attack.mean()), patients)
    if standing.any():
        yield "certificate_descent", (float(outcome.descends[standing].mean()), patients[standing])
    if bounds is not None and bounds.seen.any():
        yield "certificate_bound", (float(bounds.kept[bounds.seen].mean()), patients[bounds.rows[bounds.seen]])


def _tried(trial: Trial, outcome: Outcome, sample: NDArray[np.int64], patients: NDArray[np.int64]) -> _Found:
    """Give the checks that take further attacks."""
    held = outcome.right[sample, trial.plan.epsilons.index(trial.plan.headline)]
    few = np.arange(min(QUERIED, sample.size))
    yield "certificate_large_epsilon", (float(trial.large().mean()), patients[sample])
    yield "certificate_one_step", (float(trial.one_step().mean()), patients[sample])
    turned = int((~trial.some(np.flatnonzero(held)).longer()).sum())
    yield "certificate_steps", (turned / sample.size, patients[sample])
    agree = trial.some(few[:HELD]).gradients_agree()
    yield "certificate_finite_difference", (float(agree.mean()), patients[sample[few[:HELD]]])
    starts, paths = trial.paths()
    if starts.size:
        yield "certificate_path", (float(paths.mean()), patients[sample[starts]])
    if trial.plan.norm != "l0":
        standing = few[held[few]]
        asked = int((~trial.some(standing).asked()).sum()) if standing.size else 0
        yield "certificate_query", (asked / few.size, patients[sample[few]])
