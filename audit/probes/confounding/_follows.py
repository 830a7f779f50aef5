"""How well a score tells a level of a confounder from the rest among cases of equal label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, Estimate, Measurement, ProbeContext, Scalar, contrast_key
from audit.probes._shared import ALL_SET_ASIDE, SINGLE_LEVEL, count_patients
from audit.probes.confounding._answered import silent
from audit.probes.confounding._strata import PIECES, SMALLEST, Strata, beside, joint, strata_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """The cases or the controls of one class.

    Args:
        name: "controls" or "cases".
        rows: (n,) bool.
        alike: (n,) int, which of them have the same label; controls of a class may be of several others.
        silent: Why the answered ones do not speak for the others, or None.
    """

    name: str
    rows: NDArray[np.bool_]
    alike: NDArray[np.int64]
    silent: str | None = None


def sides(ctx: ProbeContext, view: ClassView) -> tuple[Side, Side]:
    """Return the controls, then the cases of a class."""
    one = np.zeros(len(view.labels), dtype=np.int64)
    several = ctx.card.task in ("multiclass", "ordinal")
    label = np.asarray(ctx.clean.targets, dtype=np.int64) if several else one
    return Side(name="controls", rows=~view.labels, alike=label), Side(name="cases", rows=view.labels, alike=one)


def follows(ctx: ProbeContext, strata: Strata, view: ClassView) -> Iterator[Measurement]:
    """Give the shift of every level among controls and among cases, then what else is known of it."""
    for one in sides(ctx, view):
        side = replace(one, silent=silent(ctx, strata, view, (one.name == "cases",)))
        condition = {**view.condition, "attribute": strata.attribute, "stratum": side.name}
        found = [shift(ctx, strata, view.scores, side, code) for code in range(len(strata.names))]
        yield from level_rows(ctx, strata, side.rows, found, "score_shift_auc", condition)
        others = _others(ctx, strata, side)
        if others is not None:
            adjusted = [shift(ctx, strata, view.scores, side, c, others) for c in range(len(strata.names))]
            within = side.rows & others.known
            yield from level_rows(ctx, strata, within, adjusted, "score_shift_auc_adjusted", condition)
        if strata.numbers is not None:
            yield Measurement.of(
                _correlation(ctx, strata, view.scores, side), metric="score_correlation",
                level=ctx.levels.confidence, direction="zero", condition=condition,
            )  # fmt: skip
    _keep(ctx, strata, view)


def _others(ctx: ProbeContext, strata: Strata, side: Side) -> Strata | None:
    """Return the strata that the levels are compared in, None where nothing else is declared."""
    parts = list(beside(ctx.cohort, strata))
    if side.name == "cases":
        found = [strata_of(a, PIECES) for a in ctx.cohort.by_role("severity") if a.name not in strata.parts]
        parts += [s for s in found if len(s.names) > 1 and s.attribute not in {p.attribute for p in parts}]
    return joint(parts) if parts else None


def shift(
    ctx: ProbeContext, strata: Strata, scores: Floats, side: Side, code: int, others: Strata | None = None
) -> Estimate:
    """Return the AUC of the score for one level against the rest on one side.

    Args:
        ctx: The probe's context.
        strata: The confounder.
        scores: (n,) finite on the side's cases.
        side: The cases or controls.
        code: The level.
        others: Strata within which they are compared; cases without a stratum are left out.
    """
    from audit.stats import auc, stratified_auc

    rows = side.rows & strata.known & (True if others is None else others.known)
    members, patients = strata.codes[rows] == code, ctx.cohort.patients[rows]
    reason = SINGLE_LEVEL if len(strata.names) < 2 else strata.unknown(side.rows, side.name) or side.silent
    if not reason and not (strata.codes == code).any():
        reason = ALL_SET_ASIDE
    count = count_patients(ctx.cohort.patients, rows)
    if not reason and count < SMALLEST:
        reason = f"{count} patients among {side.name}, fewer than {SMALLEST}"
    if reason:
        own = rows & (strata.codes == code)
        n_patients = count_patients(ctx.cohort.patients, own)
        return Estimate.absent(reason, method="none", n=int(own.sum()), n_patients=n_patients)
    alike = side.alike[rows]
    if others is not None:
        alike = alike * (len(others.names) + 1) + others.codes[rows]
    if np.unique(alike).size > 1:
        return stratified_auc(scores[rows], members, alike, patients, ctx.levels)
    return auc(scores[rows], members, patients, ctx.levels)


def level_rows(
    ctx: ProbeContext, strata: Strata, rows: NDArray[np.bool_], found: list[Estimate], metric: str,
    condition: dict[str, Any], **more: Any,
) -> Iterator[Measurement]:  # fmt: skip
    """Give one measurement a level, counted by the level's own patients, with the interval for all levels together.

    Args:
        ctx: The probe's context.
        strata: The confounder.
        rows: (n,) bool, the cases that are compared.
        found: The estimate of each level against the rest.
        metric: The metric's name.
        condition: Condition keys; `n_rest` is added.
        more: Further fields of the measurements.
    """
    from audit.stats import simultaneous

    known = sum(e.value is not None for e in found)
    pair = len(strata.names) == 2
    named = "".join(f"[{condition[key]}]" for key in sorted(condition))
    key = contrast_key(strata.attribute, strata.names, metric + named) if pair else None
    compared = rows & strata.known
    for code, (name, estimate) in enumerate(zip(strata.names, found, strict=True)):
        own = compared & (strata.codes == code)
        subgroup: dict[str, Scalar] = {strata.attribute: name}
        counted = replace(estimate, n=int(own.sum()), n_patients=count_patients(ctx.cohort.patients, own))
        together = simultaneous(estimate, 1 if pair else known, ctx.levels) if estimate.value is not None else None
        yield Measurement.of(
            counted, metric=metric, level=ctx.levels.confidence, subgroup=subgroup, simultaneous=together,
            condition={**condition, "n_rest": count_patients(ctx.cohort.patients, compared & ~own)}, contrast=key,
            **more,
        )  # fmt: skip


def _correlation(ctx: ProbeContext, strata: Strata, scores: Floats, side: Side) -> Estimate:
    """Return Spearman's rank correlation of the score and the number, ranks within the label."""
    from scipy.stats import rankdata

    from audit.stats import bootstrap

    assert strata.numbers is not None
    rows = np.flatnonzero(side.rows & np.isfinite(strata.numbers))
    method = "Spearman's rank correlation within the label, patient bootstrap"
    reason = strata.unknown(side.rows, side.name) or side.silent
    patients = ctx.cohort.patients[rows]
    if reason:
        return Estimate.absent(reason, method=method, n=len(rows), n_patients=int(np.unique(patients).size))
    x, y = np.zeros(len(rows)), np.zeros(len(rows))
    for label in np.unique(side.alike[rows]):
        inside = side.alike[rows] == label
        for out, values in ((x, scores[rows]), (y, strata.numbers[rows])):
            out[inside] = rankdata(values[inside]) / inside.sum() - 0.5
    columns = np.stack([x, y, x * x, y * y, x * y], axis=1)

    def correlation(weights: Floats) -> Floats:
        a, b, aa, bb, ab = ((weights @ columns) / weights.sum(axis=1, keepdims=True)).T
        spread = np.sqrt((aa - a**2) * (bb - b**2))
        out = np.full(len(weights), np.nan)
        np.divide(ab - a * b, spread, out=out, where=spread > 1e-12)
        return out

    return bootstrap(
        correlation, patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples, method=method, vectorised=True,
        support=(-1.0, 1.0),
    )  # fmt: skip


