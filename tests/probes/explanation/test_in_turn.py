"""Explained cases are units that are taken up again: what is kept is neither drawn nor asked for a second time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.core import BUDGETS, ProbeContext, Sink
from audit.probes.explanation import UnfaithfulAttribution
from audit.testing import context, network, network_cohort
from tests.probes.parted import Recorded, alike, same_arrays

BUDGET = replace(BUDGETS["smoke"], explain_cases=12, explain_steps=4, batch_size=4)


def asked() -> ProbeContext:
    """Return the context of a network on twelve cases, four a batch."""
    return context(network("linear"), network_cohort(np.random.default_rng(0), n=12), budget=BUDGET)


def test_a_run_that_lost_its_last_batch_asks_for_that_one_only() -> None:
    """Three batches: without the last unit the run gives the same as before, and pays for one of three."""
    ctx, counted = asked(), [0]
    ctx.model.module.register_forward_pre_hook(  # type: ignore[attr-defined]
        lambda _, given: counted.__setitem__(0, counted[0] + len(given[0]))
    )
    parts = Recorded(lambda: counted[0])
    sink = Sink()
    given = list(UnfaithfulAttribution().run(replace(ctx, rng=np.random.default_rng(3), parts=parts, sink=sink)))
    last = max(parts.kept)
    assert len(parts.kept) == 3
    del parts.kept[last]
    whole, counted[0], parts.call, later = counted[0], 0, 0, Sink()
    again = list(UnfaithfulAttribution().run(replace(ctx, rng=np.random.default_rng(3), parts=parts, sink=later)))
    assert len(again) == len(given)
    for one, other in zip(again, given, strict=True):
        alike(one, other, 0.0)
    for figure, before in zip(later.artifacts, sink.artifacts, strict=True):
        same_arrays(figure.arrays, before.arrays, 0.0)
    assert 0 < counted[0] < 0.5 * whole
