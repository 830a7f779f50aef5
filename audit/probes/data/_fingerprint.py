"""A small copy and a 64-bit hash of an image, by which the same picture is found again.

The hash is that of the low frequencies of a cosine transform (Zauner 2010, Implementation and benchmarking of
perceptual image hash functions), in two dimensions or three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, joined
from audit.probes.data._identity import DIGEST_SIZE, content_digest, is_flat
from audit.probes.data._stream import Looked, planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = {2: 64, 3: 32}
HASH_SIDE = {2: 8, 3: 4}
TAILS = (1.0, 99.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prints:
    """Fingerprints of the images of one source.

    Args:
        cases: (m,) index of each image in its source.
        thumbs: (m, *side) uint8, 64 x 64 or 32 x 32 x 32.
        sides: (m,) shortest side of each image as it is stored, in pixels.
        digests: m digests of the stored content.
        flat: (f,) index of images with one value throughout, which hold nothing to compare.
        unread: Images that cannot be read.
    """

    cases: NDArray[np.int64]
    thumbs: NDArray[np.uint8]
    sides: NDArray[np.int64]
    digests: list[bytes]
    flat: NDArray[np.int64]
    unread: int

    def __len__(self) -> int:
        return len(self.cases)


def fingerprints(images: Iterable[Looked]) -> Prints:
    """Return the fingerprints of images that come one by one; only small copies are kept.

    Images of another number of dimensions than the first one count as unread.
    """
    return prints_of([print_arrays(images)])


def print_arrays(images: Iterable[Looked]) -> Arrays:
    """Return what `prints_of` makes fingerprints of: the kind of each image, and more of those that can be compared.

    A kind is the number of spatial dimensions, 1 for an image with one value throughout, 0 for one that is not read.
    """
    cases: list[int] = []
    kinds: list[int] = []
    thumbs: dict[int, list[NDArray[np.uint8]]] = {ndim: [] for ndim in SIDE}
    digests: list[NDArray[np.uint8]] = []
    sides: list[int] = []
    for image in images:
        cases.append(image.case)
        kind = 0 if image.values is None or image.values.ndim - 1 not in SIDE else image.values.ndim - 1
        if image.values is not None and is_flat(image.values):
            kind = 1
        kinds.append(kind)
        digest, side = np.zeros(DIGEST_SIZE, dtype=np.uint8), 0
        if image.values is not None and kind in SIDE:
            thumbs[kind].append(thumbnail(image.values))
            digest = np.frombuffer(content_digest(image.values), dtype=np.uint8)
            side = min(image.values.shape[1:])
        digests.append(digest)
        sides.append(side)
    return {
        "cases": np.array(cases, dtype=np.int64), "kinds": np.array(kinds, dtype=np.int64),
        "sides": np.array(sides, dtype=np.int64),
        "digests": np.array(digests, dtype=np.uint8).reshape(len(cases), DIGEST_SIZE),
        **{f"thumbs {n}": np.array(thumbs[n], dtype=np.uint8).reshape(-1, *(SIDE[n],) * n) for n in SIDE},
    }  # fmt: skip


def prints_of(parts: Sequence[Arrays]) -> Prints:
    """Return the fingerprints of images that were looked at in parts; see `fingerprints`."""
    every = joined(list(parts))
    kinds = every["kinds"]
    comparable = kinds[np.isin(kinds, list(SIDE))]
    ndim = int(comparable[0]) if comparable.size else 2
    own = kinds == ndim
    return Prints(
        cases=every["cases"][own], thumbs=every[f"thumbs {ndim}"], sides=every["sides"][own],
        digests=[row.tobytes() for row in every["digests"][own]], flat=every["cases"][kinds == 1],
        unread=int((~own & (kinds != 1)).sum()),
    )  # fmt: skip


def thumbnail(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a small grey copy of an image.

    It is made from the values as they are stored, of any depth, and spans its own 1st to 99th percentile, so that
    another unit, gain or offset gives the same copy.

    Args:
        values: (channels, *spatial), two or three spatial axes.

    Returns:
        (64, 64) or (32, 32, 32).
    """
    grey = planes(values)
    small = resized(grey, (SIDE[grey.ndim],) * grey.ndim)
    low, high = np.percentile(small, TAILS)
    if high <= low:
        low, high = float(small.min()), float(small.max())
    span = high - low if high > low else 1.0
    scaled: NDArray[np.uint8] = np.rint(255 * np.clip((small - low) / span, 0, 1)).astype(np.uint8)
    return scaled


def resized(image: NDArray[Any], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return images whose last axes have another size: linear, and smoothed by what they shrink."""
    out = np.asarray(image, dtype=np.float32)
    for axis, length in zip(range(-len(size), 0), size, strict=True):
        if out.shape[axis] != length:
            out = np.moveaxis(np.moveaxis(out, axis, -1) @ _weights(out.shape[axis], length), -1, axis)
    return np.ascontiguousarray(out)


@lru_cache(maxsize=64)
def _weights(old: int, new: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Return (old, new) weights; with a scale above 1 the middle of the axis is magnified."""
    step = old / new / scale
    centres = (np.arange(new) + 0.5 - new / 2) * step + old / 2 - 0.5
    support = max(step, 1.0)
    # Beyond the border the nearest value is repeated.
    reach = np.clip(centres, 0, old - 1)
    weights = np.clip(1 - np.abs(np.arange(old)[:, None] - reach[None, :]) / support, 0, None)
    out: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return out


def magnified(thumbs: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return (m, *side) copies of which the middle is magnified (scale above 1) or the border widened (below 1)."""
    if scale == 1.0:
        return thumbs
    out = thumbs
    for axis in range(1, thumbs.ndim):
        side = thumbs.shape[axis]
        out = np.moveaxis(np.moveaxis(out, axis, -1) @ _weights(side, side, scale), -1, axis)
    return out


def hash_bits(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the perceptual hash of small copies.

    Args:
        thumbs: (m, *side).

    Returns:
        (m, 64) of -1 and 1: whether each of the 64 lowest frequencies lies above their median; the mean grey, which
        says nothing, is left out of the median.
    """
    from scipy.fft import dctn

    axes = tuple(range(1, thumbs.ndim))
    keep = HASH_SIDE[len(axes)]
    bits = np.empty((len(thumbs), 64), dtype=np.float32)
    for start in range(0, len(thumbs), 512):
        small = thumbs[start : start + 512].astype(np.float32)
        low = dctn(small, axes=axes, norm="ortho")[(slice(None), *(slice(keep),) * len(axes))].reshape(len(small), -1)
        bits[start : start + 512] = np.where(low > np.median(low[:, 1:], axis=1, keepdims=True), 1.0, -1.0)
    return bits
