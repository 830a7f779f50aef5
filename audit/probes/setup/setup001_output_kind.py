"""SETUP001 output-kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import CLASSIFICATION, Access, Measurement, ModelCard, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.setup._checks import counted, read, some_cases, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fewer answers can lie in [0, 1], or be alike, by chance.
ENOUGH = 20
_TOO_FEW = f"fewer than {ENOUGH} cases"
_SUM, _END = 1e-3, 1e-6
_FEW_OF_A_CLASS = f"fewer than {ENOUGH} positives or negatives"
_SIGNS, _DECISIONS = "logits-of-both-signs", "decisions-of-both-kinds"
_STRAY = 0.05
# What the ledger says of cases that have no usable answer; the texts are part of the evidence.
_OUTSIDE = ("outside [0, 1]",)
_NO_NUMBER = ("no finite number", "the score is no number")
_NO_ANSWER = ("no saved prediction", "the score is empty")
_OTHER_SIZE = ("mask has another size",)


class OutputKind(Probe):
    """Whether the outputs are what they were declared to be.

    What it measures:
        One count of faults for each check: that the number of outputs fits the classes; that all are finite, those of
        the cases among them that were set aside for it; that hardly a saved answer is lacking; under `probabilities`,
        that they lie in [0, 1] and that those of exclusive classes sum to 1; under `logits`, that they are not
        probabilities in disguise (all within [0, 1] and, for exclusive classes, summing to 1, on 20 cases or more);
        that no output is the same for all cases; and that scores are not all exactly 0 or 1. For a binary model with
        20 positives and 20 negatives or more: that not every logit is 0 or above, and that the operating point puts
        some cases on either side. Masks are checked in the same way on a sample of images.

    Why it matters clinically:
        A sigmoid that is applied twice squeezes every score between 0.5 and 0.73. The ranking stays, so that the
        AUC looks as it should, while each threshold, each calibration and each alarm in practice is wrong. Scores in
        percent that are declared as logits make every case positive, and a sensitivity of 1.

    Known problems:
        A classifier of logits that all happen to lie in [0, 1] is taken for one of probabilities. Hard labels given
        as probabilities are a fault here though they may be what a product shows. Saved scores that are absent, no
        number or outside [0, 1] are taken for damaged rows, which are set aside, until they are more than 5 % of all:
        the hard cases may be among them. A model that is run must have a finite answer to every image.

    Example:
        `output = "logits"` over a network that ends in a softmax: the check `logits-are-probabilities` counts 1, and
        no PASS is given until the declaration is corrected.

    References:
        - Guo et al. 2017, On calibration of modern neural networks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SETUP001",
        name="output-kind",
        family="SETUP",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "survival"),
        metrics=("faults",),
        title="Kind of output",
        question="Are the outputs what they were declared to be?",
        method="Counts of failed checks on the range, the sum, the number and the spread of the outputs.",
        limits="A wrong declaration that leaves range and sum as they should be is not seen.",
        references=("Guo et al. 2017, On calibration of modern neural networks, ICML",),
        self_check=True,
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count the failed checks; see `Probe.run`.

        Raises:
            NotApplicable: A segmentation whose masks cannot be asked for.
        """
        if ctx.card.task == "segmentation":
            return list(_masks(ctx))
        return [*_table(ctx), *_spread(ctx), *_scale(ctx)]


def _table(ctx: ProbeContext) -> Iterator[Measurement]:
    raw, card, rows = ctx.clean.raw, ctx.card, np.arange(len(ctx.cohort))
    yield counted(ctx, "outputs-fit-classes", not fits_classes(raw.shape[1], card), rows)
    yield counted(ctx, "finite", not np.isfinite(raw).all() or _lost(ctx, _NO_NUMBER), rows)
    if card.access == Access.SAVED:
        yield counted(ctx, "answered", _lost(ctx, _NO_ANSWER + _NO_NUMBER + _OUTSIDE), rows)
    if card.task not in CLASSIFICATION:
        return
    exclusive = card.task != "multilabel" and raw.shape[1] > 1
    if card.output == "probabilities":
        yield counted(ctx, "within-0-1", _outside(ctx), rows)
        if exclusive:
            yield counted(ctx, "sum-to-1", not _sums_to_1(raw), rows)
    elif card.output == "logits" and len(rows) < ENOUGH:
        yield unknown(ctx, "logits-are-probabilities", _TOO_FEW, rows)
    elif card.output == "logits":
        inside = bool(((raw >= 0) & (raw <= 1)).all()) and bool(np.ptp(raw, axis=0).any())
        yield counted(ctx, "logits-are-probabilities", inside and (not exclusive or _sums_to_1(raw)), rows)


def _spread(ctx: ProbeContext) -> Iterator[Measurement]:
    raw, card, rows = ctx.clean.raw, ctx.card, np.arange(len(ctx.cohort))
    checks = ["not-constant"] + (["not-saturated"] if card.task in CLASSIFICATION else [])
    if len(rows) < ENOUGH:
        yield from (unknown(ctx, check, _TOO_FEW, rows) for check in checks)
        return
    flat = np.ptp(raw, axis=0) == 0
    # A rare class that a classifier of exclusive classes never considers is its weakness, no wrong declaration.
    yield counted(ctx, checks[0], bool(flat.any() if card.task == "multilabel" else flat.all()), rows)
    if len(checks) > 1:
        scores = ctx.clean.scores
        yield counted(ctx, checks[1], bool(((scores < _END) | (scores > 1 - _END)).all()), rows)


def _scale(ctx: ProbeContext) -> Iterator[Measurement]:
    """Look for scores, or a threshold, on another scale than declared, such as percentages given as logits."""
    if ctx.card.task != "binary" or ctx.card.output not in ("logits", "probabilities"):
        return
    (view,), rows = ctx.clean.views, np.arange(len(ctx.cohort))
    enough = min(int(view.labels.sum()), int((~view.labels).sum())) >= ENOUGH
    if ctx.card.output == "logits":
        # A logit of 0 is a probability of 0.5: a model that ranks at all puts some of many negatives below it.
        same_sign = bool((view.scores >= 0.5).all())
        yield counted(ctx, _SIGNS, same_sign, rows) if enough else unknown(ctx, _SIGNS, _FEW_OF_A_CLASS, rows)
    if view.decisions is not None:
        constant = bool(view.decisions.all() or not view.decisions.any())
        yield counted(ctx, _DECISIONS, constant, rows) if enough else unknown(ctx, _DECISIONS, _FEW_OF_A_CLASS, rows)


def fits_classes(outputs: int, card: ModelCard) -> bool:
    """Tell whether a number of outputs fits a model's task and classes."""
    classes = len(card.classes)
    if card.task == "binary":
        return outputs in (1, 2)
    if card.task in ("multiclass", "ordinal"):
        return outputs == classes if classes else outputs >= 2
    if card.task == "multilabel":
        return outputs == classes or not classes
    return outputs == 1


