"""The gap of a rate between a subgroup and the rest within strata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bools, Floats, Ints, Patients, same_length
from audit.stats._floor import resampled
from audit.stats._gaps import proportion_gap
from audit.stats._kernel import chunk_rows, patient_weights
from audit.stats._sparse import SparseSums

METHOD = "Mantel-Haenszel weights over strata, patient bootstrap"
LEAST_SHARED = 0.5


def gaps_within(
    hits: Bools, groups: Sequence[Bools], strata: Ints, patients: Ints, levels: Levels, rng: np.random.Generator, *,
    resamples: int,
) -> tuple[Estimate, ...]:  # fmt: skip
    """Estimate the gap of a rate within strata, subgroup minus rest, for each of several subgroups.

    The gaps of the strata are averaged with the weights of Mantel and Haenszel, cases of the subgroup times cases of
    the rest over their sum, so a stratum with one side only weighs nothing. The interval is by bootstrap of patients
    in which the weights are found again, with arms no shorter than those of the pooled gap over the same strata.

    Args:
        hits: (n,) True where the case counts.
        groups: (n,) bool each.
        strata: (n,) int, stratum of each case.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rng: Generator; all subgroups see the same resamples.
        resamples: Number of resamples, at least 100.

    Returns:
        One a subgroup, in [-1, 1]; n and n_patients are those of the subgroup in strata that it shares with the rest.
        Absent where less than half of the subgroup's cases lie in such strata, and with fewer than 5 patients a side.

    Raises:
        ValueError: The arrays are not of one length, or fewer than 100 resamples.
    """
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    same_length(hits=hits, strata=strata, patients=patients)
    right = np.asarray(hits, dtype=bool)
    size = int(strata.max()) + 1 if len(strata) else 0
    table = _counts(right, groups, np.asarray(strata), patients, size)
    count = table.patients.count
    chunks = patient_weights(count, resamples, rng, rows=chunk_rows(count))
    drawn = np.concatenate([table.sums(weights) for weights in chunks])
    once = table.sums(np.ones((1, count)))
    out = []
    for at, group in enumerate(groups):
        value, draws = (_gap(sums, at, len(groups), size) for sums in (once, drawn))
        out.append(_one(right, np.asarray(group, dtype=bool), strata, patients, levels, float(value[0]), draws))
    return tuple(out)


def _counts(hits: Bools, groups: Sequence[Bools], strata: Ints, patients: Ints, size: int) -> SparseSums:
    """Return, for each subgroup and then for everybody, cases and then hits of each stratum."""
    table = SparseSums(patients)
    for group in (*groups, np.ones(len(hits), dtype=bool)):
        for inside in (np.asarray(group, dtype=bool), group & hits):
            own = np.flatnonzero(inside)
            for stratum in range(size):
                rows = own[strata[own] == stratum]
                table.add(rows, np.ones(len(rows)))
    return table


def _gap(sums: Floats, at: int, last: int, size: int) -> Floats:
    """Return (b,) weighted gaps of the subgroup at a place, from (b, columns) sums; NaN where no stratum has both."""
    own = sums[:, 2 * size * at : 2 * size * (at + 1)]
    every = sums[:, 2 * size * last :]
    n, k = own[:, :size], own[:, size:]
    n_rest, k_rest = every[:, :size] - n, every[:, size:] - k
    total = np.where(n + n_rest > 0, n + n_rest, 1.0)
    weight = (n * n_rest / total).sum(axis=1)
    parts = ((k * n_rest - k_rest * n) / total).sum(axis=1)
    out: Floats = np.divide(parts, weight, out=np.full(len(sums), np.nan), where=weight > 0)
    return out


def _one(
    hits: Bools, group: Bools, strata: Ints, patients: Ints, levels: Levels, value: float, draws: Floats
) -> Estimate:
    shared = np.isin(strata, np.intersect1d(strata[group], strata[~group]))
    n, held = int(group.sum()), int((group & shared).sum())
    if held < LEAST_SHARED * n or held == 0:
        reason = f"only {held} of {n} cases of this level are in strata where there are others to compare them with"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=Patients.of(patients[group]).count)
    floor = proportion_gap(hits[shared], group[shared], patients[shared], levels)
    count = min(Patients.of(patients[shared & side]).count for side in (group, ~group))
    return resampled(value, draws, floor, levels, count=max(2, count), method=METHOD, support=(-1.0, 1.0))
