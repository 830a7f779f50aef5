"""What the attacks beside ADV001 share: the cases that a question concerns, the sizes, and the shares that stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Cases, Check, Checks, Ladder, Outcome, Question, default_ladder, paths_agree, slopes_agree
from audit.core import (
    Access,
    Arrays,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    ProbeContext,
    Scalar,
    scores,
    shards,
)
from audit.probes._images import batch_size, load_images, sample_cases
from audit.probes._parted import batch_by_batch
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.adversarial._attacked import anchor_rows, called, concerned, targets_of
from audit.probes.adversarial._certified import keep_checks
from audit.probes.adversarial._shards import ladder_alone
from audit.stats import Drawn, auc, proportion, share_so_far

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LADDER_SAMPLE = 64
_HELD = 2**24
"""Numbers, in images, that are kept in memory between passes: 64 MB."""
_FEWEST = 24
_CHECKED = 16
_SAME = 1e-4
_AGREEING = 0.9
_PAIRED = 24
_ADDING_UP = 0.8
HONEST = ("certificate_repeat", "certificate_finite_difference")
"""What `honest` checks."""
PATH = "certificate_path"
"""What `followed` checks."""
NONE_CONCERNED = "none of the cases sampled has this question"


def need_images(ctx: ProbeContext, *, gradients: bool = True) -> None:
    """Check that images can be attacked.

    Raises:
        NotApplicable: There are none, or the model gives no gradients and the attack takes them.
    """
    if gradients and ctx.card.access < Access.GRADIENT:
        raise NotApplicable("the model gives no gradients")
    if ctx.card.access < Access.QUERY:
        raise NotApplicable("the model answers for no new image")
    if ctx.cohort.images is None:
        raise NotApplicable("the cohort has no images")


def sampled(ctx: ProbeContext, *, part: int) -> NDArray[np.int64]:
    """Return the cases of an attack that may spend one part in so many of what ADV001 may."""
    budget = ctx.budget.attack_cases
    return sample_cases(ctx.cohort.patients, budget and max(min(budget, _FEWEST), budget // part), ctx.rng)


def sizes_of(ctx: ProbeContext) -> Ladder:
    """Return the L-infinity sizes of the modality."""
    rows = sample_cases(ctx.cohort.patients, _LADDER_SAMPLE, ctx.rng)
    return ladder_alone(ctx, lambda _: default_ladder(ctx.card.input, list(load_images(ctx.cohort, rows))))


def batch_of(ctx: ProbeContext) -> int:
    """Return how many images go into a batch."""
    return batch_size(load_images(ctx.cohort, np.arange(1))[0], ctx.budget.batch_size)


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One question on the cases that it concerns.

    Args:
        ctx: The probe's context.
        question: The decision.
        cases: (m,) rows of the cohort.
        batch: Images a batch.
        held: Images that were read already, by case.
        ahead: (n,) patient codes of all cases that there were, of which these are the first in drawn order, where the
            attack could stop early; None elsewhere.
    """

    ctx: ProbeContext
    question: Question
    cases: NDArray[np.int64]
    batch: int
    held: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    ahead: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, ctx: ProbeContext, question: Question, cases: NDArray[np.int64]) -> Asked:
        """Return a question on those of some cases that it concerns."""
        return cls(ctx=ctx, question=question, cases=concerned(ctx, question, cases), batch=batch_of(ctx))

    @property
    def patients(self) -> NDArray[np.int64]:
        """(m,) patient codes."""
        return self.ctx.cohort.patients[self.cases]

    @property
    def streamed(self) -> Cases:
        """The cases as an attack reads them, when their turn comes."""
        # Anchors of the whole cohort: the cases of a question may all be answered alike.
        return Cases(count=self.cases.size, images=self.images, targets=self.targets, anchors=self._anchors)

    def _anchors(self) -> NDArray[np.float32]:
        elements = load_images(self.ctx.cohort, np.zeros(1, dtype=np.int64))[0].size
        return load_images(self.ctx.cohort, anchor_rows(self.ctx.clean.raw, elements))

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the images of rows into the cases."""
        cases = self.cases[rows]
        if not self._few:
            return load_images(self.ctx.cohort, cases)
        wanted = [int(case) for case in cases if int(case) not in self.held]
        if wanted:
            self.held.update(zip(wanted, load_images(self.ctx.cohort, np.array(wanted)), strict=True))
        if not cases.size:
            return load_images(self.ctx.cohort, self.cases[:1])[:0]
        return np.stack([self.held[int(case)] for case in cases])

    @cached_property
    def _few(self) -> bool:
        """Whether images are kept once they are read: reading and decoding a file costs more than asking about it."""
        return self.cases.size * load_images(self.ctx.cohort, self.cases[:1]).size <= _HELD

    def drawing(self, rng: np.random.Generator) -> Asked:
        """Return the same with another generator."""
        return replace(self, ctx=replace(self.ctx, rng=rng))

    @property
    def planned(self) -> int | None:
        """Patients that there were to attack, where it could stop early."""
        return None if self.ahead is None else int(np.unique(self.ahead).size)

    def planned_among(self, members: NDArray[np.bool_]) -> int | None:
        """Return the patients with members that there were, likewise; one who was not looked at counts as having some.

        Args:
            members: (m,) members among the cases, which an attack alone could tell.
        """
        if self.planned is None:
            return None
        return self.planned - int(np.unique(self.patients).size - np.unique(self.patients[members]).size)

    def first(self, count: int) -> Asked:
        """Return the question on the first cases, those attacked before it stopped."""
        return replace(self, cases=self.cases[:count], ahead=self.patients if self.ahead is None else self.ahead)

    def called(self, what: str) -> str:
        """Return the name of a piece of work on the question."""
        return called(what, self.question)

    def targets(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of rows into the cases."""
        return targets_of(self.ctx, self.question, self.cases[rows])

    @property
    def batches(self) -> list[NDArray[np.int64]]:
        """The rows of each batch."""
        return shards(self.cases.size, self.batch)

    def batch_by_batch(self, what: str, work: Callable[[NDArray[np.int64], int], Arrays]) -> dict[str, NDArray[Any]]:
        """Do work batch by batch, in shards of several, and return the arrays of all cases.

        Args:
            what: What is done.
            work: From the rows of a batch and its number to arrays whose first axis is joined.
        """
        return batch_by_batch(self.ctx, self.called(what), self.cases.size, self.batch, work)

    @property
    def positive(self) -> NDArray[np.bool_] | None:
        """(m,) which cases have the finding; None where the question is of another kind."""
        if self.ctx.card.task not in ("binary", "multilabel"):
            return None
        return np.asarray(self.targets(np.arange(self.cases.size)) == 1)

    def share(self, hits: NDArray[np.bool_], members: NDArray[np.bool_] | None = None) -> Estimate:
        """Return the share of hits among some of the cases, all by default, or why there is none."""
        chosen = np.ones(self.cases.size, dtype=bool) if members is None else members
        own = self.patients[chosen]
        if not self.question.decided:
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=own.size, n_patients=np.unique(own).size)
        if self.ahead is not None:
            return share_so_far(hits[chosen], own, self.ctx.levels, Drawn.of(self.ahead))
        return proportion(hits[chosen], own, self.ctx.levels)


