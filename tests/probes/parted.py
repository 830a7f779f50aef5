"""Whether a probe that parts its work gives the same numbers whatever the shards, and whether a shard costs its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import Arrays, InlineParts, Measurement, Probe, ProbeContext, Sink, Work, shards

_SHARDS = 4
Make = Callable[[], ProbeContext]


class Sized(InlineParts):
    """Shards of one size, whatever the probe asks for; None: as it asks, 0: all in one."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.calls: list[tuple[str, int]] = []

    def map(self, name: str, work: Work, count: int, *, size: int) -> list[Arrays]:
        """Do every shard here, in the size asked for."""
        own = size if self.size is None else self.size or max(1, count)
        self.calls.append((name, len(shards(count, own))))
        return super().map(name, work, count, size=own)


class Reached(BaseException):
    """The shard that alone was asked for is done."""


class Recorded(InlineParts):
    """Shards that are kept; with `only` all others are taken from what was kept, and the probe ends with that one."""

    def __init__(self, passes: Callable[[], int]) -> None:
        self.passes = passes
        self.kept: dict[tuple[int, int], Arrays] = {}
        self.cost: dict[tuple[int, int], int] = {}
        self.only: tuple[int, int] | None = None
        self.call = 0

    def map(self, name: str, work: Work, count: int, *, size: int) -> list[Arrays]:
        """Do the shards that are wanted."""
        call, self.call = self.call, self.call + 1
        cut = shards(count, max(1, -(-count // _SHARDS)))
        for i, positions in enumerate(cut):
            key = (call, i)
            if key in self.kept and key != self.only:
                continue
            before = self.passes()
            arrays = work(positions)
            for array in arrays.values():
                assert isinstance(array, np.ndarray), name
                assert array.dtype.kind in "biufU", (name, array.dtype)
            if key == self.only:
                assert sorted(arrays) == sorted(self.kept[key])
                self.again, self.spent = arrays, self.passes() - before
                raise Reached
            self.kept[key], self.cost[key] = arrays, self.passes() - before
        return [self.kept[call, i] for i in range(len(cut))]


def passes_of(ctx: ProbeContext) -> Callable[[], int]:
    """Count the images that the model's network is given from now on; return a reading of the count."""
    counted = [0]

    def hook(module: Any, given: tuple[Any, ...]) -> None:
        del module
        counted[0] += len(given[0])

    model: Any = ctx.model
    model.module.register_forward_pre_hook(hook)
    return lambda: counted[0]


def run(probe: type[Probe], ctx: ProbeContext, parts: Any) -> tuple[list[Measurement], Sink]:
    """Return what a probe gives with its work done by `parts`."""
    sink = Sink()
    return list(probe().run(replace(ctx, parts=parts, sink=sink))), sink


def check_any_shards(probe: type[Probe], make: Make, *, within: float = 0.0) -> None:
    """Check that shards of one position, of the usual size, and one of all give the same measurements and figures.

    Args:
        probe: The probe.
        make: Gives its context anew.
        within: What a network's rounding in batches of another make-up explains.
    """
    usual, kept = run(probe, make(), Sized(None))
    assert usual
    for size in (1, 0):
        parts = Sized(size)
        given, sink = run(probe, make(), parts)
        if size == 1:
            assert max(count for _, count in parts.calls) > 1, "nothing was parted"
        assert len(given) == len(usual)
        for one, other in zip(given, usual, strict=True):
            alike(one, other, within)
        assert [a.name for a in sink.artifacts] == [a.name for a in kept.artifacts]
        for figure, before in zip(sink.artifacts, kept.artifacts, strict=True):
            assert dict(figure.meta) == dict(before.meta), figure.name
            same_arrays(figure.arrays, before.arrays, within)
        assert [c[0] for c in sink.conditions] == [c[0] for c in kept.conditions]
        for (_, cases, raw), (_, before_cases, before_raw) in zip(sink.conditions, kept.conditions, strict=True):
            np.testing.assert_array_equal(cases, before_cases)
            np.testing.assert_allclose(raw, before_raw, rtol=0, atol=within)


def alike(one: Measurement, other: Measurement, within: float) -> None:
    """Check that two measurements are the same, their numbers up to rounding."""
    label = (one.metric, dict(one.condition))
    assert label == (other.metric, dict(other.condition))
    assert (one.n, one.n_patients, one.method) == (other.n, other.n_patients, other.method), label
    assert (one.value is None) == (other.value is None), label
    if one.value is not None:
        assert one.value == pytest.approx(other.value, rel=0, abs=within), label
    np.testing.assert_allclose(np.array(one.curve), np.array(other.curve), rtol=0, atol=within, err_msg=str(label))


def same_arrays(one: Arrays, other: Arrays, within: float) -> None:
    """Check that arrays are the same, numbers up to rounding."""
    assert list(one) == list(other)
    for name in one:
        a, b = np.asarray(one[name]), np.asarray(other[name])
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=within, err_msg=name)
        elif a.dtype == np.uint8 and within:
            assert np.abs(a.astype(int) - b.astype(int)).max(initial=0) <= 1, name
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def check_cost_of_a_shard(
    probe: type[Probe],
    ctx: ProbeContext,
    *,
    passes: Callable[[], int] | None = None,
    prologue: int = 0,
    within: float = 0.0,
) -> list[int]:
    """Check that one shard done by itself asks the model for its own cases only, and gives what it gave before.

    Args:
        probe: The probe.
        ctx: Its context.
        passes: Reads how many images were passed so far; by default the model has a torch module without convolutions,
            whose images are counted.
        prologue: Images that may be asked about before the shard.
        within: What rounding explains.

    Returns:
        The passes of each shard of the calls that were parted.
    """
    counted = passes or passes_of(ctx)
    parts = Recorded(counted)
    list(probe().run(replace(ctx, rng=np.random.default_rng(7), parts=parts, sink=Sink())))
    parted = sorted(key for key in parts.kept if (key[0], 1) in parts.kept)
    assert parted, "nothing was parted"
    for key in parted:
        parts.only, parts.call = key, 0
        before = counted()
        with pytest.raises(Reached):
            list(probe().run(replace(ctx, rng=np.random.default_rng(7), parts=parts, sink=Sink())))
        spent = counted() - before
        assert parts.spent == parts.cost[key]
        assert spent - parts.spent <= prologue, (key, spent, parts.spent)
        same_arrays(parts.again, parts.kept[key], within)
    return [parts.cost[key] for key in parted]
