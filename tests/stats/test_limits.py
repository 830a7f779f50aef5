"""Limits of agreement by the non-central t."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nct

from audit.core import Levels
from audit.stats import limit_of_agreement
from audit.stats._common import Patients
from audit.stats._limits import spread_of

LEVELS = Levels()


def differences(n: int = 40, seed: int = 0):
    """Return normal differences with mean 1 and SD 2."""
    return np.random.default_rng(seed).normal(1, 2, n)


@pytest.mark.parametrize(("side", "sign"), [("low", -1), ("high", 1)])
def test_one_case_a_patient_is_the_exact_interval(side: str, sign: int):
    """Value and bounds equal mean -/+ 1.96 SD and scipy's non-central t to 1e-9."""
    d = differences()
    n, found = len(d), limit_of_agreement(d, np.arange(len(d)), LEVELS, side=side)
    mean, sd, shift = d.mean(), d.std(ddof=1), 1.959963984540054 * np.sqrt(n)
    assert found.value == pytest.approx(mean + sign * 1.959963984540054 * sd, abs=1e-9)
    ends = [mean + sign * sd / np.sqrt(n) * nct.ppf(p, n - 1, shift) for p in (0.025, 0.975)]
    assert found.bounds(0.025) == pytest.approx(sorted(ends), abs=1e-9)


def test_the_two_limits_mirror_each_other():
    """Differences with their signs turned have the same limits with their signs turned."""
    d, who = differences(), np.arange(40)
    low, high = limit_of_agreement(-d, who, LEVELS, side="low"), limit_of_agreement(d, who, LEVELS, side="high")
    assert low.value == pytest.approx(-high.value, abs=1e-12)
    assert low.bounds(0.025) == pytest.approx([-b for b in high.bounds(0.025)[::-1]], abs=1e-9)


def test_variance_components_by_hand():
    """Patients with differences (0, 2), (4, 6) and (9,): within 2, patient means 1, 5, 9, harmonic share 2/3.

    Variance of means 16; between 16 - 2 * 2/3 = 14.667; a single difference has 16.667. Its degrees of freedom are
    16.667^2 / (16^2 / 2 + ((1/3) 2)^2 / 2) = 2.163; the mean has 14.667 * 9/25 + 2/5 = 5.68, worth 2.934 cases.
    """
    d, who = np.array([0.0, 2, 4, 6, 9]), np.array([0, 0, 1, 1, 2])
    found = spread_of(d, Patients.of(who))
    assert found.mean == pytest.approx(4.2)
    assert found.sd**2 == pytest.approx(50 / 3)
    assert found.df == pytest.approx((50 / 3) ** 2 / (128 + (2 / 3) ** 2 / 2))
    assert found.cases == pytest.approx((50 / 3) / ((44 / 3) * 9 / 25 + 2 / 5))


def test_copies_of_a_case_add_nothing():
    """Each difference copied three times gives the interval of the differences, to 1e-9."""
    d, who = differences(), np.arange(40)
    once = limit_of_agreement(d, who, LEVELS, side="high")
    copies = limit_of_agreement(np.repeat(d, 3), np.repeat(who, 3), LEVELS, side="high")
    assert (copies.value, *copies.bounds(0.025)) == pytest.approx((once.value, *once.bounds(0.025)), abs=1e-9)
    assert "effective" in copies.method


@pytest.mark.parametrize(
    ("d", "reason"), [(np.zeros(0), "no cases"), (np.arange(4.0), "4 patients"), (np.ones(9), "do not vary")]
)
def test_no_number_has_its_reason(d: np.ndarray, reason: str):
    """Too few patients and equal differences carry no interval."""
    found = limit_of_agreement(d, np.arange(len(d)), LEVELS, side="low")
    assert found.value is None
    assert reason in found.missing


def test_an_unknown_side_is_an_error():
    """The side is low or high."""
    with pytest.raises(ValueError, match="side"):
        limit_of_agreement(differences(), np.arange(40), LEVELS, side="upper")


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "cases", "rho"), [(20, 1, 0.0), (20, 6, 0.1), (60, 3, 0.3), (100, 6, 0.5)])
def test_coverage_is_at_its_rate(patients: int, cases: int, rho: float):
    """Either tail misses in at most 4 % of 2,000 samples, repeated cases included."""
    rng, missed = np.random.default_rng(7), np.zeros(2)
    for _ in range(2000):
        code = np.repeat(np.arange(patients), rng.integers(1, cases + 1, patients))
        d = np.sqrt(rho) * rng.normal(size=patients)[code] + np.sqrt(1 - rho) * rng.normal(size=code.size)
        low, high = limit_of_agreement(d, code, LEVELS, side="high").bounds(0.025)
        missed += low > 1.959964, high < 1.959964
    assert (missed / 2000 <= 0.04).all()