def _keep(ctx: ProbeContext, strata: Strata, view: ClassView) -> None:
    """Keep how the scores lie by level, and the permutation p of each side, which is shown and never judged."""
    from scipy.stats import rankdata

    from audit.stats import equal_groups_p

    rows: list[tuple[Any, ...]] = []
    p: dict[str, float | None] = {}
    for side in sides(ctx, view):
        inside = side.rows & strata.known
        patients = ctx.cohort.patients[inside]
        ranks = np.zeros(int(inside.sum()))
        for label in np.unique(side.alike[inside]):
            same = side.alike[inside] == label
            # Centred within the label, so that a mix of classes moves no level.
            ranks[same] = rankdata(view.scores[inside][same]) / same.sum() - 0.5 - 0.5 / same.sum()
        p[side.name] = None
        if len(ranks) and not strata.unknown(side.rows):
            p[side.name] = equal_groups_p(
                ranks, strata.codes[inside], patients, ctx.rng, resamples=max(100, ctx.budget.resamples)
            )
        for code, name in enumerate(strata.names):
            own = inside & (strata.codes == code)
            if own.any():
                quantiles = np.quantile(view.scores[own], QUANTILES)
                rows.append((side.name, name, *quantiles, count_patients(ctx.cohort.patients, own)))
    if not rows:
        return
    names = ("side", "level", "q05", "q25", "q50", "q75", "q95", "n_patients")
    columns = {name: np.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "scores_by_level", f"Scores by {strata.attribute} among patients of equal label", columns,
        attribute=strata.attribute, p_controls=p["controls"], p_cases=p["cases"], **about,
    )  # fmt: skip
