"""Images of shards read while the model is asked about those before them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, SourceView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.cohorts import Batch

THREADS = 2
"""Threads that read ahead: one may wait for a disk or a network while another decodes."""


def threads_for(cohort: Cohort) -> int:
    """Return how many threads read a cohort's images ahead: none where they do not lie in files.

    What is in memory is there at once, and whether a source of the user's own may be read from another thread nobody
    knows.
    """
    from audit.cohorts import FileSource

    source: Any = cohort.images
    while isinstance(source, SourceView):
        source = source.source
    return THREADS if isinstance(source, FileSource) else 0


class Reading:
    """Gives the batches of one shard after the other.

    Args:
        threads: How many read ahead; None: as suits the cohort.
        onward: Whether each shard follows the one before, so that reading goes on over its end.
    """

    def __init__(self, threads: int | None = None, *, onward: bool = False) -> None:
        self._threads, self._onward = threads, onward
        self._stream: Generator[Batch] | None = None
        self._of: tuple[Cohort, int] | None = None
        self._next = -1

    def batches(self, cohort: Cohort, positions: NDArray[np.int64], batch: int) -> Iterator[Batch]:
        """Give the images of some cases in batches; see `audit.cohorts.read_batches`.

        Args:
            cohort: The cohort, with images.
            positions: (m,) the cases.
            batch: Cases a batch.
        """
        from audit.cohorts import read_batches

        threads = threads_for(cohort) if self._threads is None else self._threads
        # The last batch of a shard is a whole one, or that of the cohort: what comes next begins where a batch does.
        whole = positions.size % batch == 0 or positions[-1] == len(cohort) - 1
        if not (self._onward and threads and whole and (np.diff(positions) == 1).all()):
            yield from read_batches(cohort, positions, batch, threads)
            return
        first, stop = int(positions[0]), int(positions[-1]) + 1
        stream, known = self._stream, self._of
        if stream is None or known is None or known[0] is not cohort or (known[1], self._next) != (batch, first):
            self.close()
            stream = read_batches(cohort, np.arange(first, len(cohort)), batch, threads)
        # Where whoever asks leaves early, what comes next is read anew.
        self._stream, self._of, self._next = stream, (cohort, batch), -1
        for _ in range(first, stop, batch):
            yield next(stream)
        self._next = stop
        if stop == len(cohort):
            self.close()

    def close(self) -> None:
        """Read no more."""
        stream, self._stream, self._of, self._next = self._stream, None, None, -1
        if stream is not None:
            stream.close()
