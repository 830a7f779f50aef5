"""SHIFT006 out-of-distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Access,
    Estimate,
    Measurement,
    NotApplicable,
    OtherSplit,
    Probe,
    ProbeContext,
    ProbeInfo,
)
from audit.probes._images import batch_size, grey, load_images, load_masks, sample_cases
from audit.probes.shift._alarms import Threshold, unnoticed
from audit.probes.shift._foreign import KINDS, Foreign
from audit.probes.shift._monitor import WORDS, Heard, hear, source_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NO_NUMBER = "the monitor gives no finite number"
NO_IMAGES = "the split that is declared foreign has no images to show"
UNCHANGED = "only {share:.0%} of these images are other than the cohort's own"
LEAST_CHANGED = 0.5
SHOWN = 3


class OutOfDistribution(Probe):
    """Whether anything says so when the model is given an image that it is not meant for.

    What it measures:
        The model is given images that do not belong, and what is heard of them is compared with what is heard of the
        cohort's own: the declared monitor ([model] `monitor`, the higher the more unlike), or where there is none the
        model's own doubt, 1 minus the probability of its answer. The images (condition `parameter`): noise of the
        image's own mean and spread; a blank image; inverted intensities; folded intensities, which stand for another
        contrast; the image cut into blocks and scrambled; ellipsoids, which stand for another organ; an incidental
        finding, a bright or dark figure away from the reference mask; and every `[[cohort.other]]` that is declared
        `foreign`, for example radiographs of another organ.

        `ood_auroc` is the AUC with which the alarm tells such images from the cohort's own: 0.5 means not at all, below
        it such images are heard less than the own ones. `unnoticed_rate` is the share that raises no alarm at the
        threshold at which one in twenty of the cohort's own images does; its interval allows for a threshold that was
        taken from these images, too, so that under some 90 patients nothing bounds it from above. `confident_rate` is
        the share that is answered with at least the median probability of the cohort's own. Patients are the unit, and
        the same patients stand on both sides. Images that cannot be made foreign, as blank ones cannot be inverted,
        have no number.

    Why it matters clinically:
        A model in service is sent the wrong organ, an inverted image, a failed exposure, and answers each with a
        probability. A reader who looks for one disease overlooks another in plain sight, and so does a model that was
        trained to find one: only a monitor can say that something else is there.

    Known problems:
        The images are drawn or made from the cohort's own, except those of a declared split: real wrong images differ
        in more. Noise and blanks are easy; the incidental finding is the hard case, and it is no real pathology.
        Doubt is no monitor: a confident model is not right about what it does not know, and one that is in doubt
        everywhere has a high `unnoticed_rate`.

    Example:
        A chest model without a monitor is more confident on noise than on half of its own images: `ood_auroc` 0.21,
        `confident_rate` 0.97 for `parameter = noise`.

    References:
        - Hendrycks and Gimpel 2017, A baseline for detecting misclassified and out-of-distribution examples in neural
          networks, ICLR.
        - Drew, Võ and Wolfe 2013, The invisible gorilla strikes again: sustained inattentional blindness in expert
          observers, Psychological Science 24.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SHIFT006",
        name="out-of-distribution",
        family="SHIFT",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=("ood_auroc", "unnoticed_rate", "confident_rate"),
        title="Images that do not belong",
        question="Does anything say so when an image does not belong?",
        method=(
            "AUC of the monitor, or of the model's own doubt, between images that do not belong and the cohort's own, "
            "Obuchowski's interval by patient; shares without an alarm at one false alarm in twenty."
        ),
        limits="Drawn and altered images stand for real wrong ones, which differ in more.",
        references=(
            "Hendrycks and Gimpel 2017, ICLR", "Drew and others 2013, Psychological Science 24",
            "Obuchowski 1997, Biometrics 53",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Show images that do not belong; see `Probe.run`."""
        if ctx.card.access < Access.QUERY:
            raise NotApplicable("saved predictions cannot be asked about other images")
        if ctx.cohort.images is None:
            raise NotApplicable("the cohort has no images")
        whose = source_of(ctx)
        cases = sample_cases(ctx.cohort.patients, ctx.budget.foreign_cases, ctx.rng)
        patients = ctx.cohort.patients[cases]
        own = _heard(ctx, cases)[0]
        sound = bool(np.isfinite(own.alarm).all())
        common = _Own(own, patients, Threshold.of(own.alarm, patients, ctx.levels) if sound else None, WORDS[whose])
        for kind in KINDS.values():
            heard, changed = _heard(ctx, cases, kind, int(ctx.rng.integers(2**63)))
            why = UNCHANGED.format(share=changed) if changed < LEAST_CHANGED else ""
            yield from _measured(ctx, kind.name, common, heard, patients, why)
        for split in ctx.cohort.others:
            if not split.foreign:
                continue
            if split.images is None or not len(split):
                nobody = Heard(alarm=np.zeros(0), doubt=None if own.doubt is None else np.zeros(0))
                yield from _measured(ctx, split.name, common, nobody, np.zeros(0, dtype=np.int64), NO_IMAGES)
                continue
            heard, ids = _of_split(ctx, split)
            yield from _measured(ctx, split.name, common, heard, ids + patients.max() + 1)
        _keep(ctx, cases[:SHOWN])


@dataclass(frozen=True)
class _Own:
    """What was heard of the cohort's own images, with their patients, the threshold, and who is heard, in words."""

    heard: Heard
    patients: NDArray[np.int64]
    threshold: Threshold | None
    whose: str


def _heard(
    ctx: ProbeContext, cases: NDArray[np.int64], kind: Foreign | None = None, seed: int = 0
) -> tuple[Heard, float]:
    """Return the alarms over some cases, as they are or made foreign, batch by batch, and the share that is changed."""
    size = batch_size(load_images(ctx.cohort, cases[:1])[0], ctx.budget.batch_size)
    parts, changed = [], 0
    for start in range(0, cases.size, size):
        rows = cases[start : start + size]
        images = load_images(ctx.cohort, rows)
        shown = images if kind is None else _changed(ctx, kind, images, rows, seed)
        changed += int((shown != images).reshape(len(rows), -1).any(axis=1).sum())
        parts.append(hear(ctx, shown))
    return _joined(parts), changed / cases.size


def _joined(parts: list[Heard]) -> Heard:
    doubts = [p.doubt for p in parts if p.doubt is not None]
    return Heard(alarm=np.concatenate([p.alarm for p in parts]), doubt=np.concatenate(doubts) if doubts else None)


def _changed(
    ctx: ProbeContext, kind: Foreign, images: NDArray[np.float32], cases: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    masks = [None] * len(cases) if ctx.cohort.masks is None else load_masks(ctx.cohort, cases).astype(bool)
    # A generator a case, so that nothing depends on the size of the batches.
    return np.stack(
        [
            kind.make(image, mask, np.random.default_rng([seed, int(case)]))
            for image, mask, case in zip(images, masks, cases, strict=True)
        ]
    )


def _of_split(ctx: ProbeContext, split: OtherSplit) -> tuple[Heard, NDArray[np.int64]]:
    """Return what is heard of a declared split, and codes of its patients."""
    limit = len(split) if ctx.budget.foreign_cases is None else min(len(split), ctx.budget.foreign_cases)
    rows = np.sort(ctx.rng.choice(len(split), size=limit, replace=False))
    size = batch_size(np.zeros((ctx.card.input.channels, *ctx.card.input.size)), ctx.budget.batch_size)
    parts = []
    for start in range(0, limit, size):
        images = np.stack([split.images.load(int(i)) for i in rows[start : start + size]])  # type: ignore[union-attr]
        parts.append(hear(ctx, images.astype(np.float32)))
    ids = split.patient_ids[rows] if split.patient_declared else split.case_ids[rows]
    return _joined(parts), np.unique(ids, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _measured(
    ctx: ProbeContext, name: str, own: _Own, foreign: Heard, of_foreign: NDArray[np.int64], why: str = ""
) -> Iterator[Measurement]:
    """Give the three numbers of one kind of image; absent where a reason is given."""
    from audit.stats import auc, proportion

    n, n_patients = foreign.alarm.size, int(np.unique(of_foreign).size)
    common: dict[str, Any] = {"level": ctx.levels.confidence, "condition": {"parameter": name, "stratum": own.whose}}
    absent = Estimate.absent(why or NO_NUMBER, method="none", n=n, n_patients=n_patients)
    told, missed = absent, absent
    if not why and own.threshold is not None and np.isfinite(foreign.alarm).all():
        labels = np.repeat([True, False], [n, own.heard.alarm.size])
        alarms, patients = np.concatenate([foreign.alarm, own.heard.alarm]), np.concatenate([of_foreign, own.patients])
        told = auc(alarms, labels, patients, ctx.levels)
        missed = unnoticed(own.threshold, foreign.alarm, of_foreign, ctx.levels)
    yield Measurement.of(told, metric="ood_auroc", direction="higher", **common)
    yield Measurement.of(missed, metric="unnoticed_rate", direction="lower", **common)
    if own.heard.doubt is None or foreign.doubt is None:
        return
    sure = absent
    if not why and np.isfinite(own.heard.doubt).all() and np.isfinite(foreign.doubt).all():
        sure = proportion(foreign.doubt <= np.median(own.heard.doubt), of_foreign, ctx.levels)
    yield Measurement.of(sure, metric="confident_rate", direction="lower", **common)


def _keep(ctx: ProbeContext, cases: NDArray[np.int64]) -> None:
    """Offer some of the images, whose pixels the runner stores for phantoms or on request."""
    images = load_images(ctx.cohort, cases)
    low, span = ctx.card.input.range[0], ctx.card.input.span
    made = {name: _changed(ctx, KINDS[name], images, cases, 0) for name in _PICTURED}
    ctx.sink.artifact(
        "foreign_examples",
        "Images that do not belong, made from the cohort's own",
        {
            "images": grey((images - low) / span),
            **{name.replace(" ", "_"): grey((v - low) / span) for name, v in made.items()},
        },
        pixels=True,
    )  # fmt: skip


_PICTURED = ("incidental finding", "inverted intensities", "scrambled anatomy")
