"""Weighted Kaplan-Meier, weights against censoring, and concordance, each for many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats._common import Bools, Floats, Ints

WHOLE = 1e-9
"""Share of the weight that may be lost to rounding before follow-up counts as ending before the horizon."""


def kaplan_meier(time: Floats, event: Bools, weights: Floats, *, reverse: bool = False) -> tuple[Floats, Floats]:
    """Return the Kaplan-Meier estimate of weighted cases.

    Where an event and a censoring fall on one time, the event comes first, as everywhere in this module.

    Args:
        time: (n,) follow-up times.
        event: (n,) True where the event was seen at that time.
        weights: (b, n) case weights, a resample a row.
        reverse: Of the time to censoring, in place of that to the event.

    Returns:
        (m,) distinct times, and (b, m) probability of being free just after each of them; where nobody of weight is
        at risk it stays as it is.

    References:
        Kaplan and Meier 1958, Nonparametric estimation from incomplete observations, Journal of the American
        Statistical Association 53.
    """
    times, slot = np.unique(time, return_inverse=True)
    order = np.argsort(slot, kind="stable")
    starts = np.searchsorted(slot[order], np.arange(len(times)))
    ordered = weights[:, order]
    failed = np.add.reduceat(ordered * event[order], starts, axis=1)
    leaving = np.add.reduceat(ordered, starts, axis=1)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    if reverse:
        # Who has had the event at a time is no longer there to be censored at it.
        at_risk, lost = at_risk - failed, leaving - failed
    else:
        lost = failed
    share = np.zeros_like(at_risk)
    np.divide(lost, at_risk, out=share, where=(at_risk > 0) & (lost > 0))
    out: Floats = np.cumprod(1 - np.minimum(share, 1), axis=1)
    return times, out


class FollowUp:
    """Follow-up of some cases, cut at a horizon.

    A case that was censored at the horizon itself is known to be free of the event by then: an event on that day
    would have been seen. Events at the horizon count as events by it.

    Args:
        time: (n,) follow-up times, 0 or more.
        event: (n,) True where the event was seen at that time.
        horizon: Time above 0 at which status is wanted; infinity for the whole follow-up.
    """

    def __init__(self, time: Floats, event: Bools, horizon: float) -> None:
        self.cut: Floats = np.minimum(time, horizon)
        self.failed: Bools = np.asarray(event, dtype=bool) & (time <= horizon)
        self.free: Bools = (time >= horizon) & ~self.failed
        self._times, self._slot = np.unique(self.cut, return_inverse=True)

    @property
    def known(self) -> Bools:
        """(n,) True where it is known whether the event came by the horizon."""
        return self.failed | self.free

    def uncensored(self, weights: Floats) -> Floats:
        """Return (b, n) chance of not being censored before each case's own time, estimated on these very weights."""
        _, after = kaplan_meier(self.cut, self.failed, weights, reverse=True)
        before = np.ones_like(after)
        before[:, 1:] = after[:, :-1]
        return before[:, self._slot]

    def shares(self, weights: Floats) -> Floats:
        """Return (b, n) weights with those of the censored cases handed to the cases whose status is known.

        These are inverse probability of censoring weights, estimated anew for each row. The events' share of them is
        one minus the Kaplan-Meier estimate at the horizon (Satten and Datta 2001). A row whose follow-up ends before
        the horizon, so that nobody is left to carry the weight, is NaN.

        Args:
            weights: (b, n), a resample a row.
        """
        chance = self.uncensored(weights)
        out = np.zeros_like(weights)
        np.divide(weights, chance, out=out, where=self.known & (weights > 0) & (chance > 0))
        lost = out.sum(axis=1) < weights.sum(axis=1) * (1 - WHOLE)
        out[lost] = np.nan
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class _Level:
    """Pairs of times that differ first at one bit of their rank.

    Args:
        earlier: (e,) cases with the event and the bit unset.
        later: (m,) cases with the bit set, by leading bits and then by risk.
        first: (e,) where the cases of `later` with the same leading bits begin.
        last: (e,) where they end.
        below: (e,) where those begin that are not of lower risk.
        upto: (e,) where those begin that are of higher risk.
    """

    earlier: Ints
    later: Ints
    first: Ints
    last: Ints
    below: Ints
    upto: Ints


def _places(held: NDArray[Any], wanted: NDArray[Any]) -> tuple[Ints, Ints]:
    return np.searchsorted(held, wanted, "left"), np.searchsorted(held, wanted, "right")


class Concordance:
    """Which of two cases had the event first, and which was said to be at higher risk.

    A pair counts where one case had the event while the other was still followed and free of it. The sum over pairs is
    split by the highest bit in which the ranks of the two times differ; at each bit, cumulative weights in order of
    risk do the rest, so that n cases cost n log n and nothing of the size of all pairs is ever made.

    Args:
        risk: (n,) finite, higher for an earlier event.
        follow_up: Their follow-up.
    """

    def __init__(self, risk: Floats, follow_up: FollowUp) -> None:
        self._follow_up = follow_up
        _, self._rank = np.unique(2 * follow_up._slot + ~follow_up.failed, return_inverse=True)
        _, height = np.unique(risk, return_inverse=True)
        most = int(self._rank.max(initial=0))
        self._levels = [self._level(height, bit) for bit in range(most.bit_length())]

    def _level(self, height: NDArray[Any], bit: int) -> _Level:
        group, late = self._rank >> (bit + 1), (self._rank >> bit & 1).astype(bool)
        key = group * (int(height.max()) + 1) + height
        earlier, later = np.flatnonzero(self._follow_up.failed & ~late), np.flatnonzero(late)
        later = later[np.argsort(key[later], kind="stable")]
        first, last = _places(group[later], group[earlier])
        below, upto = _places(key[later], key[earlier])
        return _Level(earlier=earlier, later=later, first=first, last=last, below=below, upto=upto)

    def index(self, weights: Floats, *, corrected: bool) -> Floats:
        """Return (b,) concordance indices, ties of risk counted half, NaN where no pair can be compared.

        Args:
            weights: (b, n), a resample a row.
            corrected: Weigh each pair by the inverse square of the chance of not being censored before its event
                (Uno and others 2011), in place of counting the pairs that were seen (Harrell and others 1982).
        """
        own = weights
        if corrected:
            chance = self._follow_up.uncensored(weights)
            own = np.zeros_like(weights)
            np.divide(weights, chance**2, out=own, where=self._follow_up.failed & (weights > 0) & (chance > 0))
        right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for level in self._levels:
            passed = np.zeros((len(weights), len(level.later) + 1))
            np.cumsum(weights[:, level.later], axis=1, out=passed[:, 1:])
            mine, start = own[:, level.earlier], passed[:, level.first]
            lower = (passed[:, level.below] + passed[:, level.upto]) / 2 - start
            right += np.einsum("ij,ij->i", mine, lower)
            pairs += np.einsum("ij,ij->i", mine, passed[:, level.last] - start)
        out = np.full(len(weights), np.nan)
        np.divide(right, pairs, out=out, where=pairs > 0)
        return out
