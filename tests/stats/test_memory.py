"""What resampling holds grows with the cases and not with cases times subgroups, nor with cases times resamples."""

import tracemalloc

import numpy as np
import pytest

from audit.core import Levels
from audit.probes import _newton
from audit.probes._newton import logistic_fit
from audit.probes.confounding._adjusted import Standardising
from audit.stats import GroupRanking, gap_parts, gaps_within

CASES, GROUPS = 6_000, 60
MB = 1e6


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """Load what is loaded at first use, so that it is not counted."""
    labels, group = np.arange(80) % 2 == 0, np.arange(80) < 40
    given = (Levels(), np.random.default_rng(0))
    gap_parts(np.arange(80.0), labels, [group], np.arange(80), *given, point=40.0, resamples=100)
    gaps_within(labels, [group], np.arange(80) % 3, np.arange(80), *given, resamples=100)


def cohort():
    """Return scores, labels, groups and patients; one table of cases times groups would take 2.9 MB."""
    rng = np.random.default_rng(0)
    labels = rng.random(CASES) < 0.5
    return rng.normal(size=CASES) + labels, labels, rng.integers(0, GROUPS, CASES), np.arange(CASES) // 2


def peak(work) -> float:
    """Return the most that Python's allocator held beside what was there before, in MB."""
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / MB


def test_parts_of_a_gap_of_sixty_subgroups():
    """Below 6 MB; with a curve of each rest of its own it took 13 MB."""
    scores, labels, codes, patients = cohort()
    groups = [codes == g for g in range(GROUPS)]
    assert peak(lambda: gap_parts(
        scores, labels, groups, patients, Levels(), np.random.default_rng(0), point=0.5, resamples=100
    )) < 6  # fmt: skip


def test_gaps_of_sixty_subgroups_within_strata():
    """Below 8 MB; tables of cases times subgroups times strata took 61 MB."""
    scores, _, codes, patients = cohort()
    groups = [codes == g for g in range(GROUPS)]
    strata = np.random.default_rng(1).integers(0, 5, CASES)
    assert peak(lambda: gaps_within(
        scores > 0.5, groups, strata, patients, Levels(), np.random.default_rng(0), resamples=100
    )) < 8  # fmt: skip


def test_rests_of_sixty_groups_and_weights_over_a_thousand_cells():
    """Below 5 MB for eight resamples; a table of cases times cells alone would take 58 MB."""
    scores, labels, codes, _ = cohort()
    strata = np.random.default_rng(1).integers(0, 20, CASES)
    weights = np.ones((8, CASES))

    def work():
        made = Standardising(codes, np.zeros(CASES, dtype=np.int64), strata).weights(weights)
        GroupRanking(scores, labels, codes, GROUPS).areas(made)

    assert peak(work) < 5


def test_a_fit_on_many_columns_is_made_in_blocks(monkeypatch):
    """Below four blocks of rows; a scaled copy of the table would be twelve."""
    monkeypatch.setattr(_newton, "BLOCK", 500)
    monkeypatch.setattr(_newton, "HELD", 0)
    rng = np.random.default_rng(0)
    table, label = rng.normal(size=(CASES, 40)), rng.random(CASES) < 0.5
    assert peak(lambda: logistic_fit(table, label.astype(np.float64), 1.0)) < 4 * 500 * 41 * 8 / MB