@dataclass(frozen=True, kw_only=True)
class Size:
    """One size of a ladder as the condition of its measurements.

    Args:
        epsilon: The size.
        unit: Its unit.
        headline: Whether it is the one that a release is judged by.
    """

    epsilon: float
    unit: str
    headline: bool

    @property
    def condition(self) -> dict[str, Scalar]:
        """The condition keys."""
        where = "headline" if self.headline else "ladder"
        return {"epsilon": self.epsilon, "epsilon_unit": self.unit, "parameter": where}


def ladder_sizes(ladder: Ladder) -> tuple[Size, ...]:
    """Return the sizes of an L-infinity ladder."""
    return tuple(Size(epsilon=e, unit=ladder.unit, headline=e == ladder.headline) for e in ladder.epsilons)


def standing(asked: Asked, outcome: Outcome, index: int, checks: Checks) -> Iterator[tuple[str, Estimate, Direction]]:
    """Give the shares that stand at one size as `robust_*`, and the success among those right before.

    Args:
        asked: The question and its cases.
        outcome: What became of them.
        index: Which size.
        checks: Of the attack; where one fails the side that it supports is open.
    """
    right, clean = outcome.right[:, index], outcome.right_clean
    yield "robust_accuracy", checks.bound(asked.share(right)), "higher"
    positive = asked.positive
    if positive is not None:
        yield "robust_sensitivity", checks.bound(asked.share(right, positive)), "higher"
        yield "robust_specificity", checks.bound(asked.share(right, ~positive)), "higher"
        ranks = ranking(asked, outcome.answers[:, index])
        yield "robust_auc", checks.bound(auc(ranks, positive, asked.patients, asked.ctx.levels)), "higher"
    yield "attack_success", checks.bound(asked.share(~right, clean), of_success=True), "lower"


