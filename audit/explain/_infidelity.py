"""Infidelity: how badly a map foretells what the model does when its image is perturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SQUARE, NOISE = "square", "noise"
PERTURBATIONS: tuple[str, ...] = (SQUARE, NOISE)
SQUARE_SHARE = 0.25
"""Side of a square as a share of the image's."""
NOISE_SD = 0.2
"""Standard deviation of the share by which noise moves a pixel towards the baseline."""
LOCAL: frozenset[str] = frozenset({"saliency", "guided_backprop"})
"""Methods whose values are per unit of intensity; all others say what a pixel adds to the answer."""


def shares_moved(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (n, *spatial) by what share each pixel moves from the image to the baseline.

    `square`: all of it in a box at random, nothing elsewhere. `noise`: a normal share of each pixel on its own.

    Args:
        kind: One of `PERTURBATIONS`.
        shape: (n, *spatial).
        rng: Draws one perturbation a case.
    """
    if kind == NOISE:
        return NOISE_SD * rng.standard_normal(shape)
    out = np.zeros(shape)
    sides = [min(side, max(2, round(SQUARE_SHARE * side))) if side > 1 else 1 for side in shape[1:]]
    for one in out:
        corner = [int(rng.integers(0, side - length + 1)) for side, length in zip(shape[1:], sides, strict=True)]
        one[tuple(slice(c, c + length) for c, length in zip(corner, sides, strict=True))] = 1.0
    return out


def foretold(
    maps: NDArray[np.float64], moved: NDArray[np.float64], away: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return (n,) the change of the answer that a map foretells, up to a factor.

    Args:
        maps: (n, *spatial).
        moved: (n, *spatial) share of the way to the baseline.
        away: (n, *spatial) image less baseline, for a map whose values are per unit of intensity (`LOCAL`).
    """
    weighted = maps * moved if away is None else maps * moved * away
    out: NDArray[np.float64] = weighted.reshape(len(maps), -1).sum(axis=1)
    return out


def infidelity(said: NDArray[np.float64], changed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the share of the answer's change that a map does not foretell, optimally scaled per case.

    The mean squared distance of the foretold from the true change, as Yeh et al. define it after their optimal scaling
    of the map, over the mean squared change: 0 where the map foretells everything, 1 where it foretells nothing. Unlike
    theirs the factor is not allowed below 0: a map of the wrong sign would otherwise be as good as the right one.

    Args:
        said: (n, k) foretold changes under k perturbations.
        changed: (n, k) true changes, answer on the image less answer on the perturbed one.

    Returns:
        In [0, 1]; NaN where the answer never changes, infinite where it is no number.

    References:
        Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, NeurIPS.
    """
    broken = np.logical_not(np.isfinite(changed)).sum(axis=1) > 0
    changed = np.where(broken[:, None], 0.0, changed)
    square = (said**2).sum(axis=1)
    factor = np.divide((said * changed).sum(axis=1), square, out=np.zeros(len(said)), where=square > 0)
    left = ((np.maximum(factor, 0.0)[:, None] * said - changed) ** 2).sum(axis=1)
    size = (changed**2).sum(axis=1)
    out: NDArray[np.float64] = np.divide(left, size, out=np.full(len(said), np.nan), where=size > 0)
    out[broken] = np.inf
    return out


def collect_infidelity(
    ask: Callable[[NDArray[np.float32]], NDArray[np.float64]], images: NDArray[np.float32],
    baseline: NDArray[np.float32], maps: Mapping[str, NDArray[np.float64]], local: frozenset[str],
    rng: np.random.Generator, *, kind: str, count: int,
) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    """Return (n,) infidelities by map, all under the same perturbations.

    Args:
        ask: From (n, channels, *spatial) images to (n,) explained answers, unbounded.
        images: The images.
        baseline: Where pixels move to, the same shape.
        maps: (n, *spatial) by name.
        local: Names of maps whose values are per unit of intensity.
        rng: Draws the perturbations.
        kind: One of `PERTURBATIONS`.
        count: Perturbations a case.
    """
    away = images.astype(np.float64) - baseline
    clean = ask(images)
    changed, said = np.empty((len(images), count)), {name: np.empty((len(images), count)) for name in maps}
    for k in range(count):
        moved = shares_moved(kind, (len(images), *images.shape[2:]), rng)
        changed[:, k] = clean - ask((images - moved[:, None] * away).astype(np.float32))
        for name, values in maps.items():
            said[name][:, k] = foretold(values, moved, away.mean(axis=1) if name in local else None)
    return {name: infidelity(values, changed) for name, values in said.items()}
