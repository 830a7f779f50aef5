"""When two ids, or two images, are the same."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.probes.data._stream import Looked

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    return hashlib.blake2b(repr(exact.shape).encode() + exact.tobytes(), digest_size=16).digest()


def is_flat(values: NDArray[Any]) -> bool:
    """Return whether an image has one value throughout, so that it is like every other such image."""
    return bool(np.min(values) == np.max(values))


def image_digests(images: Iterable[Looked]) -> tuple[dict[int, bytes], int]:
    """Return the digest of each image by its index, and how many could not be read; flat images have none."""
    found: dict[int, bytes] = {}
    unread = 0
    for image in images:
        if image.values is None:
            unread += 1
        elif not is_flat(image.values):
            found[image.case] = content_digest(image.values)
    return found, unread
