"""Which small copies show the same picture: near hashes first, then the detail of the aligned copies.

Images of one organ look alike, and so do their hashes. What two patients do not share is the detail: edges, vessels,
texture, noise. So a near hash only proposes a pair; what counts is the correlation of the band-passed copies, their
contrast made even, at the best alignment. The limits lie above every pair of different patients seen in skin lesions
(0.88) and brain phantoms (0.89), and below nearly all copies with another gain, compressed, noisy or cropped by 2 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Arrays, InlineParts, Parts, joined
from audit.probes.data._fingerprint import Prints, hash_bits, magnified, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDENTICAL, NEAR, MIRRORED = "identical", "near-duplicate", "mirrored or inverted"
NEAR_BITS = 12
# Where there are few images, pairs further apart can be aligned as well: a crop moves many bits.
NEAREST_BITS, FURTHEST_BITS, PROPOSED = 10, 24, 400_000
SMALLEST_SIDE = 24
COARSE_SIDE, COARSE_LIKE, COARSE_PEAK, COARSE_PEAK_SMALL = 32, 0.6, 0.65, 0.85
LIKE, LIKE_TURNED = 0.92, 0.95
# Enlarged small pictures are smooth, so that what two patients share weighs more.
SMALL_SIDE, LIKE_SMALL, LIKE_SMALL_TURNED = 48, 0.96, 0.98
STAGES: tuple[tuple[tuple[float, ...], float], ...] = (
    ((1.0,), 0.65), ((0.96, 1.04), 0.85), ((0.92, 0.94, 0.98, 1.02, 1.06, 1.08), 0.0),
)  # fmt: skip
ALIGNED_AT_MOST = 50_000
_ROWS, _PAIRS, _BLOCK = 1024, 256, 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class Alike:
    """Pairs that show the same picture; images of less than 24 pixels a side are compared by content alone.

    Args:
        first: (k,) positions in the one set of prints.
        second: (k,) positions in the other.
        likeness: (k,) correlation of the aligned detail, in [-1, 1].
        kind: (k,) `IDENTICAL`, `NEAR` or `MIRRORED`.
        proposed: Pairs whose hashes are near.
        unaligned: Proposed pairs beyond the budget, about which nothing is known.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float64]
    kind: NDArray[np.str_]
    proposed: int
    unaligned: int


def mirrors(ndim: int) -> tuple[tuple[int, ...], ...]:
    """Return the axes that are turned round in each variant of an image: none, each one, both of a plane."""
    axes = tuple(range(1, ndim + 1))
    single = tuple((axis,) for axis in axes)
    return ((), *single, *(combinations(axes, 2) if ndim == 2 else ()))


