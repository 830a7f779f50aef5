"""What the model says of images that were acquired otherwise."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.acquisition import Change, ImageSpec, apply, describe, frame_of
from audit.core import Arrays, Cohort, ModelCard, Predictions, ProbeContext
from audit.core.attributes import kept
from audit.metrics import dice, ssim
from audit.probes._images import batch_size, load_images, load_masks, sample_cases
from audit.probes._parted import batch_by_batch
from audit.probes.shift._severities import Tried

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LOOKED_AT = 4
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulated:
    """Answers to every changed acquisition.

    Args:
        ctx: The context of the cases that were changed.
        cases: (m,) their indices in the cohort.
        seeds: (m,) from which their parameters are drawn.
        raw: (t, m, k) raw outputs by acquisition; for a segmentation (t, m, 2), see `answers`.
        similarity: (t,) mean structural similarity with the image as it was, NaN where images are too small for it.
        examples: (t,) JSON of the parameters of the first case.
        changed: (t,) share of the images that are other than they were.
        repeated: Largest difference of the answers to unchanged images from those given before.
    """

    ctx: ProbeContext
    cases: NDArray[np.int64]
    seeds: NDArray[np.int64]
    raw: Floats
    similarity: Floats
    examples: tuple[str, ...]
    changed: Floats
    repeated: float


def sampled(ctx: ProbeContext, limit: int | None) -> tuple[ProbeContext, NDArray[np.int64]]:
    """Return the context of a sample of patients, those of cases set aside among them, and the cases.

    Args:
        ctx: The probe's context.
        limit: Cases expected in the sample, None for all.
    """
    cohort, n = ctx.cohort, len(ctx.cohort)
    aside = cohort.aside
    outside = np.zeros(0, dtype=np.int64) if aside is None else aside.patients
    if limit is None or limit >= n:
        return ctx, np.arange(n)
    everyone = np.concatenate([cohort.patients, outside])
    rows = sample_cases(everyone, round(limit * everyone.size / n), ctx.rng)
    cases, lost = rows[rows < n], rows[rows >= n] - n
    fewer = replace(cohort.subset(cases), aside=_aside(cohort, lost))
    clean = Predictions(
        raw=ctx.clean.raw[cases], card=ctx.clean.card, targets=ctx.clean.targets[cases], columns=ctx.clean.columns
    )
    return replace(ctx, cohort=fewer, clean=clean), cases


def _aside(cohort: Cohort, rows: NDArray[np.int64]) -> Any:
    aside = cohort.aside
    if aside is None or not rows.size:
        return None
    return replace(
        aside, case_ids=aside.case_ids[rows], patients=aside.patients[rows], targets=aside.targets[rows],
        known=aside.known[rows], reasons=aside.reasons[rows],
        attributes={k: kept(a, rows, set_aside=False) for k, a in aside.attributes.items()},
        ungradable=None if aside.ungradable is None else aside.ungradable[rows],
    )  # fmt: skip


def simulate(
    ctx: ProbeContext, cases: NDArray[np.int64], tried: Sequence[Tried], seeds: NDArray[np.int64] | None = None
) -> Simulated:
    """Answer the cases under every acquisition, batch by batch as they are read.

    Args:
        ctx: The context of the cases alone, as `sampled` gives it.
        cases: (m,) their indices in the whole cohort.
        tried: t acquisitions.
        seeds: (m,) from which parameters are drawn; drawn, and unchanged images answered once more, where not given.
    """
    again, m, frame = seeds is None, len(cases), frame_of(ctx.card.input, ctx.cohort.spacing_mm)
    seeds = ctx.rng.integers(2**32, size=m).astype(np.int64) if seeds is None else seeds
    size = batch_size(load_images(ctx.cohort, np.arange(1))[0], ctx.budget.batch_size)
    noise = any(knob.noise for one in tried for knob, _ in one.turned)
    looked = min(_LOOKED_AT, m)

    def work(rows: NDArray[np.int64], number: int) -> Arrays:
        images = load_images(ctx.cohort, rows)
        masks = load_masks(ctx.cohort, rows) if ctx.card.task == "segmentation" else None
        specs = [describe(image, frame, noise=noise) for image in images]
        repeated = 0.0
        if number == 0 and again:
            repeated = difference(answers(ctx, images, masks), before(ctx, rows))
        left = min(rows.size, max(0, looked - int(rows[0])))
        batch = _Batch(images=images, specs=specs, seeds=seeds[rows], looked=left, span=frame.span)
        given, texts, touched = [], [], []
        similar = np.full((left, len(tried)), np.nan)
        for t, (changed, text, alike, other) in enumerate(batch.under(tried)):
            given.append(answers(ctx, changed, masks))
            texts.append(text)
            touched.append(other)
            similar[:, t] = alike
        return {
            "raw": np.stack(given, axis=1), "touched": np.array([touched]), "similar": similar,
            "repeated": np.array([repeated]), "text": np.array([texts], dtype=np.str_),
        }  # fmt: skip

    name = "acquisitions by themselves" if again else "acquisitions together"
    every = batch_by_batch(ctx, name, m, size, work)
    similar = [column[~np.isnan(column)].tolist() for column in every["similar"].T]
    return Simulated(
        ctx=ctx, cases=cases, seeds=seeds, raw=np.ascontiguousarray(np.moveaxis(every["raw"], 1, 0)),
        similarity=np.array([np.mean(s) if s else np.nan for s in similar]),
        examples=tuple(str(text) for text in every["text"][0]), changed=every["touched"].sum(axis=0) / m,
        repeated=float(every["repeated"].max()),
    )  # fmt: skip


_Made = tuple["NDArray[np.float32]", str, list[float], int]
"""Images, the parameters of the first, how alike each looked at is with what it was (NaN: too small), and how many are
other than they were."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """Some images that are changed again and again.

    Args:
        images: (b, channels, *spatial) stored intensities.
        specs: What the simulators see of each.
        seeds: (b,) from which parameters are drawn.
        looked: How many of them are compared with what they were.
        span: Width of the stored range.
    """

    images: NDArray[np.float32]
    specs: Sequence[ImageSpec]
    seeds: NDArray[np.int64]
    looked: int
    span: float

    def under(self, tried: Sequence[Tried]) -> Iterator[_Made]:
        """Give the images under each acquisition; the next one is made while the model answers the last."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1) as beside:
            ahead = [beside.submit(self._made, one) for one in tried[:1]]
            for following in [*tried[1:], None]:
                if not ahead:
                    return
                made = ahead.pop().result()
                if following is not None:
                    ahead.append(beside.submit(self._made, following))
                yield made

    def _made(self, one: Tried) -> _Made:
        changes = [draw(one, spec, int(seed)) for spec, seed in zip(self.specs, self.seeds, strict=True)]
        every = zip(self.images, changes, self.specs, strict=True)
        changed = np.stack([apply(image, change, field=spec.field) for image, change, spec in every])
        pairs = zip(self.images[: self.looked], changed[: self.looked], strict=True)
        alike = [np.nan if (s := ssim(a, b, self.span)) is None else s for a, b in pairs]
        touched = int((changed != self.images).reshape(len(changed), -1).any(axis=1).sum())
        return changed, _text(changes[0]), alike, touched


