"""Reading that is given up after a time: a share that no longer answers must not stop an audit."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from audit.errors import ReadError

T = TypeVar("T")


class TooSlowError(ReadError):
    """A read that did not end in time."""


_MOMENT = 0.5
_Wanted = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class _Reader:
    """A thread that reads for another one, and ends with it.

    It is a daemon, so that a read which never ends does not keep the process.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._wanted: queue.SimpleQueue[_Wanted | None] = queue.SimpleQueue()
        self._idle = True
        # Not a method of its own: the thread must not keep alive whom it reads for.
        self._thread = threading.Thread(target=_loop, args=(self._wanted,), name="audit-reader", daemon=True)
        self._thread.start()

    def ask(self, seconds: float, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        answer: Future[Any] = Future()
        self._idle = False
        self._wanted.put((answer, work, arguments))
        try:
            return answer.result(timeout=seconds)
        finally:
            self._idle = answer.done()
            # An error holds this frame, and would hold itself and the thread by it.
            del answer

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # A forked process has the object, and never had the thread; one that ends has neither modules nor threads.
        if finalizing() or self.process != os.getpid():
            return
        self._wanted.put(None)
        # Not `join`: a thread that is ending would be counted anew by asking which one it is.
        until = time.monotonic() + _MOMENT
        while self._idle and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(_MOMENT / 1000)


def _loop(wanted: queue.SimpleQueue[_Wanted | None]) -> None:
    while (asked := wanted.get()) is not None:
        answer, work, arguments = asked
        try:
            answer.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked, whatever it is
            answer.set_exception(error)
        # What was read is not held until the next one is asked for.
        del asked, answer, work, arguments


_own = threading.local()


def within(seconds: float, work: Callable[..., T], *arguments: Any) -> T:
    """Return what a function gives, if it ends in time.

    Args:
        seconds: How long it may take.
        work: Reads something.
        arguments: For the function.

    Raises:
        TooSlowError: It did not end in time; the thread that reads is left to itself.
    """
    reader = getattr(_own, "reader", None)
    # Threads do not come along into a forked process.
    if reader is None or reader.process != os.getpid():
        reader = _own.reader = _Reader()
    try:
        out: T = reader.ask(seconds, work, arguments)
    except TimeoutError:
        _own.reader = None
        raise TooSlowError(f"reading took longer than {seconds:g} s") from None
    return out
