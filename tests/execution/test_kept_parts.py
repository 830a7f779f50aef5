"""Shards that are kept, left to others, and taken from an earlier run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.core import Arrays, joined
from audit.execution import FolderFiles, Store
from audit.execution._parts import KeptParts, NotKept, ShardDone, Waiting, part_key


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(files=FolderFiles(folder=tmp_path), run="one", earlier=True)


class Squares:
    """Work that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, at: np.ndarray) -> Arrays:
        self.asked.append(at.tolist())
        return {"square": at**2}


def test_absent_shards_are_done_and_present_ones_taken(store: Store) -> None:
    """The second time nothing is asked, and the arrays are the same."""
    first, again = Squares(), Squares()
    one = joined(KeptParts("k", store).map("x", first, 5, size=2))
    two = joined(KeptParts("k", store).map("x", again, 5, size=2))
    assert first.asked == [[0, 1], [2, 3], [4]]
    assert again.asked == []
    assert one["square"].tolist() == two["square"].tolist() == [0, 1, 4, 9, 16]


def test_two_calls_of_one_probe_do_not_meet(store: Store) -> None:
    """The number of the call is part of the key."""
    parts = KeptParts("k", store)
    parts.map("x", lambda at: {"v": at}, 2, size=2)
    assert parts.map("x", lambda at: {"v": at + 10}, 2, size=2)[0]["v"].tolist() == [10, 11]


def test_another_number_of_cases_or_size_is_another_question(store: Store) -> None:
    """A shard of other positions is never taken for this one."""
    keys = {part_key("k", "a", 0, 0, count, size) for count in (4, 5) for size in (2, 4)}
    assert len(keys) == 4


def test_a_worker_does_the_one_shard_that_it_is_asked_for(store: Store) -> None:
    """What stands before comes from the store, what stands after is not run."""
    work = Squares()
    with pytest.raises(ShardDone):
        KeptParts("k", store, only=(0, 1)).map("x", work, 5, size=2)
    assert work.asked == [[2, 3]]


def test_absent_shards_are_left_to_others(store: Store) -> None:
    """Where work is spread, the probe waits for what is not there; where there is one shard, it does that itself."""
    with pytest.raises(ShardDone):
        KeptParts("k", store, only=(0, 1)).map("x", Squares(), 5, size=2)
    with pytest.raises(Waiting) as waiting:
        KeptParts("k", store, spread=True).map("x", Squares(), 5, size=2)
    assert (waiting.value.call, waiting.value.absent, waiting.value.count) == (0, (0, 2), 3)
    work = Squares()
    KeptParts("k", store, spread=True).map("y", work, 2, size=2)
    assert work.asked == [[0, 1]]


def test_no_probe_can_swallow_that_it_waits(store: Store) -> None:
    """A probe that catches every error of its own does not catch this one."""

    def careless() -> None:
        try:
            KeptParts("k", store, spread=True).map("x", Squares(), 5, size=2)
        except Exception as error:
            raise AssertionError from error

    with pytest.raises(Waiting):
        careless()


def test_a_shard_for_others_that_cannot_be_written_is_no_result(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk stops whoever does a shard for others; who does it for himself goes on."""

    def full(self: FolderFiles, name: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FolderFiles, "write", full)
    with pytest.raises(NotKept):
        KeptParts("k", store, only=(0, 0)).map("x", Squares(), 5, size=2)
    found = KeptParts("k", store).map("x", Squares(), 5, size=2)
    assert joined(found)["square"].tolist() == [0, 1, 4, 9, 16]
