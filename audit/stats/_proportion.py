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
    """Return exact binomial bounds at the effective number of cases.

    No bound is better than that of a cohort without a single failure, whose patients count once each: isolated
    failures make the cases of a patient look independent, and one failure more must never prove more.
    """
    p, n_eff = share.value, share.n_eff
    flawless = alpha ** (1 / share.patients.count)
    low = np.minimum(_exact_low(p * n_eff, n_eff, alpha), flawless)
    high = 1 - np.minimum(_exact_low((1 - p) * n_eff, n_eff, alpha), flawless)
    return low, high


def _exact_low(k: float, n: float, alpha: Floats) -> Floats:
    from scipy.special import betaincinv

    if k <= 0:
        return np.zeros_like(alpha)
    out: Floats = betaincinv(k, n - k + 1, alpha)
    return out


def wilson_bounds(share: Share, alpha: Floats) -> Bounds:
    """Return Wilson bounds at the effective number of cases, with a t quantile of patients - 1."""
    p, n = share.value, share.n_eff
    t2 = t_quantile(alpha, share.patients.count - 1) ** 2
    centre = (p + t2 / (2 * n)) / (1 + t2 / n)
    half = np.sqrt(t2 * (p * (1 - p) / n + t2 / (4 * n**2))) / (1 + t2 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def proportion(hits: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate a proportion of cases, for example a sensitivity.

    The bounds are Clopper-Pearson at the effective number of cases (Korn and Graubard 1998): a patient with many
    alike cases counts about once. Where all cases have one outcome, and at most as good as there otherwise, the
    bounds are those of one case a patient.

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
