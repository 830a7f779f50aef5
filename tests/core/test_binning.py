"""Equal-mass bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.core.binning import equal_mass_bins


def test_values_without_ties_have_equal_bins():
    """100 different values in 10 bins: 10 in each, the least in the first."""
    values = np.random.default_rng(1).permutation(100) / 100
    code = equal_mass_bins(values, 10)
    assert np.bincount(code).tolist() == [10] * 10
    assert (code == np.floor(values * 10 + 1e-9)).all()


def test_scores_of_exactly_0_and_1_are_inside_bins():
    """p = 0 and p = 1 are in the first and in the last bin, and the totals equal n."""
    values = np.array([0.0] * 7 + [0.5] * 6 + [1.0] * 7)
    code = equal_mass_bins(values, 10)
    assert np.bincount(code).sum() == 20
    assert code[0] == 0
    assert code[-1] == code.max()
    assert len(set(code.tolist())) == 3


@pytest.mark.parametrize("values", [[], [0.3], [0.3] * 9])
def test_values_that_do_not_differ_share_one_bin(values: list[float]):
    """No value, one value, or one value many times: no bin or one."""
    assert set(equal_mass_bins(np.array(values), 10).tolist()) <= {0}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.integers(1, 15))
def test_bins_follow_the_order_of_the_values(values: list[int], bins: int):
    """Equal values share a bin, larger values never have a lower one, and there are no holes."""
    x = np.array(values, dtype=float)
    code = equal_mass_bins(x, bins)
    order = np.argsort(x, kind="stable")
    assert (np.diff(code[order]) >= 0).all()
    assert all(len(set(code[x == v].tolist())) == 1 for v in x)
    assert sorted(set(code.tolist())) == list(range(code.max() + 1))
    assert code.max() < bins
