"""What several probe families need: levels of an attribute, contrasts of a level with the rest, sums of estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audit.core import (
    MISSING_LEVEL,
    Aside,
    Attribute,
    ClassView,
    Direction,
    Estimate,
    Levels,
    Measurement,
    NotApplicable,
    ProbeContext,
    Scalar,
    contrast_key,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_OPERATING_POINT = "no operating point is declared"
ALL_SET_ASIDE = "all cases of this level were set aside"
SINGLE_LEVEL = "all cases have one level, so there is nothing to compare it with"


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """One level of an attribute, or the cases that share levels of several, against the rest.

    Args:
        attribute: The attribute's name.
        name: The level.
        members: (n,) bool, the cases of the level.
        aside: (m,) bool, the cases of the level among those set aside.
        of: The level of each attribute, where there are several.
    """

    attribute: str
    name: str
    members: NDArray[np.bool_]
    aside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def subgroup(self) -> dict[str, Scalar]:
        """The `subgroup` of measurements on this level."""
        return {**self.of} or {self.attribute: self.name}


def levels_of(attribute: Attribute, aside: Aside | None = None) -> tuple[Level, ...]:
    """Return the levels of an attribute, cases without one as a level of their own.

    Args:
        attribute: The attribute.
        aside: Cases that were set aside, which then are among the levels, too.
    """
    outside = aside_levels(attribute, aside)
    return tuple(
        Level(attribute=attribute.name, name=name, members=attribute.levels == name, aside=outside == name)
        for name in attribute.level_names()
    )


def aside_levels(attribute: Attribute, aside: Aside | None) -> NDArray[np.str_]:
    """Return (m,) str, the level of each case that was set aside; one that nobody knows is missing."""
    if aside is None:
        return np.zeros(0, dtype=np.str_)
    known = aside.attributes.get(attribute.name)
    return np.full(len(aside), MISSING_LEVEL) if known is None else known.levels


def count_patients(patients: NDArray[np.int64], rows: NDArray[np.bool_]) -> int:
    """Return the number of patients among some cases."""
    return int(np.unique(patients[rows]).size)


def comparable(attributes: Iterable[Attribute], role: str) -> tuple[Attribute, ...]:
    """Return attributes of which at least one has two levels or more.

    Args:
        attributes: Attributes of one role.
        role: The role's name, for the reason.

    Raises:
        NotApplicable: There is no attribute, or each has one level only.
    """
    given = tuple(attributes)
    if not given:
        raise NotApplicable(f"the cohort has no attribute with the role {role!r}")
    if all(len(a.level_names()) < 2 for a in given):
        names = ", ".join(a.name for a in given)
        raise NotApplicable(f"every attribute with the role {role!r} ({names}) has one level only")
    return given


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrast:
    """A quantity of one level minus that of the rest.

    Args:
        metric: The metric's name.
        denominator: (n,) bool, the cases that the quantity is taken over, for example the positives.
        estimate: From the members (n,) bool of a level to the signed contrast.
        condition: Condition keys, for example the class.
        direction: Which way is better; "zero" for a gap that may go wrong either way.
        unit: Unit of the quantity.
        widen: From a level and its estimate to an estimate that allows for what the cases alone do not show.
    """

    metric: str
    denominator: NDArray[np.bool_]
    estimate: Callable[[NDArray[np.bool_]], Estimate]
    condition: dict[str, Scalar]
    direction: Direction = "zero"
    unit: str = ""
    widen: Callable[[Level, Estimate], Estimate] | None = None


def contrast_levels(ctx: ProbeContext, attribute: Attribute, contrast: Contrast) -> Iterator[Measurement]:
    """Give one measurement a level of the attribute: that level minus the rest, none of them left out.

    The simultaneous interval is Bonferroni's over the contrasts that can be estimated; which ones these are depends on
    the numbers of cases only, never on what the model said. Where two levels are all that there is, both measurements
    are mirror images, carry one `contrast` key and count as a single comparison.
    """
    return contrast_partitions(ctx, ((attribute.name, levels_of(attribute, ctx.cohort.aside)),), contrast)


def contrast_partitions(
    ctx: ProbeContext, partitions: Sequence[tuple[str, Sequence[Level]]], contrast: Contrast
) -> Iterator[Measurement]:
    """Give one measurement a level of several partitions of the cases, as `contrast_levels` does for one.

    Args:
        ctx: The probe's context.
        partitions: Name and levels of each; the levels of one share no case and hold all cases together.
        contrast: The quantity. The simultaneous interval is over the levels of all partitions.
    """
    made = [(name, levels, *_estimates(ctx, levels, contrast)) for name, levels in partitions]
    comparisons = sum(
        1 if len(filled) == 2 else sum(e.value is not None for e in estimates) for _, _, estimates, filled in made
    )
    for name, levels, estimates, filled in made:
        key = _contrast_key(name, filled, contrast) if len(filled) == 2 else None
        for level, estimate in zip(levels, estimates, strict=True):
            rest = count_patients(ctx.cohort.patients, contrast.denominator & ~level.members)
            yield Measurement.of(
                estimate,
                metric=contrast.metric,
                level=ctx.levels.confidence,
                unit=contrast.unit,
                direction=contrast.direction,
                subgroup=level.subgroup,
                condition={**contrast.condition, "n_rest": rest},
                simultaneous=_simultaneous(estimate, comparisons, ctx.levels),
                contrast=key if level in filled else None,
            )


def _estimates(
    ctx: ProbeContext, levels: Sequence[Level], contrast: Contrast
) -> tuple[tuple[Estimate, ...], tuple[Level, ...]]:
    """Return the estimate of each level, and the levels that have a case in the denominator."""
    estimates = tuple(_estimate(ctx, contrast, level, alone=len(levels) < 2) for level in levels)
    return estimates, tuple(level for level in levels if (level.members & contrast.denominator).any())


def _estimate(ctx: ProbeContext, contrast: Contrast, level: Level, *, alone: bool) -> Estimate:
    if not level.members.any():
        return Estimate.absent(ALL_SET_ASIDE, method="none")
    if not alone:
        found = contrast.estimate(level.members)
        return found if contrast.widen is None else contrast.widen(level, found)
    rows = level.members & contrast.denominator
    n, patients = int(rows.sum()), count_patients(ctx.cohort.patients, rows)
    return Estimate.absent(SINGLE_LEVEL, method="none", n=n, n_patients=patients)


def _contrast_key(name: str, levels: Sequence[Level], contrast: Contrast) -> str:
    named = "".join(f"[{contrast.condition[key]}]" for key in sorted(contrast.condition))
    return contrast_key(name, [level.name for level in levels], contrast.metric + named)


def _simultaneous(estimate: Estimate, comparisons: int, levels: Levels) -> tuple[float, float] | None:
    from audit.stats import simultaneous

    return None if estimate.value is None else simultaneous(estimate, comparisons, levels)


def decision_contrasts(ctx: ProbeContext, view: ClassView) -> Iterator[Contrast]:
    """Give the contrasts of sensitivity and specificity at the operating point of one class."""
    hits = None if view.decisions is None else view.decisions == view.labels
    for metric, rows in (("sensitivity_gap", view.labels), ("specificity_gap", ~view.labels)):
        yield share_contrast(ctx, metric, rows, hits, condition=view.condition)


def share_contrast(
    ctx: ProbeContext, metric: str, rows: NDArray[np.bool_], hits: NDArray[np.bool_] | None, *,
    condition: dict[str, Scalar],
) -> Contrast:  # fmt: skip
    """Return the contrast of the share of some cases that count as hits.

    Args:
        ctx: The probe's context.
        metric: The metric's name.
        rows: (n,) bool, the denominator.
        hits: (n,) bool, or None where no operating point is declared.
        condition: Condition keys.
    """
    from audit.stats import proportion_gap

    patients = ctx.cohort.patients

    def gap(members: NDArray[np.bool_]) -> Estimate:
        own = members & rows
        if hits is None:
            n, n_patients = int(own.sum()), count_patients(patients, own)
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=n_patients)
        return proportion_gap(hits[rows], members[rows], patients[rows], ctx.levels)

    return Contrast(metric=metric, denominator=rows, estimate=gap, condition=condition)


def area_contrast(ctx: ProbeContext, view: ClassView) -> Contrast:
    """Return the contrast of the AUC of one class."""
    from audit.stats import auc_gap

    patients, everyone = ctx.cohort.patients, np.ones(len(view.labels), dtype=bool)
    return Contrast(
        metric="auc_gap",
        denominator=everyone,
        estimate=lambda members: auc_gap(view.scores, view.labels, members, patients, ctx.levels),
        condition=view.condition,
    )


def mean_contrast(
    ctx: ProbeContext, metric: str, values: NDArray[np.float64], *, unit: str = "", direction: Direction = "zero"
) -> Contrast:
    """Return the contrast of the mean of a value a case; cases without a value (NaN) are not in the denominator."""
    from audit.stats import mean_gap

    known = np.isfinite(values)
    patients = ctx.cohort.patients
    return Contrast(
        metric=metric,
        denominator=known,
        estimate=lambda members: mean_gap(values[known], members[known], patients[known], ctx.levels),
        condition={},
        direction=direction,
        unit=unit,
    )


def weighted_sum(parts: Sequence[tuple[float, Estimate]], *, shared: bool, method: str, n_patients: int) -> Estimate:
    """Return the weighted sum of estimates, with an interval by the method of variance estimates recovery.

    Args:
        parts: Weight and estimate; a weight may be negative.
        shared: True where the estimates have patients in common. Their dependence is then unknown and the half-widths
            add up instead of their squares, which holds under any correlation.
        method: What the interval is called.
        n_patients: Patients in all estimates together.

    Returns:
        The sum, or an absent estimate with the reason of the first part that has none.

    References:
        Zou and Donner 2008, Construction of confidence limits about effect measures, Statistics in Medicine 27.
    """
    n = sum(part.n for _, part in parts)
    for _, part in parts:
        if part.value is None:
            return Estimate.absent(part.missing or "missing", method=method, n=n, n_patients=n_patients)
    value = sum(weight * (part.value or 0.0) for weight, part in parts)
    curve = []
    for level, _, _ in parts[0][1].curve:
        arms = [_arms(weight, part, level) for weight, part in parts]
        if any(arm is None for arm in arms):
            continue
        down = _together([arm[0] for arm in arms if arm is not None], shared)
        up = _together([arm[1] for arm in arms if arm is not None], shared)
        curve.append((level, value - down, value + up))
    return Estimate(value=value, curve=tuple(curve), method=method, n=n, n_patients=n_patients)


def _arms(weight: float, part: Estimate, level: float) -> tuple[float, float] | None:
    """Return how far the weighted part may lie below and above its value."""
    bounds = part.bounds(level)
    if bounds is None or part.value is None:
        return None
    below, above = abs(weight) * (part.value - bounds[0]), abs(weight) * (bounds[1] - part.value)
    return (below, above) if weight >= 0 else (above, below)


def _together(arms: Sequence[float], shared: bool) -> float:
    return sum(arms) if shared else math.hypot(*arms)