def find_alike(
    one: Prints, two: Prints | None, owners: NDArray[np.int64], *, parts: Parts | None = None
) -> Alike:  # fmt: skip
    """Return the pairs of images that show the same picture.

    Args:
        one: Prints of the cohort.
        two: Prints of another split; None: pairs within the first.
        owners: (m,) patient of each image of the first; a pair within one patient is none. Ignored with `two`.
        parts: Who does the variants; here, one after the other, by default.

    Returns:
        Each pair once, by the closest of its variants.
    """
    search = _Search(one=one, two=one if two is None else two, within=two is None, owners=owners)
    variants = mirrors(one.thumbs.ndim - 1)
    found = joined((parts or InlineParts()).map(
        "variants compared", lambda at: joined([search.variant(int(v), variants[v]) for v in at]), len(variants), size=1
    ))  # fmt: skip
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for i, j, likeness, turned in zip(
        found["first"].tolist(), found["second"].tolist(), found["likeness"].tolist(), found["variant"].tolist(),
        strict=True,
    ):  # fmt: skip
        if abs(likeness) > best.get((i, j), (0.0, ""))[0]:
            best[i, j] = (abs(likeness), MIRRORED if variants[turned] or likeness < 0 else NEAR)
    best |= dict.fromkeys(search.identical(), (1.0, IDENTICAL))
    pairs = sorted(best.items())
    return Alike(
        first=np.array([i for (i, _), _ in pairs], dtype=np.int64),
        second=np.array([j for (_, j), _ in pairs], dtype=np.int64),
        likeness=np.array([value for _, (value, _) in pairs], dtype=np.float64),
        kind=np.array([kind for _, (_, kind) in pairs], dtype=np.str_),
        proposed=int(found["proposed"].sum()), unaligned=int(found["unaligned"].sum()),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Search:
    """One comparison of two sets of prints, or of one with itself."""

    one: Prints
    two: Prints
    within: bool
    owners: NDArray[np.int64]

    @cached_property
    def details(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mine = _coarse_details(self.one.thumbs)
        return mine, mine if self.within else _coarse_details(self.two.thumbs)

    def variant(self, number: int, flipped: tuple[int, ...]) -> Arrays:
        """Return the pairs of one variant, and how many were proposed and left, as arrays."""
        pairs = self.proposals(flipped)
        proposed = len(pairs)
        pairs, left = self.coarse(pairs, flipped)
        found = list(self.confirmed(pairs, flipped))
        return {
            "first": np.array([i for (i, _), _ in found], dtype=np.int64),
            "second": np.array([j for (_, j), _ in found], dtype=np.int64),
            "likeness": np.array([value for _, value in found], dtype=np.float64),
            "variant": np.full(len(found), number), "proposed": np.array([proposed]), "unaligned": np.array([left]),
        }  # fmt: skip

    def identical(self) -> Iterator[tuple[int, int]]:
        places: dict[bytes, list[int]] = {}
        for j, digest in enumerate(self.two.digests):
            places.setdefault(digest, []).append(j)
        for i, digest in enumerate(self.one.digests):
            for j in places.get(digest, ()):
                if not self.within or (i < j and self.owners[i] != self.owners[j]):
                    yield i, j

    def proposals(self, flipped: tuple[int, ...]) -> NDArray[np.int64]:
        """Return (k, 2) pairs whose hashes are near, or near to that of the negative."""
        mine, theirs = hash_bits(self.one.thumbs), hash_bits(np.flip(self.two.thumbs, flipped))
        near = NEAR_BITS if flipped else self._radius(mine, theirs)
        found = [np.zeros((0, 2), dtype=np.int64)]
        for start, agree in _agreement(mine, theirs):
            rows, columns = np.nonzero(agree >= 64 - 2 * near)
            rows += start
            keep = (self.one.sides[rows] >= SMALLEST_SIDE) & (self.two.sides[columns] >= SMALLEST_SIDE)
            if self.within:
                keep &= (rows < columns) & (self.owners[rows] != self.owners[columns])
            found.append(np.stack([rows[keep], columns[keep]], axis=1))
        return np.concatenate(found)

    def _radius(self, mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> int:
        """Return how many bits may differ for the proposals to stay within their number."""
        reach = range(NEAREST_BITS, FURTHEST_BITS + 1)
        counts = np.zeros(len(reach), dtype=np.int64)
        for _, agree in _agreement(mine, theirs):
            counts += [np.count_nonzero(agree >= 64 - 2 * bits) for bits in reach]
        # Within one set each pair is met twice, and each image itself.
        pairs = (counts - len(mine)) // 2 if self.within else counts
        affordable = [bits for bits, count in zip(reach, pairs, strict=True) if count <= PROPOSED]
        return max(affordable, default=NEAREST_BITS)

    def coarse(self, pairs: NDArray[np.int64], flipped: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
        """Return the pairs whose coarse detail agrees, the most alike first, and how many are beyond the budget."""
        mine, theirs = self.details
        peaks = np.zeros(len(pairs))
        axes = tuple(range(1, mine.ndim))
        for start in range(0, len(pairs), _ROWS):
            part = pairs[start : start + _ROWS]
            a, b = mine[part[:, 0]], np.flip(theirs[part[:, 1]], flipped)
            alike = np.flatnonzero(np.abs((a * b).sum(axis=axes)) >= COARSE_LIKE)
            peaks[start + alike] = np.abs(_peak(a[alike], b[alike]))
        small = np.minimum(self.one.sides[pairs[:, 0]], self.two.sides[pairs[:, 1]]) < SMALL_SIDE
        peaks[peaks < np.where(small, COARSE_PEAK_SMALL, COARSE_PEAK)] = 0.0
        order = np.argsort(-peaks, kind="stable")
        order = order[peaks[order] > 0]
        return pairs[order[:ALIGNED_AT_MOST]], max(0, len(order) - ALIGNED_AT_MOST)

    def confirmed(self, pairs: NDArray[np.int64], flipped: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], float]]:
        for start in range(0, len(pairs), _PAIRS):
            i, j = pairs[start : start + _PAIRS].T
            values = aligned_likeness(
                self.one.thumbs[i].astype(np.float32), np.flip(self.two.thumbs[j], flipped).astype(np.float32)
            )
            small = np.minimum(self.one.sides[i], self.two.sides[j]) < SMALL_SIDE
            turned = (values < 0) | bool(flipped)
            limit = np.where(
                small, np.where(turned, LIKE_SMALL_TURNED, LIKE_SMALL), np.where(turned, LIKE_TURNED, LIKE)
            )
            for k in np.flatnonzero(np.abs(values) >= limit):
                yield (int(i[k]), int(j[k])), float(values[k])


def _agreement(mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.int8]]]:
    """Give by block of rows 64 minus twice the bits that differ, of the picture or of its negative."""
    rows = max(16, min(_ROWS, _BLOCK // max(1, len(theirs))))
    for start in range(0, len(mine), rows):
        product = mine[start : start + rows] @ theirs.T
        yield start, np.abs(product, out=product).astype(np.int8)


def _coarse_details(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    side = (min(COARSE_SIDE, thumbs.shape[1]),) * (thumbs.ndim - 1)
    out = np.empty((len(thumbs), *side), dtype=np.float32)
    for start in range(0, len(thumbs), _ROWS):
        out[start : start + _ROWS] = detail(resized(thumbs[start : start + _ROWS], side), narrow=True)
    return out


def aligned_likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the correlation of the detail of two small copies at their best alignment.

    Shifts of an eighth of the side and magnifications of 8 % either way are tried; a pair that is hopeless at the
    first few is given up.

    Args:
        a: (k, *side) small copies.
        b: (k, *side) their partners.

    Returns:
        (k,) in [-1, 1], negative where one is the negative of the other; 0 for a pair that was given up.
    """
    best = np.zeros(len(a))
    left = np.arange(len(a))
    own = detail(a)
    for scales, enough in STAGES:
        for scale in scales:
            peaks = _peak(own[left], detail(magnified(b[left], scale)))
            best[left] = np.where(np.abs(peaks) > np.abs(best[left]), peaks, best[left])
        best[left[np.abs(best[left]) < enough]] = 0.0
        left = left[np.abs(best[left]) >= enough]
    return best


def detail(thumbs: NDArray[np.float32], *, narrow: bool = False) -> NDArray[np.float32]:
    """Return the detail of small copies: what lies between two widths of blur, with its contrast made even.

    Without the latter one dark lesion outweighs all else, and every two round lesions are the same picture.

    Args:
        thumbs: (m, *side).
        narrow: True for copies of half the size.

    Returns:
        (m, *side), faded to 0 at the border, of mean 0 and norm 1; 0 throughout where there is no detail.
    """
    from scipy.ndimage import gaussian_filter

    axes = tuple(range(1, thumbs.ndim))
    fine, broad, around = (0.35, 1.5, 2.0) if narrow else (0.7, 3.0, 4.0)
    out = gaussian_filter(thumbs, fine, axes=axes) - gaussian_filter(thumbs, broad, axes=axes)
    local = np.sqrt(gaussian_filter(out**2, around, axes=axes))
    out = out / (local + 0.2 * np.sqrt((out**2).mean(axis=axes, keepdims=True)) + 1e-6)
    for axis in axes:
        fade = np.hanning(thumbs.shape[axis] + 2)[1:-1].astype(np.float32)
        out = out * fade.reshape([-1 if a == axis else 1 for a in range(thumbs.ndim)])
    out = out - out.mean(axis=axes, keepdims=True)
    norm = np.sqrt((out**2).sum(axis=axes, keepdims=True))
    unit: NDArray[np.float32] = out / np.where(norm > 1e-6, norm, np.inf)
    return unit


def _peak(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (k,) the correlation furthest from 0 over shifts of at most an eighth of the side."""
    from scipy.fft import irfftn, rfftn

    axes = tuple(range(1, a.ndim))
    if not len(a):
        return np.zeros(0)
    crossed = irfftn(rfftn(a, axes=axes) * np.conj(rfftn(b, axes=axes)), s=a.shape[1:], axes=axes)
    reach = a.shape[1] // 8
    for axis in axes:
        crossed = np.roll(crossed, reach, axis=axis).take(range(2 * reach + 1), axis=axis)
    flat = crossed.reshape(len(a), -1)
    out: NDArray[np.float64] = flat[np.arange(len(a)), np.abs(flat).argmax(axis=1)].astype(np.float64)
    return out
