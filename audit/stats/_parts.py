"""A gap in sensitivity in two parts: what another threshold would close, and what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, finite, same_length, too_few, widening
from audit.stats._floor import resampled
from audit.stats._gaps import Side, mover, proportion_gap
from audit.stats._kernel import chunk_rows, patient_weights
from audit.stats._proportion import korn_graubard_bounds, share_of

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


class Roc:
    """Sensitivity at a given share of false alarms, for any weights of the cases.

    Args:
        scores: (n,) finite.
        labels: (n,) True for positive cases.
        rows: (n,) True for the cases of this curve.
    """

    def __init__(self, scores: Floats, labels: Bools, rows: Bools) -> None:
        index = np.flatnonzero(rows)
        self.order = index[np.argsort(-scores[index], kind="stable")]
        ordered = scores[self.order]
        new = np.flatnonzero(np.diff(ordered)) + 1
        self._starts = np.concatenate([[0], new]).astype(np.int64)
        self.values = ordered[self._starts]
        self._tied = len(self._starts) < len(ordered)
        self._positive = labels[self.order]

    def _steps(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (b, scores + 1) weights of the negatives and of all cases at or above each distinct score."""
        own = weights[:, self.order]
        found = []
        for values in (own * ~self._positive, own):
            grouped = np.add.reduceat(values, self._starts, axis=1) if self._tied else values
            out = np.zeros((len(weights), len(self._starts) + 1))
            np.cumsum(grouped, axis=1, out=out[:, 1:])
            found.append(out)
        return found[0], found[1]

    def sensitivity(self, weights: Floats, alarms: Floats) -> Floats:
        """Return (b,) sensitivities where (b,) shares of the negatives are called positive.

        Between two thresholds the curve is a straight line; where it rises at one share, the middle of the rise is
        taken, and at a share of 0 its top, the best that a threshold above all negatives gives.
        """
        down, every = self._steps(weights)
        false, positives = _shares(down), every[:, -1] - down[:, -1]
        row = np.arange(len(weights))

        def true(index: Ints) -> Floats:
            out = np.full(len(weights), np.nan)
            np.divide(every[row, index] - down[row, index], positives, out=out, where=positives > 0)
            return out

        right = _at(false, true, alarms, (false <= alarms[:, None]).sum(axis=1))
        left = _at(false, true, alarms, (false < alarms[:, None]).sum(axis=1))
        out: Floats = np.where(alarms > 0, (left + right) / 2, right)
        return out

    def threshold(self, alarms: float) -> float:
        """Return the lowest score at which no more than a share of the negatives is called positive, at equal weights.

        It is infinite where already the highest score is one of more negatives than that.
        """
        false = _shares(self._steps(np.ones((1, int(self.order.max()) + 1)))[0])[0]
        last = int(np.count_nonzero(false <= alarms)) - 1
        return float(self.values[last - 1]) if last > 0 else float("inf")


def _shares(sums: Floats) -> Floats:
    """Return (b, m) cumulative sums as shares of the whole, NaN where there is nothing."""
    total = sums[:, -1:]
    out: Floats = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    return out


def _at(false: Floats, true: Callable[[Ints], Floats], alarms: Floats, index: Ints) -> Floats:
    """Return (b,) heights of the curve between the points index - 1 and index."""
    row, last = np.arange(len(alarms)), false.shape[1] - 1
    after, before = np.clip(index, 1, last), np.clip(index, 1, last) - 1
    width = false[row, after] - false[row, before]
    along = np.divide(alarms - false[row, before], width, out=np.ones_like(alarms), where=width > 0)
    low = true(before)
    out: Floats = low + np.clip(along, 0, 1) * (true(after) - low)
    return out


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

    def parts(self, weights: Floats, pairs: Sequence[Sequence[tuple[Bools, Roc]]]) -> Floats:
        """Return (pairs, b, 2) threshold and ranking part of the first side of each pair minus the second."""
        alarms = self.share(weights, ~self.labels)
        # Of two levels each is the rest of the other: a curve that several pairs share is followed once.
        rates: dict[Roc, tuple[Floats, Floats]] = {}
        out = []
        for sides in pairs:
            gap, matched = np.zeros(len(weights)), np.zeros(len(weights))
            for sign, (rows, roc) in zip((1, -1), sides, strict=True):
                if roc not in rates:
                    rates[roc] = self.share(weights, rows & self.labels), roc.sensitivity(weights, alarms)
                called, held = rates[roc]
                gap += sign * called
                matched += sign * held
            out.append(np.stack([gap - matched, matched], axis=1))
        return np.stack(out)


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
    curves: dict[bytes, Roc] = {}
    for rows in (side for group in use for side in (group, ~group)):
        curves.setdefault(rows.tobytes(), Roc(values, positive, rows))
    sides = [[(rows, curves[rows.tobytes()]) for rows in (group, ~group)] for group in use]
    once, drawn = np.zeros((0, 2)), np.zeros((0, 0, 2))
    if use:
        once = cohort.parts(np.ones((1, len(values))), sides)[:, 0]
        chunks = patient_weights(found.count, resamples, rng, rows=chunk_rows(len(values)))
        drawn = np.concatenate([cohort.parts(weights[:, found.code], sides) for weights in chunks], axis=1)
    done = iter(zip(use, sides, once, drawn, strict=True))
    out = []
    for group, (why, count) in zip(groups, lacking, strict=True):
        if why is not None:
            absent = _absent(why, positive & group, patients)
            out.append(GapParts(threshold=absent, ranking=absent))
            continue
        rows, pair, value, draws = next(done)
        out.append(_estimates(cohort, rows, pair, value, draws, patients, levels, count))
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
    cohort: _Cohort, group: Bools, sides: Sequence[tuple[Bools, Roc]], value: Floats, draws: Floats, patients: Ints,
    levels: Levels, count: int,
) -> GapParts:  # fmt: skip
    labels = cohort.labels
    alarms = float(cohort.share(np.ones((1, len(labels))), ~labels)[0])
    matched = tuple(roc.threshold(alarms) for _, roc in sides)
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
