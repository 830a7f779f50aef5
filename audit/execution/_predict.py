"""Clean predictions: computed once, shared by all probes; what cannot be used is set aside with its reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from audit.core import (
    CLASSIFICATION,
    UNGRADABLE,
    Budget,
    Cohort,
    ImagingModel,
    ModelCard,
    Predictions,
    Unverified,
    digest,
    seen_view,
    shards,
)
from audit.errors import InputError
from audit.execution._progress import Progress, Silent
from audit.execution._reading import Reading
from audit.execution._shards import Answers, ask_shard, shard_size
from audit.execution._tasks import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ask = Callable[[Cohort, TaskKind], Answers]
NO_NUMBER = "the model's answer is no finite number"
OUTSIDE = "score outside [0, 1] though probabilities were declared"
SEGMENTATION_COLUMNS = (
    "dice", "surface_dice", "hd95", "volume_predicted", "volume_reference", "lesions_reference", "lesions_found",
    "lesions_predicted", "lesions_false",
)  # fmt: skip


@runtime_checkable
class AnswersByCase(Protocol):
    """A model of saved outputs."""

    def raw_for(self, case_ids: Any) -> tuple[NDArray[np.float64], tuple[str | None, ...]]:
        """Return raw outputs and, for each case that has none, the reason."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Clean:
    """The cases that are left and what the model says of them.

    Args:
        cohort: The cases used, with the full ledger and a digest that covers what was read.
        predictions: One row a case used.
        unverified: One row a case of `cohort.unverified`; None where there is none that the model answered.
        batch: Images that were asked about at a time; fewer than the budget says where memory ran out.
    """

    cohort: Cohort
    predictions: Predictions
    unverified: Predictions | None = None
    batch: int


def clean_predictions(
    model: ImagingModel, cohort: Cohort, budget: Budget, *, workers: int, progress: Progress, ask: Ask | None = None
) -> Clean:
    """Ask the model about every case once.

    Args:
        model: The model under audit.
        cohort: The cases as the manifest gives them.
        budget: Gives the batch size.
        workers: Threads that read images ahead.
        progress: Somebody who watches.
        ask: From cases to answers, where others than this process ask the model; its second argument is "clean", or
            "unverified" for cases without a reference standard.

    Returns:
        The cases used with their predictions.

    Raises:
        InputError: No case is left, or a model that must see images has a cohort without any.
        ModelError: The model fails on readable images, or answers in a shape that was not declared.
    """
    asked = ask or (lambda cases, kind: ask_here(model, cases, budget, workers=workers, progress=progress))
    raw, why, seen, batch, cohort = _answers(model, cohort, "clean", asked, budget)
    why = _declined(why, cohort)
    keep = np.array([w is None for w in why], dtype=bool)
    if not keep.any():
        counts = cohort.ledger.without([w for w in why if w]).set_aside
        raise InputError(
            "no case is left to audit", expected="at least one case that can be read and answered",
            got="; ".join(f"{n} x {reason}" for reason, n in sorted(counts.items())) or "an empty cohort",
            fix="correct the manifest or the declaration in [model]",
        )  # fmt: skip
    used = cohort.set_aside(why)
    used, pending, beside = _unverified(model, used, asked, budget)
    used = replace(used, digest=digest([cohort.digest, seen, *beside]))
    columns = SEGMENTATION_COLUMNS if model.card.task == "segmentation" else ()
    return Clean(
        cohort=used,
        predictions=Predictions(raw=raw[keep], card=model.card, targets=used.targets, columns=columns),
        unverified=pending,
        batch=batch,
    )


def _answers(
    model: ImagingModel, cohort: Cohort, kind: TaskKind, ask: Ask, budget: Budget
) -> tuple[NDArray[np.float64], list[str | None], str, int, Cohort]:
    """Return raw outputs, why each case has none that can be used, the digest of the images read, and the batch.

    Last the cohort, whose images must from now on be those that were read.
    """
    if isinstance(model, AnswersByCase):
        raw, reasons = model.raw_for(cohort.case_ids)
        seen, batch = "", budget.batch_size
    else:
        answers = ask(cohort, kind)
        raw, reasons, seen, batch = answers.raw, answers.reasons, answers.seen, answers.batch
        if cohort.images is not None:
            cohort = replace(cohort, images=seen_view(cohort.images, answers.digests))
    raw = np.asarray(raw, dtype=np.float64)
    return raw, _why_not(raw, reasons, model.card), seen, batch, cohort


def _declined(why: list[str | None], cohort: Cohort) -> list[str | None]:
    """Return the reasons, with that of a case which the model declined named as such."""
    flags = cohort.ungradable
    if flags is None:
        return why
    # A score outside its range is an answer, and a wrong one, whatever else is said of the case.
    return [UNGRADABLE if w is not None and w != OUTSIDE and flags[i] else w for i, w in enumerate(why)]


def _unverified(
    model: ImagingModel, cohort: Cohort, ask: Ask, budget: Budget
) -> tuple[Cohort, Predictions | None, list[str]]:
    """Ask about the cases without a reference standard, too: whom nobody verified is a question of the scores."""
    if cohort.unverified is None:
        return cohort, None, []
    raw, why, seen, _, cases = _answers(model, cohort.unverified.cohort, "unverified", ask, budget)
    keep = np.array([w is None for w in why], dtype=bool)
    answered = Unverified(cohort=cases.subset(keep), unanswered=int((~keep).sum()))
    cohort = replace(cohort, unverified=answered)
    if not keep.any():
        return cohort, None, [seen]
    return cohort, Predictions(raw=raw[keep], card=model.card, targets=answered.cohort.targets), [seen]


def ask_here(
    model: ImagingModel, cohort: Cohort, budget: Budget, *, workers: int = 1, progress: Progress | None = None
) -> Answers:
    """Ask the model about every case of a cohort, shard by shard, in this process.

    Args:
        model: The model.
        cohort: The cohort, with images.
        budget: Gives the batch size.
        workers: Threads that read images ahead.
        progress: Somebody who watches.
    """
    watcher, count, reading = progress or Silent(), len(cohort), Reading(workers, onward=True)
    parts = []
    with closing(reading):
        for positions in shards(count, shard_size(count, budget.batch_size)):
            before = int(positions[0])

            def told(done: int, before: int = before) -> None:
                watcher.advance(before + done, count)

            parts.append(ask_shard(model, cohort, positions, budget.batch_size, reading=reading, progress=told))
    return Answers.joined(parts)


def _why_not(raw: NDArray[np.float64], reasons: tuple[str | None, ...], card: ModelCard) -> list[str | None]:
    """Return why each case is set aside, None for those that are used."""
    why = list(reasons)
    masks = card.task == "segmentation"
    # Overlap and distance are undefined where a mask is empty; that is no fault of the answer. Volumes always exist.
    finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(raw[:, -2:] if masks else raw), axis=1)
    bounded = card.output == "probabilities" and card.task in (*CLASSIFICATION, "survival")
    inside: NDArray[np.bool_] = np.logical_and.reduce((raw >= 0) & (raw <= 1), axis=1) | (not bounded)
    for i in range(len(why)):
        if why[i] is None and not finite[i]:
            why[i] = NO_NUMBER
        elif why[i] is None and not inside[i]:
            why[i] = OUTSIDE
    return why
