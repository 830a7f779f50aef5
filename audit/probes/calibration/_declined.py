"""Cases that the model declined to answer: how many, of whom, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._prevalence import IN_SAMPLE, at_prevalence, sample_stratum, settings, why_not
from audit.probes._shared import Contrast, contrast_levels, levels_of
from audit.probes._unanswered import unanswered, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

UNDECLARED = "the cohort declares no column of cases that the model declined (cohort.ungradable)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Intake:
    """All cases that the model answered or declined.

    Args:
        patients: (m,) patient codes; the answered cases of the cohort first, then declined ones that have no score.
        declined: (m,) True where the model declined.
        known: (m,) True where the target is known.
        targets: (m, ...) as `Cohort.targets`.
        attributes: Protected attributes of the m cases.
    """

    patients: NDArray[np.int64]
    declined: Bools
    known: Bools
    targets: NDArray[Any]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.patients)


def intake(ctx: ProbeContext) -> Intake | None:
    """Return the cases that were answered or declined, None where it is not declared which were declined.

    Cases that were set aside for another reason were neither and are not among them.
    """
    cohort, aside = ctx.cohort, ctx.cohort.aside
    beside = None if aside is None else aside.ungradable
    if cohort.ungradable is None and beside is None:
        return None
    own = np.zeros(len(cohort), dtype=bool) if cohort.ungradable is None else cohort.ungradable
    protected = {a.name: a for a in cohort.by_role("protected")}
    if aside is None or beside is None or not beside.any():
        known = np.ones(len(cohort), dtype=bool)
        return Intake(patients=cohort.patients, declined=own, known=known, targets=cohort.targets, attributes=protected)
    attributes = {}
    for name, attribute in protected.items():
        there = aside.attributes.get(name)
        levels = np.full(int(beside.sum()), MISSING_LEVEL) if there is None else there.levels[beside]
        attributes[name] = replace(attribute, levels=np.concatenate([attribute.levels, levels]), numbers=None)
    return Intake(
        patients=np.concatenate([cohort.patients, aside.patients[beside]]),
        declined=np.concatenate([own, np.ones(int(beside.sum()), dtype=bool)]),
        known=np.concatenate([np.ones(len(cohort), dtype=bool), aside.known[beside]]),
        targets=np.concatenate([cohort.targets, aside.targets[beside]]),
        attributes=attributes,
    )


def with_others(ctx: ProbeContext, found: Intake) -> Intake:
    """Return these cases and those set aside for another reason whose target is known: nobody got an answer."""
    gone, aside = unanswered(ctx), ctx.cohort.aside
    if aside is None:
        return found
    refused = np.zeros(len(aside), dtype=bool) if aside.ungradable is None else aside.ungradable
    others = gone.known & ~refused
    count = int(others.sum())
    return Intake(
        patients=np.concatenate([found.patients, aside.patients[others]]),
        declined=np.concatenate([found.declined, np.zeros(count, dtype=bool)]),
        known=np.concatenate([found.known, np.ones(count, dtype=bool)]),
        targets=np.concatenate([found.targets, aside.targets[others]]),
    )


def rate(ctx: ProbeContext, found: Intake, event: Bools, rows: Bools) -> Estimate:
    """Return the share of some cases in which something happened."""
    from audit.stats import proportion

    return proportion(event[rows], found.patients[rows], ctx.levels)


def shares(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give the share of cases that the model declined, of all and by level of each protected attribute."""
    found = intake(ctx)
    if found is None:
        yield _given(ctx, Estimate.absent(UNDECLARED, method="none"), "share_declined", {})
        return
    everyone = Event(found=found, event=found.declined, rows=np.ones(len(found), dtype=bool))
    yield from mixed(ctx, everyone, "share_declined")
    joined = replace(ctx, cohort=replace(ctx.cohort, patients=found.patients))
    for attribute in found.attributes.values():
        for level in levels_of(attribute):
            share = rate(ctx, found, found.declined, level.members)
            yield _given(ctx, share, "share_declined", {"stratum": IN_SAMPLE}, subgroup=level.subgroup)
        if len(attribute.level_names()) > 1:
            yield from contrast_levels(joined, attribute, _gap(ctx, found))


def _gap(ctx: ProbeContext, found: Intake) -> Contrast:
    from audit.stats import proportion_gap

    def gap(members: Bools) -> Estimate:
        return proportion_gap(found.declined, members, found.patients, ctx.levels)

    everyone = np.ones(len(found), dtype=bool)
    condition: dict[str, Scalar] = {"stratum": IN_SAMPLE}
    return Contrast(metric="share_declined_gap", denominator=everyone, estimate=gap, condition=condition)


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """Something that happens in some of the cases.

    Args:
        found: The cases.
        event: (m,) True where it happened.
        rows: (m,) True for the denominator; at a prevalence only those whose target is known.
    """

    found: Intake
    event: Bools
    rows: Bools

    def at(self, ctx: ProbeContext, prevalence: float | None) -> Estimate:
        """Return the share at a prevalence, None for this sample."""
        found, rows = self.found, self.rows
        if prevalence is None:
            return rate(ctx, found, self.event, rows)
        sides = [rows & found.known & ((found.targets == 1) == ill) for ill in (True, False)]
        each = [rate(ctx, found, self.event, side) for side in sides]
        both = np.intersect1d(*(found.patients[side] for side in sides)).size > 0
        n_patients = int(np.unique(found.patients[sides[0] | sides[1]]).size)
        return at_prevalence(
            each[0], each[1], prevalence, shared=both, n_patients=n_patients,
            method="weighted Korn-Graubard, MOVER",
        )  # fmt: skip


def mixed(
    ctx: ProbeContext, asked: Event, metric: str, condition: Mapping[str, Scalar] | None = None,
    worst: Event | None = None,
) -> Iterator[Measurement]:  # fmt: skip
    """Give a share at the declared prevalence and the ends of its range, else in this sample.

    Args:
        ctx: The probe's context.
        asked: What is counted.
        metric: The metric.
        condition: Condition keys beside that of the prevalence.
        worst: The same with further cases as failures, which the bounds then hold with, too.
    """
    about, own = dict(condition or {}), sample_stratum(ctx)
    at: list[float | None] = [setting.prevalence for setting in settings(ctx)]
    if not at and metric.startswith("risk") and own == IN_SAMPLE:
        # A rule that does not ask for the stratum then finds that its number is missing.
        share = asked.at(ctx, None)
        nothing = Estimate.absent(why_not(ctx), method="none", n=share.n, n_patients=share.n_patients)
        yield _given(ctx, nothing, metric, about)
    for prevalence in at or [None]:
        share = asked.at(ctx, prevalence)
        more = 0 if worst is None else len(worst.found) - len(asked.found)
        if worst is not None and more:
            share = widened(share, worst.at(ctx, prevalence), more)
        stratum = own if prevalence is None else f"prevalence {prevalence:g}"
        yield _given(ctx, share, metric, {**about, "stratum": stratum})


def _given(
    ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar],
    subgroup: dict[str, Scalar] | None = None, direction: Direction = "lower",
) -> Measurement:  # fmt: skip
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition,
        subgroup=subgroup,
    )  # fmt: skip
