"""Images read ahead: in order, never too many at a time, and what goes wrong is told in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from audit.cohorts import _ahead
from audit.cohorts._ahead import Ahead
from audit.errors import ReadError, StorageError


class Source:
    """Images whose every value is their index, which counts how many were begun.

    Args:
        trouble: Called with the index before an image is read.
    """

    def __init__(self, count: int = 40, trouble: Callable[[int], object] = bool) -> None:
        self.count, self.trouble, self.begun = count, trouble, 0

    def __len__(self) -> int:
        return self.count

    def load(self, index: int) -> np.ndarray:
        self.begun += 1
        self.trouble(index)
        return np.full((1, 4, 4), index, dtype=np.float32)


def settled(source: Source, least: int) -> int:
    """Return how many images are begun once as many as are wanted are, and no more come."""
    until = time.monotonic() + 10
    while source.begun < least and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.05)
    return source.begun


@pytest.mark.parametrize("threads", [1, 3])
def test_images_come_in_the_order_asked_for(threads: int) -> None:
    """Whoever is first at reading; one that cannot be read gives its reason in its place."""

    def trouble(index: int) -> None:
        time.sleep(0.003 * (index % 3))
        if index == 7:
            raise ReadError("no image")

    wanted = [5, 7, 30, 2, 11, 12, 13]
    with Ahead(Source(trouble=trouble), wanted, threads=threads, most=4) as ahead:  # type: ignore[arg-type]
        found = [ahead.take() for _ in wanted]
    assert [f if isinstance(f, str) else f[0, 0, 0] for f in found] == [5, "no image", 30, 2, 11, 12, 13]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_read_than_may_be_held(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Five images of 64 bytes are held in 320, and no more than may be ahead; each that is taken makes room."""
    monkeypatch.setattr(_ahead, "MOST_BYTES", 5 * 64)
    for most, expected in ((99, 5), (3, 3)):
        source = Source()
        with Ahead(source, range(40), threads=threads, most=most) as ahead:  # type: ignore[arg-type]
            assert settled(source, expected) == expected
            ahead.take()
            assert settled(source, expected + 1) == expected + 1


def test_an_image_larger_than_what_may_be_held_is_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, and all of them."""
    monkeypatch.setattr(_ahead, "MOST_BYTES", 8)
    source = Source()
    with Ahead(source, range(6), threads=3, most=99) as ahead:  # type: ignore[arg-type]
        assert settled(source, 1) == 1
        assert [ahead.take()[0, 0, 0] for _ in range(6)] == list(range(6))  # type: ignore[index]


def test_an_error_that_is_none_of_the_image_is_raised_where_its_turn_is() -> None:
    """What was read before it is given first, as if nobody had read ahead."""

    def trouble(index: int) -> None:
        if index == 3:
            raise StorageError("the disk has gone")

    with Ahead(Source(trouble=trouble), range(9), threads=2, most=9) as ahead:  # type: ignore[arg-type]
        assert [ahead.take()[0, 0, 0] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]
        with pytest.raises(StorageError, match="disk has gone"):
            ahead.take()


def test_who_leaves_does_not_wait_for_a_read_that_hangs() -> None:
    """Closing takes a moment, the thread is a daemon, and it ends when its read does."""
    go = threading.Event()
    ahead = Ahead(Source(trouble=lambda _: go.wait(30)), range(9), threads=2, most=9)  # type: ignore[arg-type]
    began = time.monotonic()
    ahead.close()
    assert time.monotonic() - began < 10
    threads = [t for t in threading.enumerate() if t.name == "audit-read"]
    assert threads
    assert all(t.daemon for t in threads)
    go.set()
    for thread in threads:
        thread.join(10)
    assert not any(t.is_alive() for t in threads)
