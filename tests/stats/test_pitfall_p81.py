"""P81: a calibration error without a surprise is no proof of calibration."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import ece

LEVELS = Levels()


def upper(scores: np.ndarray, labels: np.ndarray, patients: np.ndarray | None = None) -> float:
    """Return the upper bound at the one-sided level of 2.5 %."""
    codes = np.arange(len(scores)) if patients is None else patients
    bounds = ece(scores, labels, codes, LEVELS, np.random.default_rng(0), resamples=200).bounds(0.025)
    assert bounds is not None
    return bounds[1]


@pytest.mark.parametrize("patients, least", [(5, 0.52), (20, 0.16), (200, 0.018)])
def test_few_patients_without_a_surprise_prove_little(patients: int, least: float) -> None:
    """All are well and were scored about 0.01: up to 1 - 0.025 ** (1 / n) of such patients may yet be ill."""
    scores = np.random.default_rng(1).uniform(0.005, 0.015, patients)
    high = upper(scores, np.zeros(patients, bool))
    assert high == pytest.approx(1 - 0.025 ** (1 / patients))
    assert high > least


def test_images_of_one_patient_prove_no_more() -> None:
    """The bound counts patients: ten images each of 20 patients are 20."""
    scores = np.random.default_rng(1).uniform(0.005, 0.015, 200)
    assert upper(scores, np.zeros(200, bool), np.arange(200) // 10) == pytest.approx(1 - 0.025 ** (1 / 20))


def test_a_confident_model_that_errs_rarely_is_not_cleared_by_luck() -> None:
    """Scores of 0.98 and more, one in twenty wrong, 40 patients: the bound is below the truth in 2.5 % at most.

    400 cohorts, so that chance explains up to 4.5 %; without the least bound it was 12 %.
    """
    misses = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels, sure = np.arange(40) % 2 == 0, rng.uniform(0.98, 0.999, 40)
        called = np.where(rng.random(40) < 0.05, ~labels, labels)
        misses += upper(np.where(called, sure, 1 - sure), labels) < 0.05 - 0.0105
    assert misses <= 18
