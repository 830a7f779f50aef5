"""Whether the distance of a protocol says how much worse the model is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext
from audit.probes.shift._distance import Told, joint_codes, label_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import GroupRanking

    Floats = NDArray[np.float64]
    Weighted = Callable[[Floats], Floats]

FEWEST = 5
METHOD = "rank correlation over levels, patient bootstrap"


def distance_and_drop(ctx: ProbeContext, attribute: Attribute, found: Sequence[Told]) -> Measurement:
    """Return the rank correlation of distance and drop over the levels of an attribute.

    Args:
        ctx: The probe's context.
        attribute: The protocol.
        found: What the classifier said of each level, of one source.
    """
    source = found[0].source
    rows = source.rows
    patients = ctx.cohort.patients[rows]
    drops = _Drops(ctx, found)
    distances = [_distance(ctx, f) for f in found]
    known = [i for i, distance in enumerate(distances) if distance is not None and drops.there[i]]
    if len(known) < FEWEST:
        reason = f"{len(known)} levels with a distance and an AUC; a correlation needs {FEWEST}"
        estimate = Estimate.absent(reason, method=METHOD, n=int(rows.size), n_patients=int(np.unique(patients).size))
    else:
        estimate = _correlated(ctx, [distances[i] for i in known], lambda w: drops(w)[:, known], patients)
    return Measurement.of(
        estimate, metric="distance_predicts_drop", level=ctx.levels.confidence, direction="higher",
        condition={"attribute": attribute.name, "parameter": source.name},
    )  # fmt: skip


def _correlated(
    ctx: ProbeContext, distances: Sequence[Weighted | None], drops: Weighted, patients: NDArray[np.int64]
) -> Estimate:
    from scipy.stats import rankdata

    from audit.stats import bootstrap

    def statistic(weights: Floats) -> Floats:
        tables = np.stack([each(weights) for each in distances if each is not None], axis=1), drops(weights)
        ranks = [rankdata(table, axis=1) for table in tables]
        a, b = (r - r.mean(axis=1, keepdims=True) for r in ranks)
        scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        out: Floats = np.full(len(weights), np.nan)
        np.divide((a * b).sum(axis=1), scale, out=out, where=scale > 0)
        return out

    return bootstrap(
        statistic, patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples, method=METHOD, vectorised=True,
        support=(-1.0, 1.0),
    )  # fmt: skip


def _distance(ctx: ProbeContext, found: Told) -> Weighted | None:
    """Return the distance under any weights: the classifier's AUC within labels."""
    rows = found.source.rows
    members, evidence = found.level.members[rows], found.evidence
    strata = joint_codes([label_strata(ctx)[rows], found.fold])
    if evidence is None:
        return None
    return _areas([(evidence, members & (strata == s), ~members & (strata == s)) for s in np.unique(strata)])


class _Drops:
    """By how much the rest does better than each level, under any weights: AUC, or mean absolute error.

    One pass over the cases serves all rests. Weights count patients, so that wins are whole or half numbers, exact in
    any order, and an area is that of a ranking of the rest to the bit.

    Args:
        ctx: The probe's context.
        found: What the classifier said of each level, of one source.

    Attributes:
        there: (levels,) bool, whether a level has a drop.
    """

    def __init__(self, ctx: ProbeContext, found: Sequence[Told]) -> None:
        rows = found[0].source.rows
        self._members = [f.level.members[rows] for f in found]
        self._error: Floats | None = None
        self._views: list[tuple[NDArray[np.bool_], GroupRanking]] = []
        if ctx.card.task == "regression":
            self._error = np.abs(ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64))[rows]
            self.there = np.ones(len(found), dtype=bool)
            return
        self.there = np.zeros(len(found), dtype=bool)
        for view in ctx.clean.views:
            has = _both_sides(view.labels[rows], self._members)
            if has.any():
                self._views.append((has, _ranking(view.scores[rows], view.labels[rows], self._members)))
            self.there |= has

    def __call__(self, weights: Floats) -> Floats:
        """Return (b, levels) under (b, n) weights, the mean over classes; NaN where there is none."""
        error = self._error
        if error is not None:
            return np.stack([_mean(weights, error, m) - _mean(weights, error, ~m) for m in self._members], axis=1)
        total, count = np.zeros((len(weights), self.there.size)), np.zeros(self.there.size)
        for has, ranking in self._views:
            own, rest = (areas[:, : self.there.size] for areas in ranking.areas(weights))
            total += np.where(has, rest - own, 0.0)
            count += has
        out: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return out


def _both_sides(labels: NDArray[np.bool_], members: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return (levels,) bool, whether a level and its rest have cases with the finding and without."""
    return np.array([all((m & side).any() for m in (of, ~of) for side in (labels, ~labels)) for of in members])


def _ranking(scores: Floats, labels: NDArray[np.bool_], members: Sequence[NDArray[np.bool_]]) -> GroupRanking:
    from audit.stats import GroupRanking

    codes = np.full(labels.size, len(members))
    for code, of in enumerate(members):
        codes[of] = code
    return GroupRanking(scores, labels, codes, int(codes.max()) + 1)


def _areas(parts: Sequence[tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]]) -> Weighted | None:
    """Return the AUC over several sets of pairs under any weights; None where there is no pair."""
    from audit.stats import Ranking

    kept = [Ranking(scores, np.flatnonzero(a), np.flatnonzero(b)) for scores, a, b in parts if a.any() and b.any()]
    if not kept:
        return None

    def area(weights: Floats) -> Floats:
        wins, pairs = (np.sum(found, axis=0) for found in zip(*(r.won(weights) for r in kept), strict=True))
        out: Floats = np.full(len(weights), np.nan)
        np.divide(wins, pairs, out=out, where=pairs > 0)
        return out

    return area


def _mean(weights: Floats, values: Floats, rows: NDArray[np.bool_]) -> Floats:
    total = weights[:, rows].sum(axis=1)
    out: Floats = np.full(len(weights), np.nan)
    np.divide(weights[:, rows] @ values[rows], total, out=out, where=total > 0)
    return out
