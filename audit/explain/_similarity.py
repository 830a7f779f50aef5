"""How alike two maps are: by ranks and by structure, signed and absolute, under either normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNED, ABSOLUTE = "signed", "absolute"
LARGEST, MOMENT = "by the largest value", "by the second moment"
RANKS: tuple[str, ...] = (SIGNED, ABSOLUTE)
STRUCTURES: tuple[str, ...] = tuple(f"{sign}, {scale}" for sign in RANKS for scale in (LARGEST, MOMENT))
_WINDOW = 7
_K1, _K2 = 0.01, 0.03


class Prepared:
    """Maps made ready for comparison, so that each is ranked, normalised and averaged over windows once.

    Args:
        maps: (n, *spatial).
        device: Of torch, where windows are averaged and, unless it is the processor, ranks are computed.
        structure: Whether structural similarity is asked for, too.
    """

    def __init__(self, maps: NDArray[np.float64], device: Any = "cpu", *, structure: bool = True) -> None:
        values = maps.reshape(len(maps), -1)
        high, low = values.max(axis=1, initial=-np.inf), values.min(axis=1, initial=np.inf)
        # A map of one value names no pixel: nothing can be like it or unlike it.
        self.flat: NDArray[np.bool_] = high == low
        # Scaled in double precision first: maps of saturated networks lie below what single precision holds.
        peak = np.maximum(high, -low)
        x = (values / np.where(peak > 0, peak, 1.0)[:, None]).astype(np.float32)
        signed = _Ranks(x, device)
        # Most methods have maps that are never negative, whose absolute values have the same ranks.
        plain = bool((low >= 0).all())
        self.ranks = {SIGNED: signed, ABSOLUTE: signed if plain else _Ranks(np.abs(x), device)}
        self.structure = _Structure(x.reshape(maps.shape), device) if structure else None


class _Ranks:
    """Twice the ranks of each map about their mean, (n, p), and the length of that vector, (n,)."""

    def __init__(self, x: NDArray[np.float32], device: Any) -> None:
        on_host = str(device).startswith("cpu")
        self.values = centred_ranks(x) if on_host else _ranks_on(x, device)
        self.length = np.sqrt((self.values * self.values).sum(axis=1, dtype=np.float64))

    def like(self, other: _Ranks, rows: NDArray[np.int64] | None) -> NDArray[np.float64]:
        """Return (n,) Spearman correlations with the maps of another, row by row."""
        values, length = (other.values, other.length) if rows is None else (other.values[rows], other.length[rows])
        product = (self.values * values).sum(axis=1, dtype=np.float64)
        out: NDArray[np.float64] = np.clip(product / np.maximum(self.length * length, 1e-12), -1, 1)
        return out


def centred_ranks(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 2 rank - (p + 1) of ranks from 1 along the second axis, ties sharing their mean; whole numbers.

    Value and place are sorted as one 64-bit word, which is several times as fast as sorting places by their values.

    Args:
        x: (n, p) finite, p below 2^23.
    """
    n, p = x.shape
    # Adding 0 makes one zero of the two; turned bits have the order of the values.
    bits = (x + np.float32(0)).view(np.uint32)
    turned = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    words = turned.astype(np.uint64)
    words <<= np.uint64(32)
    words |= np.arange(p, dtype=np.uint64)
    words.sort(axis=1)
    place = (words & np.uint64(0xFFFFFFFF)).view(np.int64)
    words >>= np.uint64(32)
    fresh = np.ones((n, p), bool)
    np.not_equal(words[:, 1:], words[:, :-1], out=fresh[:, 1:])
    rank = np.arange(1 - p, p, 2, dtype=np.float32)
    out = np.empty((n, p), np.float32)
    if fresh.all():
        out[np.arange(n)[:, None], place] = rank
        return out
    first = np.flatnonzero(fresh)
    count = np.diff(first, append=n * p)
    shared = (2 * (first % p) + count - p).astype(np.float32)
    out[np.arange(n)[:, None], place] = np.repeat(shared, count).reshape(n, p)
    return out


