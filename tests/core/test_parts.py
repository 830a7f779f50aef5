"""Work in shards."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import InlineParts, joined, shards


def test_shards_cover_every_position_once_and_the_last_one_is_shorter() -> None:
    """Seven positions in threes are 0-2, 3-5 and 6."""
    assert [s.tolist() for s in shards(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert shards(0, 3) == []


def test_a_shard_of_no_size_is_refused() -> None:
    """A size of 0 would never come to an end."""
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        shards(3, 0)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_inline_parts_give_the_same_whatever_the_size(size: int) -> None:
    """Work that rests on positions alone joins to the same arrays."""
    parts = InlineParts().map("squares", lambda at: {"square": at**2, "name": at.astype("U3")}, 5, size=size)
    whole = joined(parts)
    assert whole["square"].tolist() == [0, 1, 4, 9, 16]
    assert whole["name"].tolist() == ["0", "1", "2", "3", "4"]
    assert len(parts) == -(-5 // size)


def test_no_position_is_no_shard() -> None:
    """Work is not called where there is nothing to do."""

    def never(at: np.ndarray) -> dict[str, np.ndarray]:
        raise AssertionError(at)

    assert InlineParts().map("nothing", never, 0, size=4) == []
