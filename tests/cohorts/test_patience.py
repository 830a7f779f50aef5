"""Reading that is given up after a time."""

from __future__ import annotations

import threading
import time

import pytest

from audit.cohorts._patience import within
from audit.errors import ReadError


def fails() -> None:
    raise ReadError("no image")


def readers() -> int:
    """Return how many threads read for others."""
    return sum(t.name == "audit-reader" for t in threading.enumerate())


def test_what_is_read_in_time_comes_back_and_what_fails_is_raised() -> None:
    """Of both kinds, one after the other, by the same thread."""
    assert within(5, lambda x: x + 1, 2) == 3
    with pytest.raises(ReadError, match="no image"):
        within(5, fails)
    before = readers()
    assert within(5, lambda: 4) == 4
    assert readers() == before


def test_what_does_not_end_in_time_is_given_up() -> None:
    """Another thread reads what comes next, without waiting for it."""
    go = threading.Event()
    with pytest.raises(ReadError, match=r"longer than 0\.05 s"):
        within(0.05, go.wait, 30)
    began = time.monotonic()
    assert within(5, lambda: 1) == 1
    assert time.monotonic() - began < 5
    go.set()


def test_a_reader_ends_with_the_thread_that_it_reads_for() -> None:
    """After an error as well: a pool of threads a batch would else leave as many behind."""

    def reads() -> None:
        with pytest.raises(ReadError):
            within(5, fails)
        assert within(5, lambda: 1) == 1

    within(5, lambda: 1)
    before = readers()
    for _ in range(3):
        thread = threading.Thread(target=reads)
        thread.start()
        thread.join()
    assert readers() == before
