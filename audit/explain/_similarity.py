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
        device: Of torch, where ranks and windows are computed.
        structure: Whether structural similarity is asked for, too.
    """

    def __init__(self, maps: NDArray[np.float64], device: Any = "cpu", *, structure: bool = True) -> None:
        import torch

        # Scaled in double precision first: maps of saturated networks lie below what single precision holds.
        peak = np.abs(maps).reshape(len(maps), -1).max(axis=1, initial=0.0)
        scale = np.where(peak > 0, peak, 1.0).reshape(-1, *[1] * (maps.ndim - 1))
        x = torch.as_tensor((maps / scale).astype(np.float32), device=device)
        # A map of one value names no pixel: nothing can be like it or unlike it.
        flat = maps.reshape(len(maps), -1)
        self.flat: NDArray[np.bool_] = flat.max(axis=1) == flat.min(axis=1) if maps.size else peak > 0
        self.ranks = {SIGNED: _centred(_ranks(x.flatten(1))), ABSOLUTE: _centred(_ranks(x.abs().flatten(1)))}
        self.structure = _Structure(x) if structure else None


class _Structure:
    """Maps under both signs and both scalings, in the order of `STRUCTURES`, with means and variances by window."""

    def __init__(self, x: Any) -> None:
        import torch

        moment = x.flatten(1).pow(2).mean(dim=1).sqrt().clamp_min(1e-12).reshape(-1, *[1] * (x.ndim - 1))
        self.values = torch.stack([v / by for v in (x, x.abs()) for by in (1.0, moment)], dim=1)
        axes = tuple(range(2, self.values.ndim))
        self.top, self.bottom = self.values.amax(dim=axes), self.values.amin(dim=axes)
        self.mean = _windows(self.values)
        self.variance = _windows(self.values * self.values) - self.mean * self.mean

    def like(self, other: _Structure, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (n, measures) structural similarity with the maps of another, row by row."""
        size = float(np.prod([min(_WINDOW, s) for s in self.values.shape[2:]]))
        unbiased = size / (size - 1) if size > 1 else 1.0
        span = self.top.maximum(other.top[at]) - self.bottom.minimum(other.bottom[at])
        span = span.reshape(*span.shape, *[1] * (self.values.ndim - 2))
        c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
        a, b = self.mean, other.mean[at]
        joint = unbiased * (_windows(self.values * other.values[at]) - a * b)
        spread = unbiased * (self.variance + other.variance[at])
        found = ((2 * a * b + c1) * (2 * joint + c2)) / ((a * a + b * b + c1) * (spread + c2)).clamp_min(1e-30)
        out: NDArray[np.float64] = found.double().flatten(2).mean(dim=2).clamp(-1, 1).cpu().numpy()
        return out


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
    at = np.arange(len(one.flat)) if rows is None else rows
    flat = one.flat | two.flat[at]
    found = {
        name: np.asarray((one.ranks[name] * two.ranks[name][at]).sum(dim=1).clamp(-1, 1).double().cpu())
        for name in RANKS
    }
    if one.structure is not None and two.structure is not None:
        found |= dict(zip(STRUCTURES, one.structure.like(two.structure, at).T, strict=True))
    return {name: np.where(flat, np.nan, values) for name, values in found.items()}


def _ranks(x: Any) -> Any:
    """Return ranks along the second axis, ties sharing their mean; (n, p) float."""
    import torch

    order, index = x.sort(dim=1)
    place = torch.arange(x.shape[1], device=x.device).expand_as(order)
    fresh = torch.ones_like(order, dtype=torch.bool)
    fresh[:, 1:] = order[:, 1:] != order[:, :-1]
    first = torch.where(fresh, place, 0).cummax(dim=1).values
    closing = torch.ones_like(fresh)
    closing[:, :-1] = fresh[:, 1:]
    last = torch.where(closing, place, x.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    return out.scatter_(1, index, (first + last).float() / 2)


def _centred(ranks: Any) -> Any:
    """Return ranks as vectors of mean 0 and length 1, so that a product is a correlation."""
    centred = ranks - ranks.double().mean(dim=1, keepdim=True).float()
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)


def _windows(values: Any) -> Any:
    """Return means over windows that lie inside, (n, measures, *fewer)."""
    from torch.nn import functional

    pool = functional.avg_pool3d if values.ndim == 5 else functional.avg_pool2d
    return pool(values, tuple(min(_WINDOW, s) for s in values.shape[2:]), stride=1)
