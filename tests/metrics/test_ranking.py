"""ROC curve and reliability bins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from audit.metrics import reliability_bins, roc_curve


def cohort(n: int, decimals: int = 2):
    """Return scores with ties in [0, 1] and labels."""
    rng = np.random.default_rng(1)
    labels = rng.random(n) < 0.4
    return np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), decimals), labels


def test_agrees_with_scikit_learn():
    """A curve of few points equals scikit-learn's with all its points, ties included, to 1e-12."""
    scores, labels = cohort(300)
    fpr, tpr, thresholds = sk.roc_curve(labels, scores, drop_intermediate=False)
    found = roc_curve(scores, labels)
    np.testing.assert_allclose(found.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(found.tpr, tpr, atol=1e-12)
    np.testing.assert_array_equal(found.thresholds[1:], thresholds[1:])
    assert np.isfinite(found.thresholds).all()


def test_a_long_curve_is_thinned_to_its_own_points():
    """20,000 different scores: at most 200 points, all on the full curve, ends kept, the area within .001."""
    scores, labels = cohort(20_000, decimals=12)
    full, thin = roc_curve(scores, labels, points=10**6), roc_curve(scores, labels)
    assert len(thin.fpr) <= 200
    assert {*zip(thin.fpr, thin.tpr, strict=True)} <= {*zip(full.fpr, full.tpr, strict=True)}
    assert (thin.fpr[0], thin.tpr[0], thin.fpr[-1], thin.tpr[-1]) == (0, 0, 1, 1)
    assert sk.auc(thin.fpr, thin.tpr) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-3)


def test_a_steep_curve_keeps_its_corner():
    """A perfect ranking of few positives among many negatives keeps the corner (0, 1)."""
    found = roc_curve(np.arange(5000.0), np.arange(5000) >= 4990)
    assert (0.0, 1.0) in {*zip(found.fpr, found.tpr, strict=True)}


@pytest.mark.parametrize("labels", [np.zeros(9, bool), np.ones(9, bool)])
def test_one_class_has_no_curve(labels: np.ndarray):
    """One class alone is an error, never a diagonal."""
    with pytest.raises(ValueError, match="one class"):
        roc_curve(np.linspace(0, 1, 9), labels)


def test_a_curve_has_two_ends():
    """Fewer than 2 points are an error."""
    with pytest.raises(ValueError, match="at least 2"):
        roc_curve(np.linspace(0, 1, 9), np.arange(9) > 4, points=1)


def test_reliability_agrees_with_scikit_learn():
    """Without ties, bin means and frequencies equal calibration_curve's with quantile bins, to 1e-12."""
    rng = np.random.default_rng(2)
    scores = rng.uniform(size=400)
    labels = rng.random(400) < scores
    frequency, score = calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    found = reliability_bins(scores, labels)
    np.testing.assert_allclose(found.frequency, frequency, atol=1e-12)
    np.testing.assert_allclose(found.score, score, atol=1e-12)
    assert found.n.tolist() == [40] * 10


def test_every_case_is_in_a_bin():
    """Scores of exactly 0 and 1 are inside bins, totals equal n, and the bins do not overlap."""
    scores = np.r_[np.zeros(13), np.linspace(0.1, 0.9, 30), np.ones(17)]
    found = reliability_bins(scores, scores > 0.5)
    assert found.n.sum() == 60
    assert found.positives.sum() == (scores > 0.5).sum()
    assert (found.low[0], found.high[-1]) == (0.0, 1.0)
    assert (found.high[:-1] < found.low[1:]).all()
    assert (np.bincount(found.code) == found.n).all()


def test_no_cases_have_no_bins():
    """Without cases there is no diagram."""
    with pytest.raises(ValueError, match="got none"):
        reliability_bins(np.zeros(0), np.zeros(0, bool))
