"""When two ids, or two images, are the same."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, joined
from audit.probes.data._stream import Looked

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGEST_SIZE = 16
"""Bytes of the digest of an image's content."""
_PART = re.compile(r"[^\W\d_]+|\d+")


def plain_id(text: str) -> str:
    """Return an id without capitals, leading zeros, spaces and punctuation: "P-007" and "p7" are both "p 7"."""
    parts = _PART.findall(text.casefold())
    return " ".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts) or text


def are_row_numbers(case_ids: NDArray[np.str_]) -> bool:
    """Return whether case ids may be no more than the numbers of rows: whole numbers that rise all the way."""
    if not all(str(i).isdigit() for i in case_ids):
        return False
    numbers = [int(i) for i in case_ids]
    return all(a < b for a, b in itertools.pairwise(numbers))


def content_digest(values: NDArray[Any]) -> bytes:
    """Return a digest of stored values and their shape, the same for every type of number that holds them."""
    exact = np.ascontiguousarray(values, dtype=np.float64)
    return hashlib.blake2b(repr(exact.shape).encode() + exact.tobytes(), digest_size=DIGEST_SIZE).digest()


def is_flat(values: NDArray[Any]) -> bool:
    """Return whether an image has one value throughout, so that it is like every other such image."""
    return bool(np.min(values) == np.max(values))


def digest_arrays(images: Iterable[Looked]) -> Arrays:
    """Return of each image its index, whether it could be read, whether it has a digest, and that; see `digests_of`."""
    cases, read, digests = [], [], []
    for image in images:
        cases.append(image.case)
        read.append(image.values is not None)
        digests.append(b"" if image.values is None or is_flat(image.values) else content_digest(image.values))
    nothing = bytes(DIGEST_SIZE)
    return {
        "cases": np.array(cases, dtype=np.int64), "read": np.array(read, dtype=np.bool_),
        "known": np.array([bool(d) for d in digests], dtype=np.bool_),
        "digests": np.frombuffer(b"".join(d or nothing for d in digests), dtype=np.uint8).reshape(-1, DIGEST_SIZE),
    }  # fmt: skip


def digests_of(parts: Sequence[Arrays]) -> tuple[dict[int, bytes], int]:
    """Return the digest of each image by its index, and how many could not be read; flat images have none."""
    every = joined(list(parts))
    known = every["known"]
    found = zip(every["cases"][known].tolist(), every["digests"][known], strict=True)
    return {case: row.tobytes() for case, row in found}, int((~every["read"]).sum())
