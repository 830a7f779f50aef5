"""The AUC: Obuchowski by patient on the logit scale."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from audit.core import Levels
from audit.stats import auc
from audit.stats._auc import area_of
from audit.stats._common import Patients
from validation.statistics.scenarios import clustered_scores

LEVELS = Levels()
CELLS = {
    "A": (300, 0.3, 0.85, (1, 5)), "B": (60, 0.5, 0.85, (1, 5)), "C": (60, 0.5, 0.97, (1, 5)),
    "D": (30, 0.5, 0.90, (1, 1)), "E": (30, 0.5, 0.98, (1, 1)), "G": (60, 0.15, 0.90, (1, 5)),
}  # fmt: skip


@st.composite
def ranked(draw):
    """Draw scores with ties, labels and patients, at least 5 patients a class."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=12, max_size=18))
    code = np.repeat(np.arange(len(sizes)), sizes)
    labels = (code % 2 == 0) ^ np.array(draw(st.lists(st.booleans(), min_size=code.size, max_size=code.size)))
    scores = np.array(draw(st.lists(st.integers(0, 6), min_size=code.size, max_size=code.size))) / 6
    return scores, labels, code


def test_agrees_with_scikit_learn_on_ties():
    """The value equals roc_auc_score to 1e-12, ties counted half."""
    rng = np.random.default_rng(1)
    labels = rng.random(500) < 0.3
    scores = np.round(rng.normal(size=500) + labels, 1)
    found = auc(scores, labels, np.arange(500), LEVELS)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert (found.n, found.n_patients) == (500, 500)


def test_one_image_a_patient_is_delong_by_hand():
    """With one case a patient the variance is DeLong's: var(placements) / m of either class, by hand on 5 + 5 cases."""
    positive, negative = [9.0, 8.0, 4.5, 7.0, 2.5], [1.0, 2.0, 3.0, 4.0, 5.0]
    # Placements of the positives: 1, 1, .8, 1, .4; of the negatives: 1, 1, .8, .8, .6.
    up, down = np.array([1, 1, 0.8, 1, 0.4]), np.array([1, 1, 0.8, 0.8, 0.6])
    value, variance = 0.84, up.var(ddof=1) / 5 + down.var(ddof=1) / 5
    scores, labels = np.array(positive + negative), np.arange(10) < 5
    area = area_of(scores, labels, Patients.of(np.arange(10)))
    assert (area.value, area.variance) == pytest.approx((value, variance), abs=1e-12)
    half = student.ppf(0.975, 4) * np.sqrt(variance) / (value * (1 - value))
    centre = np.log(value / (1 - value))
    expected = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    assert auc(scores, labels, np.arange(10), LEVELS).bounds(0.025) == pytest.approx(expected, abs=1e-12)


def test_a_bound_better_than_flawless_counts_a_hundredth_of_a_patient():
    """40 + 40 patients with placements of .8 but for one of .6: the variance grows by .01 A^2 (1 + 1) / 40^2."""
    rank = np.r_[np.arange(40.0), 39.5 + np.zeros(40)]
    rank[40] = 35.5  # This positive ranks below the four highest controls.
    labels = np.arange(80) >= 40
    value = 1 - 4 / 1600
    variance = (4 / 40) ** 2 / 1600 + np.r_[np.zeros(36), np.full(4, 1 / 40)].var(ddof=1) / 40
    area = area_of(rank, labels, Patients.of(np.arange(80)))
    assert (area.value, area.variance) == pytest.approx((value, variance), abs=1e-12)
    logit, scale = np.log(value / (1 - value)), student.ppf(0.975, 39) / (value * (1 - value))
    plain, cautious = (
        1 / (1 + np.exp(-(logit - scale * np.sqrt(v)))) for v in (variance, variance + 0.01 * value**2 * 2 / 40**2)
    )
    low, _ = auc(rank, labels, np.arange(80), LEVELS).bounds(0.025)
    flawless = 0.025 ** (1 / 40)
    assert plain > flawless
    assert low == pytest.approx(max(cautious, flawless), abs=1e-12)


def test_a_bound_worse_than_flawless_is_that_of_the_logit_scale():
    """An AUC of .75 keeps the plain logit interval to the last digit."""
    rng = np.random.default_rng(12)
    labels = np.arange(120) < 60
    scores = rng.normal(size=120) + labels
    area = area_of(scores, labels, Patients.of(np.arange(120)))
    half = student.ppf(0.975, 59) * np.sqrt(area.variance) / (area.value * (1 - area.value))
    logit = np.log(area.value / (1 - area.value))
    expected = tuple(1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    assert auc(scores, labels, np.arange(120), LEVELS).bounds(0.025) == pytest.approx(expected, abs=1e-12)


def test_repeated_cases_are_no_evidence():
    """Every case three times: the same AUC, and the interval of one case a patient."""
    rng = np.random.default_rng(2)
    labels = np.arange(60) < 25
    scores = rng.normal(size=60) + labels
    one = auc(scores, labels, np.arange(60), LEVELS)
    thrice = auc(np.repeat(scores, 3), np.repeat(labels, 3), np.repeat(np.arange(60), 3), LEVELS)
    np.testing.assert_allclose(thrice.curve, one.curve, atol=1e-12)


def test_a_perfect_ranking_is_bounded_by_the_rarer_class():
    """AUC 1 with 8 positive patients: the lower bound is .025 ** (1/8), the upper 1."""
    labels = np.arange(30) < 8
    found = auc(labels.astype(float), labels, np.arange(30), LEVELS)
    assert found.value == 1.0
    assert found.bounds(0.025) == pytest.approx((0.025 ** (1 / 8), 1.0), abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.zeros(12, bool), "no positive cases"),
        (np.ones(12, bool), "no negative cases"),
        (np.arange(12) < 4, "4 patients with a positive case"),
        (np.arange(12) >= 3, "3 patients with a negative case"),
        (np.zeros(0, bool), "no cases"),
    ],
)
def test_a_class_without_patients_is_missing(labels: np.ndarray, reason: str):
    """With fewer than 5 patients in a class there is no AUC, and the reason names the class."""
    found = auc(np.linspace(0, 1, labels.size), labels, np.arange(labels.size), LEVELS)
    assert found.value is None
    assert reason in found.missing