def _sums_to_1(raw: NDArray[np.float64]) -> bool:
    return bool((np.abs(raw.sum(axis=1) - 1) <= _SUM).all())


def _outside(ctx: ProbeContext) -> bool:
    """Tell whether scores leave [0, 1], those that were set aside for it among them."""
    return bool(((ctx.clean.raw < 0) | (ctx.clean.raw > 1)).any()) or _lost(ctx, _OUTSIDE)


def _lost(ctx: ProbeContext, phrases: tuple[str, ...]) -> bool:
    """Tell whether more cases were set aside for their answers than a few damaged rows of a file explain.

    What is left of a cohort would otherwise look the better the more of the hard cases got no answer.
    """
    counts = ctx.cohort.ledger.set_aside.items()
    aside = sum(count for reason, count in counts if any(phrase in reason for phrase in phrases))
    strays = _STRAY if ctx.card.access == Access.SAVED else 0.0
    return aside > strays * (aside + len(ctx.cohort))


def _masks(ctx: ProbeContext) -> Iterator[Measurement]:
    if ctx.card.access < Access.QUERY or ctx.cohort.images is None:
        raise NotApplicable("only summaries of masks were saved, and the model cannot be asked for a mask")
    rows = some_cases(ctx)
    low, high, finite, shape, fitting, changing = np.inf, -np.inf, True, True, True, False
    for batch in read(ctx, rows):
        masks = ctx.model.predict(batch.images)
        shape = shape and masks.shape[2:] == batch.images.shape[2:]
        fitting = fitting and (not ctx.card.classes or masks.shape[1] in (1, len(ctx.card.classes)))
        finite = finite and bool(np.isfinite(masks).all())
        low, high = min(low, float(np.nanmin(masks))), max(high, float(np.nanmax(masks)))
        changing = changing or bool(np.ptp(masks.reshape(len(masks), -1), axis=1).any())
    inside = low >= 0 and high <= 1
    shape = shape and not _lost(ctx, _OTHER_SIZE)
    yield counted(ctx, "outputs-fit-classes", not (shape and fitting), rows)
    yield counted(ctx, "finite", not finite or _lost(ctx, _NO_NUMBER), rows)
    if ctx.card.output == "mask_probabilities":
        yield counted(ctx, "within-0-1", not inside, rows)
    else:
        yield counted(ctx, "logits-are-probabilities", inside and changing, rows)
    yield counted(ctx, "not-constant", not changing, rows)
