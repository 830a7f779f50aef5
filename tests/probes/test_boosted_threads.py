"""Boosted trees take one thread, whatever the machine has and whoever asks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from audit.probes import _out_of_fold


def threads() -> list[int]:
    """Return the threads of every OpenMP runtime that is loaded."""
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "openmp"]


@pytest.mark.parametrize(
    ("fit", "library"),
    [(_out_of_fold._boosted, HistGradientBoostingClassifier),
     (_out_of_fold._boosted_values, HistGradientBoostingRegressor)],
)  # fmt: skip
def test_trees_are_fitted_by_one_thread(fit, library, monkeypatch):
    """Several would wait for each other; those that were there before are there again afterwards."""
    seen = []
    before = library.fit
    monkeypatch.setattr(library, "fit", lambda self, x, y: (seen.append(threads()), before(self, x, y))[1])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    with threadpool_limits(limits=2, user_api="openmp"):
        given = threads()
        fit(x, y, x[:5], np.arange(60), rng)
        assert threads() == given
    assert given
    assert set(given) == {2}
    assert set(seen[0]) == {1}
