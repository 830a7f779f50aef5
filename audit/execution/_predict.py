"""Clean predictions: computed once, shared by all probes; what cannot be used is set aside with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
)
from audit.errors import AuditError, InputError, ModelError
from audit.execution._progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """

    cohort: Cohort
    predictions: Predictions
    unverified: Predictions | None = None


def clean_predictions(
    model: ImagingModel, cohort: Cohort, budget: Budget, *, workers: int, progress: Progress
) -> Clean:
    """Ask the model about every case once.

    Args:
        model: The model under audit.
        cohort: The cases as the manifest gives them.
        budget: Gives the batch size.
        workers: Threads that read images ahead.
        progress: Somebody who watches.

    Returns:
        The cases used with their predictions.

    Raises:
        InputError: No case is left, or a model that must see images has a cohort without any.
        ModelError: The model fails on readable images, or answers in a shape that was not declared.
    """
    raw, why, seen = _answers(model, cohort, budget, workers, progress)
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
    used, pending, beside = _unverified(model, used, budget, workers, progress)
    used = replace(used, digest=digest([cohort.digest, seen, *beside]))
    columns = SEGMENTATION_COLUMNS if model.card.task == "segmentation" else ()
    return Clean(
        cohort=used,
        predictions=Predictions(raw=raw[keep], card=model.card, targets=used.targets, columns=columns),
        unverified=pending,
    )


def _answers(
    model: ImagingModel, cohort: Cohort, budget: Budget, workers: int, progress: Progress
) -> tuple[NDArray[np.float64], list[str | None], str]:
    """Return raw outputs, why each case has none that can be used, and the digest of the images read."""
    if isinstance(model, AnswersByCase):
        raw, reasons = model.raw_for(cohort.case_ids)
        seen = ""
    else:
        raw, reasons, seen = _ask(model, cohort, budget, workers, progress)
    raw = np.asarray(raw, dtype=np.float64)
    return raw, _why_not(raw, reasons, model.card), seen


def _declined(why: list[str | None], cohort: Cohort) -> list[str | None]:
    """Return the reasons, with that of a case which the model declined named as such."""
    flags = cohort.ungradable
    if flags is None:
        return why
    # A score outside its range is an answer, and a wrong one, whatever else is said of the case.
    return [UNGRADABLE if w is not None and w != OUTSIDE and flags[i] else w for i, w in enumerate(why)]


def _unverified(
    model: ImagingModel, cohort: Cohort, budget: Budget, workers: int, progress: Progress
) -> tuple[Cohort, Predictions | None, list[str]]:
    """Ask about the cases without a reference standard, too: whom nobody verified is a question of the scores."""
    if cohort.unverified is None:
        return cohort, None, []
    cases = cohort.unverified.cohort
    raw, why, seen = _answers(model, cases, budget, workers, progress)
    keep = np.array([w is None for w in why], dtype=bool)
    answered = Unverified(cohort=cases.subset(keep), unanswered=int((~keep).sum()))
    cohort = replace(cohort, unverified=answered)
    if not keep.any():
        return cohort, None, [seen]
    return cohort, Predictions(raw=raw[keep], card=model.card, targets=answered.cohort.targets), [seen]


def _ask(
    model: ImagingModel, cohort: Cohort, budget: Budget, workers: int, progress: Progress
) -> tuple[NDArray[np.float64], tuple[str | None, ...], str]:
    from audit.cohorts import read_batches

    seen = hashlib.sha256()
    rows: dict[int, NDArray[np.float64]] = {}
    reasons: dict[int, str] = {}
    for batch in read_batches(cohort, range(len(cohort)), budget.batch_size, workers):
        reasons.update(batch.failures)
        if len(batch.kept):
            seen.update(np.ascontiguousarray(batch.images).tobytes())
            answer = _predict(model, batch.images)
            answers, failed = _per_case(model.card, cohort, batch.kept, answer)
            rows.update(answers)
            reasons.update(failed)
        progress.advance(len(rows) + len(reasons), len(cohort))
    widths = sorted({len(r) for r in rows.values()}) or [1]
    if len(widths) > 1:
        # One number would otherwise be spread over all outputs in silence.
        raise ModelError(
            "the model gives more outputs for some images than for others", expected="as many for every image",
            got=" and ".join(str(w) for w in widths), fix="return the same outputs whatever the images of a batch",
        )  # fmt: skip
    width = widths[0]
    raw = np.full((len(cohort), width), np.nan)
    for index, row in rows.items():
        raw[index] = row
    return raw, tuple(reasons.get(i) for i in range(len(cohort))), seen.hexdigest()


def _predict(model: ImagingModel, images: NDArray[Any]) -> NDArray[np.float64]:
    try:
        answer = np.asarray(model.predict(images), dtype=np.float64)
    except AuditError:
        raise
    except (Exception, SystemExit) as error:  # the model is the user's code: whatever it raises is theirs to read
        raise ModelError(
            "the model failed on a batch of readable images", got=f"{type(error).__name__}: {error}"[:300],
            fix="check [model.input]: size, channels, range and normalise",
        ) from error  # fmt: skip
    if answer.ndim < 2 or len(answer) != len(images):
        raise ModelError(
            "the model answers in another shape than declared", expected=f"({len(images)}, outputs, ...)",
            got=str(answer.shape), fix="return one row of outputs a case",
        )  # fmt: skip
    return answer


def _per_case(
    card: ModelCard, cohort: Cohort, kept: NDArray[np.int64], answer: NDArray[np.float64]
) -> tuple[dict[int, NDArray[np.float64]], Mapping[int, str]]:
    if card.task != "segmentation":
        flat = answer.reshape(len(answer), -1)
        return dict(zip(kept.tolist(), flat, strict=True)), {}
    from audit.execution._masks import mask_row

    rows: dict[int, NDArray[np.float64]] = {}
    failed: dict[int, str] = {}
    for index, logits in zip(kept.tolist(), answer, strict=True):
        row = mask_row(card, cohort, index, logits)
        if isinstance(row, str):
            failed[index] = row
        else:
            rows[index] = row
    return rows, failed


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
