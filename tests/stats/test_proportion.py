"""Proportions: Korn-Graubard by patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from audit.core import LADDER, Levels
from audit.stats import proportion
from audit.stats._common import Patients, alphas
from audit.stats._proportion import share_of, wilson_bounds
from validation.statistics.scenarios import clustered_hits

LEVELS = Levels()
SPARSE = {
    "C": (20, 0.95, 0.3, (1, 6)),
    "E": (10, 0.90, 0.5, (1, 4)),
    "F": (100, 0.98, 0.2, (1, 4)),
    "H": (40, 0.99, 0.0, (1, 1)),
}
DENSE = {
    "A": (200, 0.85, 0.3, (1, 6)), "B": (50, 0.90, 0.3, (1, 6)), "D": (20, 0.80, 0.0, (1, 1)),
    "few": (20, 0.80, 0.3, (1, 6)), "alike": (30, 0.85, 0.5, (1, 6)), "alike and rare": (100, 0.95, 0.5, (1, 6)),
}  # fmt: skip


def cohorts(draw) -> tuple[np.ndarray, np.ndarray]:
    """Draw hits and patient codes of 5 to 12 patients."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=5, max_size=12))
    code = np.repeat(np.arange(len(sizes)), sizes)
    return np.array(draw(st.lists(st.booleans(), min_size=code.size, max_size=code.size))), code


clustered = st.composite(cohorts)()


def test_one_case_a_patient_hand_case():
    """8 of 10 patients: the design effect is 10/9, so the bounds are exact ones of 7.2 in 9."""
    hits = np.array([True] * 8 + [False] * 2)
    found = proportion(hits, np.arange(10), LEVELS)
    low, high = found.bounds(0.025)
    expected = proportion_confint(7.2, 9, 0.05, method="beta")
    assert (found.value, found.k, found.n, found.n_patients) == (0.8, 8, 10, 10)
    assert (low, high) == pytest.approx(expected, abs=1e-12)


def test_clustered_hand_case():
    """6 patients of 2 alike cases, 1 of them missed: 5 effective cases by the plain design effect, fewer below."""
    code = np.repeat(np.arange(6), 2)
    share = share_of(code != 0, Patients.of(code))
    # p = 10/12; the missed patient is 10/6 off, the others 2/6: v = 6/5 * (100/36 + 5 * 4/36) / 144 = 1/36.
    assert share.n_eff == pytest.approx(5, abs=1e-12)
    low, high = proportion(code != 0, code, LEVELS).bounds(0.025)
    # Half a patient without a hit: 10/13; 1.5 * (20/13)^2 + 5 * (6/13)^2 = 60/13; v = 7/6 * (60/13) / 169;
    # deff = v / (30/169/13) = 7/3; 12 / (7/3) = 36/7 > 5, so the plain 5 holds. Above, with half a patient all hits:
    # misses 2/13; 0.5 * (4/13)^2 + 5 * (4/13)^2 + (22/13)^2 = 44/13; v = 7/6 * (44/13) / 169; deff = 7/3 again.
    assert (low, high) == pytest.approx(proportion_confint(10 / 12 * 5, 5, 0.05, method="beta"), abs=1e-12)


def test_unequal_patients_hand_case():
    """Patients of 4 cases with 4, 4, 4, 4, 2 hits: the lower bound has the n of half a patient without a hit."""
    hits = np.array([True] * 18 + [False] * 2)
    # p = 18/22; 4 * (8/11)^2 + (14/11)^2 + (36/11)^2 / 2 = 1100/121; v = 6/5 * (1100/121) / 484;
    # deff = v / ((18/22) * (4/22) / 22) = 10/3; 20 / (10/3) = 6. Plain: v = 5/4 * 3.2 / 400 = .01, n = .09 / .01 = 9.
    share = share_of(hits, Patients.of(np.repeat(np.arange(5), 4)))
    assert share.n_eff == pytest.approx(9, abs=1e-12)
    low, high = proportion(hits, np.repeat(np.arange(5), 4), LEVELS).bounds(0.025)
    assert low == pytest.approx(min(proportion_confint(5.4, 6, 0.05, method="beta")[0], 0.025**0.2), abs=1e-12)
    assert high == pytest.approx(proportion_confint(8.1, 9, 0.05, method="beta")[1], abs=1e-12)


@pytest.mark.parametrize("level", LADDER)
def test_every_rung_agrees_with_statsmodels(level: float):
    """With one case a patient every rung is the Clopper-Pearson bound at the effective n, to 1e-9."""
    hits = np.random.default_rng(4).random(80) < 0.8
    n_eff = share_of(hits, Patients.of(np.arange(80))).n_eff
    assert n_eff == pytest.approx(79)
    expected = proportion_confint(hits.mean() * n_eff, n_eff, 2 * level, method="beta")
    assert proportion(hits, np.arange(80), LEVELS).bounds(level) == pytest.approx(expected, abs=1e-9)


