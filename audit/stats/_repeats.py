"""Repeatability: how much repeated examinations of an unchanged patient differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._bootstrap import bootstrap
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few
from audit.stats._icc import icc

# 1.96 times the square root of 2: a difference of two examinations is less than this many SDs with 95 %.
REPEATABILITY = 1.959963984540054 * 2**0.5
CHI_SQUARE = "variance within sets of repeats, chi-square, upper bound with a pseudo-patient"
BOOTSTRAP = "variance components, patient bootstrap"


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeats:
    """Values of examinations, in sets of repeats of one state of one patient.

    Args:
        values: (n,) finite.
        sets: (n,) codes of the sets; every set has two cases or more, of one patient.
        patients: (n,) patient codes.
    """

    values: Floats
    sets: Ints
    patients: Ints

    def __post_init__(self) -> None:
        same_length(values=self.values, sets=self.sets, patients=self.patients)
        finite("values", self.values)
        found = Patients.of(self.sets)
        if len(self.sets) and found.sizes.min() < 2:
            raise ValueError("sets: expected at least two cases in each, got a set of one")
        if len(np.unique(np.stack([found.code, self.patients]), axis=1).T) != found.count:
            raise ValueError("sets: expected cases of one patient in each")

    def squares(self, *, relative: bool) -> tuple[Patients, Floats, Floats]:
        """Return patients, (patients,) sums of squares within their sets, and degrees of freedom.

        Args:
            relative: Divide by the square of the set's mean.
        """
        found, who = Patients.of(self.sets), Patients.of(self.patients)
        mean = found.sums(self.values) / found.sizes
        off = self.values - mean[found.code]
        if relative:
            off = off / mean[found.code]
        return who, who.sums(off**2), who.sums(1 - 1 / found.sizes[found.code])


def within_patient_sd(repeats: Repeats, levels: Levels, *, factor: float = 1.0) -> Estimate:
    """Estimate the standard deviation of repeats of one state, times a factor.

    The bounds are those of a chi-square, exact for normal values of one spread. Where the sums of squares of patients
    vary more than such values would (some patients repeat worse than others, or a few differences are large), the
    degrees of freedom are those that this variation leaves. The upper bound, on which a rule rests, counts one more
    patient who repeats as badly as the worst: such patients are missing from the very samples that look mild. Where
    one patient in twenty repeats four times as badly as the others, it still is too low too often.

    Args:
        repeats: Values in sets.
        levels: Levels of the bounds.
        factor: 1 for the standard deviation, `REPEATABILITY` for the repeatability coefficient.

    Returns:
        Value in the unit of the values, at least 0. Absent with fewer than 5 patients and where repeats do not differ.

    References:
        Bland and Altman 1999, Measuring agreement in method comparison studies, Statistical Methods in Medical
        Research 8.
    """
    return _root(repeats, levels, factor, relative=False)


def within_patient_cv(repeats: Repeats, levels: Levels) -> Estimate:
    """Estimate the within-patient coefficient of variation: the root mean square of SD over mean of the sets.

    Args:
        repeats: Values in sets, on a scale with a true zero.
        levels: Levels of the bounds.

    Returns:
        A share, at least 0. Absent where the mean of a set is not positive, else as `within_patient_sd`.
    """
    found = Patients.of(repeats.sets)
    if found.count and (found.sums(repeats.values) / found.sizes).min() <= 0:
        who = int(np.unique(repeats.patients).size)
        reason = "a set of repeats has no positive mean, so a share of it means nothing"
        return Estimate.absent(reason, method=CHI_SQUARE, n=len(repeats.values), n_patients=who)
    return _root(repeats, levels, 1.0, relative=True)


def _root(repeats: Repeats, levels: Levels, factor: float, *, relative: bool) -> Estimate:
    who, squares, df = repeats.squares(relative=relative)
    n, reason = len(repeats.values), too_few(who.count, "with repeated examinations")
    if reason:
        return Estimate.absent(reason, method=CHI_SQUARE, n=n, n_patients=who.count)
    variance = float(squares.sum() / df.sum())
    if variance <= 1e-24 * max(1.0, float(np.max(repeats.values**2))):
        reason = "no interval: repeated examinations do not differ"
        return Estimate.absent(reason, method=CHI_SQUARE, n=n, n_patients=who.count)
    low, high = _variance_bounds(squares, df, alphas(levels))
    worst = float(np.max(squares / df)) * float(df.mean())
    _, cautious = _variance_bounds(np.append(squares, worst), np.append(df, df.mean()), alphas(levels))
    bounds = factor * np.sqrt(low), factor * np.sqrt(np.maximum(high, cautious))
    return estimate(factor * variance**0.5, bounds, levels, method=CHI_SQUARE, n=n, n_patients=who.count)


def _variance_bounds(squares: Floats, df: Floats, alpha: Floats) -> Bounds:
    """Return bounds of a variance from (patients,) sums of squares and degrees of freedom."""
    from scipy.special import gammaincinv

    count, total = len(squares), float(df.sum())
    variance = float(squares.sum()) / total
    spread = count / (count - 1) * float(np.sum((squares - variance * df) ** 2)) / total**2
    worth = min(total, 2 * variance**2 / spread) if spread > 0 else total
    # Through the inverse of the incomplete gamma function, which takes degrees of freedom that are no whole number.
    near, far = gammaincinv(worth / 2, 1 - alpha), gammaincinv(worth / 2, alpha)
    return variance * worth / (2 * near), variance * worth / (2 * far)


def between_patient_sd(repeats: Repeats, levels: Levels, rng: np.random.Generator, *, resamples: int) -> Estimate:
    """Estimate the standard deviation between patients, the noise of repeats taken off.

    Args:
        repeats: Values in sets.
        levels: Levels of the bounds.
        rng: Generator.
        resamples: Number of resamples, at least 100.

    Returns:
        Value in the unit of the values. Absent with fewer than 5 patients, and where patients do not differ more than
        their own repeats do.
    """
    return _resampled(repeats, levels, rng, resamples, lambda between, within: np.sqrt(between))


def repeat_icc(repeats: Repeats, levels: Levels, rng: np.random.Generator, *, resamples: int) -> Estimate:
    """Estimate ICC(1,1), the share of the variance that is between patients.

    It depends on how different the patients of this cohort are: the same noise gives a high value among unlike
    patients and a low one among like ones.

    Args:
        repeats: Values in sets.
        levels: Levels of the bounds.
        rng: Generator.
        resamples: Number of resamples, at least 100.

    Returns:
        Value of at most 1, with the F interval where every patient has one set and all sets are of one size, else by
        patient bootstrap.
    """
    order = np.lexsort((repeats.sets, repeats.patients))
    who, found = Patients.of(repeats.patients), Patients.of(repeats.sets)
    if who.count == found.count and len(set(who.sizes.tolist())) == 1:
        table = repeats.values[order].reshape(who.count, -1)
        given = icc(table, np.arange(who.count), levels, form="1,1")
        return replace(given, n=len(repeats.values))
    return _resampled(repeats, levels, rng, resamples, lambda between, within: between / (between + within))


def _resampled(repeats: Repeats, levels: Levels, rng: np.random.Generator, resamples: int, of: Any) -> Estimate:
    who, squares, df = repeats.squares(relative=False)
    n = len(repeats.values)
    reason = too_few(who.count, "with repeated examinations")
    if reason:
        return Estimate.absent(reason, method=BOOTSTRAP, n=n, n_patients=who.count)
    centre = float(repeats.values.mean())
    mean, inverse = who.sums(repeats.values - centre) / who.sizes, 1 / who.sizes

    def statistic(weights: NDArray[np.float64]) -> Floats:
        count = weights.sum(axis=1)
        within = (weights @ squares) / (weights @ df)
        middle = weights @ mean / count
        apart = (weights @ mean**2 / count - middle**2) * count / (count - 1)
        between = np.maximum(apart - within * (weights @ inverse) / count, 0.0)
        out: Floats = of(between, within)
        return out

    if float(statistic(np.ones((1, who.count)))[0]) <= 0:
        reason = "patients do not differ more than their own repeats do"
        return Estimate.absent(reason, method=BOOTSTRAP, n=n, n_patients=who.count)
    given = bootstrap(
        statistic, np.arange(who.count), levels, rng, resamples=resamples, method=BOOTSTRAP, vectorised=True,
        support=(0.0, None),
    )  # fmt: skip
    return replace(given, n=n)
