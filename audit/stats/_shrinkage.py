"""Proportions of many small groups, each drawn towards what the groups have in common; a description, no verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, estimate, same_length
from audit.stats._proportion import Share, share_of

METHOD = "beta-binomial shrinkage over the groups"
MIN_GROUPS = 3
_MEANS, _SIZES, _POINTS = 25, 21, 1001
_REFINED = 2
_NEGLIGIBLE = 1e-5
_TAIL, _EDGE = 1e-8, 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """Weighted parameters of the beta distribution that the groups' proportions are drawn from."""

    a: Floats
    b: Floats
    weight: Floats


def shrunken_proportions(hits: Bools, groups: Ints, patients: Ints, levels: Levels) -> tuple[Estimate, ...]:
    """Estimate the proportion of every group, small groups drawn towards the common mean.

    The groups' proportions are draws of one beta distribution with the weak prior (a + b)^(-5/2) on its parameters
    (Gelman and others 2013, section 5.3). The posterior is summed over a grid of both, so the interval of a group
    holds the uncertainty of what the groups have in common, too. A group counts with its effective number of cases,
    as patients with several alike cases carry less.

    A shrunken value is biased towards the other groups by design: a group that truly is failed looks less so. It may
    order and describe groups; it may not clear one of them.

    Args:
        hits: (n,) True where the case counts.
        groups: (n,) group codes.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        One estimate a group, in the order of its code: the posterior mean in [0, 1] with equal-tailed bounds; n and
        n_patients are the group's. Absent with fewer than 3 groups.

    Raises:
        ValueError: The arrays are not of one length.

    References:
        Gelman and others 2013, Bayesian Data Analysis, third edition, chapter 5.
        Efron and Morris 1975, Data analysis using Stein's estimator and its generalizations, JASA 70.
    """
    same_length(hits=hits, groups=groups, patients=patients)
    right = np.asarray(hits, dtype=bool)
    shares = [share_of(right[rows], Patients.of(patients[rows])) for rows in _rows(np.asarray(groups))]
    if len(shares) < MIN_GROUPS:
        reason = f"{len(shares)} groups, fewer than the {MIN_GROUPS} that shrinkage needs"
        return tuple(Estimate.absent(reason, method=METHOD, n=s.n, n_patients=s.patients.count, k=s.k) for s in shares)
    worth = np.array([_worth(s) for s in shares])
    successes = worth * np.array([s.value for s in shares])
    failures = worth - successes
    grid = _posterior(successes, failures)
    return tuple(_of(s, k, f, grid, levels) for s, k, f in zip(shares, successes, failures, strict=True))


def _worth(share: Share) -> float:
    """Return the effective number of cases; exactly their number where every patient has one."""
    count = share.patients.count
    if share.k in (0, share.n) or count == 1:
        return float(count)
    return min(share.n, share.n_eff * count / (count - 1))


def _rows(groups: Ints) -> list[Bools]:
    return [groups == code for code in np.unique(groups)]


def _posterior(successes: Floats, failures: Floats) -> _Grid:
    """Return the posterior of (a, b), first on a coarse grid and then on a fine one where the coarse has weight."""
    from scipy.special import logit

    pooled = (successes.sum() + 0.5) / (successes.sum() + failures.sum() + 1)
    means, sizes = logit(pooled) + np.linspace(-4, 4, _MEANS), np.linspace(np.log(0.1), np.log(1e5), _SIZES)
    for _ in range(_REFINED):
        log = _log_posterior(means, sizes, successes, failures)
        held = log > log.max() + np.log(_NEGLIGIBLE)
        means, sizes = _around(means, held.any(axis=1)), _around(sizes, held.any(axis=0))
    log = _log_posterior(means, sizes, successes, failures)
    weight = np.exp(log - log.max())
    kept = weight > _NEGLIGIBLE
    a, b = _parameters(means, sizes)
    return _Grid(a=a[kept], b=b[kept], weight=weight[kept] / weight[kept].sum())


def _around(axis: Floats, held: Bools) -> Floats:
    """Return as many points between the neighbours of those that have weight."""
    first, last = np.flatnonzero(held)[[0, -1]]
    return np.linspace(axis[max(first - 1, 0)], axis[min(last + 1, len(axis) - 1)], len(axis))


def _parameters(means: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    from scipy.special import expit

    mean, size = np.meshgrid(expit(means), np.exp(sizes), indexing="ij")
    return mean * size, (1 - mean) * size


def _log_posterior(means: Floats, sizes: Floats, successes: Floats, failures: Floats) -> Floats:
    """Return the log density on the grid of logit means and log sizes, up to a constant."""
    from scipy.special import betaln

    a, b = _parameters(means, sizes)
    # The prior (a + b)^(-5/2) in the coordinates of the grid: times the Jacobian a b.
    log: Floats = np.log(a) + np.log(b) - 2.5 * np.log(a + b)
    for k, f in zip(successes, failures, strict=True):
        log = log + betaln(a + k, b + f) - betaln(a, b)
    return log


def _of(share: Share, successes: float, failures: float, grid: _Grid, levels: Levels) -> Estimate:
    a, b = grid.a + successes, grid.b + failures
    value = float(np.sum(grid.weight * a / (a + b)))
    alpha = alphas(levels)
    points, below = _distribution(a, b, grid.weight)
    # The neighbouring point outwards: a coarse grid may widen a bound, never narrow it.
    low = points[np.maximum(np.searchsorted(below, alpha, side="right") - 1, 0)]
    high = points[np.minimum(np.searchsorted(below, 1 - alpha, side="left"), _POINTS - 1)]
    return estimate(value, (low, high), levels, method=METHOD, n=share.n, n_patients=share.patients.count, k=share.k)


def _distribution(a: Floats, b: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return points in [0, 1] and the share of a mixture of beta distributions below each.

    The density is summed on the logit scale, where it has no poles and its tails are even.
    """
    from scipy.special import betaincinv, betaln, expit, logit

    first, last = float(betaincinv(a, b, _TAIL).min()), float(betaincinv(a, b, 1 - _TAIL).max())
    x = np.linspace(float(logit(max(first, _EDGE))), float(logit(min(last, 1 - _EDGE))), _POINTS)
    log_p, log_q = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    density = weight @ np.exp(np.outer(a, log_p) + np.outer(b, log_q) - betaln(a, b)[:, None])
    below = np.append(0.0, np.cumsum(density[1:] + density[:-1]))
    return expit(x), below / below[-1]
