"""Deletion and insertion curves, and the advantage of a method over the best of its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Curve, Estimate, Levels
from audit.explain._controls import plain_name
from audit.explain._fills import Fill
from audit.stats import paired_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

Paired = Callable[["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.int64]", Levels], Estimate]
"""Mean difference of two values a case, with bounds at some levels."""
_AT_ONCE = 64
"""Images of several steps that are asked about together: small batches leave a processor's convolutions waiting."""
_ELEMENTS = 2**21
"""Values of those images at most."""


def ranks(maps: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the place of each pixel in falling order of a map, ties by chance.

    Args:
        maps: (n, *spatial).
        rng: Breaks the ties.

    Returns:
        (n, *spatial), 0 for the most relevant.
    """
    out = np.empty(maps.shape, np.int64)
    for place, values in zip(out, maps, strict=True):
        place.ravel()[_falling(values.ravel(), rng.random(values.size))] = np.arange(values.size)
    return out


def _falling(values: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return what `np.lexsort((chance, -values))` does; where hardly any two are alike, in a fifth of the time."""
    keys = -values
    order: NDArray[np.int64] = np.argsort(keys)
    along = keys[order]
    if np.isnan(along[-1:]).any():
        return np.lexsort((chance, keys))
    same = along[1:] == along[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    # Those that tie hold the same places in any order; among them, chance decides.
    some = np.sort(order[tied])
    order[tied] = some[np.lexsort((chance[some], keys[some]))]
    return order


def fractions(steps: int) -> NDArray[np.float64]:
    """Return rising shares of the pixels from 0 to 1, closer together near 0, where small lesions lie."""
    return (np.arange(steps + 1) / steps) ** 2


def curves(
    ask: Callable[[NDArray[np.float32]], NDArray[np.float64]], fill: Fill, places: NDArray[np.int64],
    shares: NDArray[np.float64], *, insertion: bool, ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    together: int | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Return how the explained score changes as pixels are replaced.

    Deletion removes the most relevant first. Insertion starts from an image of which all is removed and puts the most
    relevant back first; read from its end it removes the least relevant first.

    Args:
        ask: From (k n, channels, *spatial) images, the n cases k times one after the other, to (k n,) scores.
        fill: What takes the place of removed pixels.
        places: (n, *spatial) the order, 0 for the most relevant.
        shares: (s,) shares of the pixels, rising from 0 to 1.
        insertion: Whether pixels are put back.
        ends: (n,) scores of the images, and of images of which all is removed; the same for every order.
        together: Steps that are asked about at once; None: as many as make a batch that is large enough to be fast.

    Returns:
        (n, s).
    """
    first, last = reversed(ends) if insertion else ends
    counts = np.round(shares[1:-1] * places[0].size).astype(np.int64)
    between: list[NDArray[np.float64]] = []

    def changed(count: np.int64) -> NDArray[np.float32]:
        return fill(places >= count if insertion else places < count)

    while len(between) < counts.size:
        begun = len(between)
        made = [changed(counts[begun])]
        size = together or max(1, min(_AT_ONCE // len(places), _ELEMENTS // made[0].size))
        made += [changed(count) for count in counts[begun + 1 : begun + size]]
        between += list(ask(np.concatenate(made)).reshape(len(made), len(places)))
    return np.stack([first, *between, last], axis=1)


def area(curve: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) areas under curves (n, s) by trapezoids."""
    out: NDArray[np.float64] = ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)
    return out


def advantage(
    own: NDArray[np.float64], controls: Mapping[str, NDArray[np.float64]], patients: NDArray[np.int64], levels: Levels,
    *, lower_is_better: bool, resolution: float = 0.0, support: tuple[float | None, float | None] = (None, None),
    paired: Paired | None = None,
) -> tuple[Estimate, str]:  # fmt: skip
    """Return how much better a method is than the control that comes closest to it.

    The control is picked by the same cases, so its name alone would be a winner's choice. The low bound is therefore
    the least over all controls (each must be beaten), the high bound the least over all controls at the level divided
    by their number (Bonferroni), so that neither side is narrower than it claims.

    Args:
        own: (n,) areas of the method.
        controls: (n,) areas of each control.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        lower_is_better: True for deletion.
        resolution: Differences so small are those of the arithmetic; both bounds are moved apart by it, so that two
            orders that tie but for rounding do not count as better and worse.
        support: Smallest and largest possible difference, where there is one.
        paired: From two values a case, patient codes and levels to their mean difference; by default for a fixed number
            of patients, by t.

    Returns:
        The mean difference from that control, above 0 where the method is better, and the control's name.
    """
    pairs = {name: (a, own) if lower_is_better else (own, a) for name, a in controls.items()}
    differ = paired or partial(paired_difference, support=support)
    found = {name: differ(a, b, patients, levels) for name, (a, b) in pairs.items()}
    for name, estimate in found.items():
        if estimate.value is None:
            return estimate, name
    stricter = _Divided(confidence=levels.confidence, by=len(pairs))
    strict = [differ(a, b, patients, stricter).curve for a, b in pairs.values()]
    loose = [estimate.curve for estimate in found.values()]
    rungs = zip(levels.rungs, zip(*loose, strict=True), zip(*strict, strict=True), strict=True)
    curve: Curve = tuple(
        (p, min(low for _, low, _ in a) - resolution, min(high for _, _, high in b) + resolution) for p, a, b in rungs
    )
    nearest = min(found, key=lambda name: found[name].value or 0.0)
    chosen = found[nearest]
    estimate = Estimate(
        value=chosen.value,
        curve=curve,
        method=f"{chosen.method}; least over {len(found)} controls, closest: {plain_name(nearest)}",
        n=chosen.n,
        n_patients=chosen.n_patients,
    )
    return estimate, nearest


@dataclass(frozen=True, kw_only=True)
class _Divided(Levels):
    """The same levels, each shared among several comparisons.

    Args:
        by: Number of comparisons.
    """

    by: int = 1

    @property
    def rungs(self) -> tuple[float, ...]:
        """All levels of the curve divided by the number of comparisons, falling."""
        return tuple(level / self.by for level in super().rungs)