def _ranks_on(x: NDArray[np.float32], device: Any) -> NDArray[np.float32]:
    """Return what `centred_ranks` does, sorted on a device."""
    import torch

    order, index = torch.as_tensor(x, device=device).sort(dim=1)
    # Both zeros are one value, wherever they stand among each other.
    place = torch.arange(x.shape[1], device=device).expand_as(order)
    fresh = torch.ones_like(order, dtype=torch.bool)
    fresh[:, 1:] = order[:, 1:] != order[:, :-1]
    first = torch.where(fresh, place, 0).cummax(dim=1).values
    closing = torch.ones_like(fresh)
    closing[:, :-1] = fresh[:, 1:]
    last = torch.where(closing, place, x.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    rank = (first + last - (x.shape[1] - 1)).float()
    out: NDArray[np.float32] = torch.empty_like(rank).scatter_(1, index, rank).cpu().numpy()
    return out


class _Structure:
    """Means over windows of maps, of their absolute values and of their squares, for both scalings.

    A map's scale is a factor of its windows' means, so that windows are averaged once for both.
    """

    def __init__(self, x: NDArray[np.float32], device: Any) -> None:
        import torch

        self.values = torch.as_tensor(x, device=device)
        flat = self.values.flatten(1)
        moment = flat.pow(2).mean(dim=1).sqrt().clamp_min(1e-12)
        self.scales = (torch.ones_like(moment), moment)
        self.plain = bool((flat >= 0).all())
        self.ends = [(v.amax(dim=1), v.amin(dim=1)) for v in self._signs(flat)]
        self.means = [_windows(v) for v in self._signs(self.values)]
        squares = _windows(self.values * self.values)
        self.variances = [squares - m * m for m in self.means]

    def _signs(self, values: Any) -> tuple[Any, ...]:
        return (values,) if self.plain else (values, values.abs())

    def like(self, other: _Structure, rows: NDArray[np.int64] | None) -> NDArray[np.float64]:
        """Return (n, measures) structural similarity with the maps of another, in the order of `STRUCTURES`."""
        size = float(np.prod([min(_WINDOW, s) for s in self.values.shape[1:]]))
        unbiased = size / (size - 1) if size > 1 else 1.0

        def of(tensor: Any) -> Any:
            return tensor if rows is None else tensor[rows]

        product = self.values * of(other.values)
        found: list[Any] = []
        for sign in range(1 if self.plain and other.plain else len(RANKS)):
            i, j = (0 if part.plain else sign for part in (self, other))
            a, b = self.means[i], of(other.means[j])
            joint = unbiased * (_windows(product.abs() if sign else product) - a * b)
            variances = unbiased * self.variances[i], unbiased * of(other.variances[j])
            ends = [(self.ends[i][k], of(other.ends[j][k])) for k in (0, 1)]
            for scale, scale_of in zip(self.scales, other.scales, strict=True):
                found.append(_similar((a, b), variances, joint, (scale, of(scale_of)), ends))
        found *= len(STRUCTURES) // len(found)
        out: NDArray[np.float64] = np.stack([f.double().cpu().numpy() for f in found], axis=1)
        return out


def _similar(
    means: tuple[Any, Any], variances: tuple[Any, Any], joint: Any, scales: tuple[Any, Any], ends: list[tuple[Any, Any]]
) -> Any:
    """Return (n,) mean structural similarity of maps that are divided by their scales."""
    shape = (-1, *[1] * (joint.ndim - 1))
    p, q = scales
    span = (ends[0][0] / p).maximum(ends[0][1] / q) - (ends[1][0] / p).minimum(ends[1][1] / q)
    c1, c2 = ((k * span).pow(2).reshape(shape) for k in (_K1, _K2))
    p, q = p.reshape(shape), q.reshape(shape)
    a, b = means[0] / p, means[1] / q
    top = (2 * a * b + c1) * (2 * joint / (p * q) + c2)
    bottom = (a * a + b * b + c1) * (variances[0] / (p * p) + variances[1] / (q * q) + c2)
    return (top / bottom.clamp_min(1e-30)).flatten(1).mean(dim=1).clamp(-1, 1)


def alike(one: Prepared, two: Prepared, rows: NDArray[np.int64] | None = None) -> Mapping[str, NDArray[np.float64]]:
    """Return how alike maps are, (n,) by measure; NaN where one of the two is flat.

    Args:
        one: n maps.
        two: The maps that they are compared with.
        rows: (n,) which map of `two` belongs to each of `one`; the same place by default.

    Returns:
        Spearman's correlation of the signed and of the absolute values under `RANKS`, and, where both were prepared
        for it, structural similarity (Wang 2004, uniform windows of 7) under `STRUCTURES`, each in [-1, 1].
    """
    flat = one.flat | (two.flat if rows is None else two.flat[rows])
    found = {SIGNED: one.ranks[SIGNED].like(two.ranks[SIGNED], rows)}
    same = all(part.ranks[SIGNED] is part.ranks[ABSOLUTE] for part in (one, two))
    found[ABSOLUTE] = found[SIGNED] if same else one.ranks[ABSOLUTE].like(two.ranks[ABSOLUTE], rows)
    if one.structure is not None and two.structure is not None:
        found |= dict(zip(STRUCTURES, one.structure.like(two.structure, rows).T, strict=True))
    return {name: np.where(flat, np.nan, values) for name, values in found.items()}


def _windows(values: Any) -> Any:
    """Return means over windows that lie inside, (n, *fewer): sums along one axis after the other."""
    for axis in range(1, values.ndim):
        size = min(_WINDOW, values.shape[axis])
        count = values.shape[axis] - size + 1
        total = values.narrow(axis, 0, count).clone()
        for k in range(1, size):
            total += values.narrow(axis, k, count)
        values = total / size
    return values
