"""White-box attacks: of images in memory, of a cohort of any length, and of a part of it.

`attack(model, question, images, target, *, plan, rng, meter=None) -> Outcome` for images in memory;
`attack_cases(model, question, cases, *, plan, rng, meter=None, keep=0, observe=None, progress=None) -> Outcome` for a
cohort of any length, whose images are read when their turn comes and dropped when they are done;
`attack_part(model, question, cases.part(positions), *, plan, seed, ...) -> Outcome` for a part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._engine import Run
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Question
from audit.attacks._outcome import Cases, Meter, Observer, Outcome, Plan
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    image so far. Where a case still stands, one step is taken along the gradient at the place where the answer turns on
    the way to another case, and at the headline size along the mean gradient over the ball where gradients differ from
    place to place; a search goes on from what they gain. The per-case minimum counts, and a case that is broken stays
    broken at larger sizes, by the perturbation that broke it. Random numbers of a case do not depend on the others or
    on the batch.

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
    return attack_part(
        model, question, cases, plan=plan, seed=int(rng.integers(2**63)), meter=meter, keep=keep, observe=observe,
        progress=progress,
    )  # fmt: skip


def attack_part(
    model: DifferentiableModel, question: Question, cases: Cases, *, plan: Plan, seed: int,
    meter: Meter | None = None, once: Meter | None = None, keep: int = 0, observe: Observer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Attack a part of some cases; what becomes of each is what becomes of it among all of them, see `attack_cases`.

    What rounds otherwise in a batch of another make-up may differ in its last bits.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        cases: The n cases, as `Cases.part` gives them.
        plan: How much is tried.
        seed: Keys random starts and noise, the same for every part.
        meter: Where the cost is counted.
        once: Where the cost is counted of what every part asks alike, by default with the rest.
        keep: The worst images of so many first cases are kept.
        observe: Is shown the worst image of every case at the headline size; its rows are those of the part.
        progress: Called with (cases done, cases in all).

    Returns:
        The outcome of the n cases.
    """
    ledger = Ledger(model, question, cases.count, len(plan.epsilons), meter or Meter(), once, plan.batch)
    run = Run(model, cases, plan, ledger, seed=seed, keep=keep, observe=observe)
    return run.all(progress or (lambda done, total: None))
