"""Deletion and insertion curves, the controls that they are held against, and the advantage over the best of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Curve, Estimate, Levels
from audit.stats import paired_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        order = np.lexsort((rng.random(values.size), -values.ravel()))
        place.ravel()[order] = np.arange(values.size)
    return out


def fractions(steps: int) -> NDArray[np.float64]:
    """Return rising shares of the pixels from 0 to 1, closer together near 0, where small lesions lie."""
    return (np.arange(steps + 1) / steps) ** 2


def curves(
    ask: Callable[[NDArray[np.float32]], NDArray[np.float64]], images: NDArray[np.float32], fill: NDArray[np.float32],
    places: NDArray[np.int64], shares: NDArray[np.float64], *, insertion: bool,
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:  # fmt: skip
    """Return how the explained score changes as pixels are replaced, most relevant first.

    Args:
        ask: From (n, channels, *spatial) images to (n,) scores.
        images: The images.
        fill: What replaces their pixels, the same shape.
        places: (n, *spatial) the order.
        shares: (s,) shares of the pixels, rising from 0 to 1.
        insertion: Start from the fill and put the image back, else start from the image.
        ends: (n,) scores of the images and of the fill, the same for every order.

    Returns:
        (n, s).
    """
    first, last = reversed(ends) if insertion else ends
    columns = [first]
    for count in np.round(shares[1:-1] * places[0].size).astype(np.int64):
        touched = (places < count)[:, None]
        columns.append(ask(np.where(touched == insertion, images, fill)))
    return np.stack([*columns, last], axis=1)


def area(curve: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) areas under curves (n, s) by trapezoids."""
    out: NDArray[np.float64] = ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)
    return out


def advantage(
    own: NDArray[np.float64], controls: Mapping[str, NDArray[np.float64]], patients: NDArray[np.int64], levels: Levels,
    *, lower_is_better: bool,
) -> tuple[Estimate, str]:  # fmt: skip
    """Return how much better a method is than the control that comes closest to it.

    The control is picked by the same cases, so its name alone would be a winner's choice. The low bound is therefore
    the least over all controls (each must be beaten), the high bound the least over all controls at a third of the
    level (Bonferroni), so that neither side is narrower than it claims.

    Args:
        own: (n,) areas of the method.
        controls: (n,) areas of each control.
        patients: (n,) patient codes.
        levels: Levels of the bounds.
        lower_is_better: True for deletion.

    Returns:
        The mean difference from that control, above 0 where the method is better, and the control's name.
    """
    pairs = {name: (a, own) if lower_is_better else (own, a) for name, a in controls.items()}
    found = {name: paired_difference(a, b, patients, levels) for name, (a, b) in pairs.items()}
    for name, estimate in found.items():
        if estimate.value is None:
            return estimate, name
    stricter = _Divided(confidence=levels.confidence, by=len(pairs))
    strict = [paired_difference(a, b, patients, stricter).curve for a, b in pairs.values()]
    loose = [estimate.curve for estimate in found.values()]
    rungs = zip(levels.rungs, zip(*loose, strict=True), zip(*strict, strict=True), strict=True)
    curve: Curve = tuple((p, min(low for _, low, _ in a), min(high for _, _, high in b)) for p, a, b in rungs)
    nearest = min(found, key=lambda name: found[name].value or 0.0)
    chosen = found[nearest]
    estimate = Estimate(
        value=chosen.value,
        curve=curve,
        method=f"{chosen.method}; least over {len(found)} controls",
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
