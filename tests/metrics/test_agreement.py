"""Intraclass correlation and weighted kappa."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from audit.metrics import icc, weighted_kappa

# The example of Shrout and Fleiss 1979: 6 targets, 4 judges; they print .29 and .71.
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


@pytest.mark.parametrize(("form", "value"), [("2,1", 0.29), ("3,1", 0.71)])
def test_the_published_example(form, value: float):
    """Both forms agree with the published example to its two decimals."""
    assert icc(RATINGS, form=form) == pytest.approx(value, abs=0.005)


def test_a_rater_who_is_off_by_a_constant():
    """A constant offset costs absolute agreement and not consistency."""
    x = np.arange(10.0)
    shifted = np.column_stack([x, x + 3])
    assert icc(shifted, form="3,1") == pytest.approx(1.0)
    # Mean squares: rows 55/3, raters 45, error 0: (55/3) / (55/3 + 2 * 45 / 10).
    assert icc(shifted, form="2,1") == pytest.approx((55 / 3) / (55 / 3 + 9), abs=1e-12)


def test_ratings_that_do_not_vary():
    """Where all ratings are alike there is no correlation, never 1."""
    assert icc(np.full((5, 2), 0.1), form="2,1") is None


@pytest.mark.parametrize("ratings", [np.zeros((1, 3)), np.zeros((4, 1)), np.zeros(4), np.array([[1, np.nan], [2, 3]])])
def test_holes_and_single_raters_are_errors(ratings: np.ndarray):
    """One rater, one case or a hole is an error."""
    with pytest.raises(ValueError, match="ratings"):
        icc(ratings, form="2,1")


def test_an_unknown_form_is_an_error():
    """A form must be named: there is no ICC as such."""
    with pytest.raises(ValueError, match="form"):
        icc(RATINGS, form="1,1")


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_agrees_with_scikit_learn(weights):
    """Kappa equals cohen_kappa_score to 1e-12, a category that nobody chose included."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 4, 200)
    b = np.clip(a + rng.integers(-1, 2, 200), 0, 3)
    expected = cohen_kappa_score(a, b, labels=range(5), weights=None if weights == "none" else weights)
    assert weighted_kappa(a, b, 5, weights=weights) == pytest.approx(expected, abs=1e-12)


def test_one_category_alone_has_no_kappa():
    """Where both raters name one category only, chance alone agrees: no kappa, never 1."""
    assert weighted_kappa(np.zeros(9, int), np.zeros(9, int), 3) is None


@pytest.mark.parametrize(
    ("a", "b", "weights"),
    [([], [], "linear"), ([0, 3], [0, 1], "linear"), ([0, 1], [-1, 1], "linear"), ([0, 1], [0, 1], "cubic")],
)
def test_ratings_outside_the_scale_are_errors(a, b, weights):
    """No cases, a category outside the scale, or unknown weights are errors."""
    with pytest.raises(ValueError, match="expected"):
        weighted_kappa(np.array(a, dtype=int), np.array(b, dtype=int), 3, weights=weights)
