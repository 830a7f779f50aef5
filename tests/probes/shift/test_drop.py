"""What is lost on each protocol, for all of them in one pass."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audit.probes.shift._drop import _Drops
from audit.stats import Ranking

LEVELS = 6


def made(views: int, *, missing: bool = False, ties: bool = False) -> tuple[Any, list[Any], np.ndarray]:
    """Return a context, what was told of each level, and weights of resampled cases.

    Level 1 has nobody with the first finding; with `missing` some cases have no level.
    """
    rng = np.random.default_rng(views)
    of = rng.integers(0, LEVELS + missing, 500)
    given = []
    for v in range(views):
        labels = rng.random(500) < 0.4
        if v == 0:
            labels[of == 1] = False
        scores = rng.normal(size=500) + labels
        given.append(SimpleNamespace(labels=labels, scores=np.round(scores, 1) if ties else scores))
    source = SimpleNamespace(rows=np.arange(500))
    found = [SimpleNamespace(source=source, level=SimpleNamespace(members=of == i)) for i in range(LEVELS)]
    ctx = SimpleNamespace(card=SimpleNamespace(task="multilabel"), clean=SimpleNamespace(views=given))
    return ctx, found, rng.integers(0, 4, (9, 500)).astype(np.float64)


def areas(view: Any, rows: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Return the AUC of some cases by a ranking of their own."""
    cases, controls = np.flatnonzero(rows & view.labels), np.flatnonzero(rows & ~view.labels)
    return Ranking(view.scores, cases, controls).area(weights) if cases.size and controls.size else None


@pytest.mark.parametrize(("views", "missing", "ties"), [(1, False, False), (1, True, True), (3, True, False)])
def test_a_drop_is_to_the_bit_that_of_a_ranking_of_the_rest(views: int, missing: bool, ties: bool) -> None:
    """For every level and finding that has both kinds on both sides; a level without any has none."""
    ctx, found, weights = made(views, missing=missing, ties=ties)
    drops = _Drops(ctx, found)
    values = drops(weights)
    for i, one in enumerate(found):
        pairs = [[areas(v, side, weights) for side in (one.level.members, ~one.level.members)] for v in ctx.clean.views]
        gaps = [rest - own for own, rest in pairs if own is not None and rest is not None]
        assert bool(drops.there[i]) == bool(gaps) == (i != 1 or views > 1)
        if gaps:
            assert np.array_equal(values[:, i], np.mean(gaps, axis=0), equal_nan=True)


def test_the_drop_of_a_value_is_that_of_its_error() -> None:
    """The mean absolute error of a level minus that of the others."""
    ctx, found, weights = made(1)
    target, value = np.zeros(500), np.random.default_rng(0).normal(size=500)
    ctx = SimpleNamespace(card=SimpleNamespace(task="regression"), clean=SimpleNamespace(scores=value, targets=target))
    drops, error = _Drops(ctx, found), np.abs(value)
    assert drops.there.all()
    for i, one in enumerate(found):
        own, rest = (np.average(error[m], weights=weights[0, m]) for m in (one.level.members, ~one.level.members))
        assert drops(weights)[0, i] == pytest.approx(own - rest, abs=1e-12)
