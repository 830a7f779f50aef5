"""Two rankings of the same cases, and the mean area over several questions."""

from __future__ import annotations

import numpy as np
import pytest
from MLstatkit import Delong_test
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from audit.core import Levels
from audit.stats import auc, auc_difference, mean_auc
from audit.stats._auc import area_of
from audit.stats._auc_pairs import area_covariance
from audit.stats._common import Patients

LEVELS = Levels()


def pair(rng, *, patients, prevalence, areas, cases=(1, 1), shared=0.5):
    """Return two scores of one cohort with these true AUCs, its labels and patient codes."""
    code = np.repeat(np.arange(patients), rng.integers(cases[0], cases[1] + 1, patients))
    label = (rng.random(patients) < prevalence)[code]

    def noise():
        return (rng.normal(size=patients)[code] + rng.normal(size=code.size)) * np.sqrt(0.5)

    common = noise()
    scores = [
        np.sqrt(2) * norm.ppf(a) * label + np.sqrt(shared) * common + np.sqrt(1 - shared) * noise() for a in areas
    ]
    return scores[0], scores[1], label, code


def test_variance_is_delongs_with_one_case_a_patient():
    """Difference and its variance are those of MLstatkit's DeLong test on 150 cases with ties, to 1e-10."""
    rng = np.random.default_rng(1)
    label = rng.random(150) < 0.4
    a, b = np.round(rng.normal(size=150) + 1.2 * label, 1), np.round(rng.normal(size=150) + 0.7 * label, 1)
    *_, info = Delong_test(label.astype(int), a, b)
    of = Patients.of(np.arange(150))
    one, two = area_of(a, label, of), area_of(b, label, of)
    variance = one.variance + two.variance - 2 * area_covariance(one, two)
    assert variance == pytest.approx(info["var_diff"], rel=1e-10)
    found = auc_difference(a, b, label, np.arange(150), LEVELS)
    assert found.value == pytest.approx(roc_auc_score(label, a) - roc_auc_score(label, b), abs=1e-12)


def test_covariance_with_itself_is_the_variance():
    """Also with several cases and both labels in a patient, to 1e-15."""
    rng = np.random.default_rng(2)
    label, code = rng.random(200) < 0.3, rng.integers(0, 60, 200)
    area = area_of(rng.normal(size=200) + label, label, Patients.of(code))
    assert area_covariance(area, area) == pytest.approx(area.variance, abs=1e-15)


def test_pairing_is_sharper_than_two_intervals():
    """Two alike models: the paired interval is less than half of the one that takes the areas for independent."""
    a, b, label, code = pair(np.random.default_rng(3), patients=300, prevalence=0.4, areas=(0.85, 0.82), shared=0.95)
    found = auc_difference(a, b, label, code, LEVELS)
    each = [auc(s, label, code, LEVELS).bounds(0.025) for s in (a, b)]
    apart = np.hypot(*(high - low for low, high in each))
    low, high = found.bounds(0.025)
    assert high - low < apart / 2
    assert low <= 0.03 <= high


def test_the_mirror_is_exact():
    """Exchanging the two scores turns value and bounds round, to 1e-12."""
    a, b, label, code = pair(np.random.default_rng(4), patients=80, prevalence=0.4, areas=(0.95, 0.8), cases=(1, 4))
    one, two = auc_difference(a, b, label, code, LEVELS), auc_difference(b, a, label, code, LEVELS)
    np.testing.assert_allclose(one.curve, [(r, -high, -low) for r, low, high in two.curve], atol=1e-12)


def test_repeated_cases_are_no_evidence():
    """Every case three times: the same difference with the same bounds, to 1e-12."""
    a, b, label, code = pair(np.random.default_rng(5), patients=70, prevalence=0.4, areas=(0.9, 0.8))
    one = auc_difference(a, b, label, code, LEVELS)
    thrice = auc_difference(*(np.repeat(x, 3) for x in (a, b, label, code)), LEVELS)
    np.testing.assert_allclose(thrice.curve, one.curve, atol=1e-12)