def draw(tried: Tried, spec: ImageSpec, seed: int) -> tuple[Change, ...]:
    """Return the changes of one image; a knob draws the same at every severity, alone or with others."""
    return tuple(
        knob.sample(severity, spec, np.random.default_rng([seed, zlib.crc32(knob.name.encode())]))
        for knob, severity in tried.turned
    )


def _text(changes: tuple[Change, ...]) -> str:
    return json.dumps([change.to_json() for change in changes], sort_keys=True)


def before(ctx: ProbeContext, rows: NDArray[np.int64]) -> Floats:
    """Return what the model said of some cases as they are, like `answers`.

    A segmentation whose predicted volumes are not known has the first column only.
    """
    if ctx.card.task != "segmentation":
        return ctx.clean.raw[rows]
    empty = ~(ctx.clean.column("volume_reference")[rows] > 0)
    overlap = np.where(empty, np.nan, ctx.clean.column("dice")[rows])[:, None]
    if "volume_predicted" not in ctx.clean.columns:
        return overlap
    return np.concatenate([overlap, (ctx.clean.column("volume_predicted")[rows] > 0)[:, None]], axis=1)


def answers(ctx: ProbeContext, images: NDArray[Any], masks: NDArray[np.int64] | None) -> Floats:
    """Return (m, k) raw outputs; for a segmentation (m, 2): Dice, NaN where the reference is empty, and marked or not.

    Args:
        ctx: The probe's context.
        images: (m, channels, *spatial) stored intensities.
        masks: (m, *spatial) reference of a segmentation, None for other tasks.
    """
    raw = np.asarray(ctx.model.predict(images), dtype=np.float64)
    if masks is None:
        return raw
    return np.array([_overlap(ctx.card, answer, mask) for answer, mask in zip(raw, masks, strict=True)])


def _overlap(card: ModelCard, answer: Floats, mask: NDArray[np.int64]) -> tuple[float, float]:
    """Return Dice, and 1 where anything is marked; a mask that is no number overlaps with nothing and is no silence."""
    there = bool(mask.any())
    if not np.isfinite(answer).all():
        return (0.0 if there else float("nan")), 1.0
    limit = 0.0 if card.output == "mask_logits" else 0.5
    predicted = answer.argmax(axis=0) > 0 if answer.shape[0] > 1 else answer[0] >= limit
    value = dice(predicted, mask.astype(bool)) if there else float("nan")
    return (0.0 if value is None else float(value)), float(predicted.any())


def difference(now: Floats, then: Floats) -> float:
    """Return the largest relative difference of answers from those given before, infinite where a number is lost."""
    now = now[:, : then.shape[1]]
    both = np.isfinite(now) & np.isfinite(then)
    if not np.array_equal(np.isfinite(now), np.isfinite(then)):
        return float("inf")
    scale = max(1.0, float(np.abs(then[both]).max())) if both.any() else 1.0
    return float(np.abs(now - then)[both].max()) / scale if both.any() else 0.0
