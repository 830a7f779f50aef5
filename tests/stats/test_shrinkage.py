"""Shrunken proportions equal an independent fine quadrature, and draw small groups towards the others."""

import numpy as np
import pytest
from scipy.special import betainc, betaln, expit

from audit.core import Levels
from audit.stats import proportion, shrunken_proportions

LEVELS = Levels()
CASES = [5, 20, 60, 200, 100, 8]
HITS = [2, 17, 50, 170, 86, 8]


def groups(cases, hits):
    """Return outcome, group and patient of cases, one a patient."""
    outcome = np.concatenate([np.arange(n) < k for n, k in zip(cases, hits, strict=True)])
    return outcome, np.repeat(np.arange(len(cases)), cases), np.arange(sum(cases))


def quadrature(cases, hits):
    """Return weights, a and b of the posterior on a fine grid in the coordinates logit(mean) and log(size)."""
    mean, log_size = np.meshgrid(np.linspace(-3, 6, 900), np.linspace(-3, 16, 600), indexing="ij")
    size = np.exp(log_size)
    a, b = expit(mean) * size, (1 - expit(mean)) * size
    log = np.log(a) + np.log(b) - 2.5 * np.log(size)
    for n, k in zip(cases, hits, strict=True):
        log = log + betaln(a + k, b + n - k) - betaln(a, b)
    weight = np.exp(log - log.max())
    kept = weight > 1e-10
    return weight[kept] / weight[kept].sum(), a[kept], b[kept]


def test_posterior_means_and_bounds_equal_a_fine_quadrature():
    """Means to 0.002; the bounds cut off 2.2 to 2.55 % of the fine posterior."""
    found = shrunken_proportions(*groups(CASES, HITS), LEVELS)
    weight, a, b = quadrature(CASES, HITS)
    for estimate, n, k in zip(found, CASES, HITS, strict=True):
        assert estimate.value == pytest.approx(float((weight * (a + k) / (a + b + n)).sum()), abs=0.002)
        low, high = estimate.bounds(0.025)
        assert 0.022 < (weight * betainc(a + k, b + n - k, low)).sum() < 0.0255
        assert 0.022 < 1 - (weight * betainc(a + k, b + n - k, high)).sum() < 0.0255


def test_a_small_group_is_drawn_further_than_a_large_one():
    """Two of five lies near the others afterwards; 170 of 200 stays where it is, to 0.01."""
    found = shrunken_proportions(*groups(CASES, HITS), LEVELS)
    assert found[0].value > 0.7
    assert found[3].value == pytest.approx(0.85, abs=0.01)
    assert (found[0].n, found[0].n_patients, found[0].k) == (5, 5, 2)


def test_it_can_clear_a_group_that_is_failed():
    """Why no rule may rest on it: the raw lower bound of 2 of 5 is under 0.1, the shrunken one above 0.3."""
    outcome, group, patients = groups(CASES, HITS)
    raw = proportion(outcome[group == 0], patients[group == 0], LEVELS).bounds(0.025)[0]
    assert raw < 0.1
    assert shrunken_proportions(outcome, group, patients, LEVELS)[0].bounds(0.025)[0] > 0.3


def test_alike_cases_of_a_patient_count_once():
    """Ten alike images of each patient give the value of one image each, to 0.01."""
    outcome, group, patients = groups(CASES, HITS)
    many = shrunken_proportions(np.repeat(outcome, 10), np.repeat(group, 10), np.repeat(patients, 10), LEVELS)
    once = shrunken_proportions(outcome, group, patients, LEVELS)
    assert [e.value for e in many] == pytest.approx([e.value for e in once], abs=0.01)
    assert (many[0].n, many[0].n_patients) == (50, 5)


def test_two_groups_have_nothing_in_common_to_learn():
    """The spread of two proportions says too little, and the reason says so."""
    found = shrunken_proportions(*groups([50, 50], [40, 45]), LEVELS)
    assert all("2 groups" in e.missing for e in found)


def test_groups_that_are_all_right_have_a_number():
    """Where nothing is missed the value stays below 1, and the bound of the smallest group is the widest."""
    found = shrunken_proportions(*groups([5, 30, 60], [5, 30, 60]), LEVELS)
    assert all(0.9 < e.value < 1 for e in found)
    lows = [e.bounds(0.025)[0] for e in found]
    assert lows == sorted(lows)
