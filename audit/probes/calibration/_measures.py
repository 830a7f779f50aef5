"""Calibration numbers of any set of cases, at the prevalence of use or in this sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.core.binning import equal_mass_bins
from audit.probes._prevalence import IN_SAMPLE, Setting, at_prevalence, settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

NEAREST = 1e-6
BINS = 10
CONDITION_IN_SAMPLE: dict[str, Scalar] = {"stratum": IN_SAMPLE}


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """The mix of classes that calibration is judged in.

    Args:
        labels: (n,) True for the positive cases of the whole cohort.
        prevalence: Share of positives in use, None for this sample as it is.
        condition: Condition keys of numbers that depend on it.
    """

    labels: Bools
    prevalence: float | None = None
    condition: dict[str, Scalar] = field(default_factory=lambda: dict(CONDITION_IN_SAMPLE))

    def prevalence_of(self, rows: Bools) -> float | None:
        """Return the share of positives of some cases once the whole cohort is weighted to the declared one.

        Positives and negatives are weighted as in the whole cohort, so a subgroup in which the disease is more
        frequent keeps that: a cohort that was sampled by outcome is not one that was sampled by outcome within groups.
        """
        share, own = float(np.mean(self.labels)), float(np.mean(self.labels[rows])) if rows.any() else 0.0
        if self.prevalence is None or not (0 < share < 1 and 0 < own < 1):
            return None
        up, down = self.prevalence / share, (1 - self.prevalence) / (1 - share)
        return own * up / (own * up + (1 - own) * down)

    def moved(self, scores: Floats) -> Floats:
        """Return scores that are right in use as they would have to be in this sample (prior shift)."""
        share = float(np.mean(self.labels))
        if self.prevalence is None or not 0 < share < 1:
            return scores
        inside = np.clip(scores, NEAREST, 1 - NEAREST)
        odds = inside / (1 - inside) * (share / (1 - share)) / (self.prevalence / (1 - self.prevalence))
        out: Floats = odds / (1 + odds)
        return out


def bases(ctx: ProbeContext, view: ClassView) -> tuple[Basis, ...]:
    """Return the declared prevalence first, then the ends of its range; this sample where none is declared."""
    found = tuple(_at(view, setting) for setting in settings(ctx))
    return found or (Basis(labels=view.labels),)


def _at(view: ClassView, setting: Setting) -> Basis:
    return Basis(labels=view.labels, prevalence=setting.prevalence, condition=setting.condition)


def shares(view: ClassView) -> Floats:
    """Return the scores as probabilities.

    A softmax may exceed 1 by rounding; anything more is set aside before a probe sees it.
    """
    return np.clip(view.scores, 0.0, 1.0)


def given(
    ctx: ProbeContext, estimate: Estimate, metric: str, direction: Direction, condition: dict[str, Scalar],
    subgroup: dict[str, Scalar] | None = None,
) -> Measurement:  # fmt: skip
    """Return the measurement of an estimate."""
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition,
        subgroup=subgroup,
    )  # fmt: skip


def slope_of(ctx: ProbeContext, scores: Floats, labels: Bools, rows: Bools) -> Estimate:
    """Return the calibration slope of some cases."""
    from audit.stats import calibration

    return calibration(scores[rows], labels[rows], ctx.cohort.patients[rows], ctx.levels).slope


def intercept_of(ctx: ProbeContext, scores: Floats, basis: Basis, rows: Bools) -> Estimate:
    """Return the intercept at slope 1 of some cases."""
    from audit.stats import calibration

    labels, patients = basis.labels[rows], ctx.cohort.patients[rows]
    return calibration(scores[rows], labels, patients, ctx.levels, prevalence=basis.prevalence_of(rows)).intercept


def brier_of(ctx: ProbeContext, scores: Floats, basis: Basis, rows: Bools) -> Estimate:
    """Return the Brier score of some cases."""
    from audit.stats import brier, mean

    labels, patients, values = basis.labels[rows], ctx.cohort.patients[rows], scores[rows]
    prevalence = basis.prevalence_of(rows)
    if basis.prevalence is None:
        return brier(values, labels, patients, ctx.levels)
    if prevalence is None:
        reason = "there are no cases of one class to weight to the declared prevalence"
        return Estimate.absent(reason, method="none", n=len(labels), n_patients=int(np.unique(patients).size))
    squares = (values - labels) ** 2
    each = [mean(squares[own], patients[own], ctx.levels, support=(0.0, 1.0)) for own in (labels, ~labels)]
    both = np.intersect1d(patients[labels], patients[~labels]).size > 0
    return at_prevalence(
        each[0], each[1], prevalence, shared=both, n_patients=int(np.unique(patients).size),
        method="weighted cluster t with a pseudo-patient, MOVER",
    )  # fmt: skip


def ece_of(ctx: ProbeContext, scores: Floats, basis: Basis, rows: Bools) -> Estimate:
    """Return the debiased calibration error of some cases."""
    from audit.stats import ece

    return ece(
        basis.moved(scores)[rows], basis.labels[rows], ctx.cohort.patients[rows], ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples,
    )  # fmt: skip


def reliability(
    ctx: ProbeContext, scores: Floats, labels: Bools, rows: Bools, bins: int = BINS
) -> Iterator[dict[str, float]]:
    """Yield a row a bin of equal mass: mean score, observed share with its interval by patient, and the counts.

    A bin with too few patients for an interval spans all that is possible.
    """
    from audit.stats import proportion

    values, outcomes, patients = scores[rows], labels[rows], ctx.cohort.patients[rows]
    code = equal_mass_bins(values, bins)
    for index in range(int(code.max()) + 1 if len(code) else 0):
        own = code == index
        share = proportion(outcomes[own], patients[own], ctx.levels)
        low, high = share.bounds(ctx.levels.pointwise) or (0.0, 1.0)
        yield {
            "predicted": float(values[own].mean()), "observed": float(outcomes[own].mean()), "low": low, "high": high,
            "n": share.n, "n_patients": share.n_patients, "score_from": float(values[own].min()),
            "score_to": float(values[own].max()),
        }  # fmt: skip
