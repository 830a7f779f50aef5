"""What the model says of edited images, and the numbers that are read from its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import CLASSIFICATION, ModelCard, NotApplicable, ProbeContext, Scalar, class_views, scores
from audit.edits import Grid, grid_of
from audit.errors import ReadError
from audit.probes._images import batch_size, sample_cases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

NO_NUMBER = "the model's answer to an edited image is no finite number"
TINY = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One number that is read from an answer.

    Args:
        condition: The `class` key of measurements, empty where there is one question only.
        value: From (n, k) raw answers to (n,): log odds of a class, expected grade, value; of a segmentation volumes.
        score: The same on the scale that thresholds use.
        decide: From (n, k) raw answers to (n,) decisions, None where none are declared.
        labels: (N,) bool of the cohort, for a class; else None.
        unit: Unit of `value`, empty where it has none that means anything to a reader.
        absolute: Whether a difference of `value` can be held against a limit.
    """

    condition: dict[str, Scalar] = field(default_factory=dict)
    value: Callable[[NDArray[Any]], Floats]
    score: Callable[[NDArray[Any]], Floats]
    decide: Callable[[NDArray[Any]], NDArray[Any]] | None
    labels: NDArray[np.bool_] | None = None
    unit: str = ""
    absolute: bool = False


def readings(ctx: ProbeContext) -> tuple[Reading, ...]:
    """Return what is read from the answers: one number a class or finding, or one for the other tasks."""
    card = ctx.card
    if card.task == "ordinal":
        return (Reading(value=_grade(card), score=_grade(card), decide=_winner, unit="grades", absolute=True),)
    if card.task not in CLASSIFICATION:
        return (Reading(value=_first, score=_first, decide=None, absolute=True),)
    return tuple(
        Reading(
            condition=view.condition, value=_log_odds(card, i), score=_score(card, i),
            decide=_decisions(ctx, i) if view.decisions is not None else None, labels=view.labels, unit="log odds",
        )
        for i, view in enumerate(ctx.clean.views)
    )  # fmt: skip


def _first(raw: NDArray[Any]) -> Floats:
    return np.asarray(raw[:, 0], dtype=np.float64)


def _winner(raw: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(raw.argmax(axis=1))


def _grade(card: ModelCard) -> Callable[[NDArray[Any]], Floats]:
    def expected(raw: NDArray[Any]) -> Floats:
        shares = scores(raw, card)
        return np.asarray(shares @ np.arange(shares.shape[1]) / shares.sum(axis=1), dtype=np.float64)

    return expected


def _score(card: ModelCard, index: int) -> Callable[[NDArray[Any]], Floats]:
    def of(raw: NDArray[Any]) -> Floats:
        found = scores(raw, card)
        return found if found.ndim == 1 else np.asarray(found[:, index], dtype=np.float64)

    return of


def _log_odds(card: ModelCard, index: int) -> Callable[[NDArray[Any]], Floats]:
    score = _score(card, index)

    def of(raw: NDArray[Any]) -> Floats:
        if card.output == "logits" and (card.task == "multilabel" or raw.shape[1] == 1):
            return np.asarray(raw[:, index], dtype=np.float64)
        if card.output == "logits":
            column = 1 if card.task == "binary" else index
            others = np.delete(raw, column, axis=1)
            top = others.max(axis=1, keepdims=True)
            return np.asarray(raw[:, column] - top[:, 0] - np.log(np.exp(others - top).sum(axis=1)), dtype=np.float64)
        if card.output == "value":
            return score(raw)
        p = np.clip(score(raw), TINY, 1 - TINY)
        return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)

    return of


def _decisions(ctx: ProbeContext, index: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def of(raw: NDArray[Any]) -> NDArray[Any]:
        blank = np.zeros((len(raw), *ctx.clean.targets.shape[1:]), dtype=ctx.clean.targets.dtype)
        decided = class_views(scores(raw, ctx.card), blank, ctx.card)[index].decisions
        return np.zeros(len(raw), dtype=bool) if decided is None else decided

    return of


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What every edit of a run needs.

    Args:
        ctx: The probe's context.
        grid: Lengths on the images' grid.
        span: Valid range of stored intensities.
        size: Spatial size of an image.
        channels: Number of channels.
    """

    ctx: ProbeContext
    grid: Grid
    span: tuple[float, float]
    size: tuple[int, ...]
    channels: int

    def image(self, case: int) -> NDArray[np.float32]:
        """Return (channels, *spatial) stored intensities of a case."""
        images = self.ctx.cohort.images
        if images is None:
            raise NotApplicable("the cohort has no images")
        return np.asarray(images.load(int(case)), dtype=np.float32)

    def mask(self, case: int) -> Mask | None:
        """Return (*spatial) bool, the mask of a case; None where there is no file that says."""
        return read_mask(self.ctx.cohort.masks, case)

    def distractors(self, case: int) -> Mask:
        """Return (*spatial) bool, everything of a case that is declared to look like a lesion and be none."""
        out = np.zeros(self.size, dtype=bool)
        for source in self.ctx.cohort.distractors.values():
            mask = read_mask(source, case)
            out = out if mask is None else out | mask
        return out

    def ask(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Return (n, k) answers, of a segmentation (n, *spatial) its mask as 0 and 1; batches stay small."""
        if not images:
            return np.zeros((0, 1))
        step = batch_size(images[0], self.ctx.budget.batch_size)
        parts = []
        for start in range(0, len(images), step):
            raw = np.asarray(self.ctx.model.predict(np.stack(images[start : start + step])), dtype=np.float64)
            parts.append(_marked(self.ctx.card, raw) if self.ctx.card.task == "segmentation" else raw)
        return np.concatenate(parts)


def _marked(card: ModelCard, raw: Floats) -> Floats:
    """Return the predicted mask, NaN all over where an answer is not finite."""
    limit = 0.0 if card.output == "mask_logits" else 0.5
    marked = raw.argmax(axis=1) > 0 if raw.shape[1] > 1 else raw[:, 0] >= limit
    sound = np.isfinite(raw).reshape(len(raw), -1).all(axis=1)
    return np.where(sound.reshape(-1, *(1,) * (marked.ndim - 1)), marked.astype(np.float64), np.nan)


def setting_of(ctx: ProbeContext) -> Setting:
    """Return what edits need, from the first image.

    Raises:
        NotApplicable: There are no images, or only saved answers.
    """
    if ctx.cohort.images is None:
        raise NotApplicable("the cohort has no images")
    first = np.asarray(ctx.cohort.images.load(0))
    size = tuple(int(s) for s in first.shape[1:])
    return Setting(
        ctx=ctx, grid=grid_of(ctx.cohort, ctx.card, len(size)), span=ctx.card.input.range, size=size,
        channels=int(first.shape[0]),
    )  # fmt: skip


def read_mask(source: Any, case: int) -> Mask | None:
    """Return (*spatial) bool of one case of a source of masks; None where there is no source or no mask in it."""
    if source is None:
        return None
    try:
        return np.asarray(np.logical_or.reduce(np.asarray(source.load(int(case))) > 0, axis=0), dtype=np.bool_)
    except ReadError:
        return None


def sampled(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return the cases whose images are edited, whole patients."""
    return sample_cases(ctx.cohort.patients, ctx.budget.edit_cases, ctx.rng)


def finite_rows(raws: Iterable[NDArray[np.float64]]) -> bool:
    """Tell whether all answers are numbers."""
    return all(bool(np.isfinite(raw).all()) for raw in raws)
