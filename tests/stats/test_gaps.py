"""Gaps: MOVER, subgroup minus rest."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.core import Levels
from audit.stats import auc, auc_gap, mean_gap, proportion_gap
from validation.statistics.scenarios import clustered_hits, clustered_scores

LEVELS = Levels()


def test_hand_case_of_mover():
    """Bounds are d -+ the root of the summed squares of the sides' distances (Zou and Donner 2008)."""
    hits = np.array([True] * 40_000 + [False] * 10_000 + [True] * 45_000 + [False] * 5_000)
    members = np.arange(100_000) < 50_000
    low, high = proportion_gap(hits, members, np.arange(100_000), LEVELS).bounds(0.025)
    (l1, u1), (l2, u2) = (proportion_confint(k, 50_000, 0.05, method="wilson") for k in (40_000, 45_000))
    expected = -0.1 - np.hypot(0.8 - l1, u2 - 0.9), -0.1 + np.hypot(u1 - 0.8, 0.9 - l2)
    assert (low, high) == pytest.approx(expected, abs=2e-6)


def test_counts_are_those_of_the_subgroup():
    """n and n_patients belong to the subgroup, and the gap is subgroup minus rest."""
    hits, members = np.arange(40) % 4 != 0, np.arange(40) < 12
    found = proportion_gap(hits, members, np.arange(40) // 2, LEVELS)
    assert (found.n, found.n_patients) == (12, 6)
    assert found.value == pytest.approx(hits[:12].mean() - hits[12:].mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("size", "reason"),
    [(0, "subgroup: no cases"), (4, "subgroup: 4 patients"), (37, "rest: 3 patients"), (40, "rest: no cases")],
)
def test_a_side_with_too_few_patients_is_missing(size: int, reason: str):
    """A gap needs 5 patients on either side, else the reason names the side."""
    found = proportion_gap(np.arange(40) % 3 == 0, np.arange(40) < size, np.arange(40), LEVELS)
    assert found.value is None
    assert reason in found.missing
    assert found.n == size


def test_auc_gap_needs_both_classes_on_both_sides():
    """A group without positives is missing, never 0."""
    labels, members = np.arange(60) < 20, np.arange(60) >= 30
    found = auc_gap(np.linspace(0, 1, 60), labels, members, np.arange(60), LEVELS)
    assert found.value is None
    assert found.missing == "subgroup: no positive cases"


def test_flawless_sides_have_a_gap_with_an_interval():
    """All right on both sides: gap 0, and an interval that the smaller side widens."""
    members = np.arange(60) < 15
    low, high = proportion_gap(np.ones(60, bool), members, np.arange(60), LEVELS).bounds(0.025)
    assert low < -0.15
    assert 0 < high < -low


def test_the_mirror_image_is_the_same_contrast():
    """Rest minus subgroup has the negated value and the negated, exchanged bounds."""
    rng = np.random.default_rng(6)
    scores, labels, code = clustered_scores(rng, patients=150, prevalence=0.4, auc=0.8, cases=(1, 3))
    members = rng.random(code.size) < 0.4
    for one, other in (
        (proportion_gap(labels, members, code, LEVELS), proportion_gap(labels, ~members, code, LEVELS)),
        (auc_gap(scores, labels, members, code, LEVELS), auc_gap(scores, labels, ~members, code, LEVELS)),
        (mean_gap(scores, members, code, LEVELS), mean_gap(scores, ~members, code, LEVELS)),
    ):
        np.testing.assert_allclose(one.curve, [(a, -high, -low) for a, low, high in other.curve], atol=1e-12)


def test_auc_gap_is_the_difference_of_the_two_areas():
    """The gap's value equals the subgroup's AUC minus the rest's."""
    scores, labels, code = clustered_scores(
        np.random.default_rng(7), patients=200, prevalence=0.4, auc=0.8, cases=(1, 2)
    )
    members = code < 80
    inside, outside = (auc(scores[m], labels[m], code[m], LEVELS).value for m in (members, ~members))
    assert auc_gap(scores, labels, members, code, LEVELS).value == pytest.approx(inside - outside, abs=1e-12)


def test_patients_on_both_sides_narrow_the_interval_where_they_vary():
    """A patient's own effect cancels in a contrast within patients: narrower than between other patients."""
    rng = np.random.default_rng(8)
    chance = rng.beta(1.0, 1.0, 400)
    hits, members = rng.random(800) < np.tile(chance, 2), np.arange(800) < 400
    shared = proportion_gap(hits, members, np.tile(np.arange(400), 2), LEVELS).bounds(0.025)
    apart = proportion_gap(hits, members, np.arange(800), LEVELS).bounds(0.025)
    assert shared[1] - shared[0] < 0.95 * (apart[1] - apart[0])


def test_concordance_of_a_few_patients_is_not_believed():
    """12 patients with the same outcome on both sides: a gap of 0, yet no interval of width 0."""
    hits = np.tile(np.arange(12) % 3 != 0, 2)
    low, high = proportion_gap(hits, np.arange(24) < 12, np.tile(np.arange(12), 2), LEVELS).bounds(0.025)
    assert high - low > 0.4


def test_mean_gap_without_a_spread_is_missing():
    """Values that do not vary have no interval, unless their support gives one."""
    members = np.arange(40) < 20
    assert mean_gap(np.ones(40), members, np.arange(40), LEVELS).value is None
    low, high = mean_gap(np.ones(40), members, np.arange(40), LEVELS, support=(0, 1)).bounds(0.025)
    assert low < 0 < high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patients", "p", "share", "truth"),
    [(400, 0.85, 0.25, 0.0), (160, 0.9, 0.125, 0.0), (160, 0.96, 0.125, 0.0), (200, 0.9, 0.3, -0.15)],
)
def test_coverage_of_a_gap_between_patients(patients: int, p: float, share: float, truth: float):
    """On 1,000 simulated cohorts the 95 % interval covers the true gap in at least 93 %."""
    rng, covered = np.random.default_rng(40), 0
    few = round(patients * share)
    for _ in range(1000):
        one, code = clustered_hits(rng, patients=few, p=p + truth, rho=0.3, cases=(1, 4))
        two, rest = clustered_hits(rng, patients=patients - few, p=p, rho=0.3, cases=(1, 4))
        members = np.arange(one.size + two.size) < one.size
        low, high = proportion_gap(np.r_[one, two], members, np.r_[code, rest + few], LEVELS).bounds(0.025)
        covered += low <= truth <= high
    assert covered / 1000 >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "p", "rho"), [(30, 0.9, 0.8), (60, 0.9, 0.9), (150, 0.95, 0.7), (300, 0.9, 0.9)])
