"""SETUP003 label-order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes.setup._checks import counted, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LabelOrder(Probe):
    """Whether the classes are in the order that was declared.

    What it measures:
        For two classes and for each finding, a fault where the upper bound of the AUC lies below 0.5: the score
        is then read upside down. For grades and real values the same with the cases above the median against the
        others. For several exclusive classes, the order of outputs under which most cases would be right is sought
        among one half of the patients; a fault where on the other half it is right more often than the declared
        order, by the lower bound of the paired difference.

    Why it matters clinically:
        With the classes swapped a detector calls the healthy ill. On a cohort with few ill patients its accuracy can
        still look acceptable.

    Known problems:
        A model that is truly worse than chance in this cohort looks the same. Two findings whose outputs were swapped
        are seen only if an AUC falls below 0.5. Grades that are all estimated one too low may look like another
        order.

    Example:
        `classes = ["melanoma", "other"]` over a network that was trained with melanoma last: the AUC is 0.13
        (0.09 to 0.18), a fault.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Kuhn 1955, The Hungarian method for the assignment problem, Naval Research Logistics Quarterly 2.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="SETUP003",
        name="label-order",
        family="SETUP",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        metrics=("faults",),
        title="Order of classes",
        question="Are the classes in the order that was declared?",
        method="AUC below 0.5 by its upper bound; for several classes a better order, found on half of the patients.",
        limits="A model that is truly worse than chance looks like one whose classes were swapped.",
        references=("Obuchowski 1997, Biometrics 53", "Kuhn 1955, Naval Research Logistics Quarterly 2"),
        self_check=True,
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Count the failed checks; see `Probe.run`."""
        task, scores, targets = ctx.card.task, ctx.clean.scores, ctx.clean.targets
        if task in ("binary", "multilabel"):
            return [_reversed(ctx, view.scores, view.labels, view.name) for view in ctx.clean.views]
        found = []
        if task in ("regression", "ordinal"):
            score = scores if task == "regression" else scores @ np.arange(scores.shape[1])
            found.append(_reversed(ctx, score, targets > np.median(targets), None))
        if task in ("multiclass", "ordinal"):
            found.extend(_permuted(ctx))
        return found


def _reversed(
    ctx: ProbeContext, scores: NDArray[np.float64], labels: NDArray[np.bool_], name: str | None
) -> Measurement:
    from audit.stats import auc

    rows = np.arange(len(ctx.cohort))
    estimate = auc(scores, labels, ctx.cohort.patients, ctx.levels)
    bounds = estimate.bounds(ctx.levels.pointwise)
    if bounds is None:
        return unknown(ctx, "score-follows-label", estimate.missing or "no interval of the AUC", rows, name)
    return counted(ctx, "score-follows-label", bounds[1] < 0.5, rows, name)


def _permuted(ctx: ProbeContext) -> Iterator[Measurement]:
    from audit.stats import paired_difference

    rows, patients = np.arange(len(ctx.cohort)), ctx.cohort.patients
    targets, answers = ctx.clean.targets.astype(np.int64), ctx.clean.scores.argmax(axis=1)
    drawn = ctx.rng.permutation(np.unique(patients))
    seeking = np.isin(patients, drawn[: len(drawn) // 2])
    order = best_order(targets[seeking], answers[seeking], ctx.clean.scores.shape[1])
    if order is None:
        yield counted(ctx, "no-better-order", False, rows)
        return
    rest = ~seeking
    right = (answers == targets)[rest].astype(np.float64)
    estimate = paired_difference(
        (order[answers] == targets)[rest].astype(np.float64), right, patients[rest], ctx.levels
    )  # fmt: skip
    bounds = estimate.bounds(ctx.levels.pointwise)
    if bounds is None:
        yield unknown(ctx, "no-better-order", estimate.missing or "no interval of the difference", rows)
    else:
        yield counted(ctx, "no-better-order", bounds[0] > 0, rows)


def best_order(targets: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.int64] | None:
    """Return which class each output stands for where most cases would be right, None where that is the declared one.

    Args:
        targets: (n,) class index.
        answers: (n,) index of the largest output.
        classes: Number of outputs.
    """
    from scipy.optimize import linear_sum_assignment

    size = max(classes, int(targets.max(initial=0)) + 1)
    counts = np.zeros((size, size))
    np.add.at(counts, (answers, targets), 1)
    outputs, meant = linear_sum_assignment(counts, maximize=True)
    if counts[outputs, meant].sum() <= np.trace(counts):
        return None
    order: NDArray[np.int64] = meant.astype(np.int64)
    return order
