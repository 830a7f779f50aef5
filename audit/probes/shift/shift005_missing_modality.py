"""SHIFT005 missing-modality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Access,
    ClassView,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
    class_views,
    foreground_probability,
    scores,
)
from audit.probes._images import batch_size, load_images, load_masks, sample_cases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COMPLETE = "complete"
NO_NUMBER = "the model gives no finite number without it"


class MissingModality(Probe):
    """What is left of the model's performance when one of its modalities is absent.

    What it measures:
        Every modality of [model.input] `modalities` in turn is replaced by what the deployed pipeline sends in its
        place ([model.input] `absent`, the low end of the range by default), and the model is asked again about the same
        cases. `performance` is its AUC then (for a regression the mean absolute error, for a segmentation the mean
        Dice), with condition `parameter` = `without FLAIR`, and `complete` beside it on the same cases.
        `performance_change` is the difference to the complete images, paired by patient: below 0 worse for AUC and
        Dice, above 0 worse for the error. `sensitivity_change` and `specificity_change` are those at the declared
        operating point, and `answered_differently` the share of cases whose decision turns.

    Why it matters clinically:
        One sequence in a protocol is often missing, spoilt by motion or skipped for time. A model that was never
        trained without it answers all the same, and nobody sees from the answer that a channel was empty.

    Known problems:
        An absent modality is simulated; a pipeline that refuses such a case would never send it to the model. What
        stands in for it matters: declare `absent` as the pipeline has it. Combinations of absent modalities are not
        tried.

    Example:
        `performance_change` of AUC is -0.02 without T1 and -0.31 without FLAIR: lesions are seen on FLAIR alone.

    References:
        - van Tulder and de Bruijne 2018, Learning cross-modality representations from multi-modal images, IEEE
          Transactions on Medical Imaging 38.
        - Havaei and others 2016, HeMIS: hetero-modal image segmentation, MICCAI.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT005",
        name="missing-modality",
        family="SHIFT",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=(
            "performance", "performance_change", "sensitivity_change", "specificity_change", "answered_differently",
        ),
        title="Absent modalities",
        question="What is left when one of its modalities is missing?",
        method=(
            "Each modality replaced by its declared stand-in; AUC, mean absolute error or Dice against the complete "
            "images of the same cases, paired by patient."
        ),
        limits="One modality at a time, replaced as declared; a pipeline may do something else.",
        references=("van Tulder and de Bruijne 2018, IEEE TMI 38", "Havaei and others 2016, MICCAI"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Ask about the same cases without each modality; see `Probe.run`."""
        if ctx.card.access < Access.QUERY:
            raise NotApplicable("saved predictions cannot be asked about other images")
        if ctx.cohort.images is None:
            raise NotApplicable("the cohort has no images")
        names = ctx.card.input.modalities
        if len(names) < 2:
            raise NotApplicable("[model.input] declares no modalities that could be absent")
        cases = sample_cases(ctx.cohort.patients, ctx.budget.foreign_cases, ctx.rng)
        complete = _answers(ctx, cases, None)
        yield from _performance(ctx, cases, complete, COMPLETE)
        for channel, name in enumerate(names):
            answered = _answers(ctx, cases, channel)
            if ctx.card.task != "segmentation":
                ctx.sink.predictions(f"without {name}", cases, answered)
            yield from _performance(ctx, cases, answered, f"without {name}")
            yield from _changes(ctx, cases, complete, answered, f"without {name}")


def _answers(ctx: ProbeContext, cases: NDArray[np.int64], channel: int | None) -> Floats:
    """Return (m, k) raw outputs, or (m, 1) Dice of a segmentation, without one channel."""
    spec = ctx.card.input
    stand_in = spec.range[0] if spec.absent is None else spec.absent
    size = batch_size(load_images(ctx.cohort, cases[:1])[0], ctx.budget.batch_size)
    parts = []
    for start in range(0, cases.size, size):
        rows = cases[start : start + size]
        images = load_images(ctx.cohort, rows)
        if channel is not None:
            images[:, channel] = stand_in
        raw = ctx.model.predict(images)
        parts.append(_dice(ctx, raw, rows) if ctx.card.task == "segmentation" else raw)
    return np.concatenate(parts)


def _dice(ctx: ProbeContext, raw: Any, cases: NDArray[np.int64]) -> Floats:
    """Return (m, 1) Dice; two empty masks agree: nothing is there and nothing was marked."""
    from audit.metrics import dice

    marked = foreground_probability(raw, ctx.card) >= 0.5
    masks = load_masks(ctx.cohort, cases).astype(bool)
    found = [dice(a, b) for a, b in zip(marked, masks, strict=True)]
    return np.array([[1.0 if d is None else d] for d in found])


def _performance(ctx: ProbeContext, cases: NDArray[np.int64], raw: Floats, name: str) -> Iterator[Measurement]:
    from audit.stats import auc, mean

    patients = ctx.cohort.patients[cases]
    if not np.isfinite(raw).all():
        yield _made(ctx, "performance", _absent(patients), name, "higher")
        return
    if ctx.card.task == "segmentation":
        yield _made(ctx, "performance", mean(raw[:, 0], patients, ctx.levels, support=(0.0, 1.0)), name, "higher")
        return
    if ctx.card.task == "regression":
        yield _made(ctx, "performance", mean(_errors(ctx, cases, raw), patients, ctx.levels), name, "lower")
        return
    for view in _views(ctx, cases, raw):
        estimate = auc(view.scores, view.labels, patients, ctx.levels)
        yield _made(ctx, "performance", estimate, name, "higher", **view.condition)


def _changes(
    ctx: ProbeContext, cases: NDArray[np.int64], complete: Floats, raw: Floats, name: str
) -> Iterator[Measurement]:
    """Give the paired differences to the complete images of the same cases."""
    from audit.stats import auc_difference, paired_difference

    patients = ctx.cohort.patients[cases]
    if not (np.isfinite(raw).all() and np.isfinite(complete).all()):
        for metric in ("performance_change", "answered_differently"):
            yield _made(ctx, metric, _absent(patients), name, "zero")
        return
    if ctx.card.task == "segmentation":
        change = paired_difference(raw[:, 0], complete[:, 0], patients, ctx.levels, support=(-1.0, 1.0))
        yield _made(ctx, "performance_change", change, name, "higher")
        return
    if ctx.card.task == "regression":
        worse = paired_difference(_errors(ctx, cases, raw), _errors(ctx, cases, complete), patients, ctx.levels)
        yield _made(ctx, "performance_change", worse, name, "lower")
        return
    for now, then in zip(_views(ctx, cases, raw), _views(ctx, cases, complete), strict=True):
        change = auc_difference(now.scores, then.scores, now.labels, patients, ctx.levels)
        yield _made(ctx, "performance_change", change, name, "higher", **now.condition)
        for metric, estimate, direction in _decisions(ctx, now, then, patients):
            yield _made(ctx, metric, estimate, name, direction, **now.condition)


def _decisions(
    ctx: ProbeContext, now: ClassView, then: ClassView, patients: NDArray[np.int64]
) -> Iterator[tuple[str, Estimate, Direction]]:
    from audit.stats import proportion, rate_difference

    if now.decisions is None or then.decisions is None:
        return
    for metric, rows in (("sensitivity_change", now.labels), ("specificity_change", ~now.labels)):
        right, before = (v.decisions[rows] == now.labels[rows] for v in (now, then) if v.decisions is not None)
        yield metric, rate_difference(right, before, patients[rows], ctx.levels), "higher"
    yield "answered_differently", proportion(now.decisions != then.decisions, patients, ctx.levels), "lower"


def _views(ctx: ProbeContext, cases: NDArray[np.int64], raw: Floats) -> tuple[ClassView, ...]:
    return class_views(scores(raw, ctx.card), np.asarray(ctx.clean.targets)[cases], ctx.card)


def _errors(ctx: ProbeContext, cases: NDArray[np.int64], raw: Floats) -> Floats:
    wanted = np.asarray(ctx.clean.targets, dtype=np.float64)[cases]
    out: Floats = np.abs(scores(raw, ctx.card) - wanted)
    return out


def _absent(patients: NDArray[np.int64]) -> Estimate:
    return Estimate.absent(NO_NUMBER, method="none", n=patients.size, n_patients=int(np.unique(patients).size))


def _made(
    ctx: ProbeContext, metric: str, estimate: Estimate, name: str, direction: Direction, **condition: Scalar
) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction,
        condition={"parameter": name, **condition},
    )  # fmt: skip
