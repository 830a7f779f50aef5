"""What the model does under each protocol by itself, and where it never saw the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, ClassView, Estimate, Measurement, ProbeContext
from audit.probes._shared import (
    ALL_SET_ASIDE,
    NO_OPERATING_POINT,
    Contrast,
    Level,
    area_contrast,
    contrast_partitions,
    count_patients,
    decision_contrasts,
    levels_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEN, UNSEEN = "in training", "not in training"


def by_protocol(ctx: ProbeContext, attribute: Attribute, view: ClassView) -> Iterator[Measurement]:
    """Give the AUC, the sensitivity and the specificity of every level."""
    for level in levels_of(attribute, ctx.cohort.aside):
        for metric, estimate in _rates(ctx, view, level.members):
            yield Measurement.of(
                estimate, metric=metric, level=ctx.levels.confidence, direction="higher", subgroup=level.subgroup,
                condition=dict(view.condition),
            )  # fmt: skip


def _rates(ctx: ProbeContext, view: ClassView, members: NDArray[np.bool_]) -> Iterator[tuple[str, Estimate]]:
    from audit.stats import auc, proportion

    patients, decisions = ctx.cohort.patients, view.decisions
    if not members.any():
        for metric in ("auc", "sensitivity", "specificity"):
            yield metric, Estimate.absent(ALL_SET_ASIDE, method="none")
        return
    yield "auc", auc(view.scores[members], view.labels[members], patients[members], ctx.levels)
    for metric, label in (("sensitivity", True), ("specificity", False)):
        rows = members & (view.labels == label)
        if decisions is None:
            n, whose = int(rows.sum()), count_patients(patients, rows)
            yield metric, Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=whose)
        else:
            yield metric, proportion(decisions[rows] == label, patients[rows], ctx.levels)


def across_training(ctx: ProbeContext, attribute: Attribute, view: ClassView) -> Iterator[Measurement]:
    """Give what the model loses under protocols that it has not learned from, where these are declared."""
    if not attribute.spec.trained_on:
        return
    seen = np.isin(attribute.levels, attribute.spec.trained_on)
    unknown = attribute.levels == MISSING_LEVEL
    parts = [
        Level(attribute=attribute.name, name=name, members=rows)
        for name, rows in ((UNSEEN, ~seen & ~unknown), (SEEN, seen), (MISSING_LEVEL, unknown))
        if name != MISSING_LEVEL or rows.any()
    ]
    for contrast in (area_contrast(ctx, view), *decision_contrasts(ctx, view)):
        own = Contrast(
            metric=f"cross_protocol_{contrast.metric}", denominator=contrast.denominator, estimate=contrast.estimate,
            condition=contrast.condition,
        )  # fmt: skip
        for m in contrast_partitions(ctx, ((attribute.name, parts),), own):
            # The other levels say the same with another sign, or nothing of training.
            if m.subgroup[attribute.name] == UNSEEN:
                yield m
