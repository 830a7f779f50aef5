"""Association of two columns of levels, with patients as the unit of sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, same_length, too_few

METHOD = "noncentral chi-square"


def association(one: NDArray[Any], two: NDArray[Any], patients: Ints, levels: Levels) -> Estimate:
    """Estimate Cramer's V of two columns of levels, corrected for its bias.

    Each patient has weight 1, shared by their cases, so that chi-square has the sample size of the patients. The value
    is V with the bias of chi-square under independence taken off (Bergsma 2013, A bias-correction for Cramer's V and
    Tschuprow's T, Journal of the Korean Statistical Society 42); the bounds are those of the noncentrality of
    chi-square. A bootstrap is not used: resampling adds an association of its own, and its lower bound is above 0 in
    most samples from independent columns.

    Args:
        one: (n,) levels.
        two: (n,) levels.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [0, 1], 0 for independent columns; absent with fewer than 5 patients, or where a column has one level.

    Raises:
        ValueError: The arrays are not of one length.
    """
    same_length(one=one, two=two, patients=patients)
    found, n = Patients.of(patients), len(patients)
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason is None and min(np.unique(one).size, np.unique(two).size) < 2:
        reason = "all cases have one level, so there is nothing to associate"
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    table = _table(one, two, found)
    value = _corrected(table)
    bounds = _bounds(table, alphas(levels))
    return estimate(value, bounds, levels, method=METHOD, n=n, n_patients=found.count)


def association_p(
    one: NDArray[Any], two: NDArray[Any], patients: Ints, rng: np.random.Generator, *, resamples: int
) -> float | None:
    """Return the p-value of independence by exchanging the second column between whole patients.

    Args:
        one: (n,) levels.
        two: (n,) levels.
        patients: (n,) patient codes.
        rng: Generator; equal generators give equal results.
        resamples: Number of exchanges, at least 100.

    Returns:
        p in (0, 1]; None where a column has one level.

    Raises:
        ValueError: The arrays are not of one length, or fewer than 100 resamples.
    """
    same_length(one=one, two=two, patients=patients)
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    if min(np.unique(one).size, np.unique(two).size) < 2:
        return None
    found = Patients.of(patients)
    mine, theirs = _shares(one, found), _shares(two, found)
    observed = _chi_square(mine.T @ theirs)
    drawn = np.array([_chi_square(mine.T @ rng.permutation(theirs)) for _ in range(resamples)])
    # Equal sums in another order differ in the last bits and must count as equal.
    return float((1 + np.count_nonzero(drawn >= observed * (1 - 1e-9))) / (resamples + 1))


def _shares(column: NDArray[Any], patients: Patients) -> Floats:
    """Return (patients, levels) shares of each patient's cases."""
    names, codes = np.unique(column, return_inverse=True)
    cells = np.bincount(patients.code * len(names) + codes.reshape(-1), minlength=patients.count * len(names))
    shares: Floats = cells.reshape(patients.count, len(names)) / patients.sizes[:, None]
    return shares


def _table(one: NDArray[Any], two: NDArray[Any], patients: Patients) -> Floats:
    first, a = np.unique(one, return_inverse=True)
    second, b = np.unique(two, return_inverse=True)
    weight = 1 / patients.sizes[patients.code]
    cells = np.bincount(a.reshape(-1) * len(second) + b.reshape(-1), weights=weight, minlength=len(first) * len(second))
    return np.asarray(cells, dtype=np.float64).reshape(len(first), len(second))


def _chi_square(table: Floats) -> float:
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def _corrected(table: Floats) -> float:
    n = float(table.sum())
    r, k = table.shape
    phi = max(0.0, _chi_square(table) / n - (r - 1) * (k - 1) / (n - 1))
    rows, columns = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    smaller = min(rows, columns) - 1
    return float(np.sqrt(min(1.0, phi / smaller))) if smaller > 0 else 0.0


def _bounds(table: Floats, alpha: Floats) -> Bounds:
    """Return bounds of V from those of the noncentrality."""
    from scipy.special import chndtr, chndtrinc

    n, df = float(table.sum()), (table.shape[0] - 1) * (table.shape[1] - 1)
    chi = _chi_square(table)
    scale = n * (min(table.shape) - 1)
    low = np.where(chndtr(chi, df, 0) > 1 - alpha, chndtrinc(chi, df, 1 - alpha), 0.0)
    # A chi-square below its mean under independence must not make the interval shorter than independence would.
    high = chndtrinc(max(chi, float(df)), df, alpha)
    return np.sqrt(np.clip(low / scale, 0, 1)), np.sqrt(np.clip(high / scale, 0, 1))
