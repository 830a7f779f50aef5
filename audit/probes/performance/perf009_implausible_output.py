"""PERF009 implausible-output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes.performance._rates import given
from audit.probes.performance._segmentation import NOT_MEASURED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EDGE = 1e-6
BINS = 30
STEADY = "the reference does not vary"
NO_MASK = "no reference mask holds anything"


class ImplausibleOutput(Probe):
    """Whether the model gives answers that no patient has, or the same answer to too many of them.

    What it measures:
        `share_commonest`: the share of cases that get the one answer that most of them get, 0 where all answers differ.
        For probabilities `share_saturated`: the share within one millionth of 0 or 1. For a real value and for the
        volume of a segmentation: `share_outside_range`, the share of answers below the smallest or above the largest
        reference of this cohort, and `spread_ratio`, the standard deviation of the answers over that of the reference:
        below 1 the model keeps to the mean and tells patients apart less than they differ, above 1 it exaggerates.
        For a segmentation also `share_empty`, the share of cases with something to find in which the mask is empty,
        and `extra_lesions`, connected parts of the model's mask minus those of the reference, a case.

    Why it matters clinically:
        An age of 140 or an empty heart is seen by everybody and shakes trust in the rest. Worse is what nobody sees:
        a network that is regularised so hard that it draws a healthy heart into every chest, or a regression that
        answers the mean for all who are unusual. Both look plausible case by case and are wrong where it matters.

    Known problems:
        The range is that of this cohort: with few cases an answer outside it may be right, and noise alone carries a
        few answers over both ends. A reference with errors of its own is spread too widely, so that an honest model
        has a `spread_ratio` a little below 1. Scores that were rounded before they were saved share values. What is
        anatomically possible is known for the organ, not to this probe: it compares with the reference masks alone.

    Example:
        A brain age model answers 62 to everybody above 75: `spread_ratio` is 0.61 (0.55 to 0.67), while its mean
        absolute error of 4 years looks good.

    References:
        - Oktay and others 2018, Anatomically constrained neural networks (ACNNs): application to cardiac image
          enhancement and segmentation, IEEE Transactions on Medical Imaging 37.
        - Korn and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts
          estimated from survey data, Survey Methodology 24.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF009",
        name="implausible-output",
        family="PERF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        metrics=(
            "share_outside_range", "spread_ratio", "share_commonest", "share_saturated", "share_empty", "extra_lesions",
        ),
        title="Implausible answers",
        question="Does it give answers that no patient has, or one answer to too many?",
        method=(
            "Shares of cases by Korn-Graubard; ratio of standard deviations by patient bootstrap and jackknife; mean "
            "surplus of connected parts by cluster t."
        ),
        limits="Compares with the references of this cohort alone; what is anatomically possible is not known here.",
        references=("Oktay and others 2018, IEEE Transactions on Medical Imaging 37",),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the answers of the model's task; see `Probe.run`."""
        if ctx.card.task == "segmentation":
            if not {"volume_predicted", "volume_reference"} <= set(ctx.clean.columns):
                raise NotApplicable("the volumes were not measured on these cases")
            return _masks(ctx)
        if ctx.card.task == "regression":
            return _values(ctx, ctx.clean.scores, np.asarray(ctx.clean.targets, dtype=np.float64))
        return (measured for view in ctx.clean.views for measured in _scores(ctx, view))


def _scores(ctx: ProbeContext, view: ClassView) -> Iterator[Measurement]:
    yield given(ctx, _commonest(ctx, view.scores), "share_commonest", view.condition, direction="lower")
    if ctx.card.output != "value":
        saturated = np.minimum(view.scores, 1 - view.scores) <= EDGE
        yield given(ctx, _share(ctx, saturated), "share_saturated", view.condition, direction="lower")


def _values(ctx: ProbeContext, answers: Floats, reference: Floats) -> Iterator[Measurement]:
    low, high = float(reference.min()), float(reference.max())
    yield given(ctx, _share(ctx, (answers < low) | (answers > high)), "share_outside_range", direction="lower")
    yield given(ctx, _spread_ratio(ctx, answers, reference), "spread_ratio", direction="none")
    yield given(ctx, _commonest(ctx, answers), "share_commonest", direction="lower")
    _draw(ctx, answers, reference)


def _masks(ctx: ProbeContext) -> Iterator[Measurement]:
    from audit.stats import mean, proportion

    predicted, reference = ctx.clean.column("volume_predicted"), ctx.clean.column("volume_reference")
    patients, filled = ctx.cohort.patients, reference > 0
    yield from _values(ctx, predicted, reference)
    empty = Estimate.absent(NO_MASK, method="none")
    if filled.any():
        empty = proportion(predicted[filled] == 0, patients[filled], ctx.levels)
    yield given(ctx, empty, "share_empty", direction="lower")
    surplus = Estimate.absent(NOT_MEASURED, method="none")
    if {"lesions_predicted", "lesions_reference"} <= set(ctx.clean.columns):
        more = ctx.clean.column("lesions_predicted") - ctx.clean.column("lesions_reference")
        surplus = mean(more, patients, ctx.levels)
    yield given(ctx, surplus, "extra_lesions", direction="zero")


def _share(ctx: ProbeContext, rows: NDArray[np.bool_]) -> Estimate:
    from audit.stats import proportion

    return proportion(rows, ctx.cohort.patients, ctx.levels)


def _commonest(ctx: ProbeContext, answers: Floats) -> Estimate:
    """Return the share of cases with the commonest answer; a value that stands once is shared by nobody."""
    distinct, code, counts = np.unique(answers, return_inverse=True, return_counts=True)
    del distinct
    largest = int(np.argmax(counts))
    return _share(ctx, (code == largest) & (counts[largest] > 1))


def _spread_ratio(ctx: ProbeContext, answers: Floats, reference: Floats) -> Estimate:
    from audit.stats import bootstrap_many

    if np.ptp(reference) == 0:
        return Estimate.absent(STEADY, method="none", n=len(reference), n_patients=ctx.cohort.n_patients)
    # Centred first: squares of large volumes would lose digits otherwise.
    both = answers - answers.mean(), reference - reference.mean()

    def ratio(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        own, theirs = (weights @ v**2 / total - (weights @ v / total) ** 2 for v in both)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(theirs > 0, np.sqrt(np.maximum(own, 0) / theirs), np.nan)[:, None]

    (found,) = bootstrap_many(
        ratio, ctx.cohort.patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
        methods=("ratio of standard deviations, patient bootstrap and jackknife",), supports=((0.0, None),),
        jackknife=True,
    )  # fmt: skip
    return found


def _draw(ctx: ProbeContext, answers: Floats, reference: Floats) -> None:
    """Keep how answers and references are spread, on one scale."""
    low, high = min(answers.min(), reference.min()), max(answers.max(), reference.max())
    if high > low:
        edges = np.linspace(low, high, BINS + 1)
        ctx.sink.artifact(
            "output_spread", "Answers of the model and reference values",
            {
                "edges": edges, "model": np.histogram(answers, edges)[0],
                "reference": np.histogram(reference, edges)[0],
            },
            reference_low=float(reference.min()), reference_high=float(reference.max()),
        )  # fmt: skip
