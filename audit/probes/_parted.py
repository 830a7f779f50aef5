"""What a costly probe parts into shards or does as one unit, so that no worker does it a second time.

`alone(ctx, name, work)`: one unit of work that may draw; `told(values)` and `tell`: facts that are no arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, ProbeContext, joined, shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DRAWN, _SPAWNED = "generator_state", "generator_spawned"
_SHARD = 64
_BATCHES = 4


def shard_of(batch: int) -> int:
    """Return the cases of a shard: whole batches, about 64 cases or few batches of large images; never by the workers.

    Args:
        batch: Images a batch.
    """
    return batch * max(1, min(_SHARD // batch, _BATCHES))


def batch_by_batch(
    ctx: ProbeContext, name: str, cases: int, batch: int, work: Callable[[NDArray[np.int64], int], Arrays]
) -> dict[str, NDArray[Any]]:
    """Do work batch by batch, in shards of several; what a batch gives does not depend on the shard that it is in.

    Args:
        ctx: The probe's context.
        name: What is done.
        cases: How many cases there are, 1 or more.
        batch: Cases a batch.
        work: From the rows of a batch and its number to named arrays, which are joined along their first axis.
    """
    every = shards(cases, batch)

    def few(numbers: NDArray[np.int64]) -> Arrays:
        parts = []
        for number in numbers:
            parts.append(work(every[number], int(number)))
            ctx.sink.progress(int(every[number][-1]) + 1, cases)
        return joined(parts)

    return joined(ctx.parts.map(name, few, len(every), size=max(1, shard_of(batch) // batch)))


def alone(ctx: ProbeContext, name: str, work: Callable[[np.random.Generator], Arrays]) -> dict[str, NDArray[Any]]:
    """Do a piece of work as one unit, drawing from where the probe's generator stands, which then goes on from there.

    Args:
        ctx: The probe's context.
        name: What is done.
        work: From a generator to named arrays.
    """
    before = deepcopy(ctx.rng)

    def unit(positions: NDArray[np.int64]) -> Arrays:
        del positions
        own = deepcopy(before)
        found = work(own)
        return {
            **found, _DRAWN: np.array([json.dumps(own.bit_generator.state)]), _SPAWNED: np.array([_spawned(own)])
        }  # fmt: skip

    found = dict(ctx.parts.map(name, unit, 1, size=1)[0])
    ctx.rng.bit_generator.state = json.loads(str(found.pop(_DRAWN)[0]))
    more = int(found.pop(_SPAWNED)[0]) - _spawned(ctx.rng)
    if more:
        ctx.rng.spawn(more)
    return found


def _spawned(rng: np.random.Generator) -> int:
    """Return how many generators were spawned, which is no part of a generator's state."""
    return int(getattr(rng.bit_generator.seed_seq, "n_children_spawned", 0))


def states_before(
    ctx: ProbeContext, name: str, sizes: Sequence[int], draw: Callable[[np.random.Generator, int], object]
) -> list[np.random.Generator]:
    """Return where the probe's generator stands before each of several pieces that draw in turn, and move it past them.

    Args:
        ctx: The probe's context.
        name: What is drawn.
        sizes: Of each piece.
        draw: Draws what a piece of a size draws.
    """

    def unit(rng: np.random.Generator) -> Arrays:
        before = []
        for size in sizes:
            before.append(rng.bit_generator.state)
            draw(rng, size)
        return {"states": told(before)}

    given = tell(alone(ctx, name, unit)["states"])
    out = []
    for state in given:
        out.append(deepcopy(ctx.rng))
        out[-1].bit_generator.state = state
    return out


def told(values: Any) -> NDArray[np.str_]:
    """Return plain values (texts, numbers, lists, None) as an array that can be kept; floats come back as they were.

    Scalars of numpy come back as plain ones.
    """
    return np.array([json.dumps(values, default=lambda value: value.item())])


def tell(array: NDArray[Any]) -> Any:
    """Return what `told` was given, tuples as lists."""
    return json.loads(str(array[0]))
