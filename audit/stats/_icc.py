"""Intraclass correlations with the F intervals of McGraw and Wong."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, finite, too_few

IccForm = Literal["1,1", "2,1", "3,1"]
NAMES = {
    "1,1": "ICC(1,1), F interval",
    "2,1": "ICC(A,1) absolute agreement, raters drawn at random, McGraw-Wong F and generalised interval",
    "3,1": "ICC(C,1) consistency, McGraw-Wong F interval",
}
SCORES, NODES, STEPS = 6.5, 37, 26
CLUSTERED = "; a patient counts as one case"


def effective_patients(patients: Patients) -> float:
    """Return how many cases the patients are worth if the cases of one were all alike (Kish): at most their number."""
    return float(patients.sizes.sum() ** 2 / np.sum(patients.sizes**2))


def icc(ratings: NDArray[Any], patients: Ints, levels: Levels, *, form: IccForm) -> Estimate:
    """Estimate an intraclass correlation of single ratings.

    The bounds are those of McGraw and Wong (1996), exact for normal values with form "1,1" and "3,1". With "2,1" the
    raters are a sample of raters, and theirs are Satterthwaite's approximation, whose lower bound is too high too
    often where raters are few; it is therefore never above the generalised one (Ionan and others 2014), which
    lets the spread of so few raters be as unknown as it is. A bootstrap of cases does not draw new raters and falls
    short. With several cases a patient every patient counts as one case in the
    degrees of freedom (as fewer where the numbers of cases differ), which is cautious.

    Args:
        ratings: (n, raters) finite, at least 2 raters, without holes.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        form: "1,1" for ratings in no order (repeats); "2,1" for absolute agreement with raters drawn at random, where
            a shift between raters lowers it; "3,1" for consistency of these raters, where it does not.

    Returns:
        Value of at most 1. Absent with fewer than 5 patients, and where cases or ratings of a case do not differ.

    Raises:
        ValueError: The shapes do not fit, a value is not finite, or the form is unknown.

    References:
        McGraw and Wong 1996, Forming inferences about some intraclass correlation coefficients, Psychological
        Methods 1; Ionan, Polley, McShane and Dobbin 2014, Comparison of confidence interval methods for an intra-class
        correlation coefficient (ICC), BMC Medical Research Methodology 14.
    """
    x = finite("ratings", ratings)
    if x.ndim != 2 or x.shape[1] < 2 or len(x) != len(patients):
        raise ValueError(f"ratings: expected shape ({len(patients)}, raters >= 2), got {x.shape}")
    if form not in NAMES:
        raise ValueError(f"form: expected one of {', '.join(NAMES)}, got {form}")
    found, n = Patients.of(patients), len(x)
    method = NAMES[form] + (CLUSTERED if found.count < n else "")
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    between, raters, error = mean_squares(x, form)
    # Rounding leaves some 1e-31 of variance in ratings that are all alike.
    nothing = 1e-24 * max(1.0, float(np.max(x**2)))
    if error <= nothing or between <= nothing:
        same = "the ratings of a case do not differ" if error <= nothing else "the cases do not differ"
        return Estimate.absent(f"no interval: {same}", method=method, n=n, n_patients=found.count)
    k, alpha, cases = x.shape[1], alphas(levels), effective_patients(found)
    if form == "2,1":
        value = (between - error) / (between + (k - 1) * error + k * (raters - error) / n)
        # The mean square of raters grows with the cases that it is over.
        per_cases = max(error + cases * (raters - error) / n, 0.0)
        squares = between, per_cases, error
        low, high = _agreement_bounds(value, squares, cases, k, alpha)
        bounds = np.minimum(low, _generalised_low(squares, cases, k, alpha)), high
    else:
        value = (between - error) / (between + (k - 1) * error)
        spare = cases * (k - 1) if form == "1,1" else (cases - 1) * (k - 1)
        bounds = _ratio_bounds(between / error, cases - 1, spare, k, alpha)
    return estimate(value, bounds, levels, method=method, n=n, n_patients=found.count)


def mean_squares(x: Floats, form: IccForm) -> tuple[float, float, float]:
    """Return the mean squares between cases, between raters and of error; one-way (raters 0) for form "1,1"."""
    n, k = x.shape
    centred = x - x.mean()
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    between = k * float(np.sum(rows**2)) / (n - 1)
    if form == "1,1":
        return between, 0.0, float(np.sum((centred - rows[:, None]) ** 2)) / (n * (k - 1))
    raters = n * float(np.sum(columns**2)) / (k - 1)
    error = float(np.sum((centred - rows[:, None] - columns[None, :]) ** 2)) / ((n - 1) * (k - 1))
    return between, raters, error


def _upper_f(alpha: Floats, top: float | Floats, bottom: float | Floats) -> Floats:
    """Return the upper quantile of F; through the lower one of its inverse, which keeps its digits far out."""
    from scipy.special import fdtri

    out: Floats = 1 / fdtri(bottom, top, alpha)
    return out


def _ratio_bounds(ratio: float, top: float, bottom: float, k: int, alpha: Floats) -> Bounds:
    low = ratio / _upper_f(alpha, top, bottom)
    high = ratio * _upper_f(alpha, bottom, top)
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _agreement_bounds(value: float, squares: tuple[float, float, float], n: float, k: int, alpha: Floats) -> Bounds:
    between, raters, error = squares
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    spread = (a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    df = (a * raters + b * error) ** 2 / spread
    noise = k * raters + (k * n - k - n) * error
    down, up = _upper_f(alpha, n - 1, df), _upper_f(alpha, df, n - 1)
    low = n * (between - down * error) / (down * noise + n * between)
    high = n * (up * between - error) / (noise + n * up * between)
    return low, high


def _generalised_low(squares: tuple[float, float, float], n: float, k: int, alpha: Floats) -> Floats:
    """Return lower bounds of ICC(A,1) from the fiducial distribution of its three variances.

    Between-case and error variance are integrated over a grid of normal scores; given these, how small the chi-square
    of the raters must be has a closed form. Nothing is drawn, so the far rungs are as exact as the near ones.
    """
    from scipy.special import chdtr, chdtri, ndtr

    score = np.linspace(-SCORES, SCORES, NODES)
    weight = np.exp(-(score**2) / 2)
    weight = np.outer(weight, weight).ravel() / weight.sum() ** 2
    df = n - 1, k - 1, (n - 1) * (k - 1)
    from_cases = df[0] * squares[0] / chdtri(df[0], ndtr(-score))
    error = np.tile(df[2] * squares[2] / chdtri(df[2], ndtr(-score)), NODES)
    apart = np.maximum(np.repeat(from_cases, NODES) - error, 0) / k

    def below(r: Floats) -> Floats:
        least = apart * ((1 - r) / r)[:, None] - error
        cut = df[1] * squares[1] / np.maximum(n * least + error, 1e-300)
        out: Floats = np.where(least <= 0, 1.0, chdtr(df[1], cut)) @ weight
        return out

    low, high = np.full(len(alpha), 1e-9), np.full(len(alpha), 1 - 1e-9)
    for _ in range(STEPS):
        middle = (low + high) / 2
        passed = below(middle) <= alpha
        low, high = np.where(passed, middle, low), np.where(passed, high, middle)
    return low
