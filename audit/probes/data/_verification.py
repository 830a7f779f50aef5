"""What partial verification leaves of sensitivity and specificity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels
from audit.probes._shared import weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHOD = "Begg-Greenes, MOVER of Korn-Graubard bounds"
FEWEST = 10
Rates = tuple[Estimate, Estimate]


@dataclass(frozen=True, kw_only=True, eq=False)
class Verified:
    """Decisions on all cases, and the reference standard where it was obtained.

    Args:
        decisions: (n,) bool.
        scores: (n,) finite.
        verified: (n,) bool.
        labels: (n,) bool, the reference standard; False where it was not obtained.
        patients: (n,) patient codes.
    """

    decisions: NDArray[np.bool_]
    scores: NDArray[np.float64]
    verified: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    patients: NDArray[np.int64]


def by_decision(cases: Verified) -> NDArray[np.int64]:
    """Return (n,) strata within which verification is taken to be at random: the two decisions."""
    return cases.decisions.astype(np.int64)


def by_score(cases: Verified) -> NDArray[np.int64] | None:
    """Return (n,) strata of the decision and of thirds of the score within it, None where one has too few verified.

    A stratum needs ten verified cases. The thirds are those of the verified cases.
    """
    strata = np.zeros(len(cases.scores), dtype=np.int64)
    for decision in (False, True):
        rows = cases.decisions == decision
        known = cases.scores[rows & cases.verified]
        if known.size < 3 * FEWEST:
            return None
        strata[rows] = 3 * int(decision) + np.searchsorted(np.quantile(known, [1 / 3, 2 / 3]), cases.scores[rows])
    used = np.bincount(strata[cases.verified], minlength=6)
    return strata if used.min() >= FEWEST else None


def corrected(cases: Verified, strata: NDArray[np.int64], levels: Levels) -> Rates:
    """Estimate sensitivity and specificity as if all cases had been verified.

    Within a stratum the verified cases stand for the others; a stratum lies within one decision. With the decision as
    stratum this is the correction of Begg and Greenes (1983, Assessment of diagnostic tests when disease verification
    is subject to selection bias, Biometrics 39). The odds of sensitivity are those of being called positive, times the
    share diseased of those called positive, over that of those called negative; its interval is that of the three
    logarithms by variance estimates recovery from exact bounds (Zou and Donner 2008, Construction of confidence limits
    about effect measures, Statistics in Medicine 27). A bootstrap of patients misses a true sensitivity from above up
    to three times too often, as few diseased are found among those called negative. Where a share is exactly 0 or 1,
    all three are taken at a third of the level instead, which holds under any dependence (Bonferroni).

    Args:
        cases: All cases.
        strata: (n,) codes.
        levels: Levels of the bounds.

    Returns:
        Sensitivity and specificity; absent where a stratum has fewer than 5 verified patients.
    """
    from audit.stats import proportion

    called = proportion(cases.decisions, cases.patients, levels)
    called_not = proportion(~cases.decisions, cases.patients, levels)
    sick = {d: _share(cases, strata, levels, decided=d, of=cases.labels) for d in (True, False)}
    well = {d: _share(cases, strata, levels, decided=d, of=~cases.labels) for d in (True, False)}
    return _rate(called, sick[True], sick[False]), _rate(called_not, well[False], well[True])


def _share(
    cases: Verified, strata: NDArray[np.int64], levels: Levels, *, decided: bool, of: NDArray[np.bool_]
) -> Estimate:
    """Return the share of the cases of one decision that has the condition, strata weighted by all their cases."""
    from audit.stats import proportion

    side = cases.decisions == decided
    parts = []
    for stratum in np.unique(strata[side]):
        rows = side & (strata == stratum)
        seen = rows & cases.verified
        parts.append((float(rows.sum() / side.sum()), proportion(of[seen], cases.patients[seen], levels)))
    n_patients = int(np.unique(cases.patients[side & cases.verified]).size)
    if not parts:
        return Estimate.absent("no case is decided this way", method=METHOD)
    return weighted_sum(parts, shared=False, method=METHOD, n_patients=n_patients)


def _rate(called: Estimate, right: Estimate, wrong: Estimate) -> Estimate:
    """Return called x right / (called x right + (1 - called) x wrong) with its bounds."""
    n, n_patients = called.n, called.n_patients
    for part in (called, right, wrong):
        if part.value is None:
            return Estimate.absent(part.missing or "missing", method=METHOD, n=n, n_patients=n_patients)
    values = [part.value or 0.0 for part in (called, right, wrong)]
    if not values[0] * values[1] + (1 - values[0]) * values[2]:
        return Estimate.absent("no case of this kind is expected", method=METHOD, n=n, n_patients=n_patients)
    bounds = _recovered if 0 < values[0] < 1 and min(values[1:]) > 0 else _cornered
    curve = tuple((level, *bounds(called, right, wrong, level)) for level, _, _ in called.curve)
    return Estimate(value=_odds_rate(*values), curve=curve, method=METHOD, n=n, n_patients=n_patients)


def _odds_rate(called: float, right: float, wrong: float) -> float:
    found, missed = called * max(right, 0.0), (1 - called) * max(wrong, 0.0)
    return found / (found + missed) if found + missed > 0 else 0.0


def _recovered(called: Estimate, right: Estimate, wrong: Estimate, level: float) -> tuple[float, float]:
    parts = [(part.value or 0.0, part.bounds(level)) for part in (called, right, wrong)]
    down, up = [], []
    for at, (value, bounds) in enumerate(parts):
        if bounds is None:
            return 0.0, 1.0
        scale = _log_odds if at == 0 else _log
        below, above = scale(value) - scale(bounds[0]), scale(bounds[1]) - scale(value)
        down.append(above if at == 2 else below)
        up.append(below if at == 2 else above)
    centre = _log_odds(parts[0][0]) + _log(parts[1][0]) - _log(parts[2][0])
    return _expit(centre - math.hypot(*down)), _expit(centre + math.hypot(*up))


def _cornered(called: Estimate, right: Estimate, wrong: Estimate, level: float) -> tuple[float, float]:
    c, r, w = (part.bounds(level / 3) for part in (called, right, wrong))
    if c is None or r is None or w is None:
        return 0.0, 1.0
    return _odds_rate(c[0], r[0], w[1]), _odds_rate(c[1], r[1], w[0]) if r[1] > 0 or w[0] > 0 else 1.0


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _log_odds(x: float) -> float:
    return math.inf if x >= 1 else _log(x) - math.log(1 - x)


def _expit(x: float) -> float:
    if math.isinf(x) or math.isnan(x):
        return 1.0 if x > 0 else 0.0
    return 0.5 * (1 + math.tanh(0.5 * x))


def worst_and_best(cases: Verified, levels: Levels) -> dict[str, Estimate]:
    """Return the smallest and the largest sensitivity and specificity that the unverified cases leave possible.

    Sensitivity is smallest where every unverified case that was decided negative is positive and every one that was
    decided positive is not, and largest the other way round; specificity likewise.
    """
    from audit.stats import proportion

    unknown, decided = ~cases.verified, cases.decisions
    sick, well = cases.verified & cases.labels, cases.verified & ~cases.labels

    def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Estimate:
        return proportion(hits[of], cases.patients[of], levels)

    return {
        "sensitivity_bound_low": share(sick & decided, sick | (unknown & ~decided)),
        "sensitivity_bound_high": share((sick | unknown) & decided, sick | (unknown & decided)),
        "specificity_bound_low": share(well & ~decided, well | (unknown & decided)),
        "specificity_bound_high": share((well | unknown) & ~decided, well | (unknown & ~decided)),
    }
