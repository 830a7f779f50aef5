"""Calibration slope, intercept and Brier score."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn.metrics import brier_score_loss

from audit.core import Levels
from audit.stats import brier, calibration

LEVELS = Levels()


def simulate(
    rng: np.random.Generator, *, patients: int, intercept: float = 0.0, slope: float = 1.0, spread: float = 0.0
):
    """Return (scores, labels, codes): outcomes follow slope * logit(score) + intercept, plus an effect by patient."""
    code = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    score = expit(rng.normal(-0.5, 1.2, patients)[code] + rng.normal(0, 0.4, code.size))
    chance = expit(intercept + slope * logit(score) + rng.normal(0, spread, patients)[code])
    return score, rng.random(code.size) < chance, code


def oracle(score, labels, code, *, slope: bool):
    """Return the coefficient and its cluster standard error of a statsmodels GLM."""
    x = sm.add_constant(logit(score)) if slope else np.ones(len(score))
    offset = None if slope else logit(score)
    fit = sm.GLM(labels.astype(float), x, family=sm.families.Binomial(), offset=offset)
    found = fit.fit(cov_type="cluster", cov_kwds={"groups": code}, tol=1e-12)
    return found.params[-1], found.bse[-1]


@pytest.mark.parametrize("slope", [True, False])
def test_agrees_with_statsmodels(slope: bool):
    """Coefficient and cluster t bounds equal those of a statsmodels GLM to 1e-7; the slope's low one gives way."""
    score, labels, code = simulate(np.random.default_rng(1), patients=150, intercept=0.4, slope=0.7)
    found = calibration(score, labels, code, LEVELS)
    estimate = found.slope if slope else found.intercept
    value, error = oracle(score, labels, code, slope=slope)
    half = student.ppf(0.975, 149) * error
    assert estimate.value == pytest.approx(value, abs=1e-7)
    low, high = estimate.bounds(0.025)
    assert high == pytest.approx(value + half, abs=1e-7)
    if slope:
        assert value - half - 0.05 < low < value - half
    else:
        assert low == pytest.approx(value - half, abs=1e-7)
    assert (estimate.n, estimate.n_patients) == (code.size, 150)


def test_the_low_bound_of_a_slope_gives_way_by_the_jackknife_bias():
    """The bias from fits of statsmodels without each of 80 patients agrees within a tenth of it."""
    score, labels, code = simulate(np.random.default_rng(8), patients=80)
    value, error = oracle(score, labels, code, slope=True)
    left = [oracle(*(a[code != i] for a in (score, labels, code)), slope=True)[0] for i in range(80)]
    bias = 79 * (np.mean(left) - value)
    low, high = calibration(score, labels, code, LEVELS).slope.bounds(0.025)
    half = student.ppf(0.975, 79) * error
    assert bias > 0
    assert value - half - low == pytest.approx(bias, rel=0.1)
    assert high == pytest.approx(value + half, abs=1e-7)


def test_a_planted_fault_is_found_and_a_sound_model_is_not_blamed():
    """Scores twice as extreme as the truth have a slope near .5; sound scores have 1 and 0 in their intervals."""
    rng = np.random.default_rng(2)
    score, labels, code = simulate(rng, patients=1500)
    sound = calibration(score, labels, code, LEVELS)
    assert sound.slope.bounds(0.025)[0] < 1 < sound.slope.bounds(0.025)[1]
    assert sound.intercept.bounds(0.025)[0] < 0 < sound.intercept.bounds(0.025)[1]
    extreme = calibration(expit(2 * logit(score)), labels, code, LEVELS)
    assert extreme.slope.bounds(0.025)[1] < 0.6
    shifted = calibration(expit(logit(score) + 1), labels, code, LEVELS)
    assert shifted.intercept.value == pytest.approx(-1, abs=0.15)


def test_weighting_to_the_prevalence_of_use_restores_the_intercept():
    """A case-control sample of a sound model has intercept 0 again at the population's prevalence."""
    rng = np.random.default_rng(3)
    score, labels, _ = simulate(rng, patients=60_000)
    kept = labels | (rng.random(labels.size) < 0.2)
    prevalence = float(labels.mean())
    here = calibration(score[kept], labels[kept], np.arange(kept.sum()), LEVELS)
    there = calibration(score[kept], labels[kept], np.arange(kept.sum()), LEVELS, prevalence=prevalence)
    assert here.intercept.value > 1
    assert there.intercept.value == pytest.approx(0, abs=0.03)
    assert there.slope.value == pytest.approx(1, abs=0.03)