def test_constant_scores_have_no_interval():
    """A constant score has AUC .5 without a spread: missing, never .5 with an interval of width 0."""
    found = auc(np.full(40, 0.5), np.arange(40) < 20, np.arange(40), LEVELS)
    assert found.value is None
    assert "do not vary" in found.missing


def test_a_score_that_is_no_number_is_an_error():
    """NaN is set aside before any number is made; here it is an error, never dropped in silence."""
    with pytest.raises(ValueError, match="finite"):
        auc(np.array([np.nan] * 10), np.arange(10) < 5, np.arange(10), LEVELS)


@settings(max_examples=60)
@given(ranked())
def test_negated_scores_mirror(cohort):
    """The AUC of the negated scores is 1 - AUC, with mirrored bounds at every rung."""
    scores, labels, code = cohort
    one, other = auc(scores, labels, code, LEVELS), auc(-scores, labels, code, LEVELS)
    if one.value is None:
        assert other.missing == one.missing
        return
    np.testing.assert_allclose(one.curve, [(a, 1 - high, 1 - low) for a, low, high in other.curve], atol=1e-9)


@settings(max_examples=60)
@given(ranked(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(cohort, random):
    """The order of the rows changes no number, and bounds stay in [0, 1] and widen."""
    order = list(range(cohort[0].size))
    random.shuffle(order)
    one, other = auc(*cohort, LEVELS), auc(*(a[order] for a in cohort), LEVELS)
    if one.value is None:
        return
    np.testing.assert_allclose(one.curve, other.curve, atol=1e-9)
    rows = np.array(one.curve)
    assert rows[:, 1].min() >= 0
    assert rows[:, 2].max() <= 1
    assert (np.diff(rows[:, 1]) <= 0).all()
    assert (np.diff(rows[:, 2]) >= 0).all()


def test_fifty_thousand_cases_take_less_than_a_second():
    """The work grows as n log n: 50,000 cases are done at once."""
    rng = np.random.default_rng(3)
    labels = rng.random(50_000) < 0.1
    start = time.process_time()
    auc(rng.normal(size=50_000) + labels, labels, rng.integers(0, 20_000, 50_000), LEVELS)
    assert time.process_time() - start < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CELLS))
def test_coverage_by_simulation(name: str):
    """On 1,000 simulated cohorts the 95 % interval covers the true AUC in at least 93 %."""
    patients, prevalence, truth, cases = CELLS[name]
    rng, covered, made = np.random.default_rng(30), 0, 0
    for _ in range(1000):
        found = auc(*clustered_scores(rng, patients=patients, prevalence=prevalence, auc=truth, cases=cases), LEVELS)
        if found.value is not None:
            low, high = found.bounds(0.025)
            made, covered = made + 1, covered + (low <= truth <= high)
    assert made > 800
    assert covered / made >= 0.93


@pytest.mark.slow
def test_rows_taken_as_patients_cover_too_little():
    """Negative control: DeLong over rows covers under 90 % where patients have several cases."""
    rng, covered = np.random.default_rng(31), 0
    for _ in range(500):
        scores, labels, code = clustered_scores(rng, patients=300, prevalence=0.3, auc=0.85, cases=(1, 5))
        low, high = auc(scores, labels, np.arange(code.size), LEVELS).bounds(0.025)
        covered += low <= 0.85 <= high
    assert covered / 500 < 0.90


def test_few_positives_are_not_surer_than_a_flawless_cohort() -> None:
    """With fewer than ten patients of a class the lower bound is at most alpha^(1/few), that of an AUC of 1."""
    scores = np.concatenate([np.linspace(0, 1, 300), np.linspace(0.90, 0.99, 5)])
    labels = np.arange(305) >= 300
    found = auc(scores, labels, np.arange(305), LEVELS)
    assert found.value is not None
    assert found.value > 0.9
    assert found.bounds(0.025)[0] <= 0.025 ** (1 / 5) + 1e-12
    mirrored = auc(-scores, labels, np.arange(305), LEVELS)
    assert mirrored.bounds(0.025)[1] == pytest.approx(1 - found.bounds(0.025)[0])


@pytest.mark.slow
@pytest.mark.parametrize(("positives", "controls"), [(5, 300), (8, 200)])
def test_a_rule_on_a_rare_class_is_passed_wrongly_in_few_cohorts(positives: int, controls: int) -> None:
    """A true AUC of 0.9 as the limit: at most 3.5 % of 2,000 cohorts have a lower bound above it."""
    rng = np.random.default_rng(11)
    shift = 1.8124  # sqrt(2) times the normal quantile of 0.9: the AUC of two normals that far apart is 0.9
    labels = np.arange(positives + controls) < positives
    wrong = 0
    for _ in range(2000):
        found = auc(rng.normal(shift * labels, 1.0), labels, np.arange(len(labels)), LEVELS)
        wrong += found.bounds(0.025)[0] > 0.9
    assert wrong / 2000 <= 0.035
