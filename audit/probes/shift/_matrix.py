"""What the model does under each protocol by itself, and where it never saw the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, ClassView, Estimate, Measurement, Predictions, ProbeContext
from audit.probes._shared import (
    ALL_SET_ASIDE,
    NO_OPERATING_POINT,
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


def across_training(ctx: ProbeContext, attribute: Attribute, index: int) -> Iterator[Measurement]:
    """Give what the model loses under protocols that it has not learned from, where these are declared.

    Cases whose protocol nobody knows are on neither side.

    Args:
        ctx: The probe's context.
        attribute: The protocol.
        index: Place of the class among the views.
    """
    if not attribute.spec.trained_on:
        return
    known = np.flatnonzero(attribute.levels != MISSING_LEVEL)
    clean = Predictions(
        raw=ctx.clean.raw[known], card=ctx.clean.card, targets=ctx.clean.targets[known], columns=ctx.clean.columns
    )
    fewer = replace(ctx, cohort=ctx.cohort.subset(known), clean=clean)
    seen = np.isin(attribute.levels[known], attribute.spec.trained_on)
    parts = [Level(attribute=attribute.name, name=name, members=m) for name, m in ((UNSEEN, ~seen), (SEEN, seen))]
    view = clean.views[index]
    for contrast in (area_contrast(fewer, view), *decision_contrasts(fewer, view)):
        own = replace(contrast, metric=f"cross_protocol_{contrast.metric}")
        for m in contrast_partitions(fewer, ((attribute.name, parts),), own):
            # The other level says the same with another sign.
            if m.subgroup[attribute.name] == UNSEEN:
                yield m
