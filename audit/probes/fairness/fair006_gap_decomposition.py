"""FAIR006 gap-decomposition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import (
    NO_OPERATING_POINT,
    Contrast,
    Level,
    aside_levels,
    comparable,
    contrast_levels,
    count_patients,
    levels_of,
)
from audit.probes._unanswered import unanswered, widened, with_failures, worst_ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import GapParts

    Bools = NDArray[np.bool_]

NO_THRESHOLD = "decisions go to the class with the largest score, so there is no threshold that could be moved"


class GapDecomposition(Probe):
    """Whether a gap in sensitivity comes from the threshold or from the ranking, and whether it lives within protocols.

    What it measures:
        The gap in sensitivity of each level of each protected attribute to all other cases, at the operating point,
        in two parts that add up to it. Both sides are given a threshold of their own, found on their negatives, at
        which they have the specificity that the whole cohort has at the operating point. The gap that is left then
        is the `ranking_part`: the score tells ill from healthy less well in this group. The gap that disappears is
        the `threshold_part`: the scores of this group lie lower or higher than those of the others. And for each
        protocol attribute and each confounder `gap_within_strata`: the gap among cases of the same scanner, site or
        view, averaged over these with the weights of Mantel and Haenszel; its condition says within what, as in
        `stratum = "within scanner"`. Where the gap within differs from the gap on the whole, who was imaged where
        explains a part of it.

        Cases without an answer widen all bounds until they hold with these cases ranked last among the ill and first
        among the well, too.

    Why it matters clinically:
        A threshold part can be mended by recalibration without new data; a ranking part cannot, and a threshold of
        its own for that group would only trade misses for false alarms. A gap that vanishes within scanners is a
        matter of who is sent to which scanner, and one that turns round means that the pooled number misleads.

    Known problems:
        The specificity at which both are compared is that of this cohort at its operating point; curves that cross
        have another ranking part elsewhere. In a group with few negatives its own threshold is uncertain, and the
        interval says so. A group whose negatives score higher has a threshold part that helps its sensitivity and
        costs it specificity: FAIR001 shows both. Within strata only cases count that have others to be compared
        with; where that is less than half of a level there is no number. A threshold by group is a means of
        analysis here, not a proposal: whether it may be used is a question of law and ethics.

    Example:
        Sensitivity is 0.10 lower in women. `threshold_part` is -0.09 and `ranking_part` -0.01: their scores lie lower
        at the same order. Within scanners the gap is -0.10 too, so it is not a matter of who was scanned where.

    References:
        - Glocker, Jones, Bernhardt and Winzeck 2023, Algorithmic encoding of protected characteristics in chest X-ray
          disease detection models, eBioMedicine 89.
        - Mantel and Haenszel 1959, Statistical aspects of the analysis of data from retrospective studies of disease,
          Journal of the National Cancer Institute 22.
        - Simpson 1951, The interpretation of interaction in contingency tables, Journal of the Royal Statistical
          Society B 13.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR006",
        name="gap-decomposition",
        family="FAIR",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        version=2,
        needs=("protected",),
        metrics=("threshold_part", "ranking_part", "gap_within_strata"),
        title="What a gap consists of",
        question="Would another threshold close the gap, or is the ranking worse?",
        method=(
            "Gap in sensitivity at the operating point minus the gap at matched specificity, thresholds picked again "
            "in every patient bootstrap; Mantel-Haenszel average over strata; no arm shorter than with all held fixed."
        ),
        limits=(
            "The parts hold at the specificity of this operating point; protocols are not assigned at random, so a gap "
            "within them may still have other reasons."
        ),
        references=(
            "Glocker and others 2023, eBioMedicine 89",
            "Mantel and Haenszel 1959, JNCI 22",
            "Simpson 1951, JRSS B 13",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Split the gap of every level of every protected attribute; see `Probe.run`.

        Raises:
            NotApplicable: No protected attribute has two levels, or there are no decisions of yes or no.
        """
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        if not ctx.clean.views:
            raise NotApplicable("the model answers no question of yes or no")
        return (
            measured
            for attribute in attributes
            for view in ctx.clean.views
            for measured in _attribute(ctx, attribute, view)
        )


def _attribute(ctx: ProbeContext, attribute: Attribute, view: ClassView) -> Iterator[Measurement]:
    levels = [level for level in levels_of(attribute, ctx.cohort.aside) if level.members.any()]
    point = view.operating_point
    if point is None or view.decisions is None:
        yield from _without_parts(ctx, attribute, view)
    else:
        yield from _parts(ctx, attribute, view, levels, point)
    if view.decisions is None:
        return
    strata = [a for a in ctx.cohort.by_role("protocol", "confounder") if a.name != attribute.name]
    for stratum in strata:
        yield from _within(ctx, attribute, view, stratum, levels)


def _without_parts(ctx: ProbeContext, attribute: Attribute, view: ClassView) -> Iterator[Measurement]:
    reason = NO_OPERATING_POINT if view.decisions is None else NO_THRESHOLD

    def absent(members: Bools) -> Estimate:
        own = members & view.labels
        n_patients = count_patients(ctx.cohort.patients, own)
        return Estimate.absent(reason, method="none", n=int(own.sum()), n_patients=n_patients)

    for metric in ("threshold_part", "ranking_part"):
        contrast = Contrast(metric=metric, denominator=view.labels, estimate=absent, condition=view.condition)
        yield from contrast_levels(ctx, attribute, contrast)


def _parts(
    ctx: ProbeContext, attribute: Attribute, view: ClassView, levels: list[Level], point: float
) -> Iterator[Measurement]:
    from audit.stats import gap_parts

    found = gap_parts(
        view.scores, view.labels, [level.members for level in levels], ctx.cohort.patients, ctx.levels, ctx.rng,
        point=point, resamples=ctx.budget.resamples,
    )  # fmt: skip
    by_level = {level.members.tobytes(): parts for level, parts in zip(levels, found, strict=True)}
    failed = _parts_with_failures(ctx, view, levels, point)
    for metric, name in (("threshold_part", "threshold"), ("ranking_part", "ranking")):

        def part(members: Bools, name: str = name) -> Estimate:
            estimate: Estimate = getattr(by_level[members.tobytes()], name)
            return estimate

        widen = partial(_widen, failed, name, unanswered(ctx).failures) if failed else None
        contrast = Contrast(
            metric=metric, denominator=view.labels, estimate=part, condition=view.condition, widen=widen
        )
        yield from contrast_levels(ctx, attribute, contrast)
    _draw_parts(ctx, attribute, view, levels, found)


def _parts_with_failures(
    ctx: ProbeContext, view: ClassView, levels: list[Level], point: float
) -> Mapping[str, GapParts]:
    """Return the parts by level with unanswered cases ranked last if ill and first if well; empty without any."""
    from audit.stats import gap_parts

    gone = unanswered(ctx)
    if not gone.failures:
        return {}
    scores, labels, patients = worst_ranking(ctx, view, gone)
    groups = [gone.with_known(level.members, level.aside[gone.known]) for level in levels]
    found = gap_parts(
        scores, labels, groups, patients, ctx.levels, ctx.rng, point=point, resamples=ctx.budget.resamples
    )
    return {level.name: parts for level, parts in zip(levels, found, strict=True)}


def _widen(failed: Mapping[str, GapParts], name: str, count: int, level: Level, answered: Estimate) -> Estimate:
    other: Estimate = getattr(failed[level.name], name)
    return widened(answered, other, count)


def _within_with_failures(
    ctx: ProbeContext, view: ClassView, stratum: Attribute, levels: list[Level]
) -> tuple[Mapping[str, Estimate], int]:
    """Return the gap within strata by level with unanswered ill cases as missed, and how many these are."""
    from audit.stats import gaps_within

    gone = unanswered(ctx)
    failed = with_failures(ctx, view, view.decisions)
    if failed is None or failed.decisions is None or not (count := int((failed.failed & failed.labels).sum())):
        return {}, 0
    ill = failed.labels
    names = np.concatenate([stratum.levels, aside_levels(stratum, ctx.cohort.aside)[gone.known]])
    code = np.unique(names, return_inverse=True)[1].reshape(-1).astype(np.int64)
    groups = [gone.with_known(level.members, level.aside[gone.known])[ill] for level in levels]
    found = gaps_within(
        failed.decisions[ill], groups, code[ill], failed.patients[ill], ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples,
    )  # fmt: skip
    return {level.name: gap for level, gap in zip(levels, found, strict=True)}, count


def _within(
    ctx: ProbeContext, attribute: Attribute, view: ClassView, stratum: Attribute, levels: list[Level]
) -> Iterator[Measurement]:
    from audit.stats import gaps_within

    names = stratum.level_names()
    code = np.array([names.index(str(v)) for v in stratum.levels], dtype=np.int64)
    ill, patients = view.labels, ctx.cohort.patients
    by_level: Mapping[bytes, Estimate] = {}
    if ill.any() and view.decisions is not None:
        found = gaps_within(
            view.decisions[ill], [level.members[ill] for level in levels], code[ill], patients[ill], ctx.levels,
            ctx.rng, resamples=ctx.budget.resamples,
        )  # fmt: skip
        by_level = {level.members.tobytes(): gap for level, gap in zip(levels, found, strict=True)}

    def gap(members: Bools) -> Estimate:
        return by_level.get(members.tobytes()) or Estimate.absent("no positive cases", method="none")

    condition = {**view.condition, "stratum": f"within {stratum.name}"}
    failed, count = _within_with_failures(ctx, view, stratum, levels)

    def widen(level: Level, answered: Estimate) -> Estimate:
        return widened(answered, failed[level.name], count) if count else answered

    contrast = Contrast(metric="gap_within_strata", denominator=ill, estimate=gap, condition=condition, widen=widen)
    yield from contrast_levels(ctx, attribute, contrast)
    _draw_strata(ctx, attribute, view, stratum, levels)


def _draw_parts(
    ctx: ProbeContext, attribute: Attribute, view: ClassView, levels: list[Level], found: tuple[GapParts, ...]
) -> None:
    """Keep both parts with what they add up to, and the threshold of each level at the common specificity."""
    rows = []
    for level, parts in zip(levels, found, strict=True):
        row: dict[str, Any] = {"level": level.name}
        for name, part in (("threshold", parts.threshold), ("ranking", parts.ranking)):
            bounds = part.bounds(ctx.levels.pointwise) or (np.nan, np.nan)
            value = np.nan if part.value is None else part.value
            row |= {f"{name}_part": value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
        row["gap"] = row["threshold_part"] + row["ranking_part"]
        row["matched_threshold"] = parts.matched[0] if parts.matched else np.nan
        row |= {"n": parts.ranking.n, "n_patients": parts.ranking.n_patients}
        rows.append(row)
    about: dict[str, Any] = dict(view.condition)
    if view.decisions is not None and not view.labels.all():
        about["specificity"] = float((~view.decisions[~view.labels]).mean())
    ctx.sink.artifact(
        "gap_decomposition", f"Gap in sensitivity by {attribute.name}: what the threshold does, and what the ranking",
        {key: np.array([row[key] for row in rows]) for key in rows[0]}, attribute=attribute.name,
        operating_point=view.operating_point, **about,
    )  # fmt: skip


def _draw_strata(
    ctx: ProbeContext, attribute: Attribute, view: ClassView, stratum: Attribute, levels: list[Level]
) -> None:
    """Keep the gap on the whole and in each stratum, with its interval and counts."""
    from audit.stats import proportion_gap

    patients, ill = ctx.cohort.patients, view.labels
    if view.decisions is None or not ill.any():
        return
    rows = []
    for level in levels:
        everywhere = np.ones(len(ill), dtype=bool)
        parts = [("all", everywhere), *((name, stratum.levels == name) for name in stratum.level_names())]
        for name, inside in parts:
            own = ill & inside
            gap = proportion_gap(view.decisions[own], level.members[own], patients[own], ctx.levels)
            bounds = gap.bounds(ctx.levels.pointwise) or (np.nan, np.nan)
            rows.append({
                "level": level.name, "stratum": name, "gap": np.nan if gap.value is None else gap.value,
                "low": bounds[0], "high": bounds[1], "n": gap.n, "n_patients": gap.n_patients,
                "n_rest": count_patients(patients, own & ~level.members),
            })  # fmt: skip
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "gap_by_stratum", f"Gap in sensitivity by {attribute.name}, on the whole and within {stratum.name}",
        {key: np.array([row[key] for row in rows]) for key in rows[0]}, attribute=attribute.name,
        strata=stratum.name, **about,
    )  # fmt: skip
