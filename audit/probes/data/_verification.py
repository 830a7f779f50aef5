"""What partial verification leaves of sensitivity and specificity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHOD = "Begg-Greenes, patient bootstrap"
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


def corrected(
    cases: Verified, strata: NDArray[np.int64], levels: Levels, rng: np.random.Generator, *, resamples: int
) -> Rates:
    """Estimate sensitivity and specificity as if all cases had been verified.

    Within a stratum the verified cases stand for the others; a stratum lies within one decision. With the decision as
    stratum this is the correction of Begg and Greenes (1983, Assessment of diagnostic tests when disease verification
    is subject to selection bias, Biometrics 39).

    Args:
        cases: All cases.
        strata: (n,) codes.
        levels: Levels of the bounds.
        rng: Generator.
        resamples: Number of resamples of patients.

    Returns:
        Sensitivity and specificity; absent where a stratum has no verified case, and where nothing varies.
    """
    from audit.stats import bootstrap_many

    count = int(strata.max()) + 1
    inside = (strata[:, None] == np.arange(count)).astype(np.float64)
    known = inside * cases.verified[:, None]
    sick = known * cases.labels[:, None]
    positive = np.array([bool(cases.decisions[strata == s].any()) for s in range(count)])
    there = inside.any(axis=0)

    def rates(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        every, seen, ill = weights @ inside, weights @ known, weights @ sick
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(every > 0, ill / seen, 0.0)[:, there]
            diseased, healthy = every[:, there] * share, every[:, there] * (1 - share)
            right = positive[there]
            return np.stack(
                [
                    diseased[:, right].sum(axis=1) / diseased.sum(axis=1),
                    healthy[:, ~right].sum(axis=1) / healthy.sum(axis=1),
                ],
                axis=1,
            )

    sensitivity, specificity = bootstrap_many(
        rates, cases.patients, levels, rng, resamples=resamples, methods=(METHOD, METHOD),
        supports=((0.0, 1.0), (0.0, 1.0)), jackknife=True,
    )  # fmt: skip
    return sensitivity, specificity


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
