"""Attacks that only ask: Square on the margin of the scores, rays of signs on the decision; numpy and `predict` alone.

query_attack(model, question, cases, plan=QueryPlan(...), rng=rng) -> QueryOutcome
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.attacks._case import Case
from audit.attacks._converse import Answer, Walk, converse
from audit.attacks._ladder import attack_region, stored_step
from audit.attacks._objectives import Question
from audit.attacks._outcome import Cases, Meter, Observer
from audit.attacks._rays import ray_search
from audit.attacks._room import Room
from audit.attacks._square import Moves, window_share
from audit.core import ImagingModel, InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHASES: tuple[str, ...] = ("square", "random signs", "decisions")
"""Who may propose the image that breaks a case, in the order of `QueryOutcome.broken_by`, from 0."""


@dataclass(frozen=True, kw_only=True)
class QueryPlan:
    """How much is tried.

    Args:
        epsilons: Rising sizes in stored units.
        headline: The one of them at which random signs are tried and the worst image is kept.
        queries: Images asked for a case and size by Square, shared among the objectives.
        decisions: Images asked for a case that stands at the headline size by the attack on decisions, in all.
        norm: "linf", or "l2" (root mean square over the region).
        whole: Attack padding, too.
        batch: Images a batch.
    """

    epsilons: tuple[float, ...]
    headline: float
    queries: int
    decisions: int = 0
    norm: Literal["linf", "l2"] = "linf"
    whole: bool = False
    batch: int = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryOutcome:
    """What became of n cases at E sizes; the first axis of every array is the case.

    Args:
        clean: (n, k) answers without an attack.
        right_clean: (n,) right without an attack.
        right: (n, E) right clean and under every image of the size that was asked.
        right_stored: (n, E) the same where only images of whole stored steps count.
        answers: (n, E, k) the answer of the lowest margin at each size.
        lowered: (n,) whether the margin at the headline size is below the clean one.
        right_noise: (n,) right clean and under random signs of the headline size.
        right_search: (n,) right clean and under all but the random signs, at the headline size.
        repeated: (n,) the worst image at the headline size, asked again, gave the same answer.
        queries: (n,) images asked.
        needed: (n,) images asked until the headline size was broken; 0 where wrong without an attack, -1 where right.
        broken_by: (n,) index into `PHASES` of what broke the headline size; -1 where nothing did.
        worst: (kept, channels, *spatial) the worst images of the first cases at the headline size, float32.
        integer: (n,) whether stored intensities are integers.
    """

    clean: NDArray[np.float64]
    right_clean: NDArray[np.bool_]
    right: NDArray[np.bool_]
    right_stored: NDArray[np.bool_]
    answers: NDArray[np.float64]
    lowered: NDArray[np.bool_]
    right_noise: NDArray[np.bool_]
    right_search: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    queries: NDArray[np.int64]
    needed: NDArray[np.int64]
    broken_by: NDArray[np.int64]
    worst: NDArray[np.float32]
    integer: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Noted:
    """What is kept of one case, by the names of `QueryOutcome`."""

    clean: NDArray[np.float64]
    right_clean: bool
    right: NDArray[np.bool_]
    right_stored: NDArray[np.bool_]
    answers: NDArray[np.float64]
    lowered: bool
    right_noise: bool
    right_search: bool
    repeated: bool
    queries: int
    needed: int
    broken_by: int
    integer: bool
    x0: NDArray[np.float32] | None
    worst: NDArray[np.float32] | None


def query_attack(
    model: ImagingModel, question: Question, cases: Cases, *, plan: QueryPlan, rng: np.random.Generator,
    meter: Meter | None = None, keep: int = 0, observe: Observer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> QueryOutcome:  # fmt: skip
    """Attack cases by asking the model, at rising sizes.

    At each size Square starts from stripes or from the worst of the size before, grown to this one, whichever has the
    lower margin, and goes on until the case is broken or the queries are spent. What breaks a case at one size breaks
    it at all larger ones. A case that stands at the headline size is then attacked by its decisions alone. Every case
    has a generator of its own, so what is tried on it does not depend on the batch it happens to share.

    Args:
        model: The model under attack; only `predict` is used.
        question: What is to be overturned. Where no operating point is declared, the queries are all spent.
        cases: The n cases.
        plan: How much is tried.
        rng: Gives each case its generator.
        meter: Where the cost is counted.
        keep: The worst images of so many first cases are kept.
        observe: Is shown the worst image of every case at the headline size.
        progress: Called with (cases done, cases in all).

    Returns:
        The outcome of the n cases.

    References:
        Andriushchenko et al. 2020, Square attack: a query-efficient black-box adversarial attack via random search,
        ECCV; Chen and Gu 2020, RayS: A ray searching method for hard-label adversarial attack, KDD.
    """
    return query_part(
        model, question, cases, plan=plan, generators=rng.spawn(cases.count), meter=meter, keep=keep, observe=observe,
        progress=progress,
    )  # fmt: skip


def query_part(
    model: ImagingModel, question: Question, cases: Cases, *, plan: QueryPlan,
    generators: Sequence[np.random.Generator], meter: Meter | None = None, keep: int = 0,
    observe: Observer | None = None, progress: Callable[[int, int], None] | None = None,
) -> QueryOutcome:  # fmt: skip
    """Attack a part of some cases by asking; see `query_attack`.

    Args:
        model: The model under attack; only `predict` is used.
        question: What is to be overturned.
        cases: The n cases of the part.
        plan: How much is tried.
        generators: Of each of the n cases.
        meter: Where the cost is counted.
        keep: The worst images of so many first cases are kept.
        observe: Is shown the worst image of every case at the headline size.
        progress: Called with (cases done, cases in all).
    """
    walks = _walks(question, cases, model.card.input, plan, generators)
    noted: dict[int, _Noted] = {}
    for index, one in converse(model, question, walks, batch=plan.batch, meter=meter or Meter()):
        if observe is not None and one.x0 is not None and one.worst is not None:
            observe(np.array([index]), one.x0[None], one.worst[None])
        # The images of all but a few cases are let go, so that memory does not grow with the cohort.
        noted[index] = replace(one, x0=None, worst=one.worst if index < keep else None)
        if progress is not None:
            progress(len(noted), cases.count)
    return _outcome([noted[index] for index in range(cases.count)])


def _walks(
    question: Question, cases: Cases, spec: InputSpec, plan: QueryPlan, generators: Sequence[np.random.Generator]
) -> Iterator[tuple[Any, Walk[_Noted]]]:
    for index in range(cases.count):
        row = np.array([index])
        x0 = np.asarray(cases.images(row)[0], dtype=np.float32)
        region = np.ones((1, *x0.shape[1:]), dtype=bool) if plan.whole else attack_region(x0[None], spec.modality)[0]
        step = stored_step(x0[None], spec.span)
        room = Room.around(x0, spec.range, region, norm=plan.norm, step=step)
        yield cases.targets(row)[0], _walk(room, question, plan, spec.span, generators[index])


def _walk(room: Room, question: Question, plan: QueryPlan, far: float, rng: np.random.Generator) -> Walk[_Noted]:
    case = Case(room, plan.epsilons, plan.headline)
    yield from case.open()
    before: list[NDArray[np.float32]] = [room.x0] * len(question.objectives)
    search = noise = True
    for index, epsilon in enumerate(plan.epsilons):
        case.phase = "square"
        grown = epsilon / plan.epsilons[index - 1] if index else 0.0
        for number in range(len(before)):
            if case.stands(epsilon) or not question.decided:
                moves = Moves.of(room, epsilon, rng)
                carried = room.within(grown * (before[number] - room.x0), epsilon)
                budget = max(1, plan.queries // len(before))
                before[number] = yield from _square(case, moves, number, budget, carried, question.decided)
        if epsilon == plan.headline:
            search = case.broken > epsilon
            noise = yield from _noise(case, rng)
    case.phase = "decisions"
    if plan.decisions and case.stands(plan.headline):
        yield from ray_search(case, plan.decisions, far)
    answer = yield case.worst
    return _note(case, search, noise, _same(answer.kept, case.worst_answer.kept))


def _noise(case: Case, rng: np.random.Generator) -> Walk[bool]:
    """Return whether the case stands under random signs of the headline size; what they break counts as broken."""
    case.phase, room = "random signs", case.room
    signs = rng.choice(np.array([-1.0, 1.0]), size=room.x0.shape)
    answer = yield from case.ask(room.within(case.headline * signs, case.headline))
    return answer.right


def _square(
    case: Case, moves: Moves, objective: int, queries: int, carried: NDArray[np.float32], decided: bool
) -> Walk[NDArray[np.float32]]:
    """Return the image of the lowest margin of one objective that the search met."""
    end, epsilon = case.asked + queries, moves.epsilon
    unchanged = moves.room.x0
    flat = [moves.room.within(np.full(unchanged.shape, sign * epsilon), epsilon) for sign in (1.0, -1.0)]
    best, lowest = unchanged, float("inf")
    # The lowest start counts even above the clean margin: the search goes on from there and not from no change.
    for x in [*(flat if np.array_equal(carried, unchanged) else [carried]), moves.start()]:
        answer = yield from _try(case, x, epsilon)
        if not answer.margins[objective] >= lowest:
            best, lowest = x, float(answer.margins[objective])
    while case.asked < end and (case.stands(epsilon) or not decided):
        x = moves.propose(best, window_share(queries - (end - case.asked), queries))
        answer = yield from _try(case, x, epsilon)
        if answer.margins[objective] < lowest:
            best, lowest = x, answer.margins[objective]
    return best


def _try(case: Case, x: NDArray[np.float32], epsilon: float) -> Walk[Answer]:
    """Ask for an image and, where it is answered wrong, for its whole stored steps."""
    answer = yield from case.ask(x)
    if not answer.right:
        yield from case.ask_stored(x, epsilon)
    return answer


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Return whether answers agree up to what float32 and the batch's make-up explain."""
    return bool(np.isclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True).all())


def _note(case: Case, search: bool, noise: bool, repeated: bool) -> _Noted:
    right = case.clean.right
    needed = case.asked_when_broken if case.asked_when_broken is not None else -1
    at_headline = case.margin[case.epsilons == case.headline]
    return _Noted(
        clean=case.clean.kept, right_clean=right, right=case.broken > case.epsilons,
        right_stored=case.broken_stored > case.epsilons, answers=case.kept,
        lowered=bool((at_headline < case.clean.margins.min()).all()), right_noise=noise and right,
        right_search=search and right, repeated=repeated, queries=case.asked + 1, needed=needed if right else 0,
        broken_by=PHASES.index(case.broken_by) if case.broken_by else -1, integer=case.room.step is not None,
        x0=case.room.x0, worst=case.worst,
    )  # fmt: skip


def _outcome(noted: list[_Noted]) -> QueryOutcome:
    names = [f.name for f in fields(_Noted) if f.name not in ("x0", "worst")]
    stacked = {name: np.stack([np.asarray(getattr(one, name)) for one in noted]) for name in names}
    worst = [one.worst for one in noted if one.worst is not None]
    return QueryOutcome(worst=np.stack(worst) if worst else np.zeros(0, dtype=np.float32), **stacked)
