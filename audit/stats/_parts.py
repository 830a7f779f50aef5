"""A gap in sensitivity in two parts: what another threshold would close, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, finite, same_length, too_few, widening
from audit.stats._floor import resampled
from audit.stats._gaps import Side, mover, proportion_gap
from audit.stats._kernel import chunk_rows, patient_weights
from audit.stats._proportion import korn_graubard_bounds, share_of
from audit.stats._roc import Rest, Roc, Steps

_Rates = tuple[Floats, Floats]

AT_ONCE = 8
"""Resamples that are looked up together at least, however many cases there are."""
METHOD = "thresholds picked again in every patient bootstrap"


@dataclass(frozen=True, kw_only=True, slots=True)
class GapParts:
    """The two parts of a gap in sensitivity, subgroup minus rest; they add up to it.

    Args:
        threshold: What the gap loses if both sides are held to the specificity of the whole.
        ranking: The gap in sensitivity at that specificity.
        matched: Thresholds of the subgroup and of the rest at that specificity, None where there are none.
    """

    threshold: Estimate
    ranking: Estimate
    matched: tuple[float, float] | None = None


class _Cohort:
    """One cohort and its operating point, seen under many weights."""

    def __init__(self, scores: Floats, labels: Bools, point: float) -> None:
        self.scores, self.labels, self.point = scores, labels, point
        self.called = scores >= point

    def share(self, weights: Floats, rows: Bools) -> Floats:
        """Return (b,) shares of some cases that are called positive."""
        total = weights @ rows.astype(np.float64)
        hits = weights @ (rows & self.called).astype(np.float64)
        out: Floats = np.divide(hits, total, out=np.full(len(weights), np.nan), where=total > 0)
        return out

    def parts(self, weights: Floats, curves: _Curves) -> Floats:
        """Return (subgroups, b, 2) threshold and ranking part of each subgroup minus its rest."""
        alarms = self.share(weights, ~self.labels)
        out = []
        for inside, outside in curves.rates(weights, alarms, self.point):
            gap, matched = inside[0] - outside[0], inside[1] - outside[1]
            out.append(np.stack([gap - matched, matched], axis=1))
        return np.stack(out)


class _Curves:
    """The ROC curves of subgroups and of their rests."""

    def __init__(self, scores: Floats, labels: Bools, groups: Sequence[Bools]) -> None:
        self._groups = {rows.tobytes(): Roc(scores, labels, rows) for rows in groups}
        self._whole = Roc(scores, labels, np.ones(len(scores), dtype=bool))
        self._pairs: list[tuple[Roc, Roc | Rest]] = []
        for rows in groups:
            own, other = self._groups[rows.tobytes()], self._groups.get((~rows).tobytes())
            self._pairs.append((own, other or Rest(self._whole, own, scores, rows)))

    def rates(self, weights: Floats, alarms: Floats, point: float) -> Iterator[tuple[_Rates, _Rates]]:
        """Yield, for each subgroup and then its rest, (b,) shares called positive and (b,) sensitivities."""
        whole = self._whole.steps(weights) if any(isinstance(r, Rest) for _, r in self._pairs) else None
        known: dict[Roc, tuple[Steps, _Rates]] = {}
        for own, other in self._pairs:
            # Of two levels each is the rest of the other: their curves are followed once.
            steps, inside = known.get(own) or _followed(own, weights, alarms, point)
            if whole is not None and isinstance(other, Rest):
                yield inside, (other.called(whole, steps, point), other.held(whole, steps, alarms))
                continue
            assert isinstance(other, Roc)
            known[own] = steps, inside
            known[other] = known.get(other) or _followed(other, weights, alarms, point)
            yield inside, known[other][1]


def _followed(roc: Roc, weights: Floats, alarms: Floats, point: float) -> tuple[Steps, _Rates]:
    steps = roc.steps(weights)
    return steps, (roc.called(steps, point), roc.held(steps, alarms))


def gap_parts(
    scores: Floats, labels: Bools, groups: Sequence[Bools], patients: Ints, levels: Levels, rng: np.random.Generator, *,
    point: float, resamples: int,
) -> tuple[GapParts, ...]:  # fmt: skip
    """Split the gap in sensitivity of each of several subgroups to its rest into a threshold and a ranking part.

    Both sides are held to the specificity that the whole cohort has at the operating point, each by a threshold of
    its own, found on its negatives. The gap in sensitivity that is then left is one between two ROC curves, the
    ranking part; what disappears is the threshold part. Operating point and cohort fix the specificity, so two
    complementary subgroups have parts of equal size and opposite sign. Intervals are by bootstrap of patients in
    which specificity and thresholds are found again, with arms no shorter than those with both thresholds held fixed.

    Args:
        scores: (n,) finite.
        labels: (n,) True for positive cases.
        groups: (n,) bool each.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        rng: Generator; all subgroups see the same resamples.
        point: The operating point; a case is called positive at or above it.
        resamples: Number of resamples, at least 100.

    Returns:
        One a subgroup, values in [-1, 1]; n and n_patients are the subgroup's positives. Absent with fewer than 5
        patients of a class on a side.

    Raises:
        ValueError: The arrays are not of one length, a score is not finite, or fewer than 100 resamples.
    """
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    for group in groups:
        same_length(scores=scores, labels=labels, members=group, patients=patients)
    values, positive, found = finite("scores", scores), np.asarray(labels, dtype=bool), Patients.of(patients)
    cohort = _Cohort(values, positive, point)
    lacking = [_lacking(positive, np.asarray(group, dtype=bool), patients) for group in groups]
    use = [np.asarray(g, dtype=bool) for g, (why, _) in zip(groups, lacking, strict=True) if why is None]
    once, drawn = np.zeros((0, 2)), np.zeros((0, 0, 2))
    if use:
        curves = _Curves(values, positive, use)
        once = cohort.parts(np.ones((1, len(values))), curves)[:, 0]
        chunks = patient_weights(found.count, resamples, rng, rows=max(AT_ONCE, chunk_rows(len(values))))
        drawn = np.concatenate([cohort.parts(weights[:, found.code], curves) for weights in chunks], axis=1)
    done = iter(zip(use, once, drawn, strict=True))
    out = []
    for group, (why, count) in zip(groups, lacking, strict=True):
        if why is not None:
            absent = _absent(why, positive & group, patients)
            out.append(GapParts(threshold=absent, ranking=absent))
            continue
        rows, value, draws = next(done)
        out.append(_estimates(cohort, rows, value, draws, patients, levels, count))
    return tuple(out)


def _lacking(labels: Bools, group: Bools, patients: Ints) -> tuple[str | None, int]:
    """Return why a subgroup has no parts, or None, and the patients of its smallest class on either side."""
    least = len(patients)
    for side, rows in (("subgroup", group), ("rest", ~group)):
        for kind, own in (("a positive case", rows & labels), ("a negative case", rows & ~labels)):
            count = int(np.unique(patients[own]).size)
            reason = too_few(count, f"with {kind}")
            if reason:
                return f"{side}: {reason}", count
            least = min(least, count)
    return None, least


def _absent(reason: str, rows: Bools, patients: Ints) -> Estimate:
    return Estimate.absent(
        reason, method=METHOD, n=int(rows.sum()), n_patients=int(np.unique(np.asarray(patients)[rows]).size)
    )


def _estimates(
    cohort: _Cohort, group: Bools, value: Floats, draws: Floats, patients: Ints, levels: Levels, count: int,
) -> GapParts:  # fmt: skip
    labels = cohort.labels
    alarms = float(cohort.share(np.ones((1, len(labels))), ~labels)[0])
    matched = tuple(Roc(cohort.scores, labels, rows).threshold(alarms) for rows in (group, ~group))
    own = cohort.scores >= np.where(group, matched[0], matched[1])
    ranking = proportion_gap(own[labels], group[labels], patients[labels], levels)
    between = (own != cohort.called)[labels]
    threshold = _moved(between, group[labels], patients[labels], levels, ranking)
    floors = {"threshold": threshold, "ranking": ranking}
    made = {
        name: resampled(
            float(value[at]), draws[:, at], floor, levels, count=count, method=METHOD, support=(-1.0, 1.0)
        )
        for at, (name, floor) in enumerate(floors.items())
    }  # fmt: skip
    finite_pair = (matched[0], matched[1]) if np.isfinite(matched).all() else None
    return GapParts(threshold=made["threshold"], ranking=made["ranking"], matched=finite_pair)


def _moved(between: Bools, group: Bools, patients: Ints, levels: Levels, like: Estimate) -> Estimate:
    """Return a floor for the threshold part: positives between two fixed thresholds are shares of cases.

    Which way a threshold moved is left open, so that each arm is the longer one of the share's interval.
    """
    sides = []
    for rows in (group, ~group):
        share = share_of(between[rows], Patients.of(patients[rows]))
        low, high = korn_graubard_bounds(share, alphas(levels))
        arm = np.maximum(share.value - low, high - share.value)
        bounds = share.value - arm, share.value + arm
        sides.append(Side(value=share.value, bounds=bounds, patients=share.patients, influence=share.influence))
    value = sides[0].value - sides[1].value
    low, high = widening(value, mover(*sides))
    curve = tuple(zip(levels.rungs, low.tolist(), high.tolist(), strict=True))
    return Estimate(value=value, curve=curve, method=METHOD, n=like.n, n_patients=like.n_patients)
