"""Whether the distance of a protocol says how much worse the model is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext
from audit.probes.shift._distance import Told, joint_codes, label_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    pairs = [(_distance(ctx, f), _drop(ctx, f)) for f in found]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(known) < FEWEST:
        reason = f"{len(known)} levels with a distance and an AUC; a correlation needs {FEWEST}"
        estimate = Estimate.absent(reason, method=METHOD, n=int(rows.size), n_patients=int(np.unique(patients).size))
    else:
        estimate = _correlated(ctx, known, patients)
    return Measurement.of(
        estimate, metric="distance_predicts_drop", level=ctx.levels.confidence, direction="higher",
        condition={"attribute": attribute.name, "parameter": source.name},
    )  # fmt: skip


def _correlated(ctx: ProbeContext, pairs: Sequence[tuple[Weighted, Weighted]], patients: NDArray[np.int64]) -> Estimate:
    from scipy.stats import rankdata

    from audit.stats import bootstrap

    def statistic(weights: Floats) -> Floats:
        tables = (np.stack([side(weights) for side in sides], axis=1) for sides in zip(*pairs, strict=True))
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


def _drop(ctx: ProbeContext, found: Told) -> Weighted | None:
    """Return by how much the rest does better than the level, under any weights: AUC, or mean absolute error."""
    rows = found.source.rows
    members = found.level.members[rows]
    if ctx.card.task == "regression":
        error = np.abs(ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64))[rows]
        return lambda weights: _mean(weights, error, members) - _mean(weights, error, ~members)
    sides: list[tuple[Weighted, Weighted]] = []
    for view in ctx.clean.views:
        labels, scores = view.labels[rows], view.scores[rows]
        inside, outside = (_areas([(scores, side & labels, side & ~labels)]) for side in (members, ~members))
        if inside is not None and outside is not None:
            sides.append((inside, outside))
    if not sides:
        return None
    return lambda weights: np.mean([outside(weights) - inside(weights) for inside, outside in sides], axis=0)


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
