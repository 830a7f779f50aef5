"""The debiased expected calibration error."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Levels
from audit.core.binning import equal_mass_bins
from audit.stats import ece
from audit.stats._common import Patients
from audit.stats._ece import binned

LEVELS = Levels()


def plug_in(scores, labels, bins=10):
    """Return the plain mean absolute ECE in equal-mass bins."""
    code = equal_mass_bins(scores, bins)
    return sum(abs((labels[code == b] - scores[code == b]).sum()) for b in range(code.max() + 1)) / len(scores)


def draw(rng, patients, shift=0.0):
    """Return scores, labels and codes; outcomes happen with the score's probability plus a shift."""
    score = rng.uniform(0.1, 0.8, patients)
    return score, rng.random(patients) < score + shift, np.arange(patients)


def test_the_square_is_debiased_by_hand():
    """Two bins of 3 patients, excesses by hand: the square of each mean less its variance."""
    scores, labels = np.array([0.2] * 3 + [0.6] * 3), np.array([1, 0, 0, 1, 1, 1], bool)
    table = binned(scores, labels, Patients.of(np.arange(6)), 2)
    low, high = np.array([0.8, -0.2, -0.2]), np.array([0.4, 0.4, 0.4])
    expected = 0.5 * (low.mean() ** 2 - low.var(ddof=1) / 3) + 0.5 * (high.mean() ** 2 - high.var(ddof=1) / 3)
    assert table.squared(np.ones((1, 6)))[0] == pytest.approx(expected, abs=1e-12)


def test_weights_are_repeated_patients():
    """A patient of weight 2 counts as two patients with the same cases."""
    rng = np.random.default_rng(1)
    scores, labels, code = np.repeat(rng.uniform(size=20), 2), rng.random(40) < 0.5, np.repeat(np.arange(20), 2)
    weights = rng.integers(0, 3, 20)
    table = binned(scores, labels, Patients.of(code), 5)
    rows = np.concatenate([np.tile(np.flatnonzero(code == i), w) for i, w in enumerate(weights)])
    fresh = np.repeat(np.arange(rows.size // 2), 2)
    cells = equal_mass_bins(scores, 5)[rows]
    total = 0.0
    for b in range(5):
        in_bin = cells == b
        if not in_bin.any():
            continue
        excess = (labels[rows] - scores[rows])[in_bin]
        mean, count = excess.mean(), len(np.unique(fresh[in_bin]))
        by_patient = np.bincount(fresh[in_bin], weights=excess - mean)
        variance = 0 if count < 2 else count / (count - 1) * np.sum(by_patient**2) / in_bin.sum() ** 2
        total += in_bin.mean() * (mean**2 - variance)
    assert table.squared(weights[None, :].astype(float))[0] == pytest.approx(total, abs=1e-12)


def test_a_sound_model_is_not_blamed_and_a_shifted_one_is():
    """The interval of a sound model reaches 0; a shift of .15 is found, with the shift inside the interval."""
    rng = np.random.default_rng(2)
    sound = ece(*draw(rng, 800), LEVELS, np.random.default_rng(3), resamples=500)
    shifted = ece(*draw(rng, 800, 0.15), LEVELS, np.random.default_rng(3), resamples=500)
    assert sound.bounds(0.025)[0] == 0.0
    assert sound.value < 0.03
    assert shifted.bounds(0.025)[0] > 0.05
    assert shifted.bounds(0.025)[1] > 0.15


def test_the_result_is_a_function_of_the_generator():
    """Equal generators give equal results."""
    cohort = draw(np.random.default_rng(4), 60)
    one, other = (ece(*cohort, LEVELS, np.random.default_rng(5), resamples=200) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("n", "reason"), [(0, "no cases"), (4, "4 patients")])
def test_too_few_patients_are_missing(n: int, reason: str):
    """Fewer than 5 patients: missing with the reason."""
    found = ece(np.full(n, 0.5), np.zeros(n, bool), np.arange(n), LEVELS, np.random.default_rng(6), resamples=200)
    assert reason in found.missing


def test_an_error_without_a_spread_is_missing():
    """Scores of exactly the outcome do not vary between resamples: no interval of width 0."""
    labels = np.arange(40) < 20
    found = ece(labels.astype(float), labels, np.arange(40), LEVELS, np.random.default_rng(6), resamples=200)
    assert "does not vary" in found.missing


def test_too_few_resamples_are_an_error():
    """Fewer than 100 resamples carry no interval."""
    with pytest.raises(ValueError, match="100"):
        ece(*draw(np.random.default_rng(4), 60), LEVELS, np.random.default_rng(5), resamples=99)


@pytest.mark.slow
def test_coverage_and_the_plug_in_as_a_control():
    """At a truth of 0 the interval covers in at least 93 %; the plug-in's bootstrap interval covers in none."""
    rng, covered, plain = np.random.default_rng(60), 0, 0
    for _ in range(200):
        scores, labels, code = draw(rng, 400)
        low, _ = ece(scores, labels, code, LEVELS, rng, resamples=200).bounds(0.025)
        covered += low == 0.0
        draws = [plug_in(scores[i], labels[i]) for i in rng.integers(0, 400, (100, 400))]
        plain += np.quantile(draws, 0.025) <= 0.0
    assert covered / 200 >= 0.93
    assert plain == 0


@pytest.mark.slow
def test_coverage_of_an_error_that_is_there():
    """Outcomes .08 more frequent than the scores say: the interval covers .08 in at least 93 %."""
    rng, covered = np.random.default_rng(61), 0
    for _ in range(300):
        low, high = ece(*draw(rng, 400, 0.08), LEVELS, rng, resamples=200).bounds(0.025)
        covered += low <= 0.08 <= high
    assert covered / 300 >= 0.93
