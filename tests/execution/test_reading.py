"""Images of one shard after the other: the same as in step, read once, and while the model is asked."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts import FileSource, from_arrays
from audit.core import Cohort, InputSpec
from audit.execution._crew import InProcess
from audit.execution._keys import Basis
from audit.execution._reading import Reading, threads_for
from audit.execution._store import FolderFiles, Store
from audit.execution._tasks import Task
from audit.execution._workshop import Workshop
from tests.execution._make import MeanModel, card

COUNT = 22


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """A cohort of files whose every value is the number of the case; the fifth file is missing."""
    for i in range(COUNT):
        if i != 5:
            np.save(tmp_path / f"{i}.npy", np.full((4, 4), i, dtype=np.float32))
    return of(tmp_path)


def of(folder: Path) -> Cohort:
    given = from_arrays(np.zeros((COUNT, 4, 4)), np.arange(COUNT) % 2, task="binary")
    source = FileSource(
        references=np.array([f"{i}.npy" for i in range(COUNT)]), folder=folder, root=folder,
        input=InputSpec(range=(0, 99), size=(4, 4), channels=1),
    )  # fmt: skip
    object.__setattr__(given, "images", source)
    return given


def told(reading: Reading, cohort: Cohort, shards: list[range], batch: int = 4) -> list[Any]:
    """Return everything that was given of some shards."""
    return [
        (b.kept.tolist(), b.images[:, 0, 0, 0].tolist(), dict(b.failures))
        for shard in shards for b in reading.batches(cohort, np.asarray(shard), batch)
    ]  # fmt: skip


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every case that is read, in the order in which it is begun."""
    seen: list[int] = []
    own = FileSource.load

    def load(self: FileSource, index: int) -> Any:
        seen.append(index)
        return own(self, index)

    monkeypatch.setattr(FileSource, "load", load)
    return seen


SHARDS = [range(8), range(8, 16), range(16, COUNT)]


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("onward", [False, True])
def test_shards_are_given_as_in_step_and_read_once(
    cohort: Cohort, read: list[int], threads: int | None, onward: bool
) -> None:
    """Whole batches in their order, a missing file with its reason; nothing is read twice, nobody is left reading."""
    expected = told(Reading(0), cohort, SHARDS)
    assert sum(len(kept) for kept, _, _ in expected) == COUNT - 1
    read.clear()
    reading = Reading(threads, onward=onward)
    assert told(reading, cohort, SHARDS) == expected
    assert sorted(read) == list(range(COUNT))
    reading.close()
    assert not [t for t in threading.enumerate() if t.name == "audit-read"]


@pytest.mark.parametrize(
    "shards",
    [
        [range(8, 16), range(8), range(16, COUNT)],
        [range(8), range(16, COUNT)],
        [range(6), range(6, 14), range(14, COUNT)],
    ],
    ids=["out of turn", "with a hole", "no whole batches"],
)
def test_shards_in_any_order_are_given_as_in_step(cohort: Cohort, shards: list[range]) -> None:
    """What was read on for nothing is left."""
    reading = Reading(2, onward=True)
    assert told(reading, cohort, shards) == told(Reading(0), cohort, shards)
    reading.close()


def test_after_a_batch_that_was_not_wanted_a_shard_is_read_anew(cohort: Cohort) -> None:
    """Whoever left in the middle of a shard comes back to its beginning, or goes on with the next one."""
    reading, batch = Reading(2, onward=True), 4
    for shard in (range(8), range(8), range(8, 16)):
        next(iter(reading.batches(cohort, np.asarray(shard), batch)))
    assert told(reading, cohort, SHARDS) == told(Reading(0), cohort, SHARDS)
    reading.close()


def test_the_next_shard_is_read_while_the_model_is_asked(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two shards images of the second are there already."""
    begun, own = threading.Event(), FileSource.load

    def load(self: FileSource, index: int) -> Any:
        if index == 8:
            begun.set()
        return own(self, index)

    monkeypatch.setattr(FileSource, "load", load)
    reading = Reading(onward=True)
    told(reading, cohort, [range(8)])
    assert begun.wait(10)
    reading.close()


def test_one_process_reads_over_the_end_of_a_shard_and_leaves_nobody_reading(
    cohort: Cohort, read: list[int], tmp_path: Path
) -> None:
    """While the model is asked about the last batch of a shard the next one is begun; every image is read once."""
    while_asked: list[int] = []

    class Waits(MeanModel):
        def predict(self, images: Any) -> Any:
            until = time.monotonic() + 10
            while len(read) < min(COUNT, images[-1].mean() + 2) and time.monotonic() < until:
                time.sleep(0.002)
            while_asked.append(len(read))
            return super().predict(images)

    store = Store(files=FolderFiles(folder=tmp_path / "kept"), run="one")
    basis = Basis(answers="a", rest="r", seed=1)
    shop = Workshop(model=Waits(card()), cohort=cohort, batch=4, store=store, basis=basis)
    with InProcess().crew(shop) as crew:
        for shard in SHARDS:
            crew.submit(Task(kind="clean", start=shard.start, stop=shard.stop))
        for shard in SHARDS[:2]:
            crew.next()
            # The last image of the shard, and one behind it.
            assert while_asked[-1] > shard.stop
    assert not [t for t in threading.enumerate() if t.name == "audit-read"]
    assert sorted(read) == sorted(set(read))


def test_only_files_are_read_from_another_thread(cohort: Cohort) -> None:
    """What is in memory is there at once, and a user's own source may not be readable from another thread."""
    assert threads_for(cohort) > 0
    assert threads_for(cohort.subset(np.arange(3))) > 0
    assert threads_for(from_arrays(np.zeros((4, 2, 2)), np.array([0, 1, 0, 1]), task="binary")) == 0
