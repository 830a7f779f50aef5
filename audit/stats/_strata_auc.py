"""The AUC of a score between two sides within strata, with patients as the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import Area, area_bounds, area_of
from audit.stats._auc_pairs import difference_bounds
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few

METHOD = "Mantel-Haenszel weights over strata, Obuchowski on the logit scale"
WITHIN = "paired Obuchowski within strata, the wider of t and MOVER of logit bounds"
LEAST_SHARED = 0.5
ALIKE = "no interval: the ranks of the scores do not vary between patients"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """One stratum's area with its weight."""

    weight: float
    area: Area


def stratified_auc(
    scores: Floats, members: Bools, strata: Ints, patients: Ints, levels: Levels, *, folds: int = 0
) -> Estimate:
    """Estimate how well a score tells members from the rest within strata; ties count half.

    The AUC of each stratum that has at least two patients of either side is weighted with members times rest over
    their sum, as Mantel and Haenszel weight differences and van Elteren rank tests. The variance is that of the sum of
    Obuchowski's contributions over the strata, so a patient with cases in several strata is one patient; the weights
    are held fixed. With one stratum it is Obuchowski's interval.

    Scores out of fold come from fits that share most of their patients, and other patients would have given other fits.
    Neither is in the variance over test patients: with K folds it is multiplied by 1 + K / (K - 1), as Nadeau and
    Bengio correct the variance of repeated splits whose test part is 1 / (K - 1) of the training part.

    Args:
        scores: (n,) finite.
        members: (n,) bool, the side that a high score speaks for.
        strata: (n,) int, the stratum of each case.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        folds: K, where the scores are those of K fits out of fold; 0 where no fit is in them.

    Returns:
        In [0, 1]; n and n_patients count both sides in the strata used. Absent with fewer than 5 patients a side, where
        less than half of the members lie in strata that can be used, and where the scores do not vary.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.

    References:
        Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53; Nadeau and Bengio 2003,
        Inference for the generalization error, Machine Learning 52.
    """
    same_length(scores=scores, members=members, strata=strata, patients=patients)
    side, found = np.asarray(members, dtype=bool), Patients.of(patients)
    usable = _usable(side, strata, found)
    n, n_patients = int(usable.sum()), int(np.unique(found.code[usable]).size)
    reason = _lacking(side, usable, found)
    bounds = None
    if reason is None:
        area = _refitted(_area(finite("scores", scores), side, strata, found, usable), folds)
        bounds = area_bounds(area, alphas(levels))
    if bounds is None:
        return Estimate.absent(reason or ALIKE, method=METHOD, n=n, n_patients=n_patients)
    return estimate(area.value, bounds, levels, method=METHOD, n=n, n_patients=n_patients)


def stratified_auc_difference(
    scores: Floats, other: Floats, labels: Bools, strata: Ints, patients: Ints, levels: Levels, *, folds: int = 0
) -> Estimate:
    """Estimate the AUC of one score minus that of another within the same strata; see `auc_difference`.

    Scores that come from several fits, one a fold, can be compared within a fold only: over all folds together, a
    fold whose fit learned from more positives of a kind has fewer of them itself, so ties are broken the wrong way.

    Args:
        scores: (n,) finite; higher means more likely positive.
        other: (n,) finite, of the comparator, on any scale.
        labels: (n,) True for positive cases.
        strata: (n,) int, for example the fold.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        folds: K, where the comparator's scores are those of K fits out of fold; see `stratified_auc`.

    Returns:
        Value in [-1, 1]; absent as for `stratified_auc`.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.

    References:
        Obuchowski 1997, Biometrics 53; Zou 2007, Psychological Methods 12.
    """
    same_length(scores=scores, other=other, labels=labels, strata=strata, patients=patients)
    side, found = np.asarray(labels, dtype=bool), Patients.of(patients)
    usable = _usable(side, strata, found)
    n, n_patients = int(usable.sum()), int(np.unique(found.code[usable]).size)
    reason = _lacking(side, usable, found)
    bounds = None
    if reason is None:
        one, two = (_area(finite("scores", v), side, strata, found, usable) for v in (scores, other))
        bounds = difference_bounds(one, _refitted(two, folds), alphas(levels))
    if bounds is None:
        return Estimate.absent(reason or ALIKE, method=WITHIN, n=n, n_patients=n_patients)
    return estimate(one.value - two.value, bounds, levels, method=WITHIN, n=n, n_patients=n_patients)


def _refitted(area: Area, folds: int) -> Area:
    """Return an area with the variance of its fits added (Nadeau and Bengio 2003)."""
    return replace(area, variance=area.variance * (1 + folds / (folds - 1))) if folds > 1 else area


def _area(values: Floats, side: Bools, strata: Ints, found: Patients, usable: Bools) -> Area:
    parts = [_part(values, side, found, usable & (strata == s)) for s in np.unique(strata[usable])]
    return _joined(parts, found, side & usable, ~side & usable)


def _usable(side: Bools, strata: Ints, found: Patients) -> Bools:
    """Return (n,) bool, the cases in strata with at least two patients of either side."""
    out = np.zeros(len(side), dtype=bool)
    for s in np.unique(strata):
        rows = strata == s
        if all(np.unique(found.code[rows & of]).size > 1 for of in (side, ~side)):
            out |= rows
    return out


def _lacking(side: Bools, usable: Bools, found: Patients) -> str | None:
    members, held = int(side.sum()), int((side & usable).sum())
    if held == 0 or held < LEAST_SHARED * members:
        return f"only {held} of {members} cases of this level are in strata where there are others to compare with"
    for what, rows in (("of the level", side & usable), ("of the rest", ~side & usable)):
        reason = too_few(int(np.unique(found.code[rows]).size), what)
        if reason:
            return reason
    return None


def _part(values: Floats, side: Bools, found: Patients, rows: Bools) -> _Part:
    """Return one stratum; its contributions stand at the places of all patients, scaled for the stratum's few."""
    of = Patients(code=found.code[rows], ids=found.ids)
    one, rest = int((side & rows).sum()), int((~side & rows).sum())
    return _Part(weight=one * rest / (one + rest), area=area_of(values[rows], side[rows], of))


def _joined(parts: list[_Part], found: Patients, members: Bools, rest: Bools) -> Area:
    total = sum(part.weight for part in parts)
    up, down = np.zeros(found.count), np.zeros(found.count)
    for part in parts:
        share, i1, i0 = part.weight / total, part.area.positive_patients, part.area.negative_patients
        # Each stratum estimates its own mean, so each is corrected for its own number of patients.
        up += share * np.sqrt(i1 / (i1 - 1)) * part.area.of_positives
        down += share * np.sqrt(i0 / (i0 - 1)) * part.area.of_negatives
    variance = float(np.sum((up + down) ** 2))
    return Area(
        value=sum(part.weight * part.area.value for part in parts) / total,
        variance=variance if variance > 1e-24 else 0.0,
        positive_patients=int(np.unique(found.code[members]).size),
        negative_patients=int(np.unique(found.code[rest]).size),
        patients=found, of_positives=up, of_negatives=down,
    )  # fmt: skip
