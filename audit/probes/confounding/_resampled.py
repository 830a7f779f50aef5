"""What becomes of the AUC where prevalence, age and presentation are the same in every level of an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._shared import count_patients
from audit.probes.confounding._adjusted import Standardising, comparable_rows
from audit.probes.confounding._answered import silent
from audit.probes.confounding._strata import PIECES, Strata, joint, strata_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

AGE = "age"


@dataclass(frozen=True, kw_only=True, eq=False)
class Matched:
    """What is made equal between the levels of an attribute beside prevalence.

    Args:
        names: Attributes.
        strata: Their combinations, None where there is none.
    """

    names: tuple[str, ...]
    strata: Strata | None

    @property
    def words(self) -> str:
        """What is made equal, for the method."""
        return ", ".join(("prevalence", *self.names))


def matched_beside(ctx: ProbeContext, attribute: str) -> Matched:
    """Return age, however it is declared, covariates and severities: what patients present with."""
    cohort = ctx.cohort
    given = {a.name: a for a in cohort.by_role("covariate", "severity")}
    given |= {a.name: a for a in cohort.attributes.values() if a.name.lower() == AGE}
    parts = [strata_of(a, PIECES) for name, a in given.items() if name != attribute]
    parts = [p for p in parts if len(p.names) > 1]
    # A severity that only the ill have is one more level among the well, not a missing cell.
    filled = [_with_missing(p) for p in parts]
    return Matched(names=tuple(p.attribute for p in parts), strata=joint(filled) if filled else None)


def _with_missing(part: Strata) -> Strata:
    codes = np.where(part.codes < 0, len(part.names), part.codes)
    names = (*part.names, "(missing)") if (part.codes < 0).any() else part.names
    return Strata(attribute=part.attribute, names=names, codes=codes, parts=part.parts)


def resampled(ctx: ProbeContext, strata: Strata, view: ClassView) -> Iterator[Measurement]:
    """Give the change of the AUC, of the whole cohort and of each level, and the gaps that are left."""
    beside = matched_beside(ctx, strata.attribute)
    one = Strata(attribute="", names=("",), codes=np.zeros(len(view.labels), dtype=np.int64))
    rows, reason = comparable_rows(ctx, strata, view, beside.strata or one)
    if reason is None and len(strata.names) < 2:
        reason = "it has one level only"
    reason = reason or strata.unknown(view.labels, "cases") or strata.unknown(~view.labels, "controls")
    reason = reason or silent(ctx, strata, view)
    names = [None, *strata.names]
    method = f"weights that make {beside.words} equal in all levels, patient bootstrap"
    if reason:
        n, n_patients = int(rows.sum()), count_patients(ctx.cohort.patients, rows)
        absent = Estimate.absent(reason, method=method, n=n, n_patients=n_patients)
        found = {(metric, name): absent for name in names for metric in ("auc_change", "auc_gap_resampled")}
    else:
        found = _estimates(ctx, strata, view, beside, rows, method)
    condition: dict[str, Scalar] = {**view.condition, "attribute": strata.attribute, "parameter": beside.words}
    for (metric, name), estimate in found.items():
        if name is None and metric == "auc_gap_resampled":
            continue
        # Prevalence alone changes no ranking within a level; a row that can never have a number would bar every PASS.
        if name is not None and metric == "auc_change" and beside.strata is None:
            continue
        yield Measurement.of(
            estimate, metric=metric, level=ctx.levels.confidence, condition=condition,
            subgroup={} if name is None else {strata.attribute: name},
            direction="higher" if metric == "auc_change" else "zero",
        )  # fmt: skip


def _estimates(
    ctx: ProbeContext, strata: Strata, view: ClassView, beside: Matched, rows: NDArray[np.bool_], method: str
) -> dict[tuple[str, str | None], Estimate]:
    from audit.stats import GroupRanking, Ranking, bootstrap_many

    at = np.flatnonzero(rows)
    scores, labels, codes = view.scores[at], view.labels[at], strata.codes[at]
    cells = labels.astype(np.int64)
    if beside.strata is not None:
        cells = cells * len(beside.strata.names) + beside.strata.codes[at]
    cells = np.unique(cells, return_inverse=True)[1].reshape(-1)
    by = Standardising(codes, np.zeros(len(at), dtype=np.int64), cells)
    whole, levels = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels)), len(strata.names)
    ranks = GroupRanking(scores, labels, codes, levels)

    def every(weights: Floats) -> Floats:
        new = by.weights(weights)
        after, rests = ranks.areas(new)
        before = np.stack([r.area(weights) for r in ranks.own], axis=1)
        change = whole.area(new) - whole.area(weights)
        return np.concatenate([change[:, None], after - before, after - rests], axis=1)

    keys: list[tuple[str, str | None]] = [("auc_change", name) for name in (None, *strata.names)]
    keys += [("auc_gap_resampled", name) for name in strata.names]
    own = by.weights(np.ones((1, len(at))))[0]
    left = int((strata.known & ~rows).sum())
    facts = f"{method}; effective n {own.sum() ** 2 / (own**2).sum():.0f}, {left} cases without a counterpart left out"
    found = bootstrap_many(
        every, ctx.cohort.patients[at], ctx.levels, ctx.rng, resamples=ctx.budget.resamples, methods=[facts] * len(keys)
    )
    _keep(ctx, strata, view, beside, keys, found)
    return dict(zip(keys, found, strict=True))


def _keep(
    ctx: ProbeContext, strata: Strata, view: ClassView, beside: Matched, keys: list[tuple[str, str | None]],
    found: tuple[Estimate, ...],
) -> None:  # fmt: skip
    rows = []
    for (metric, name), estimate in zip(keys, found, strict=True):
        bounds = estimate.bounds(ctx.levels.pointwise)
        if estimate.value is not None and bounds is not None:
            what = "change" if metric == "auc_change" else "gap that is left"
            words = f"{name or 'whole cohort'}: {what}"
            rows.append((words, estimate.value, *bounds, estimate.n_patients))
    if rows:
        about: dict[str, Any] = dict(view.condition)
        columns = ("part", "value", "low", "high", "n_patients")
        ctx.sink.artifact(
            "resampled_auc", f"AUC with {beside.words} made equal between levels of {strata.attribute}",
            {c: np.array(v) for c, v in zip(columns, zip(*rows, strict=True), strict=True)},
            attribute=strata.attribute, **about,
        )  # fmt: skip