def ranking(asked: Asked, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (m,) scores that rank as the model's do, on the logit scale where it has one: no ties by saturation."""
    card, column = asked.ctx.card, asked.question.column
    if card.output == "logits":
        return raw[:, column or 0] if column is not None or raw.shape[1] == 1 else raw[:, 1] - raw[:, 0]
    every = scores(raw, card)
    return every if column is None else every[:, column]


def honest(asked: Asked, model: Any = None) -> dict[str, Check]:
    """Return the checks of what an attack goes by: answers that repeat, gradients that are those of the answers.

    Args:
        asked: The question and its cases.
        model: Whose gradients are taken; the audited model's by default.
    """
    few = spread(asked.cases.size, _CHECKED)
    images, target, patients = asked.images(few), asked.targets(few), asked.patients[few]
    audited: Any = asked.ctx.model
    source = audited if model is None else model
    once, again = (audited.predict(images).reshape(few.size, -1) for _ in range(2))
    same = float(np.isclose(once, again, rtol=_SAME, atol=_SAME, equal_nan=True).all(axis=1).mean())
    agree = float(slopes_agree(source, asked.question, images, target, asked.ctx.rng).mean())
    return {
        "certificate_repeat": Check.of(same, holds=same == 1.0, patients=patients),
        "certificate_finite_difference": Check.of(agree, holds=agree >= _AGREEING, patients=patients),
    }


def followed(asked: Asked) -> dict[str, Check]:
    """Return whether gradients account for the way from one answer to another; nothing where that cannot be checked.

    A decision that is clamped or cut off, beside a branch that keeps gradients alive, has gradients that are honest at
    every case and say nothing of where the answer turns.
    """
    few = spread(asked.cases.size, _PAIRED)
    model: Any = asked.ctx.model
    rows, agree = paths_agree(model, asked.question, asked.images(few), asked.targets(few), asked.batch)
    if not rows.size:
        return {}
    share = float(agree.mean())
    return {PATH: Check.of(share, holds=share >= _ADDING_UP, patients=asked.patients[few[rows]])}


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most so many positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def named(question: Question) -> dict[str, Any]:
    """Return the condition of a question that has a name."""
    return {} if question.name is None else {"class": question.name}


def check_rows(
    ctx: ProbeContext, checks: Checks, condition: Mapping[str, Scalar], *, must: Mapping[str, str] | None = None
) -> Iterator[Measurement]:  # fmt: skip
    """Give the checks of an attack as measurements, and store them as a table; see `keep_checks`."""
    keep_checks(ctx, checks, condition, must=must)
    for name in checks.found:
        yield Measurement.of(
            checks.estimate(name), metric=name, level=ctx.levels.confidence, condition={**condition}
        )  # fmt: skip


def absent_row(ctx: ProbeContext, metric: str, why: str, condition: Mapping[str, Scalar]) -> Measurement:
    """Return a missing number with its reason."""
    return Measurement.of(
        Estimate.absent(why, method="none"), metric=metric, level=ctx.levels.confidence, condition={**condition}
    )
