"""The resampling kernel."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit.stats import Ranking, resampled_auc, resampled_sums
from audit.stats._kernel import CHUNK_BYTES, patient_weights


def _cohort(n: int = 300, patients: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.random(n) < 0.4
    scores = np.round(rng.normal(size=n) + labels, 1)
    return scores, labels, rng.integers(0, patients, n)


def _repeated(patients: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return case indices with every patient repeated by weight."""
    code = np.unique(patients, return_inverse=True)[1]
    return np.repeat(np.arange(len(patients)), weights[code].astype(int))


def test_sums_are_those_of_repeated_patients() -> None:
    """Equal to sums over literally repeated rows, to 1e-12 relative."""
    _, labels, patients = _cohort()
    table = np.stack([labels, np.random.default_rng(1).normal(size=len(labels))], axis=1).astype(np.float64)
    sums = resampled_sums(table, patients, np.random.default_rng(5), resamples=20)
    count = np.unique(patients).size
    (weights,) = patient_weights(count, 20, np.random.default_rng(5), rows=20)
    oracle = np.stack([table[_repeated(patients, w)].sum(axis=0) for w in weights])
    np.testing.assert_allclose(sums, oracle, rtol=1e-12, atol=1e-12)


def test_areas_are_those_of_repeated_patients() -> None:
    """Equal to scikit-learn on literally repeated rows, to 1e-12, ties included."""
    scores, labels, patients = _cohort()
    areas = resampled_auc(scores, labels, patients, np.random.default_rng(5), resamples=20)
    count = np.unique(patients).size
    (weights,) = patient_weights(count, 20, np.random.default_rng(5), rows=20)
    rows = [_repeated(patients, w) for w in weights]
    np.testing.assert_allclose(areas, [roc_auc_score(labels[r], scores[r]) for r in rows], atol=1e-12)


def test_equal_weights_give_the_plain_auc() -> None:
    """With weight 1 for every case the area is scikit-learn's, to 1e-12."""
    scores, labels, _ = _cohort()
    ranking = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels))
    assert ranking.area(np.ones((1, len(scores))))[0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_a_resample_of_one_class_has_no_area() -> None:
    """It is missing, not one half."""
    ranking = Ranking(np.array([0.1, 0.9]), np.array([1]), np.array([0]))
    assert np.isnan(ranking.area(np.array([[0.0, 2.0]]))[0])


def test_equal_seeds_give_equal_sums() -> None:
    """Two runs from one seed are equal to the bit; another seed gives others."""
    _, labels, patients = _cohort()
    one, two, other = (
        resampled_sums(labels[:, None].astype(float), patients, np.random.default_rng(s), resamples=50)
        for s in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_memory_is_bounded_whatever_the_number_of_resamples() -> None:
    """Twenty times the resamples stay below a few chunks, far below the table of all weights."""
    rng = np.random.default_rng(0)
    patients, table = np.arange(4000), rng.normal(size=(4000, 3))
    tracemalloc.start()
    resampled_sums(table, patients, rng, resamples=3000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = 3000 * 4000 * 8
    assert peak < 6 * CHUNK_BYTES < whole


def test_what_cannot_be_summed_is_refused() -> None:
    """A contribution that is no number, and arrays that do not fit."""
    with pytest.raises(ValueError, match="finite"):
        resampled_sums(np.array([[np.nan], [1.0]]), np.array([0, 1]), np.random.default_rng(0), resamples=100)
    with pytest.raises(ValueError, match="shape"):
        resampled_sums(np.ones((3, 1)), np.array([0, 1]), np.random.default_rng(0), resamples=100)