def test_no_difference_seen_is_no_proof_of_none():
    """A score against itself on 60 patients: 0, with the interval of two independent areas."""
    a, _, label, code = pair(np.random.default_rng(6), patients=60, prevalence=0.5, areas=(0.85, 0.8))
    found = auc_difference(a, a, label, code, LEVELS)
    low, high = found.bounds(0.025)
    own = auc(a, label, code, LEVELS).bounds(0.025)
    assert found.value == 0
    assert high - low > own[1] - own[0]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (np.zeros(12, bool), "no positive cases"), (np.arange(12) < 4, "4 patients with a positive case"),
        (np.zeros(0, bool), "no cases"),
    ],
)  # fmt: skip
def test_a_class_without_patients_is_missing(label, reason):
    """Neither a difference nor a mean exists where a class has fewer than 5 patients."""
    score = np.linspace(0, 1, label.size)
    for found in (
        auc_difference(score, -score, label, np.arange(label.size), LEVELS),
        mean_auc([(score, label)], np.arange(label.size), LEVELS),
    ):
        assert found.value is None
        assert reason in found.missing


def test_constant_scores_have_no_difference():
    """A comparator that says the same of everybody has no ranks to compare."""
    label = np.arange(40) < 20
    found = auc_difference(label + np.linspace(0, 1, 40), np.zeros(40), label, np.arange(40), LEVELS)
    assert "do not vary" in found.missing


def test_mean_of_areas_by_hand():
    """Three classes: the mean of scikit-learn's areas to 1e-12, its variance that of a jackknife to 3 %."""
    rng = np.random.default_rng(7)
    target = np.arange(240) % 3
    score = rng.normal(size=(240, 3)) + 1.5 * np.eye(3)[target]
    questions = [(score[:, c], target == c) for c in range(3)]
    found = mean_auc(questions, np.arange(240), LEVELS)
    assert found.value == pytest.approx(np.mean([roc_auc_score(y, s) for s, y in questions]), abs=1e-12)
    left = [np.mean([roc_auc_score(np.delete(y, i), np.delete(s, i)) for s, y in questions]) for i in range(240)]
    jackknife = 239 / 240 * np.sum((left - np.mean(left)) ** 2)
    of = Patients.of(np.arange(240))
    areas = [area_of(s, y, of) for s, y in questions]
    variance = np.mean([[area_covariance(x, y) for y in areas] for x in areas])
    assert variance == pytest.approx(jackknife, rel=0.03)


def test_mean_of_one_area_is_that_area():
    """With one question value and bounds are those of `auc`, to 1e-12."""
    rng = np.random.default_rng(8)
    label = np.arange(90) < 40
    score, code = rng.normal(size=90) + label, np.arange(90) // 2
    one, alone = mean_auc([(score, label)], code, LEVELS), auc(score, label, code, LEVELS)
    assert one.value == pytest.approx(alone.value, abs=1e-12)
    assert one.bounds(0.025) == pytest.approx(alone.bounds(0.025), abs=1e-12)


def test_a_flawless_mean_is_bounded_by_the_rarest_class():
    """Every area 1, the rarest class with 6 patients: the lower bound is .025 ** (1/6)."""
    target = np.repeat([0, 1, 2], [40, 20, 6])
    questions = [((target == c).astype(float), target == c) for c in range(3)]
    found = mean_auc(questions, np.arange(66), LEVELS)
    assert found.value == 1
    assert found.bounds(0.025) == pytest.approx((0.025 ** (1 / 6), 1.0), abs=1e-12)


def test_no_question_is_an_error():
    """A mean over nothing is refused."""
    with pytest.raises(ValueError, match="at least one question"):
        mean_auc([], np.arange(4), LEVELS)


CELLS = {
    "large": (300, 0.3, (0.85, 0.80), (1, 4), 0.5), "small": (60, 0.5, (0.85, 0.85), (1, 4), 0.5),
    "one near 1": (60, 0.5, (0.97, 0.90), (1, 1), 0.7), "both near 1": (40, 0.5, (0.95, 0.95), (1, 1), 0.9),
    "rare": (100, 0.1, (0.90, 0.80), (1, 3), 0.5), "twins": (60, 0.5, (0.90, 0.85), (1, 1), 0.995),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CELLS))
def test_each_bound_misses_at_its_rate(name):
    """On 1,500 cohorts neither bound of the 95 % interval misses the true difference in more than 3.5 %."""
    patients, prevalence, areas, cases, shared = CELLS[name]
    rng, missed, made = np.random.default_rng(40), np.zeros(2), 0
    for _ in range(1500):
        cohort = pair(rng, patients=patients, prevalence=prevalence, areas=areas, cases=cases, shared=shared)
        bounds = auc_difference(*cohort, LEVELS).bounds(0.025)
        if bounds is not None:
            made += 1
            missed += bounds[0] > areas[0] - areas[1], bounds[1] < areas[0] - areas[1]
    assert made > 1200
    assert (missed / made).max() <= 0.035
