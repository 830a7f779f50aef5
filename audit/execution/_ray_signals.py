"""Signals that come while Ray is asked: answered when it has answered."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Answer SIGINT and SIGTERM after a call, not in it.

    What an answer raises in the middle of a call into Ray comes out as another error, or ends the process without a
    word. The calls must be short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)

    before = {number: signal.signal(number, later) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, answer in before.items():
            # None is one that was not set from Python.
            signal.signal(number, signal.SIG_DFL if answer is None else answer)
        if came:
            signal.raise_signal(came[0])
