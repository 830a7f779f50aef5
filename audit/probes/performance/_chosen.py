"""The operating points that a cohort would choose for itself, looked up anew in every resample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TARGET = 0.9
YOUDEN, SENSITIVITY, SPECIFICITY = "Youden", f"sensitivity {TARGET:g}", f"specificity {TARGET:g}"
CHOICES = (YOUDEN, SENSITIVITY, SPECIFICITY)
METHOD = "patient bootstrap that looks the point up anew"


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Operating points of one class that this cohort would choose.

    Args:
        thresholds: (3,) the point of each of `CHOICES`, NaN where no point of this cohort reaches it.
        sensitivity: (3,) sensitivity there.
        specificity: (3,) specificity there.
        offsets: Declared point minus each of the three.
        youden_loss: Largest sum of both rates on this cohort minus that at the declared point.
    """

    thresholds: Floats
    sensitivity: Floats
    specificity: Floats
    offsets: tuple[Estimate, ...]
    youden_loss: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """Cases in order of falling score.

    Args:
        order: (n,) indices of the cases.
        ends: (m,) place of the last case of each distinct score.
        labels: (n,) bool in that order.
        thresholds: (m,) distinct scores, falling.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    labels: NDArray[np.bool_]
    thresholds: Floats

    @classmethod
    def of(cls, view: ClassView) -> Ranked:
        """Return the cases of a class in order."""
        order = np.argsort(-view.scores, kind="stable")
        ordered = view.scores[order]
        ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        return cls(order=order, ends=ends, labels=view.labels[order], thresholds=ordered[ends])

    def rates(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return sensitivity and false-positive rate at each threshold, (b, m), for (b, n) weights."""
        inside = weights[:, self.order]
        both = []
        for rows in (self.labels, ~self.labels):
            passed = np.cumsum(inside * rows, axis=1)[:, self.ends]
            total = passed[:, -1:]
            both.append(np.divide(passed, total, out=np.full_like(passed, np.nan), where=total > 0))
        return both[0], both[1]


def choose(ctx: ProbeContext, view: ClassView, point: float) -> Chosen:
    """Look up the points of this cohort, and how far the declared one is from them."""
    from audit.stats import bootstrap_many

    ranked = Ranked.of(view)
    # The declared point takes every case at or above it; -1 where it takes none.
    declared = int(np.searchsorted(-ranked.thresholds, -point, side="right")) - 1

    def statistic(weights: Floats) -> Floats:
        found, alarms = ranked.rates(weights)
        places = _places(found, alarms)
        at = np.where(places >= 0, ranked.thresholds[places], np.nan)
        sums = found - alarms
        own = sums[:, declared] if declared >= 0 else np.zeros(len(sums))
        return np.column_stack([point - at, np.max(sums, axis=1, initial=0.0) - own])

    estimates = bootstrap_many(
        statistic, ctx.cohort.patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
        methods=(METHOD,) * 4, supports=((None, None),) * 3 + ((0.0, 2.0),),
    )  # fmt: skip
    found, alarms = ranked.rates(np.ones((1, len(view.scores))))
    places = _places(found, alarms)[0]
    known = places >= 0
    return Chosen(
        thresholds=np.where(known, ranked.thresholds[places], np.nan),
        sensitivity=np.where(known, found[0, places], np.nan),
        specificity=np.where(known, 1 - alarms[0, places], np.nan),
        offsets=estimates[:3],
        youden_loss=estimates[3],
    )


def _places(found: Floats, alarms: Floats) -> NDArray[np.int64]:
    """Return (b, 3) the index of each choice's threshold, -1 where there is none."""
    known = np.asarray(np.isfinite(found).all(axis=1) & np.isfinite(alarms).all(axis=1))
    best = np.argmax(np.where(known[:, None], found - alarms, 0.0), axis=1)
    reached = np.argmax(found >= TARGET - 1e-12, axis=1)
    spared = np.sum(alarms <= 1 - TARGET + 1e-12, axis=1) - 1
    out = np.stack([best, reached, spared], axis=1)
    return np.where(known[:, None], out, -1).astype(np.int64)