def test_coverage_of_a_gap_within_patients(patients: int, p: float, rho: float):
    """Where patients have cases on both sides, the 95 % interval covers a gap of 0 in at least 93 %."""
    rng, covered = np.random.default_rng(41), 0
    for _ in range(1000):
        hits, code = clustered_hits(rng, patients=patients, p=p, rho=rho, cases=(1, 3))
        found = proportion_gap(hits, rng.random(code.size) < 0.5, code, LEVELS)
        low, high = found.bounds(0.025)
        covered += low <= 0 <= high
    assert covered / 1000 >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "mixed"), [(120, False), (120, True), (400, True)])
def test_coverage_of_an_auc_gap(patients: int, mixed: bool):
    """On 600 simulated cohorts the 95 % interval covers an AUC gap of 0 in at least 93 %, shared patients or not."""
    rng, covered, made = np.random.default_rng(42), 0, 0
    for _ in range(600):
        scores, labels, code = clustered_scores(rng, patients=patients, prevalence=0.4, auc=0.85, cases=(1, 4))
        members = rng.random(code.size) < 0.4 if mixed else code < patients // 3
        found = auc_gap(scores, labels, members, code, LEVELS)
        if found.value is not None:
            low, high = found.bounds(0.025)
            made, covered = made + 1, covered + (low <= 0 <= high)
    assert made > 550
    assert covered / made >= 0.93


@pytest.mark.parametrize("call", [auc_gap, mean_gap])
def test_sides_without_patients_or_spread_are_missing(call):
    """AUC and mean gaps name the side that has too few patients, or no spread."""
    before = (np.arange(40) % 2 == 0,) if call is auc_gap else ()
    few, half, code = np.arange(40) < 4, np.arange(40) < 20, np.arange(40)
    varied, constant = np.linspace(0, 1, 40), np.full(40, 0.5)
    assert call(varied, *before, few, code, LEVELS).missing.startswith("subgroup: ")
    assert call(varied, *before, ~few, code, LEVELS).missing.startswith("rest: ")
    assert "do not vary" in call(constant, *before, half, code, LEVELS).missing


def test_patients_that_are_flawless_on_both_sides():
    """Shared patients who are always right: no correlation is claimed, the interval is that of separate patients."""
    members = np.arange(60) < 30
    shared = proportion_gap(np.ones(60, bool), members, np.tile(np.arange(30), 2), LEVELS)
    assert shared.curve == proportion_gap(np.ones(60, bool), members, np.arange(60), LEVELS).curve


@pytest.mark.slow
@pytest.mark.parametrize(
    ("few", "p", "rho", "cases"), [(100, 0.85, 0.3, (1, 4)), (20, 0.9, 0.3, (1, 4)), (50, 0.9, 0.5, (1, 6))]
)
def test_a_group_at_the_margin_rarely_passes(few: int, p: float, rho: float, cases: tuple[int, int]):
    """A subgroup that is truly worse by the margin of .10 passes in at most 3.5 % (nominal 2.5 %)."""
    rng, passed = np.random.default_rng(43), 0
    for _ in range(3000):
        one, code = clustered_hits(rng, patients=few, p=p - 0.1, rho=rho, cases=cases)
        two, rest = clustered_hits(rng, patients=2 * few, p=p, rho=rho, cases=cases)
        members = np.arange(one.size + two.size) < one.size
        passed += proportion_gap(np.r_[one, two], members, np.r_[code, rest + few], LEVELS).bounds(0.025)[0] >= -0.1
    assert passed / 3000 <= 0.035


@pytest.mark.slow
def test_seven_groups_at_the_margin_rarely_fail():
    """Seven subgroups truly at the margin: after Bonferroni one of them fails in at most 3.5 % of audits."""
    rng, failed = np.random.default_rng(44), 0
    code = np.arange(8 * 60)
    for _ in range(800):
        hits = rng.random(code.size) < np.where(code < 420, 0.75, 0.85)
        for group in range(7):
            inside = code // 60 == group
            rows = inside | (code >= 420)
            high = proportion_gap(hits[rows], inside[rows], code[rows], LEVELS).bounds(0.025 / 7)[1]
            if high < -0.1:
                failed += 1
                break
    assert failed / 800 <= 0.035
