"""Calibration: slope, intercept and Brier score, with patients as the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import lacking
from audit.stats._common import Bools, Floats, Ints, Patients, alphas, estimate, finite, same_length, t_quantile
from audit.stats._means import mean

METHOD = "logistic recalibration, cluster sandwich t"
# A score of exactly 0 or 1 has no logit.
EDGE = 1e-6
MAX_STEPS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationFit:
    """How outcomes follow the logit of the score.

    Args:
        slope: 1 where the scores are neither too extreme (below 1) nor too timid (above 1).
        intercept: Calibration in the large, at slope 1: 0 where the scores are right on average, on the logit scale.
    """

    slope: Estimate
    intercept: Estimate


def probabilities(scores: Floats) -> Floats:
    """Return scores as float64.

    Raises:
        ValueError: A score is not finite or outside [0, 1].
    """
    values = finite("scores", scores)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"scores: expected probabilities in [0, 1], got {values.min()} to {values.max()}")
    return values


def calibration(
    scores: Floats, labels: Bools, patients: Ints, levels: Levels, *, prevalence: float | None = None
) -> CalibrationFit:
    """Estimate the calibration slope, and the intercept at slope 1 (calibration in the large).

    Logistic regression of the labels on the logit of the score (Cox 1958; Van Calster et al. 2019) with the sandwich
    variance over patients and a t quantile of patients - 1; a bound of the slope gives way by the jackknife's bias.
    Scores are held within [1e-6, 1 - 1e-6] in the logit only.

    Args:
        scores: (n,) probabilities of the positive class.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        prevalence: Share of positives in the population of use, in (0, 1), to which the cases are weighted; None for
            the cases as they are.

    Returns:
        Slope and intercept. Absent with fewer than 5 patients in a class; the slope also where the scores are all
        alike or separate the classes, since it is then unbounded.

    Raises:
        ValueError: The arrays are not of one length, a score is outside [0, 1], or the prevalence outside (0, 1).
    """
    same_length(scores=scores, labels=labels, patients=patients)
    values, positive, found = probabilities(scores), np.asarray(labels, dtype=bool), Patients.of(patients)
    n = len(values)
    reason = "no cases" if n == 0 else lacking(positive, found)
    if reason:
        absent = Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
        return CalibrationFit(slope=absent, intercept=absent)
    inside = np.clip(values, EDGE, 1 - EDGE)
    logit = np.log(inside) - np.log1p(-inside)
    weights = case_weights(positive, prevalence)
    one = np.ones((n, 1))
    intercept = _coefficient(one, logit, positive, weights, found, levels)
    reason = _no_slope(logit, positive)
    if reason:
        slope = Estimate.absent(reason, method=METHOD, n=n, n_patients=found.count)
    else:
        slope = _coefficient(np.column_stack([one, logit]), np.zeros(n), positive, weights, found, levels)
    return CalibrationFit(slope=slope, intercept=intercept)


def case_weights(positive: Bools, prevalence: float | None) -> Floats:
    """Return weights with mean 1 under which positives have a given share.

    Raises:
        ValueError: The prevalence is outside (0, 1).
    """
    if prevalence is None:
        return np.ones(len(positive))
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence: expected a share in (0, 1), got {prevalence}")
    share = float(np.mean(positive))
    return np.where(positive, prevalence / share, (1 - prevalence) / (1 - share))


def _no_slope(logit: Floats, positive: Bools) -> str | None:
    up, down = logit[positive], logit[~positive]
    if np.ptp(logit) == 0:
        return "no slope: the scores are all alike"
    if down.max() <= up.min() or up.max() <= down.min():
        return "no slope: the scores separate the classes, so that it is unbounded"
    return None


def _coefficient(
    design: NDArray[np.float64], offset: Floats, positive: Bools, weights: Floats, patients: Patients, levels: Levels
) -> Estimate:
    """Return the last coefficient of a logistic regression with its cluster sandwich interval.

    A slope is estimated too steep with few patients, the more the more alike their cases are; its lower bound then is
    too high too often. On the side that the jackknife's bias points away from, the bound gives way by that bias.
    """
    n, columns = design.shape
    fitted = _fit(design, offset, positive, weights)
    if fitted is None:
        reason = "the logistic regression did not converge"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=patients.count)
    beta, bread, residual = fitted
    by_patient = np.column_stack([patients.sums(design[:, j] * residual) for j in range(columns)])
    count = patients.count
    correction = count / (count - 1) * (n - 1) / (n - columns)
    variance = correction * float((bread @ (by_patient.T @ by_patient) @ bread)[-1, -1])
    if not variance > 0:
        reason = "no interval: the residuals do not vary between patients"
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=count)
    half = t_quantile(alphas(levels), count - 1) * np.sqrt(variance)
    value = float(beta[-1])
    bias = jackknife_bias(design, beta, offset, residual, weights, patients) if columns == 2 else 0.0
    bounds = value - max(bias, 0.0) - half, value - min(bias, 0.0) + half
    return estimate(value, bounds, levels, method=METHOD, n=n, n_patients=count)


def jackknife_bias(
    design: NDArray[np.float64], beta: Floats, offset: Floats, residual: Floats, weights: Floats, patients: Patients
) -> float:
    """Return the jackknife's bias of the slope, from leaving out one patient at a time.

    The coefficients without a patient solve the score equations to second order around all patients' solution, so
    nothing is fitted again.

    Args:
        design: (n, 2): one and the logit.
        beta: (2,) coefficients.
        offset: (n,).
        residual: (n,) weighted residuals.
        weights: (n,).
        patients: Patients of the cases.

    Returns:
        (patients - 1) times the mean change; 0 where it is not finite.
    """
    from scipy.special import expit

    chance = expit(offset + design @ beta)
    curved = weights * chance * (1 - chance)
    bent = curved * (1 - 2 * chance)
    power = [design[:, 1] ** k for k in range(4)]
    first, second = ([patients.sums(of * x) for x in power] for of in (curved, bent))
    rest = [sums.sum() - sums for sums in first[:3]]
    third = [sums.sum() - sums for sums in second]
    score = [patients.sums(design[:, j] * residual) for j in (0, 1)]

    def solved(a: Floats, b: Floats) -> tuple[Floats, Floats]:
        with np.errstate(divide="ignore", invalid="ignore"):
            det = rest[0] * rest[2] - rest[1] ** 2
            return (rest[2] * a - rest[1] * b) / det, (rest[0] * b - rest[1] * a) / det

    d0, d1 = solved(-score[0], -score[1])
    quadratic = [third[j] * d0**2 + 2 * third[j + 1] * d0 * d1 + third[j + 2] * d1**2 for j in (0, 1)]
    _, moved = solved(-score[0] - quadratic[0] / 2, -score[1] - quadratic[1] / 2)
    bias = (patients.count - 1) * float(np.mean(moved))
    return bias if np.isfinite(bias) else 0.0


def _fit(
    design: NDArray[np.float64], offset: Floats, positive: Bools, weights: Floats
) -> tuple[Floats, NDArray[np.float64], Floats] | None:
    """Return coefficients, inverse information and weighted residuals by Newton's method with halved steps."""
    from scipy.special import expit, log_expit

    sign = np.where(positive, 1.0, -1.0)
    beta, best = np.zeros(design.shape[1]), -np.inf
    step = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        eta = offset + design @ (beta + step)
        reached = float(weights @ log_expit(sign * eta))
        if reached < best - 1e-12 * abs(best):
            step = step / 2
            continue
        beta, best = beta + step, reached
        chance = expit(eta)
        residual = weights * (positive - chance)
        information = design.T @ (design * (weights * chance * (1 - chance))[:, None])
        if not np.linalg.cond(information) < 1e12:
            return None
        bread = np.linalg.inv(information)
        step = bread @ (design.T @ residual)
        if np.max(np.abs(step)) < 1e-9 * (1 + np.max(np.abs(beta))):
            return beta, bread, residual
    return None


def brier(scores: Floats, labels: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate the Brier score, the mean squared difference of probability and outcome.

    Args:
        scores: (n,) probabilities of the positive class.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [0, 1], as `mean` with that support.

    Raises:
        ValueError: The arrays are not of one length, or a score is outside [0, 1].
    """
    same_length(scores=scores, labels=labels, patients=patients)
    squares = (probabilities(scores) - np.asarray(labels, dtype=np.float64)) ** 2
    return mean(squares, patients, levels, support=(0.0, 1.0))
