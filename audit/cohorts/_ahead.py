"""Images read beside whoever asks for them, a bounded number of bytes ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from audit.errors import ReadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.core import ImageSource

MOST_BYTES = 2**26
"""Bytes of images that are held before they are asked for, or on their way; one image where that is larger."""
_MOMENT = 0.5


def read(source: ImageSource, index: int) -> NDArray[np.float32] | str:
    """Return one image as float32, or why it cannot be read."""
    import numpy as np

    try:
        return np.asarray(source.load(index), dtype=np.float32)
    except ReadError as error:
        return error.problem


class Ahead:
    """Gives images in the order asked for, while threads read on.

    What is read ahead waits for whoever asks: no thread begins an image while those that were not taken yet would be
    more than `most` images or `MOST_BYTES`. The threads are daemons, so that a read which never ends keeps no process.

    Args:
        source: Where images come from; several threads must be able to read it.
        wanted: Indices, in order.
        threads: How many read, 1 or more.
        most: Images ahead at most, whatever their size.
    """

    def __init__(self, source: ImageSource, wanted: Sequence[int], *, threads: int, most: int) -> None:
        self._source, self._wanted, self._most = source, wanted, most
        self._turn = threading.Condition()
        self._begun = self._taken = self._largest = 0
        self._found: dict[int, Any] = {}
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name="audit-read", daemon=True)
            for _ in range(min(threads, len(wanted)))
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()

    def take(self) -> NDArray[np.float32] | str:
        """Wait for the next image, or for why it cannot be read; see `read`.

        Raises:
            BaseException: What reading it raised, other than that it cannot be read.
        """
        with self._turn:
            while self._taken not in self._found:
                self._turn.wait()
            answer = self._found.pop(self._taken)
            self._taken += 1
            self._turn.notify_all()
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """Begin no more images; a thread that is at one ends after it."""
        with self._turn:
            self._closed = True
            self._found.clear()
            self._turn.notify_all()
        until = time.monotonic() + _MOMENT
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _loop(self) -> None:
        while (place := self._next()) is not None:
            answer: Any
            try:
                answer = read(self._source, self._wanted[place])
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asks, whatever it is
                answer = error
            with self._turn:
                self._largest = max(self._largest, getattr(answer, "nbytes", 0))
                if not self._closed:
                    self._found[place] = answer
                self._turn.notify_all()
            # What was read is not held until the next one has been.
            del answer

    def _next(self) -> int | None:
        """Wait until another image may be begun and return its place; None where there is none."""
        with self._turn:
            while not self._closed and self._begun < len(self._wanted) and not self._room():
                self._turn.wait()
            if self._closed or self._begun >= len(self._wanted):
                return None
            self._begun += 1
            return self._begun - 1

    def _room(self) -> bool:
        ahead = self._begun - self._taken
        # Until one was read nobody knows how large they are.
        fits = (ahead + 1) * self._largest <= MOST_BYTES if self._largest else False
        return ahead == 0 or (ahead < self._most and fits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()
