"""Changed acquisitions in shards: the same numbers whatever the shards, and each asks about its own cases only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.core import ProbeContext
from audit.probes.shift import AcquisitionSeverity
from tests.probes.parted import check_any_shards, check_cost_of_a_shard
from tests.probes.shift._acquired import BUDGET, asked, healthy


def small(answer: object = healthy) -> ProbeContext:
    """Return the context of a model on 24 planes, four a batch."""
    return asked(answer, n=24, budget=replace(BUDGET, batch_size=4, resamples=50))


def test_the_size_of_a_shard_changes_no_number() -> None:
    """Batches one by one, as usual, or all at once: the same measurements and figures, to the bit."""
    check_any_shards(AcquisitionSeverity, small)


def test_a_shard_by_itself_asks_about_its_own_cases() -> None:
    """What another worker does for one shard is that shard alone; nothing before it asks the model."""
    passed = [0]

    def counted(x: np.ndarray) -> np.ndarray:
        passed[0] += len(x)
        return healthy(x)

    costs = check_cost_of_a_shard(AcquisitionSeverity, small(counted), passes=lambda: passed[0])
    assert 0 < max(costs) < 0.5 * sum(costs)
