"""Batches of images in a fixed order, read ahead by threads where that helps."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.cohorts._ahead import Ahead, read
from audit.core.clock import timed
from audit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Cohort


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
    cohort: Cohort, indices: Sequence[int] | NDArray[Any], batch_size: int, workers: int = 0
) -> Generator[Batch]:
    """Read images in batches; the result does not depend on the number of workers.

    Args:
        cohort: A cohort with images.
        indices: Cases to read, in order.
        batch_size: Cases a batch, 1 or more.
        workers: Threads that read ahead, two batches and 64 MB at most; 0: whoever asks reads.

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
    if workers < 1:
        for chunk in chunks:
            yield _batch(chunk, [read(cohort.images, i) for i in chunk])
        return
    with Ahead(cohort.images, wanted, threads=workers, most=2 * batch_size) as ahead:
        for chunk in chunks:
            with timed("reading"):
                batch = _batch(chunk, [ahead.take() for _ in chunk])
            yield batch


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
