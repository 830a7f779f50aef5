"""Cases without an answer, in all, by class, and by level of each protected, protocol or confounding attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext, Scalar, class_views
from audit.probes._shared import levels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

DECLINED, EITHER = "share_declined", "share_set_aside_or_declined"
UNDECLARED = "the cohort declares no column of cases that the model declined (cohort.ungradable)"
LOST_TRACK = "cases were set aside, and whose they are is not known"
NOBODY = "no case of it was read"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Everyone:
    """The cases that are used, then those that were set aside.

    Args:
        patients: (m,) patient codes.
        lost: (m,) bool, set aside or declined.
        declined: (m,) bool, None where it is not declared.
        placed: Whether all cases that were set aside are among them.
    """

    patients: NDArray[np.int64]
    lost: Bools
    declined: Bools | None
    placed: bool

    def share(self, event: Bools | None, rows: Bools) -> Estimate:
        """Return the share of some cases in which it happened, a fact of this cohort."""
        n, n_patients = int(rows.sum()), int(np.unique(self.patients[rows]).size)
        if event is None or not self.placed or not n:
            reason = UNDECLARED if event is None else LOST_TRACK if not self.placed else NOBODY
            return Estimate.absent(reason, method="count", n=n, n_patients=n_patients)
        k = int((event & rows).sum())
        return Estimate.counted(k / n, n=n, n_patients=n_patients, k=k)


def lost_by_group(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the shares of cases declined, and of cases set aside or declined, in all and by group."""
    everyone = _everyone(ctx)
    for metric, event in ((DECLINED, everyone.declined), (EITHER, everyone.lost)):
        yield _given(ctx, metric, everyone.share(event, np.ones(len(everyone.lost), dtype=bool)))
        # What is not declared is said once; what nobody can place is said of every group.
        if event is None:
            continue
        classes = list(_classes(ctx))
        for name, rows in classes:
            yield _given(ctx, metric, everyone.share(event, rows), condition={"class": name})
        for attribute in ctx.cohort.by_role("protected", "protocol", "confounder"):
            # Gaps between protocols and costs of confounders rest on the answered cases of a class in a level alone.
            crossed = [] if set(attribute.roles) & {"protected"} else classes
            for subgroup, rows in _levels(ctx, attribute):
                yield _given(ctx, metric, everyone.share(event, rows), subgroup=subgroup)
                for name, own in crossed:
                    estimate = everyone.share(event, rows & own)
                    yield _given(ctx, metric, estimate, condition={"class": name}, subgroup=subgroup)


def _everyone(ctx: ProbeContext) -> _Everyone:
    cohort, aside = ctx.cohort, ctx.cohort.aside
    n, m = len(cohort), 0 if aside is None else len(aside)
    own = np.zeros(n, dtype=bool) if cohort.ungradable is None else cohort.ungradable
    beside = np.zeros(m, dtype=bool) if aside is None or aside.ungradable is None else aside.ungradable
    known = cohort.ungradable is not None or (aside is not None and aside.ungradable is not None)
    return _Everyone(
        patients=cohort.patients if aside is None else np.concatenate([cohort.patients, aside.patients]),
        lost=np.concatenate([own, np.ones(m, dtype=bool)]),
        declined=np.concatenate([own, beside]) if known else None,
        placed=aside is not None or not cohort.ledger.set_aside,
    )


def _classes(ctx: ProbeContext) -> Iterator[tuple[str, Bools]]:
    """Give name and cases (m,) of each class or finding; of a binary task of both classes, of events of survival."""
    cohort, aside, card = ctx.cohort, ctx.cohort.aside, ctx.card
    known = np.ones(len(cohort), dtype=bool)
    targets = cohort.targets
    if aside is not None:
        known, targets = np.concatenate([known, aside.known]), np.concatenate([targets, aside.targets])
    if card.task == "survival":
        yield "event", known & (targets[:, 1] == 1)
        return
    views = class_views(np.zeros((len(targets), *ctx.clean.scores.shape[1:])), targets, card)
    for view in views:
        if card.task == "binary":
            negative, positive = cohort.classes if len(cohort.classes) == 2 else ("negative", "positive")
            yield negative, known & ~view.labels
            yield positive, known & view.labels
        else:
            yield str(view.name), known & view.labels


def _levels(ctx: ProbeContext, attribute: Attribute) -> Iterator[tuple[dict[str, Scalar], Bools]]:
    aside = ctx.cohort.aside
    if len(attribute.levels) != len(ctx.cohort):
        # A table that does not hold every case is named as unreconciled.
        return
    for level in levels_of(attribute, aside):
        yield level.subgroup, np.concatenate([level.members, level.aside])


def _given(
    ctx: ProbeContext, metric: str, estimate: Estimate, *, condition: dict[str, Scalar] | None = None,
    subgroup: dict[str, Scalar] | None = None,
) -> Measurement:  # fmt: skip
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction="lower", condition=condition or {},
        subgroup=subgroup,
    )  # fmt: skip
