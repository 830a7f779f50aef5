"""SHIFT005 missing-modality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import (
    Access,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.probes._images import batch_size, load_images, load_masks
from audit.probes.shift._losses import Quantity, quantities, steady, unusable, view_of
from audit.probes.shift._simulated import answers, before, difference, sampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COMPLETE = "complete"
NO_NUMBER = "the model gives no usable number for {count} of the images"
FEWEST = 5
ALREADY = "{count} of the patients looked at have an image with every modality: from the others one is absent already"
_NAMES = {"auc": "performance", "mae": "performance", "dice": "performance"}


class MissingModality(Probe):
    """What is left of the model's performance when one of its modalities is absent.

    What it measures:
        Every modality of [model.input] `modalities` in turn is replaced by what the deployed pipeline sends in its
        place ([model.input] `absent`, the low end of the range by default), and the model is asked again about the same
        cases. These are cases whose image has every modality: what is absent already cannot be taken away.
        `performance` is its AUC then (for a regression the mean absolute error, for a segmentation the mean Dice), with
        condition `parameter` = `without FLAIR`, and `complete` beside it on the same cases.
        `performance_change` is the difference to the complete images, paired by patient: below 0 worse for AUC and
        Dice, above 0 worse for the error. `sensitivity` and `specificity` are those at the declared operating point
        (for a segmentation specificity is the share of cases with nothing to mark in which nothing is marked),
        `sensitivity_change` and `specificity_change` their differences, and `answered_differently` the share of cases
        whose decision turns.

    Why it matters clinically:
        One sequence in a protocol is often missing, spoilt by motion or skipped for time. A model that was never
        trained without it answers all the same, and nobody sees from the answer that a channel was empty.

    Known problems:
        An absent modality is simulated; a pipeline that refuses such a case would never send it to the model. What
        stands in for it matters: declare `absent` as the pipeline has it. Combinations of absent modalities are not
        tried. Cases whose image lacks a modality are left out, so nothing is said of patients who are examined in
        haste; SHIFT001 holds their examinations against the others. Nothing has a value where the model gives no number
        for some images, or where fewer than 5 patients have an image with every modality; no change has one where the
        model cannot be told from chance on the complete images, or where the number is too low to fall by the tolerated
        loss of the envelope.

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
        version=3,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=(
            "performance", "performance_change", "sensitivity", "sensitivity_change", "specificity",
            "specificity_change", "answered_differently",
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
        fewer, cases, already = _complete(ctx)
        complete = _shown(fewer, None, already)
        repeated = difference(complete.raw, before(fewer, np.arange(len(cases))))
        asked = [steady(q, repeated) for q in quantities(fewer)]
        for quantity in asked:
            value = quantity.value(complete.raw)
            yield _made(ctx, quantity, "", _sound(complete, value), COMPLETE)
        for channel, name in enumerate(names):
            shown = _shown(fewer, channel, already)
            if ctx.card.task != "segmentation":
                ctx.sink.predictions(f"without {name}", cases, shown.raw)
            for quantity in asked:
                yield from _measured(fewer, quantity, shown, f"without {name}")
            yield from _turned(fewer, asked, shown, f"without {name}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """What the model said of some images.

    Args:
        raw: (m, k) as `answers` gives it.
        why: Why nothing follows from it, empty where something does.
    """

    raw: Floats
    why: str


def _complete(ctx: ProbeContext) -> tuple[ProbeContext, NDArray[np.int64], str]:
    """Return the context of a sample of cases with every modality, the cases, and why there are too few, if so."""
    limit = ctx.budget.foreign_cases
    fewer, cases = sampled(ctx, limit)
    whole = _whole(fewer)
    if limit is not None and 0 < whole.sum() < len(cases) < len(ctx.cohort):
        # As many complete ones as were asked for.
        fewer, cases = sampled(ctx, min(len(ctx.cohort), round(limit * len(cases) / whole.sum())))
        whole = _whole(fewer)
    rows = np.flatnonzero(whole)
    count = np.unique(fewer.cohort.patients[rows]).size
    if count < min(FEWEST, fewer.cohort.n_patients):
        return fewer, cases, ALREADY.format(count=count)
    if whole.all():
        return fewer, cases, ""
    clean = replace(fewer.clean, raw=fewer.clean.raw[rows], targets=fewer.clean.targets[rows])
    subset = replace(fewer.cohort.subset(rows), aside=fewer.cohort.aside)
    return replace(fewer, cohort=subset, clean=clean), cases[rows], ""


def _whole(ctx: ProbeContext) -> NDArray[np.bool_]:
    """Return (n,) bool, whether no modality of an image is what stands in for an absent one."""
    found, count = [], len(ctx.card.input.modalities)
    for rows in _batches(ctx):
        there = load_images(ctx.cohort, rows)[:, :count] != _stand_in(ctx)
        found.append(there.reshape(len(rows), count, -1).any(axis=2).all(axis=1))
    return np.concatenate(found)


def _stand_in(ctx: ProbeContext) -> float:
    spec = ctx.card.input
    return spec.range[0] if spec.absent is None else spec.absent


def _batches(ctx: ProbeContext) -> Iterator[NDArray[np.int64]]:
    everyone = np.arange(len(ctx.cohort))
    size = batch_size(load_images(ctx.cohort, everyone[:1])[0], ctx.budget.batch_size)
    return (everyone[start : start + size] for start in range(0, everyone.size, size))


def _shown(ctx: ProbeContext, channel: int | None, why: str) -> _Shown:
    """Ask about all cases, without one channel where one is named."""
    parts = []
    for rows in _batches(ctx):
        images = load_images(ctx.cohort, rows)
        if channel is not None:
            images[:, channel] = _stand_in(ctx)
        masks = load_masks(ctx.cohort, rows) if ctx.card.task == "segmentation" else None
        parts.append(answers(ctx, images, masks))
    raw = np.concatenate(parts)
    # A mask that is no number was counted as one that overlaps with nothing.
    lost = 0 if ctx.card.task == "segmentation" else int(unusable(raw, ctx.card).sum())
    return _Shown(raw=raw, why=why or (NO_NUMBER.format(count=lost) if lost else ""))


def _sound(shown: _Shown, found: Estimate) -> Estimate:
    """Return an estimate, absent where the model refused images or where nothing could be taken from them."""
    return _without(found, shown.why) if shown.why else found


def _without(found: Estimate, why: str) -> Estimate:
    return Estimate.absent(why, method=found.method, n=found.n, n_patients=found.n_patients)


def _measured(ctx: ProbeContext, quantity: Quantity, shown: _Shown, name: str) -> Iterator[Measurement]:
    yield _made(ctx, quantity, "", _sound(shown, quantity.value(shown.raw)), name)
    change = quantity.change(shown.raw)
    if quantity.reason:
        change = _without(change, quantity.reason)
    yield _made(ctx, quantity, "_change", _sound(shown, change), name)


def _turned(ctx: ProbeContext, asked: Sequence[Quantity], shown: _Shown, name: str) -> Iterator[Measurement]:
    """Give the share of decisions that turn; those that never followed the label would turn for nothing."""
    from audit.stats import proportion

    for index, then in enumerate(ctx.clean.views):
        now = view_of(ctx, index, shown.raw).decisions
        if now is None or then.decisions is None:
            continue
        found = proportion(now != then.decisions, ctx.cohort.patients, ctx.levels)
        ranked = [q for q in asked if q.condition == then.condition]
        why = next((q.reason for q in ranked if q.reason), "")
        found = _sound(shown, _without(found, why) if why else found)
        yield _given(ctx, found, "answered_differently", "lower", name, **then.condition)


def _made(ctx: ProbeContext, quantity: Quantity, suffix: str, estimate: Estimate, name: str) -> Measurement:
    metric = _NAMES.get(quantity.stratum, quantity.stratum) + suffix
    return _given(ctx, estimate, metric, quantity.direction, name, **quantity.condition)


def _given(
    ctx: ProbeContext, estimate: Estimate, metric: str, direction: Direction, name: str, **condition: Scalar
) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction,
        condition={"parameter": name, **condition},
    )  # fmt: skip
