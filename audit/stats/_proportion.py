"""Proportions of cases, with patients as the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import (
    Bools,
    Bounds,
    Floats,
    Ints,
    Patients,
    alphas,
    estimate,
    same_length,
    t_quantile,
    too_few,
)

METHOD = "Korn-Graubard"
PSEUDO = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Share:
    """A proportion and how much its clustered cases are worth.

    Args:
        value: Hits over cases, in [0, 1].
        k: Hits.
        n: Cases.
        patients: Patients.
        n_eff: Independent cases that would carry as much.
        influence: (patients,) linearised contribution of each patient; the contributions add up to 0.
    """

    value: float
    k: int
    n: int
    patients: Patients
    n_eff: float
    influence: Floats


def share_of(hits: Bools, patients: Patients) -> Share:
    """Return a proportion with its effective number of cases.

    The design effect is the linearised between-patient variance over the binomial one, at least 1; where every case
    has the same outcome it cannot be estimated, and a patient counts as one case.
    """
    k, n, count = int(np.count_nonzero(hits)), len(hits), patients.count
    p = k / n
    influence = (patients.sums(hits) - p * patients.sizes) / n
    if k in (0, n):
        n_eff = float(count)
    else:
        variance = count / (count - 1) * float(np.sum(influence**2)) if count > 1 else np.inf
        n_eff = n / max(1.0, variance / (p * (1 - p) / n))
    return Share(value=p, k=k, n=n, patients=patients, n_eff=n_eff, influence=influence)


def korn_graubard_bounds(share: Share, alpha: Floats) -> Bounds:
    """Return exact binomial bounds at the effective number of cases, each side with its own caution.

    No bound is better than that of a cohort without a single failure, whose patients count once each: isolated
    failures make the cases of a patient look independent, and one failure more must never prove more.
    """
    below, above = _cautious(share)
    flawless = alpha ** (1 / share.patients.count)
    low = np.minimum(_exact_low(share.value, below, alpha), flawless)
    return low, 1 - np.minimum(_exact_low(1 - share.value, above, alpha), flawless)


def _cautious(share: Share) -> tuple[float, float]:
    """Return the effective n of the lower and of the upper bound."""
    hits = share.influence * share.n + share.value * share.patients.sizes
    return _cautious_n(share, hits), _cautious_n(share, share.patients.sizes - hits)


def _cautious_n(share: Share, hits: Floats) -> float:
    """Return the effective n with half a patient more who has no hit at all, never above the plain one.

    The plain design effect is smallest in the very cohorts that by luck lack patients who fail as a whole, so that
    the lower bound misses too often. With one case a patient the half changes nothing.
    """
    if share.k in (0, share.n):
        return share.n_eff
    count, size = share.patients.count, share.n / share.patients.count
    n = share.n + PSEUDO * size
    p = float(hits.sum()) / n
    squares = float(np.sum((hits - p * share.patients.sizes) ** 2)) + PSEUDO * (p * size) ** 2
    variance = (count + 1) / count * squares / n**2
    return min(share.n_eff, share.n / max(1.0, variance / (p * (1 - p) / n)))


def _exact_low(p: float, n: float, alpha: Floats) -> Floats:
    from scipy.special import betaincinv

    if p <= 0:
        return np.zeros_like(alpha)
    out: Floats = betaincinv(p * n, (1 - p) * n + 1, alpha)
    return out


def wilson_bounds(share: Share, alpha: Floats) -> Bounds:
    """Return Wilson bounds at the effective number of cases, each side with its own caution and a t quantile."""
    below, above = _cautious(share)
    t2 = t_quantile(alpha, share.patients.count - 1) ** 2
    return _wilson_low(share.value, below, t2), 1 - _wilson_low(1 - share.value, above, t2)


def _wilson_low(p: float, n: float, t2: Floats) -> Floats:
    centre = (p + t2 / (2 * n)) / (1 + t2 / n)
    half = np.sqrt(t2 * (p * (1 - p) / n + t2 / (4 * n**2))) / (1 + t2 / n)
    return np.clip(centre - half, 0.0, 1.0)


def proportion(hits: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate a proportion of cases, for example a sensitivity.

    The bounds are Clopper-Pearson at the effective number of cases (Korn and Graubard 1998): a patient with many
    alike cases counts about once. Where all cases have one outcome a patient counts as one case, and no bound is
    better than there. With several cases a patient, the design effect of each side counts half a patient more who
    is all wrong for that side, which holds the error of a bound at its level where plain design effects do not.

    Args:
        hits: (n,) True where the case counts.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [0, 1] with k, n and n_patients; absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length.
    """
    same_length(hits=hits, patients=patients)
    found, n, k = Patients.of(patients), len(hits), int(np.count_nonzero(hits))
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count, k=k)
    share = share_of(np.asarray(hits, dtype=bool), found)
    bounds = korn_graubard_bounds(share, alphas(levels))
    return estimate(share.value, bounds, levels, method=METHOD, n=n, n_patients=found.count, k=k)
