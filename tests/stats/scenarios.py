"""Simulated cohorts whose truth is known."""

from __future__ import annotations

import numpy as np


def clustered_hits(rng: np.random.Generator, *, patients: int, p: float, rho: float, cases: tuple[int, int]):
    """Return (hits, patient codes) with beta-binomial patients of a given number of cases."""
    code = np.repeat(np.arange(patients), rng.integers(cases[0], cases[1] + 1, patients))
    chance = np.full(patients, p) if rho == 0 else rng.beta(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho, patients)
    return rng.random(code.size) < chance[code], code


def clustered_scores(
    rng: np.random.Generator, *, patients: int, prevalence: float, auc: float, cases: tuple[int, int], rho: float = 0.5
):
    """Return (scores, labels, patient codes) of a binormal model with one label and one random effect a patient."""
    from scipy.stats import norm

    code = np.repeat(np.arange(patients), rng.integers(cases[0], cases[1] + 1, patients))
    label = rng.random(patients) < prevalence
    effect, noise = rng.normal(0, np.sqrt(rho), patients), rng.normal(0, np.sqrt(1 - rho), code.size)
    return label[code] * np.sqrt(2) * norm.ppf(auc) + effect[code] + noise, label[code], code
