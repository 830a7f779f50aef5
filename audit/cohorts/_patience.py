"""Reading that is given up after a time: a share that no longer answers must not stop an audit."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from audit.errors import ReadError

T = TypeVar("T")


class _Reader:
    """A thread that reads for another one; a daemon, so that a read which never ends does not keep the process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._wanted: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name="audit-reader", daemon=True).start()

    def _loop(self) -> None:
        while True:
            answer, work, arguments = self._wanted.get()
            try:
                answer.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked, whatever it is
                answer.set_exception(error)

    def ask(self, seconds: float, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        answer: Future[Any] = Future()
        self._wanted.put((answer, work, arguments))
        return answer.result(timeout=seconds)


_own = threading.local()


def within(seconds: float, work: Callable[..., T], *arguments: Any) -> T:
    """Return what a function gives, if it ends in time.

    Args:
        seconds: How long it may take.
        work: Reads something.
        arguments: For the function.

    Raises:
        ReadError: It did not end in time; the thread that reads is left to itself.
    """
    reader = getattr(_own, "reader", None)
    # Threads do not come along into a forked process.
    if reader is None or reader.process != os.getpid():
        reader = _own.reader = _Reader()
    try:
        out: T = reader.ask(seconds, work, arguments)
    except TimeoutError:
        _own.reader = None
        raise ReadError(f"reading took longer than {seconds:g} s") from None
    return out
