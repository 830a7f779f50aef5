"""Tissue of one place put seamlessly into another, as detailed and as noisy as what it replaces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Places = tuple[NDArray[np.int64], ...]

KNOWN = 96
"""Pixels around a region that it is matched to at most."""
LEVELS = 4.0
"""Variance of the level from place to place, over that of the detail about it: the level is read off the border."""
CHUNK = 2**22
FAR, TRIMMED = 5, 0.97


@dataclass(frozen=True, kw_only=True)
class Texture:
    """How alike two pixels of an image's tissue are by their distance: noise, and detail that fades with distance.

    Args:
        noise: Variance that neighbouring pixels do not share, stored units squared.
        detail: Variance that they share.
        reach: Distance at which the share has fallen to 1 / e, in the grid's unit.
        spacing: Spacing an axis.
    """

    noise: float
    detail: float
    reach: float
    spacing: tuple[float, ...]


class Covariances:
    """Covariances of the pixels of a box, without the noise of each.

    Args:
        texture: Of the image.
        sides: Of the box.
    """

    def __init__(self, texture: Texture, sides: tuple[int, ...]) -> None:
        self._texture, self._sides = texture, sides
        self._steps = tuple(2 * side - 1 for side in sides)

    def __call__(self, a: Places, b: Places) -> Floats:
        """Return (m, n) covariances of m and n pixels.

        Args:
            a: Indices of the m pixels along each axis, as of `np.nonzero`.
            b: Indices of the n pixels.
        """
        if math.prod(self._steps) > a[0].size * b[0].size:
            return self._at([one[:, None] - other for one, other in zip(a, b, strict=True)])
        here, there = (np.ravel_multi_index(some, self._steps) for some in (a, b))
        return self._by_step.take(here[:, None] - there + (self._by_step.size - 1) // 2)

    @cached_property
    def _by_step(self) -> Floats:
        """Covariances by the step from one pixel to the other: many pairs are the same step apart."""
        return self._at(list(np.ogrid[tuple(slice(1 - side, side) for side in self._sides)])).ravel()

    def _at(self, steps: list[NDArray[np.int64]]) -> Floats:
        of = self._texture
        squares: Any = sum((step * mm) ** 2 for step, mm in zip(steps, of.spacing, strict=True))
        level = LEVELS * (of.noise + of.detail)
        return np.asarray(level + of.detail * np.exp(-np.sqrt(squares) / of.reach), dtype=np.float64)


def texture_of(image: NDArray[Any], tissue: Mask, spacing: tuple[float, ...]) -> Texture:
    """Return the texture of an image's tissue, from pixels one, two and five steps apart.

    Args:
        image: (channels, *spatial).
        tissue: (*spatial) bool, pixels that count.
        spacing: Spacing an axis.
    """
    values = np.asarray(image, dtype=np.float64).mean(axis=0)
    known = values[tissue]
    if known.size < 2:
        return Texture(noise=1e-12, detail=1e-12, reach=max(spacing), spacing=spacing)
    found: dict[int, list[float]] = {1: [], 2: [], FAR: []}
    lengths = []
    for axis, step in enumerate(spacing):
        halves = {lag: _variogram(values, tissue, axis, lag) for lag in found}
        if all(v is not None for v in halves.values()):
            lengths.append(step)
            for lag, half in halves.items():
                found[lag].append(float(half or 0.0))
    if not lengths:
        return Texture(noise=float(known.var()) + 1e-12, detail=1e-12, reach=max(spacing), spacing=spacing)
    first, second, total = (float(np.mean(v)) for v in found.values())
    total = max(total, first, 1e-12)
    one, two = (float(np.clip(total - v, 0.02 * total, 0.98 * total)) for v in (first, second))
    fade = float(np.clip(two / one, 0.2, 0.97))
    detail = float(np.clip(one / fade, 0.02 * total, 0.98 * total))
    reach = float(np.mean(lengths)) / -np.log(fade)
    return Texture(noise=max(total - detail, 0.02 * total), detail=detail, reach=reach, spacing=spacing)


def _variogram(values: Floats, tissue: Mask, axis: int, lag: int) -> float | None:
    """Return half the mean squared difference of pixels some steps apart along an axis, None where there are none.

    The largest 3 % are left out: the edge of an overlay is not texture.
    """
    if values.shape[axis] <= lag:
        return None
    first = tuple(slice(None, -lag) if a == axis else slice(None) for a in range(values.ndim))
    second = tuple(slice(lag, None) if a == axis else slice(None) for a in range(values.ndim))
    both = tissue[first] & tissue[second]
    if not both.any():
        return None
    squares = (values[first] - values[second])[both] ** 2
    return float(squares[squares <= quantile(squares, TRIMMED)].mean()) / 2


def quantile(values: Floats, share: float) -> float:
    """Return what `np.quantile` does of finite float64 values in one dimension, to the bit, in a third of the time.

    Args:
        values: (n,), one or more.
        share: From 0 to 1.
    """
    place = share * (values.size - 1)
    below = int(place)
    above = min(below + 1, values.size - 1)
    parted = np.partition(values, (below, above))
    low, high, weight = parted[below], parted[above], place - below
    apart = high - low
    # Written from the nearer end, so that the result never leaves the two.
    return float(high - apart * (1 - weight) if weight >= 0.5 else low + apart * weight)


def median(values: Floats) -> float:
    """Return what `np.median` does of finite float64 values in one dimension, to the bit, in half the time.

    Args:
        values: (n,), one or more.
    """
    half = values.size // 2
    if values.size % 2:
        return float(np.partition(values, half)[half])
    parted = np.partition(values, (half - 1, half))
    return float((parted[half - 1] + parted[half]) / 2)


def quantiles(values: Floats, shares: Sequence[float]) -> Floats:
    """Return what `np.quantile` does of many shares of finite float64 values in one dimension, to the bit, faster.

    Args:
        values: (n,), one or more.
        shares: From 0 to 1.
    """
    place = np.array(shares) * (values.size - 1)
    below = place.astype(np.int64)
    ordered = np.sort(values)
    low, high, weight = ordered[below], ordered[np.minimum(below + 1, values.size - 1)], place - below
    apart = high - low
    out: Floats = np.where(weight >= 0.5, high - apart * (1 - weight), low + apart * weight)
    return out


def seamless(target: Floats, donor: Floats, region: Mask, usable: Mask, texture: Texture) -> Floats | None:
    """Return a region of the target filled with the donor, brought in line with the target's surroundings.

    The donor keeps its own detail and noise. What is added is the expected difference of target and donor inside, given
    their difference around it (conditioning by kriging): where the detail of an image is a Gaussian field, the result
    is a draw of what may lie there given what lies around, no smoother and no rougher than the image.

    Args:
        target: (channels, *spatial) box around the place.
        donor: (channels, *spatial) box of the same shape around what is put there.
        region: (*spatial) bool, the pixels that are replaced.
        usable: (*spatial) bool, pixels outside the region whose difference counts.
        texture: Of the target.

    Returns:
        (channels, m) new values of the region in raster order; None where there is nothing around it.

    References:
        Chilès and Delfiner 2012, Geostatistics: modeling spatial uncertainty, 2nd edition, Wiley (chapter 7).
    """
    added = expected(target - donor, region, usable, texture)
    return None if added is None else donor[:, region] + added


def expected(values: Floats, region: Mask, usable: Mask, texture: Texture) -> Floats | None:
    """Return (channels, m) expected values inside a region, given those of the usable pixels around it; or None."""
    around: Places = np.nonzero(usable & ~region)
    inside: Places = np.nonzero(region)
    if not around[0].size or not inside[0].size:
        return None
    if around[0].size > KNOWN:
        # The nearest ones say nearly all; every second one of those that are left out would repeat them.
        from scipy.ndimage import distance_transform_edt

        away = distance_transform_edt(~region, sampling=texture.spacing)[around]
        near = np.argsort(away, kind="stable")[: 4 * KNOWN]
        near = near[np.linspace(0, near.size - 1, KNOWN).astype(int)]
        around = tuple(line[near] for line in around)
    shared = Covariances(texture, region.shape)
    own = shared(around, around)
    own.ravel()[:: len(own) + 1] += texture.noise
    there: tuple[Any, ...] = (slice(None), *around)
    known: Floats = values[there]
    weights = np.linalg.solve(own, known.T)
    rows = max(1, CHUNK // len(own))
    parts = [
        shared(tuple(line[i : i + rows] for line in inside), around) @ weights
        for i in range(0, inside[0].size, rows)
    ]  # fmt: skip
    return np.asarray(np.concatenate(parts).T, dtype=np.float64)
