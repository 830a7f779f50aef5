"""Units of a probe's work: what they draw, and how large shards are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import ProbeContext
from audit.probes._descriptors import described, described_cases
from audit.probes._parted import alone, batch_by_batch, shard_of, states_before, tell, told
from audit.testing import saved_context, tiny_cohort
from tests.probes.parted import Recorded, Sized


def made(parts: object = None, seed: int = 5) -> ProbeContext:
    """Return a context with a generator of a known seed."""
    cohort = tiny_cohort(np.random.default_rng(0), n=12)
    ctx = saved_context(np.linspace(0.1, 0.9, 12), cohort)
    ctx = replace(ctx, rng=np.random.default_rng(seed))
    return ctx if parts is None else replace(ctx, parts=parts)


@pytest.mark.parametrize(("batch", "cases"), [(1, 4), (8, 32), (32, 64), (48, 48), (64, 64), (100, 100)])
def test_a_shard_is_whole_batches_of_about_64_cases(batch: int, cases: int) -> None:
    """Few batches where images are large, at least one."""
    assert shard_of(batch) == cases


def test_a_unit_draws_as_if_it_were_no_unit() -> None:
    """What it draws, what it spawns and what is drawn after it are those of plain code."""
    plain = np.random.default_rng(5)
    first, child = plain.normal(size=3), plain.spawn(2)[1].random()
    after = (plain.random(), plain.spawn(1)[0].random())
    ctx = made()
    found = alone(ctx, "unit", lambda rng: {"a": rng.normal(size=3), "b": np.array([rng.spawn(2)[1].random()])})
    np.testing.assert_array_equal(found["a"], first)
    assert found["b"][0] == child
    assert (ctx.rng.random(), ctx.rng.spawn(1)[0].random()) == after


def test_a_unit_that_is_kept_moves_the_generator_as_well() -> None:
    """Taken from what was kept it draws nothing, and what follows draws the same."""
    parts = Recorded(lambda: 0)
    ctx = made(parts)
    before = alone(ctx, "unit", lambda rng: {"a": rng.normal(size=3)})["a"], ctx.rng.random()

    def never(rng: np.random.Generator) -> dict[str, np.ndarray]:
        raise AssertionError(rng)

    parts.call, again = 0, made(parts)
    found = alone(again, "unit", never)["a"], again.rng.random()
    np.testing.assert_array_equal(found[0], before[0])
    assert found[1] == before[1]


def test_pieces_that_draw_in_turn_each_begin_where_the_one_before_ended() -> None:
    """Three pieces of 2, 0 and 4 draws, each drawn by itself, are six draws in a row."""
    ctx = made()
    rngs = states_before(ctx, "draws", [2, 0, 4], lambda rng, size: rng.random(size))
    plain = np.random.default_rng(5)
    drawn = np.concatenate([rng.random(size) for rng, size in zip(rngs, [2, 0, 4], strict=True)])
    np.testing.assert_array_equal(drawn, plain.random(6))
    assert ctx.rng.random() == plain.random()


def test_facts_come_back_as_they_were() -> None:
    """Texts, missing values and floats to the last bit."""
    values = ["PSNR", None, 0.1 + 0.2, [1, 1e-300], {"a": True}]
    assert tell(told(values)) == values


@pytest.mark.parametrize("size", [1, 2, 0])
def test_a_batch_does_not_depend_on_its_shard(size: int) -> None:
    """Ten cases in batches of four: the same batches, numbered, whatever the shards."""
    seen: list[tuple[int, tuple[int, ...]]] = []

    def work(rows: np.ndarray, number: int) -> dict[str, np.ndarray]:
        seen.append((number, tuple(rows.tolist())))
        return {"double": 2 * rows}

    found = batch_by_batch(made(Sized(size)), "batches", 10, 4, work)
    assert found["double"].tolist() == list(range(0, 20, 2))
    assert seen == [(0, (0, 1, 2, 3)), (1, (4, 5, 6, 7)), (2, (8, 9))]


@pytest.mark.parametrize("size", [1, 5, 0])
def test_images_are_described_one_by_one(size: int) -> None:
    """Each row is the description of its image, whatever the shards."""
    ctx = made(Sized(size))
    cases = np.array([3, 1, 7])
    images = ctx.cohort.images
    assert images is not None
    expected = [described(np.asarray(images.load(int(case)), dtype=np.float32)) for case in cases]
    np.testing.assert_array_equal(described_cases(ctx, cases), np.stack(expected))
