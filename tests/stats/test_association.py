"""Cramer's V with patients as the unit of sampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ncx2
from scipy.stats.contingency import association as plain_association

from audit.core import Levels
from audit.stats import association, association_p

LEVELS = Levels()


def columns(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two columns with the given counts."""
    rows, places = np.nonzero(table)
    times = table[rows, places]
    return np.repeat(rows, times), np.repeat(places, times)


def test_the_value_is_worked_by_hand() -> None:
    """[[30, 10], [10, 30]]: chi-square 20, n 80, phi2 0.25 - 1/79; V = sqrt(0.23734 / (1 - 1/79))."""
    a, b = columns(np.array([[30, 10], [10, 30]]))
    found = association(a, b, np.arange(80), LEVELS)
    assert found.value == pytest.approx(np.sqrt((0.25 - 1 / 79) / (1 - 1 / 79)), abs=1e-12)
    assert (found.n, found.n_patients) == (80, 80)


def test_it_tends_to_the_plain_one_with_many_cases() -> None:
    """With 100 times the cases the correction is nothing: scipy's V, to 0.001."""
    table = 100 * np.array([[12, 5, 3], [4, 9, 7]])
    a, b = columns(table)
    assert association(a, b, np.arange(len(a)), LEVELS).value == pytest.approx(
        plain_association(table, method="cramer"), abs=1e-3
    )


def test_the_bounds_are_those_of_the_noncentrality() -> None:
    """At each rung chi-square has that tail under its bound (scipy's noncentral distribution, to 1e-6 relative)."""
    table = np.array([[12, 5, 3], [4, 9, 17]])
    a, b = columns(table)
    chi = chi2_contingency(table, correction=False).statistic
    for rung, low, high in association(a, b, np.arange(len(a)), LEVELS).curve:
        if low > 0:
            assert ncx2.sf(chi, 2, low**2 * table.sum()) == pytest.approx(rung, rel=1e-6)
        if high < 1:
            assert ncx2.cdf(chi, 2, high**2 * table.sum()) == pytest.approx(rung, rel=1e-6)


def test_a_patient_counts_once_whatever_the_cases() -> None:
    """Five equal cases of each patient give the estimate of one case a patient."""
    a, b = columns(np.array([[12, 5, 3], [4, 9, 7]]))
    once = association(a, b, np.arange(40), LEVELS)
    five = association(np.repeat(a, 5), np.repeat(b, 5), np.repeat(np.arange(40), 5), LEVELS)
    assert five.value == pytest.approx(once.value)
    assert np.array(five.curve) == pytest.approx(np.array(once.curve), abs=1e-9)
    assert (five.n, five.n_patients) == (200, 40)


def test_one_level_or_too_few_patients_have_no_number() -> None:
    """Both say why."""
    assert "one level" in (association(np.zeros(9), np.arange(9) % 2, np.arange(9), LEVELS).missing or "")
    assert "4 patients" in (association(np.arange(4) % 2, np.arange(4) % 2, np.arange(4), LEVELS).missing or "")
    assert association_p(np.zeros(9), np.arange(9) % 2, np.arange(9), np.random.default_rng(0), resamples=100) is None


def test_p_agrees_with_chi_square_and_counts_patients() -> None:
    """The exchange gives chi-square's p to 0.02; five cases a patient leave it where it is."""
    a, b = columns(np.array([[30, 22, 20], [18, 24, 26]]))
    p = association_p(a, b, np.arange(len(a)), np.random.default_rng(1), resamples=4000)
    expected = chi2_contingency(np.array([[30, 22, 20], [18, 24, 26]]), correction=False).pvalue
    assert p == pytest.approx(expected, abs=0.02)
    five = association_p(
        np.repeat(a, 5), np.repeat(b, 5), np.repeat(np.arange(len(a)), 5), np.random.default_rng(1), resamples=4000
    )
    assert five == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("patients, true", [(60, 0.0), (60, 0.3), (300, 0.0), (300, 0.3), (300, 0.6)])
def test_coverage_by_simulation(patients: int, true: float) -> None:
    """95 % intervals of a 2 x 3 table hold the true V in at least 93 % of 1500 samples (MC error 0.6 points)."""
    rng = np.random.default_rng([patients, int(10 * true)])
    shares = np.array([0.4, 0.4, 0.2])
    # V of two equally frequent rows is the root of the sum over columns of tilt^2 / share.
    tilt = true * np.array([1.0, -1.0, 0.0]) / np.sqrt(2 / 0.4)
    probability = np.stack([(shares + tilt) / 2, (shares - tilt) / 2])
    truth = float(np.sqrt((tilt**2 / shares).sum()))
    hits = 0
    for _ in range(1500):
        a, b = columns(rng.multinomial(patients, probability.ravel()).reshape(2, 3))
        low, high = association(a, b, np.arange(patients), LEVELS).bounds(0.025)
        hits += low <= truth <= high
    assert hits / 1500 >= 0.93


def test_the_p_value_holds_its_level() -> None:
    """Independent columns with three equal cases a patient are called associated in at most 8 % of 200 samples."""
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(60), 3)
    small = 0
    for _ in range(200):
        a, b = rng.integers(0, 3, 60)[owner], rng.integers(0, 2, 60)[owner]
        p = association_p(a, b, owner, rng, resamples=100)
        small += p is not None and p <= 0.05
    assert small <= 16
