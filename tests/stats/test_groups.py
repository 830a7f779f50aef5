"""Sums and ranks of many groups in one pass are those of each group by itself."""

import tracemalloc

import numpy as np
import pytest

from audit.stats import GroupRanking, GroupSums, Ranking, SparseSums
from audit.stats._kernel import patient_weights


def cohort(n=400, groups=7, seed=0):
    """Return scores with ties, labels and groups."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    return np.round(rng.normal(size=n) + labels, 1), labels, rng.integers(0, groups, n)


def rankings(scores, labels, rows):
    """Return the ranking of some cases by themselves."""
    return Ranking(scores, np.flatnonzero(rows & labels), np.flatnonzero(rows & ~labels))


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_areas_are_those_of_each_group_and_of_each_rest(groups):
    """Groups to the bit, rests to 1e-12, under weights that are no whole numbers and partly 0."""
    scores, labels, codes = cohort(groups=groups)
    weights = np.random.default_rng(1).random((20, 400)) * (np.random.default_rng(2).random((20, 400)) < 0.7)
    own, rest = GroupRanking(scores, labels, codes, groups).areas(weights)
    for g in range(groups):
        assert (own[:, g] == rankings(scores, labels, codes == g).area(weights)).all()
        assert rest[:, g] == pytest.approx(rankings(scores, labels, codes != g).area(weights), abs=1e-12)


def test_a_group_without_weight_has_no_area_and_its_rest_is_everybody():
    """NaN for the group; the rest's area is that of the whole to 1e-12."""
    scores, labels, codes = cohort()
    weights = np.where(codes == 3, 0.0, 1.0)[None]
    own, rest = GroupRanking(scores, labels, codes, 7).areas(weights)
    assert np.isnan(own[0, 3])
    assert np.isfinite(own[0, [0, 1, 2, 4, 5, 6]]).all()
    everybody = rankings(scores, labels, np.ones(400, dtype=bool)).area(weights)
    assert rest[0, 3] == pytest.approx(everybody[0], abs=1e-12)


def test_sums_by_group_are_those_of_a_full_table():
    """Whole weights to the bit; a group without a case is 0."""
    codes = np.random.default_rng(0).integers(0, 5, 300)
    weights = np.random.default_rng(1).integers(0, 9, (11, 300)).astype(float)
    table = (codes[:, None] == np.arange(6)).astype(float)
    assert (GroupSums(codes, 6)(weights) == weights @ table).all()


def test_sparse_sums_are_those_of_a_full_table():
    """Whole numbers to the bit, others to 1e-12 relative; several cases of a patient add to one column."""
    rng = np.random.default_rng(0)
    patients = rng.integers(10, 60, 200)
    code = np.unique(patients, return_inverse=True)[1]
    found, columns = SparseSums(patients), []
    for whole in (True, False, True):
        rows = np.flatnonzero(rng.random(200) < 0.3)
        values = np.ones(len(rows)) if whole else rng.normal(size=len(rows))
        found.add(rows, values)
        columns.append(np.bincount(code[rows], weights=values, minlength=code.max() + 1))
    (weights,) = patient_weights(int(code.max()) + 1, 40, np.random.default_rng(1), rows=40)
    sums, full = found.sums(weights), weights @ np.stack(columns, axis=1)
    assert (sums[:, [0, 2]] == full[:, [0, 2]]).all()
    with pytest.raises(ValueError, match="before the first sums"):
        found.add(np.arange(3), np.ones(3))
    np.testing.assert_allclose(sums[:, 1], full[:, 1], rtol=1e-12, atol=1e-12)


def test_sparse_sums_take_the_memory_of_what_is_added():
    """20,000 cases spread over 200 columns: below 4 MB, where a table of patients times columns takes 32 MB."""
    patients = np.arange(20_000)
    found = SparseSums(patients)
    weights = np.ones((1, 20_000))
    tracemalloc.start()
    for column in range(200):
        found.add(np.arange(column, 20_000, 200), np.ones(100))
    assert found.sums(weights)[0] == pytest.approx(np.full(200, 100.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6
