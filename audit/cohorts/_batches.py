"""Batches of images in a fixed order, read ahead by a few threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.core.clock import timed
from audit.errors import InputError, ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Cohort, ImageSource


class Batch(NamedTuple):
    """Images read together.

    Args:
        kept: (m,) indices into the cohort of the cases that were read, in the order asked for.
        images: (m, channels, *spatial) float32 stored intensities; (0,) where none was read.
        failures: Reason by index of each case that was not read.
    """

    kept: NDArray[np.int64]
    images: NDArray[np.float32]
    failures: Mapping[int, str]


def read_batches(
    cohort: Cohort, indices: Sequence[int] | NDArray[Any], batch_size: int, workers: int = 1
) -> Iterator[Batch]:
    """Read images in batches; the result does not depend on the number of workers.

    Args:
        cohort: A cohort with images.
        indices: Cases to read, in order.
        batch_size: Cases a batch, 1 or more.
        workers: Threads that read ahead; at most two batches are held beside the one that is handed out.

    Yields:
        One `Batch` for each `batch_size` cases, the last one shorter. No case is left out: each is either kept or has
        its reason in `failures`.

    Raises:
        InputError: The cohort has no images.
    """
    if cohort.images is None:
        raise InputError(
            "the cohort has no images", expected="an image column", got="none",
            fix="name it as `image` under [cohort] in audit.toml",
        )  # fmt: skip
    if batch_size < 1:
        raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
    wanted = [int(i) for i in indices]
    chunks = [wanted[i : i + batch_size] for i in range(0, len(wanted), batch_size)]
    if workers <= 1:
        for chunk in chunks:
            yield _batch(chunk, [_read(cohort.images, i) for i in chunk])
        return
    yield from _ahead(cohort.images, chunks, workers)


def _ahead(source: ImageSource, chunks: Sequence[Sequence[int]], workers: int) -> Iterator[Batch]:
    waiting: deque[tuple[Sequence[int], list[Future[NDArray[np.float32] | str]]]] = deque()
    rest = iter(chunks)
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="audit-read")
    try:
        while True:
            while len(waiting) < 3 and (chunk := next(rest, None)) is not None:
                waiting.append((chunk, [pool.submit(_read, source, i) for i in chunk]))
            if not waiting:
                return
            chunk, futures = waiting.popleft()
            with timed("reading"):
                batch = _batch(chunk, [f.result() for f in futures])
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(source: ImageSource, index: int) -> NDArray[np.float32] | str:
    try:
        return np.asarray(source.load(index), dtype=np.float32)
    except ReadError as error:
        return error.problem


def _batch(chunk: Sequence[int], answers: Sequence[NDArray[np.float32] | str]) -> Batch:
    kept, images, failures = [], [], {}
    for index, answer in zip(chunk, answers, strict=True):
        if isinstance(answer, str):
            failures[index] = answer
        else:
            kept.append(index)
            images.append(answer)
    stacked = np.stack(images) if images else np.empty(0, dtype=np.float32)
    return Batch(np.array(kept, dtype=np.int64), stacked, failures)
