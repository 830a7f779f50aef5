"""Simulated cohorts whose truth is known. Patients are drawn independently; the cases of one patient are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def case_codes(rng: np.random.Generator, patients: int, cases: tuple[int, int]) -> Ints:
    """Return the patient code of every case; a patient has a uniform number of cases in a range."""
    return np.repeat(np.arange(patients), rng.integers(cases[0], cases[1] + 1, patients))


def clustered_hits(
    rng: np.random.Generator, *, patients: int, p: ArrayLike, rho: float, cases: tuple[int, int]
) -> tuple[Bools, Ints]:
    """Return (hits, patient codes) with beta-binomial patients.

    Args:
        rng: Draws everything.
        patients: Number of patients.
        p: The proportion, one for all or (patients,).
        rho: Correlation of two cases of one patient.
        cases: Least and largest number of cases a patient.
    """
    code = case_codes(rng, patients, cases)
    mean = np.broadcast_to(np.asarray(p, dtype=np.float64), patients)
    chance = mean if rho == 0 else rng.beta(mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho)
    return rng.random(code.size) < chance[code], code


INFORMATIVE = np.array([0.95, 0.91, 0.87, 0.83, 0.79, 0.75])
"""Proportion among patients with 1 to 6 cases, where the number of cases tells of the patient."""
INFORMATIVE_TRUTH = float(INFORMATIVE @ np.arange(1, 7) / 21)


def informative_hits(rng: np.random.Generator, *, patients: int, rho: float) -> tuple[Bools, Ints]:
    """Return (hits, patient codes) where patients with more cases have a lower proportion."""
    sizes = rng.integers(1, 7, patients)
    code, mean = np.repeat(np.arange(patients), sizes), INFORMATIVE[sizes - 1]
    chance = rng.beta(mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho)
    return rng.random(code.size) < chance[code], code


def grouped_hits(
    rng: np.random.Generator, *, sizes: Sequence[int], p: Sequence[float], rho: float, cases: tuple[int, int]
) -> tuple[Bools, Ints, Ints]:
    """Return (hits, group of every case, patient codes); every patient is in one group.

    Args:
        rng: Draws everything.
        sizes: Patients a group.
        p: Proportion a group.
        rho: Correlation of two cases of one patient.
        cases: Least and largest number of cases a patient.
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    hits, code = clustered_hits(rng, patients=group.size, p=np.asarray(p)[group], rho=rho, cases=cases)
    return hits, group[code], code


def separation(auc: float) -> float:
    """Return the distance of two unit normals whose AUC it is."""
    from scipy.special import ndtri

    return float(np.sqrt(2) * ndtri(auc))


def clustered_scores(
    rng: np.random.Generator, *, patients: int, prevalence: float, auc: ArrayLike, cases: tuple[int, int],
    rho: float = 0.5,
) -> tuple[Floats, Bools, Ints]:  # fmt: skip
    """Return (scores, labels, patient codes) of a binormal model with one label and one random effect a patient.

    Args:
        rng: Draws everything.
        patients: Number of patients.
        prevalence: Share of positive patients.
        auc: True AUC, one for all or (patients,).
        cases: Least and largest number of cases a patient.
        rho: Correlation of the scores of two cases of one patient and label.
    """
    code = case_codes(rng, patients, cases)
    label = rng.random(patients) < prevalence
    effect, noise = rng.normal(0, np.sqrt(rho), patients), rng.normal(0, np.sqrt(1 - rho), code.size)
    distance = np.broadcast_to(np.vectorize(separation)(auc), patients)
    return (label * distance + effect)[code] + noise, label[code], code


def mixed_scores(
    rng: np.random.Generator, *, patients: int, auc: float, cases: tuple[int, int], rho: float = 0.5
) -> tuple[Floats, Bools, Ints]:
    """Return (scores, labels, patient codes) where one patient has positive and negative cases."""
    code = case_codes(rng, patients, cases)
    label = rng.random(code.size) < 0.5
    effect, noise = rng.normal(0, np.sqrt(rho), patients), rng.normal(0, np.sqrt(1 - rho), code.size)
    return label * separation(auc) + effect[code] + noise, label, code


LOGIT_MEAN, LOGIT_BETWEEN, LOGIT_WITHIN = -0.5, 1.2, 0.4


def calibrated(
    rng: np.random.Generator, *, patients: int, cases: tuple[int, int] = (1, 3), intercept: float = 0.0,
    slope: float = 1.0, rho: float = 0.3,
) -> tuple[Floats, Bools, Ints]:  # fmt: skip
    """Return (scores, labels, patient codes) with P(positive | score) = expit(intercept + slope * logit(score)).

    Outcomes of one patient are alike through a Gaussian copula, so the calibration given the score stays exact where
    an added random effect would flatten it.

    Args:
        rng: Draws everything.
        patients: Number of patients.
        cases: Least and largest number of cases a patient.
        intercept: True intercept.
        slope: True slope.
        rho: Correlation of the latent outcomes of two cases of one patient.
    """
    from scipy.special import expit, ndtr

    code = case_codes(rng, patients, cases)
    logit = LOGIT_MEAN + LOGIT_BETWEEN * rng.normal(size=patients)[code] + LOGIT_WITHIN * rng.normal(size=code.size)
    latent = np.sqrt(rho) * rng.normal(size=patients)[code] + np.sqrt(1 - rho) * rng.normal(size=code.size)
    return expit(logit), ndtr(latent) < expit(intercept + slope * logit), code


def expected_brier(intercept: float = 0.0, slope: float = 1.0) -> float:
    """Return the true Brier score of `calibrated`, by Gauss-Hermite quadrature."""
    from scipy.special import expit

    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    logit = LOGIT_MEAN + np.hypot(LOGIT_BETWEEN, LOGIT_WITHIN) * nodes
    chance, score = expit(intercept + slope * logit), expit(logit)
    return float(weights @ (chance * (1 - score) ** 2 + (1 - chance) * score**2) / weights.sum())