def test_wilson_agrees_with_statsmodels_at_many_patients():
    """With many patients the t quantile is the normal one, and the bounds are Wilson's at the effective n."""
    hits, code = clustered_hits(np.random.default_rng(5), patients=20_000, p=0.8, rho=0.3, cases=(1, 3))
    share = share_of(hits, Patients.of(code))
    at = LEVELS.rungs.index(0.025)
    bounds = tuple(side[at] for side in wilson_bounds(share, alphas(LEVELS)))
    assert bounds == pytest.approx(
        proportion_confint(share.value * share.n_eff, share.n_eff, 0.05, method="wilson"), abs=1e-5
    )


def test_a_flawless_cohort_counts_its_patients():
    """20 of 20 patients right, 3 cases each: the lower bound is that of 20 of 20, not of 60 of 60."""
    found = proportion(np.ones(60, bool), np.repeat(np.arange(20), 3), LEVELS)
    assert found.bounds(0.025) == pytest.approx((0.025 ** (1 / 20), 1.0), abs=1e-12)


def test_one_failure_more_never_proves_more():
    """An isolated failure makes cases look independent; its lower bound is no better than the flawless one."""
    code, hits = np.repeat(np.arange(20), 10), np.ones(200, bool)
    flawless = proportion(hits, code, LEVELS).bounds(0.025)[0]
    hits[0] = False
    assert proportion(hits, code, LEVELS).bounds(0.025)[0] <= flawless


@pytest.mark.parametrize(("n", "reason"), [(0, "no cases"), (4, "4 patients, fewer than the 5")])
def test_too_few_patients_are_missing(n: int, reason: str):
    """A group of fewer than 5 patients is missing with the reason, never a number."""
    found = proportion(np.ones(n, bool), np.arange(n), LEVELS)
    assert found.value is None
    assert reason in found.missing
    assert found.n == n


def test_lengths_must_agree():
    """Arrays of different lengths are an error, never broadcast."""
    with pytest.raises(ValueError, match="one shape"):
        proportion(np.ones(6, bool), np.arange(5), LEVELS)


@settings(max_examples=60)
@given(clustered)
def test_hits_and_misses_mirror(cohort):
    """The miss rate's interval is 1 minus that of the sensitivity, at every rung."""
    hits, code = cohort
    one, other = proportion(hits, code, LEVELS), proportion(~hits, code, LEVELS)
    mirrored = [(a, 1 - high, 1 - low) for a, low, high in other.curve]
    np.testing.assert_allclose(one.curve, mirrored, atol=1e-9)


@settings(max_examples=60)
@given(clustered, st.randoms(use_true_random=False))
def test_order_and_codes_do_not_matter(cohort, random):
    """Neither the order of the rows nor the numbering of the patients changes a number."""
    hits, code = cohort
    order = list(range(len(hits)))
    random.shuffle(order)
    one, other = proportion(hits, code, LEVELS), proportion(hits[order], 1000 - 7 * code[order], LEVELS)
    np.testing.assert_allclose(one.curve, other.curve, atol=1e-12)


@settings(max_examples=60)
@given(clustered)
def test_bounds_hold_the_value_and_widen(cohort):
    """Every rung holds the value and is no narrower than the one before."""
    found = proportion(*cohort, LEVELS)
    rows = np.array(found.curve)
    assert (rows[:, 1] <= found.value).all()
    assert (rows[:, 2] >= found.value).all()
    assert (np.diff(rows[:, 1]) <= 0).all()
    assert (np.diff(rows[:, 2]) >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DENSE, *SPARSE])
def test_coverage_by_simulation(name: str):
    """On 8,000 simulated cohorts each tail misses at most 3.5 % (nominal 2.5 %, MC error 0.2 points)."""
    patients, p, rho, cases = {**DENSE, **SPARSE}[name]
    rng, misses = np.random.default_rng(20), np.zeros(2)
    for _ in range(8000):
        low, high = proportion(*clustered_hits(rng, patients=patients, p=p, rho=rho, cases=cases), LEVELS).bounds(0.025)
        misses += (low > p, high < p)
    assert (misses / 8000 <= 0.035).all()


@pytest.mark.slow
def test_patients_that_fail_as_a_whole_beside_isolated_failures():
    """Where rare patients fail as a whole beside isolated failures, the lower bound still holds."""
    rng, misses, truth = np.random.default_rng(21), 0, 0.965 * 0.995
    code = np.repeat(np.arange(20), 10)
    for _ in range(1000):
        hits = (rng.random(200) > 0.005) & ~(rng.random(20) < 0.035)[code]
        misses += proportion(hits, code, LEVELS).bounds(0.025)[0] > truth
    assert misses / 1000 <= 0.035


@pytest.mark.slow
def test_rows_taken_as_independent_cover_too_little():
    """Negative control: Wilson's interval over rows covers under 90 % on the same clustered cohorts."""
    rng, covered = np.random.default_rng(22), 0
    for _ in range(1000):
        hits, _ = clustered_hits(rng, patients=200, p=0.85, rho=0.3, cases=(1, 6))
        low, high = proportion_confint(hits.sum(), hits.size, 0.05, method="wilson")
        covered += low <= 0.85 <= high
    assert covered / 1000 < 0.90