def test_separated_classes_have_no_slope():
    """Scores that separate the classes have an unbounded slope: missing with the reason, and the intercept is kept."""
    score, labels = np.linspace(0.01, 0.99, 40), np.arange(40) >= 20
    found = calibration(score, labels, np.arange(40), LEVELS)
    assert found.slope.value is None
    assert "separate" in found.slope.missing
    assert found.intercept.value == pytest.approx(0, abs=1e-6)


def test_constant_scores_have_no_slope():
    """One score for all cases: no slope; the intercept is the log odds of the outcome against the score."""
    labels = np.arange(40) < 10
    found = calibration(np.full(40, 0.5), labels, np.arange(40), LEVELS)
    assert "all alike" in found.slope.missing
    assert found.intercept.value == pytest.approx(np.log(1 / 3), abs=1e-9)


def test_scores_of_exactly_0_and_1_are_held_at_the_edge():
    """A score of 0 or 1 enters the logit as 1e-6 from the edge, neither dropped nor infinite."""
    rng = np.random.default_rng(4)
    score, labels, code = simulate(rng, patients=200)
    score[:3], labels[:3] = (0.0, 1.0, 0.0), (False, True, True)
    held = np.clip(score, 1e-6, 1 - 1e-6)
    assert calibration(score, labels, code, LEVELS) == calibration(held, labels, code, LEVELS)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(np.zeros(20, bool), "no positive"), (np.arange(20) < 4, "4 patients"), (np.zeros(0, bool), "no cases")],
)
def test_a_class_without_patients_is_missing(labels: np.ndarray, reason: str):
    """Fewer than 5 patients in a class: slope and intercept are missing with the reason."""
    found = calibration(np.linspace(0.1, 0.9, labels.size), labels, np.arange(labels.size), LEVELS)
    assert reason in found.slope.missing
    assert reason in found.intercept.missing


@pytest.mark.parametrize("score", [1.2, -0.1, np.nan])
def test_a_score_that_is_no_probability_is_an_error(score: float):
    """A score outside [0, 1] is never clipped in silence."""
    values = np.r_[np.linspace(0.1, 0.9, 19), score]
    for call in (calibration, brier):
        with pytest.raises(ValueError, match="scores"):
            call(values, np.arange(20) < 10, np.arange(20), LEVELS)


def test_prevalence_is_a_share():
    """A prevalence of 0 or 1 is an error."""
    with pytest.raises(ValueError, match="prevalence"):
        calibration(np.linspace(0.1, 0.9, 20), np.arange(20) % 2 == 0, np.arange(20), LEVELS, prevalence=1.0)


def test_brier_agrees_with_scikit_learn():
    """The Brier score equals brier_score_loss to 1e-12, with an interval inside [0, 1]."""
    score, labels, code = simulate(np.random.default_rng(5), patients=100)
    found = brier(score, labels, code, LEVELS)
    assert found.value == pytest.approx(brier_score_loss(labels, score), abs=1e-12)
    assert all(0 <= low <= high <= 1 for _, low, high in found.curve)


@pytest.mark.slow
def test_coverage_by_simulation():
    """On 1,000 cohorts of a sound model the intervals of slope and intercept cover 1 and 0 in 93 % to 97 %."""
    rng, covered = np.random.default_rng(50), np.zeros(2)
    for _ in range(1000):
        found = calibration(*simulate(rng, patients=150), LEVELS)
        (a, b), (c, d) = found.slope.bounds(0.025), found.intercept.bounds(0.025)
        covered += (a <= 1 <= b, c <= 0 <= d)
    assert ((covered >= 930) & (covered <= 970)).all()


def test_a_model_that_is_certain_and_wrong_still_has_an_intercept():
    """All scores 1e-6, half of the cases positive: the intercept is 6 log 10, reached by halved steps."""
    found = calibration(np.full(40, 1e-6), np.arange(40) % 2 == 0, np.arange(40), LEVELS)
    assert found.intercept.value == pytest.approx(np.log((1 - 1e-6) / 1e-6), abs=1e-6)


def test_residuals_that_cancel_in_every_patient_have_no_interval():
    """One positive and one negative case a patient, all scores .5: no spread between patients, no interval."""
    found = calibration(np.full(40, 0.5), np.arange(40) % 2 == 0, np.arange(40) // 2, LEVELS)
    assert "do not vary" in found.intercept.missing


def test_scores_that_hardly_differ_have_no_slope():
    """Scores that differ in the ninth decimal leave the slope without meaning: missing, no huge number."""
    scores = 0.5 + 1e-9 * (np.arange(40) % 3)
    assert "converge" in calibration(scores, np.arange(40) % 2 == 0, np.arange(40), LEVELS).slope.missing
