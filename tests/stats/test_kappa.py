"""Kappas against scikit-learn and a jackknife by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.metrics import cohen_kappa_score

from audit.core import Levels
from audit.metrics import icc as icc_value
from audit.stats import AbsoluteIcc, Kappa, NearnessOfNumbers, agreement

LEVELS = Levels()


def grades(n: int = 60, seed: int = 0):
    """Return two raters' grades 0..3."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 4, n)
    return first, np.clip(first + rng.integers(-1, 2, n), 0, 3)


@pytest.mark.parametrize(("weights", "name"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_the_value_is_that_of_scikit_learn(weights: str, name: str | None):
    """Kappa agrees with cohen_kappa_score to 1e-12, a category that nobody chose included."""
    a, b = grades()
    found = agreement(Kappa(categories=5, weights=weights), a, b, np.arange(60), LEVELS)
    assert found.value == pytest.approx(cohen_kappa_score(a, b, weights=name), abs=1e-12)


def test_bounds_are_those_of_a_jackknife_by_hand():
    """Leaving out each patient with scikit-learn and t on Fisher's z gives the same bounds to 1e-9."""
    a, b = grades()
    who = np.arange(60) // 2
    found = agreement(Kappa(categories=4), a, b, who, LEVELS)
    kappa = cohen_kappa_score(a, b, weights="quadratic")
    left = np.array([cohen_kappa_score(a[who != p], b[who != p], weights="quadratic") for p in range(30)])
    se = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2)) / (1 - kappa**2)
    half = student.isf(0.025, 29) * se
    assert found.bounds(0.025) == pytest.approx(np.tanh([np.arctanh(kappa) - half, np.arctanh(kappa) + half]), abs=1e-9)
    assert found.n_patients == 30


def test_an_undecided_rater_counts_in_parts():
    """A case with half of each answer equals two cases of half the weight: the kappa of the doubled cohort."""
    a, b = grades()
    shares = np.eye(4)[b]
    shares[0] = [0.5, 0.5, 0, 0]
    twice = cohen_kappa_score(np.repeat(a, 2), np.concatenate([[0, 1], np.repeat(b[1:], 2)]), weights="quadratic")
    found = agreement(Kappa(categories=4), a, shares, np.arange(60), LEVELS)
    assert found.value == pytest.approx(twice, abs=1e-12)


def test_icc_of_two_raters_is_that_of_the_metric():
    """ICC(A,1) from moments equals the two-way table's to 1e-9, also far from zero."""
    rng = np.random.default_rng(1)
    a = rng.normal(1e4, 10, 50)
    b = a + rng.normal(3, 4, 50)
    found = agreement(AbsoluteIcc(centre=1e4), a, b, np.arange(50), LEVELS)
    assert found.value == pytest.approx(icc_value(np.stack([a, b], axis=1), form="2,1"), abs=1e-9)
    assert found.bounds(0.025)[0] < found.value < found.bounds(0.025)[1] < 1


def test_nearness_is_minus_the_mean_absolute_difference():
    """Differences of 1 and 3 give -2, so that higher is better."""
    rows = NearnessOfNumbers().rows(np.array([0.0, 0.0]), np.array([1.0, -3.0]))
    assert NearnessOfNumbers().value(rows.sum(axis=0)[None])[0] == -2


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([], [], "no cases"),
        ([0, 1, 0, 1], [0, 1, 1, 0], "4 patients"),
        ([0] * 9, [0] * 9, "only one answer"),
        ([0] * 8 + [1], [0] * 9, "single patient"),
        ([0, 1, 1, 0, 1, 0], [0, 1, 1, 0, 1, 0], "never disagree"),
    ],
)
def test_no_number_has_its_reason(a: list[int], b: list[int], reason: str):
    """One answer, one patient who carries all, and perfect agreement have no interval."""
    found = agreement(Kappa(categories=2, weights="none"), np.array(a), np.array(b), np.arange(len(a)), LEVELS)
    assert found.value is None
    assert reason in found.missing


@pytest.mark.parametrize(
    ("a", "b", "weights", "match"),
    [([2, 0], [0, 0], "none", "categories"), ([0.5, 0], [0, 0], "none", "categories"), ([0, 0], [0], "none", "answers"),
     ([0, 0], [0, 0], "cubic", "weights")],
)  # fmt: skip
def test_wrong_answers_are_errors(a: list[float], b: list[float], weights: str, match: str):
    """An answer outside the categories, lengths that differ and unknown weights are errors."""
    with pytest.raises(ValueError, match=match):
        agreement(Kappa(categories=2, weights=weights), np.array(a * 4), np.array(b * 4), np.arange(8), LEVELS)


@pytest.mark.slow
@pytest.mark.parametrize("patients", [25, 60, 200])
def test_coverage_is_at_its_rate(patients: int):
    """The 95 % interval of a quadratic kappa of .749 holds it in at least 93 % of 1,500 samples."""
    rng, cuts, covered = np.random.default_rng(3), [-1, -0.3, 0.3, 1], 0
    for _ in range(1500):
        latent = rng.normal(size=patients)
        a, b = (np.digitize(latent + 0.5 * rng.normal(size=patients), cuts) for _ in range(2))
        low, high = agreement(Kappa(categories=5), a, b, np.arange(patients), LEVELS).bounds(0.025)
        covered += low <= 0.749 <= high
    assert covered / 1500 >= 0.93
