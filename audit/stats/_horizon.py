"""How well risks of an event by a horizon rank and hold, with patients as the unit of sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._calibration import EDGE, probabilities
from audit.stats._common import Bools, Floats, Ints, Patients, finite, same_length, too_few
from audit.stats._horizon_bounds import Quantity, Worth, estimates
from audit.stats._horizon_slope import weighted_logistic
from audit.stats._kernel import Ranking
from audit.stats._survival import Concordance, FollowUp

RANKING = ("c_index", "c_index_harrell", "auc_at_horizon")
CALIBRATION = ("slope_at_horizon", "observed_minus_expected", "observed_expected_ratio", "brier_at_horizon")


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """Cases with a risk and what became of them.

    Args:
        risk: (n,) finite, higher for a higher risk; a probability for calibration, Brier score and net benefit.
        time: (n,) follow-up times, 0 or more.
        event: (n,) bool, whether the event was seen at that time.
        patients: (n,) patient codes.
        horizon: Time above 0 that the risk is said for.

    Raises:
        ValueError: The arrays are not of one length, a number is not finite, or the horizon is not above 0.
    """

    risk: Floats
    time: Floats
    event: Bools
    patients: Ints
    horizon: float

    def __post_init__(self) -> None:
        same_length(risk=self.risk, time=self.time, event=self.event, patients=self.patients)
        finite("risk", self.risk)
        if (finite("time", self.time) < 0).any():
            raise ValueError("time: expected 0 or more")
        if not 0 < self.horizon < np.inf:
            raise ValueError(f"horizon: expected a time above 0, got {self.horizon}")

    @cached_property
    def follow_up(self) -> FollowUp:
        """Follow-up cut at the horizon."""
        return FollowUp(self.time, self.event, self.horizon)

    def of(self, rows: Bools) -> Followed:
        """Return some of the cases."""
        return Followed(
            risk=self.risk[rows], time=self.time[rows], event=self.event[rows], patients=self.patients[rows],
            horizon=self.horizon,
        )  # fmt: skip

    def lacking(self) -> str | None:
        """Return why nothing can be said of the horizon, or None."""
        follow_up = self.follow_up
        if not len(self.time):
            return "no cases"
        if not self.event.any():
            return "no event was seen: every case is censored"
        if not follow_up.failed.any():
            return "no event was seen by the horizon"
        if not (self.time >= self.horizon).any():
            return "follow-up ends before the horizon, so nobody is known to be free of the event at it"
        reason = too_few(self._count(follow_up.failed), "with an event by the horizon")
        return reason or too_few(self._count(follow_up.free), "followed to the horizon without an event")

    def _count(self, rows: Bools) -> int:
        return int(np.unique(self.patients[rows]).size)

    def worth(self) -> Worth:
        """Return how many patients each side of the question is worth."""
        found = Patients.of(self.patients)
        shares = self.follow_up.shares(np.ones((1, len(self.time))))[0]
        return Worth(
            events=_effective(found.sums(np.where(self.follow_up.failed, shares, 0))),
            free=_effective(found.sums(np.where(self.follow_up.free, shares, 0))), patients=found,
        )  # fmt: skip


def _effective(weights: Floats) -> int:
    """Return how many patients of equal weight would say as much (Kish)."""
    total = float(np.sum(weights**2))
    return int(float(np.sum(weights)) ** 2 / total) if total > 0 else 0


def ranking_at_horizon(
    cases: Followed, levels: Levels, rng: np.random.Generator, *, resamples: int
) -> Mapping[str, Estimate]:
    """Estimate how well risks rank who has the event, and when.

    `c_index`: chance that of two cases the one with the earlier event, by the horizon, has the higher risk, pairs
    weighted against censoring (Uno and others 2011). `c_index_harrell`: share of the pairs seen over the whole
    follow-up that are in order, which depends on the censoring. `auc_at_horizon`: cumulative/dynamic AUC, chance that
    a case with the event by the horizon has a higher risk than one without, weighted against censoring. Ties of risk
    count half. Intervals are those of AUCs with the variance of the patient bootstrap, in each resample of which the
    censoring is estimated anew, and never narrower than its percentiles.

    Args:
        cases: Risks and follow-up.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.

    Returns:
        Estimates by name of `RANKING`, each in [0, 1]; absent with fewer than 5 patients who had the event or were
        followed to the horizon without it, and where follow-up ends before the horizon.

    References:
        Uno, Cai, Pencina, D'Agostino and Wei 2011, On the C-statistics for evaluating overall adequacy of risk
        prediction procedures with censored survival data, Statistics in Medicine 30.
    """
    follow_up, whole = cases.follow_up, FollowUp(cases.time, cases.event, np.inf)
    ranking = Ranking(cases.risk, np.flatnonzero(follow_up.failed), np.flatnonzero(follow_up.free))
    cut, uncut = Concordance(cases.risk, follow_up), Concordance(cases.risk, whole)
    quantities = (
        Quantity("c_index", lambda w, _: cut.index(w, corrected=True), "area"),
        Quantity("c_index_harrell", lambda w, _: uncut.index(w, corrected=False), "area"),
        Quantity("auc_at_horizon", lambda _, v: ranking.area(v), "area"),
    )
    return estimated(cases, quantities, levels, rng, resamples)


def calibration_at_horizon(
    cases: Followed, levels: Levels, rng: np.random.Generator, *, resamples: int
) -> Mapping[str, Estimate]:
    """Estimate how well probabilities of an event by the horizon hold.

    `slope_at_horizon`: slope of a logistic regression of the event by the horizon on the logit of the risk, cases
    weighted against censoring; below 1 the risks are too extreme. `observed_minus_expected`: Kaplan-Meier risk at the
    horizon minus the mean risk that was said; `observed_expected_ratio`: the one over the other. `brier_at_horizon`:
    mean squared difference of risk and event, weighted against censoring (Graf and others 1999).

    Args:
        cases: Risks in [0, 1] and follow-up.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.

    Returns:
        Estimates by name of `CALIBRATION`; absent as in `ranking_at_horizon`, the slope also where risks are all alike
        or separate the two outcomes.

    Raises:
        ValueError: A risk is outside [0, 1].

    References:
        Graf, Schmoor, Sauerbrei and Schumacher 1999, Assessment and comparison of prognostic classification schemes
        for survival data, Statistics in Medicine 18.
    """
    risk, failed = probabilities(cases.risk), cases.follow_up.failed
    squares = (risk - failed) ** 2

    def expected(w: Floats) -> Floats:
        return np.asarray(w @ risk / w.sum(axis=1))

    quantities = (
        Quantity("slope_at_horizon", _slopes(risk, failed, cases.follow_up.known), "plain"),
        Quantity(
            "observed_minus_expected", lambda w, v: share_ill(w, v, failed) - expected(w), "difference",
            level=expected,
        ),
        Quantity("observed_expected_ratio", lambda w, v: _ratio(share_ill(w, v, failed), expected(w)), "ratio"),
        Quantity("brier_at_horizon", lambda w, v: v @ squares / w.sum(axis=1), "positive"),
    )  # fmt: skip
    return estimated(cases, quantities, levels, rng, resamples)


def share_ill(weights: Floats, shares: Floats, failed: Bools) -> Floats:
    """Return (b,) shares of the weight on cases with the event, where the censored have handed theirs on."""
    out: Floats = shares @ failed.astype(np.float64) / weights.sum(axis=1)
    return out


def _ratio(above: Floats, below: Floats) -> Floats:
    out = np.full(len(above), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def _slopes(risk: Floats, failed: Bools, known: Bools) -> Callable[[Floats, Floats], Floats]:
    inside = np.clip(risk[known], EDGE, 1 - EDGE)
    logit, positive = np.log(inside) - np.log1p(-inside), failed[known]
    start: list[Floats] = []

    def slopes(_: Floats, shares: Floats) -> Floats:
        found = weighted_logistic(shares[:, known], logit, positive, start[0] if start else np.zeros(2))
        if not start:
            # The first row is that of the cases as they are; their resamples lie near it.
            start.append(np.nan_to_num(found[0]))
        return found[:, 1]

    return slopes


def observed_risk(cases: Followed, levels: Levels, rng: np.random.Generator, *, resamples: int) -> Estimate:
    """Estimate the share of cases with the event by the horizon, one minus Kaplan-Meier.

    Bounds are exact binomial ones at the effective number of patients, from the variance of the patient bootstrap.

    Args:
        cases: Follow-up; the risks are not used.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.

    Returns:
        Value in [0, 1]; absent with fewer than 5 patients, and where follow-up ends before the horizon.
    """
    failed = cases.follow_up.failed
    quantity = Quantity("observed_risk", lambda w, v: share_ill(w, v, failed), "share")
    found = int(np.unique(cases.patients).size)
    reason = too_few(found) or (None if cases.follow_up.free.any() else "follow-up ends before the horizon")
    return estimated(cases, (quantity,), levels, rng, resamples, reason=reason, alone=True)["observed_risk"]


def estimated(
    cases: Followed, quantities: Sequence[Quantity], levels: Levels, rng: np.random.Generator, resamples: int,
    reason: str | None = None, *, alone: bool = False,
) -> Mapping[str, Estimate]:  # fmt: skip
    """Return estimates by name, all absent where follow-up lacks what they need or there is another reason.

    Args:
        cases: The cases.
        quantities: What is estimated.
        levels: Levels of the bounds.
        rng: Generator.
        resamples: Number of resamples, at least 100.
        reason: Why there are none, beside what follow-up lacks.
        alone: Ask for `reason` alone.

    Raises:
        ValueError: Fewer than 100 resamples.
    """
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    why = reason if alone else cases.lacking() or reason
    n, n_patients = len(cases.time), int(np.unique(cases.patients).size)
    if why:
        return {q.name: Estimate.absent(why, method=q.method, n=n, n_patients=n_patients) for q in quantities}
    return estimates(quantities, cases.follow_up, cases.worth(), levels, rng, resamples=resamples)
