"""Work that a probe parts into shards, so that it can be spread over workers, kept, and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
Work = Callable[["NDArray[np.int64]"], Arrays]


class Parts(Protocol):
    """Who does the shards of a probe's work.

    What stands before a call of `map` in `Probe.run` is done again for every shard that another worker takes, so it is
    cheap. The work draws nothing from the probe's generator: what is random is drawn before, or keyed by position.
    """

    def map(self, name: str, work: Work, count: int, *, size: int) -> list[Arrays]:
        """Do a piece of work for positions 0..count - 1, shard by shard.

        Args:
            name: What is done, for progress and for the plan.
            work: From rising positions (m,) to named arrays of numbers, truth values or texts. What it says of a
                position rests on that alone: not on the others of the shard, nor on `size`.
            count: How many positions there are; 0 gives an empty list.
            size: Positions a shard, 1 or more.

        Returns:
            The arrays of each shard, in the order of the positions.
        """
        ...


class InlineParts:
    """Shards that are done at once, one after the other."""

    def map(self, name: str, work: Work, count: int, *, size: int) -> list[Arrays]:
        """Do every shard here; see `Parts.map`."""
        del name
        return [work(positions) for positions in shards(count, size)]


def shards(count: int, size: int) -> list[NDArray[np.int64]]:
    """Return positions 0..count - 1 in shards of a size, the last one shorter.

    Raises:
        ValueError: The size is below 1.
    """
    if size < 1:
        raise ValueError(f"size of a shard: expected 1 or more, got {size}")
    return [np.arange(start, min(start + size, count), dtype=np.int64) for start in range(0, count, size)]


def joined(parts: list[Arrays]) -> dict[str, NDArray[Any]]:
    """Return the arrays of all shards as one, along their first axis.

    Args:
        parts: One or more shards with the same names.
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
