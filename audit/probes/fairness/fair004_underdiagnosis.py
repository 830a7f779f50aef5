"""FAIR004 underdiagnosis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Attribute, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import comparable, contrast_levels, contrast_partitions, levels_of
from audit.probes._unanswered import Unanswered, unanswered
from audit.probes.fairness._groups import intersections
from audit.probes.fairness._rates import Rate, gaps_with_failures, own_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import ClassView

HEALTHY = ("no finding", "no findings", "normal", "healthy", "none", "no disease", "negative")
ACROSS = "underdiagnosis_gap_intersection"


class Underdiagnosis(Probe):
    """Whether the ill are called healthy more often in some groups of patients than in others.

    What it measures:
        Among the cases with disease the share that is called healthy at the declared operating point
        (`underdiagnosis`), for each level of each protected attribute; that of the level minus that of all other cases
        (`underdiagnosis_gap`); and the same where two protected attributes meet
        (`underdiagnosis_gap_intersection`). A gap above 0 means that the group is sent home more often though ill.
        Called healthy is, for two classes, the negative one; for several classes or grades, the class with a name
        such as "no finding" or "normal", else the first; for several findings, that no finding reaches its
        operating point, or, where "no finding" is among the findings, that it does. Unanswered cases with disease
        widen the bounds until they hold with all of them as underdiagnosed, too.

    Why it matters clinically:
        A patient who is ill and called healthy gets no second look. Where a model first sorts out the healthy, this
        is the error that delays treatment, and it has been found to fall on groups that are underserved already.

    Known problems:
        With several findings a case whose disease is called by another finding's name is not underdiagnosed here,
        though its own finding is missed: FAIR001 tells, finding by finding. Where the reference standard comes from
        reports, disease that radiologists themselves miss more often in a group is not counted. Groups with milder
        disease are called healthy more often by any model.

    Example:
        Of 400 ill women 92 are called healthy and of 600 ill men 90: `underdiagnosis` is 0.23 and 0.15, and
        `underdiagnosis_gap` is +0.08 for `sex = female`.

    References:
        - Seyyed-Kalantari and others 2021, Underdiagnosis bias of artificial intelligence algorithms applied to chest
          radiographs in under-served patient populations, Nature Medicine 27.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR004",
        name="underdiagnosis",
        family="FAIR",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        needs=("protected",),
        metrics=(
            "underdiagnosis_gap", "underdiagnosis", "underdiagnosis_gap_intersection",
            "underdiagnosis_gap_with_failures",
        ),
        descriptive=("underdiagnosis_gap_with_failures",),
        title="Underdiagnosis",
        question="Whose disease is called healthy more often?",
        method=(
            "Share of the ill called healthy, each subgroup minus all other cases, interval by variance estimates "
            "recovery from Wilson bounds at the effective number of patients, widened until it holds with every "
            "unanswered ill case as underdiagnosed; simultaneous interval by Bonferroni."
        ),
        limits="Disease that the reference standard itself misses more often in a group is not seen.",
        references=(
            "Seyyed-Kalantari and others 2021, Nature Medicine 27",
            "Zou and Donner 2008, Statistics in Medicine 27",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every level and every pair of levels of the protected attributes; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        rate = _rate(ctx, unanswered(ctx))
        return (*_levels(ctx, attributes, rate), *_across(ctx, attributes, rate))


def _levels(ctx: ProbeContext, attributes: Sequence[Attribute], rate: Rate) -> Iterator[Measurement]:
    for attribute in attributes:
        levels = levels_of(attribute, ctx.cohort.aside)
        yield from contrast_levels(ctx, attribute, rate.gap(ctx))
        yield from own_rates(ctx, rate, levels)
        yield from gaps_with_failures(ctx, rate, levels)


def _across(ctx: ProbeContext, attributes: Sequence[Attribute], rate: Rate) -> Iterator[Measurement]:
    crossed = intersections(ctx, attributes, orders=(2,))
    for _, cells in crossed:
        yield from own_rates(ctx, rate, cells)
    yield from contrast_partitions(ctx, crossed, rate.gap(ctx, metric=ACROSS))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """Who is ill, among the cases and among those set aside, and who is called healthy."""

    ill: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    healthy: NDArray[np.bool_] | None
    condition: dict[str, Scalar]


def _rate(ctx: ProbeContext, gone: Unanswered) -> Rate:
    asked = _question(ctx, gone)
    return Rate(
        metric="underdiagnosis", rows=asked.ill, hits=asked.healthy, outside=asked.outside, gone=gone, failure=True,
        nobody="positive", condition=asked.condition,
    )  # fmt: skip


def _question(ctx: ProbeContext, gone: Unanswered) -> _Question:
    views = ctx.clean.views
    if ctx.card.task == "binary":
        view = views[0]
        return _Question(
            ill=view.labels, outside=gone.labels[0], condition={},
            healthy=None if view.decisions is None else ~view.decisions,
        )  # fmt: skip
    named = _no_finding(views)
    if ctx.card.task == "multilabel" and (named is None or len(views) > 1):
        return _findings(views, gone, named)
    index = named or 0
    view = views[index]
    return _Question(
        ill=~view.labels, outside=gone.known & ~gone.labels[index], healthy=view.decisions,
        condition={"stratum": f"called {view.name}"},
    )  # fmt: skip


def _findings(views: tuple[ClassView, ...], gone: Unanswered, named: int | None) -> _Question:
    """Return the question for several findings, "no finding" being the healthy call where it is one of them."""
    findings = [i for i in range(len(views)) if i != named]
    ill = np.logical_or.reduce([views[i].labels for i in findings])
    outside = np.logical_or.reduce([gone.labels[i] for i in findings])
    if named is not None:
        condition: dict[str, Scalar] = {"stratum": f"called {views[named].name}"}
        return _Question(ill=ill, outside=outside, healthy=views[named].decisions, condition=condition)
    calls = [views[i].decisions for i in findings]
    called = [c for c in calls if c is not None]
    # A finding without an operating point may be called by nobody, so nothing is known of "no finding" either.
    healthy = ~np.logical_or.reduce(called) if len(called) == len(calls) else None
    return _Question(ill=ill, outside=outside, healthy=healthy, condition={"stratum": "no finding called"})


def _no_finding(views: tuple[ClassView, ...]) -> int | None:
    names = [(view.name or "").strip().lower().replace("_", " ").replace("-", " ") for view in views]
    return next((names.index(word) for word in HEALTHY if word in names), None)
