"""A model whose important pixels are known, on images of the cohort: what a metric must rank first before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels
from audit.explain._controls import CONTROLS, control_maps
from audit.explain._faithfulness import advantage, area, curves, ranks
from audit.explain._fills import Fill, blurred

if TYPE_CHECKING:
    from numpy.typing import NDArray

CASES = 24
SUPPORT_SHARE = 0.02
"""Share of the pixels that the known model looks at."""
_TRIES = 32
_SAME = 1e-12
NO_DETAIL = "no image has any detail, so there is nothing that a known model could look at"


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Linear models, one a case, each of which looks at a small box of its image and at nothing else.

    A model's answer is how much of what sets its box apart, the image less a baseline, is still there: 1 on the image,
    0 where the box is that of the baseline.

    Args:
        images: (k, channels, *spatial) images of the cohort.
        baseline: The same shape: their blurred copies, or what a fill puts in the box.
        support: (k, *spatial) the boxes.
    """

    images: NDArray[np.float32]
    baseline: NDArray[np.float32]
    support: NDArray[np.bool_]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """(k, channels, *spatial) of the linear models, 0 outside the boxes."""
        apart = np.where(self.support[:, None], self.images.astype(np.float64) - self.baseline, 0.0)
        size = (apart**2).sum(axis=tuple(range(1, apart.ndim)), keepdims=True)
        out: NDArray[np.float64] = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        return out

    def filled(self, fill: Fill) -> Known:
        """Return models that look at the same boxes, whose baseline is what a fill of these images puts in."""
        return replace(self, baseline=fill(self.support))

    def score(self, changed: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (k,) how much is left, between 0 and 1 as a probability: what is gone cannot go further."""
        return np.clip(self.strength(changed), 0.0, 1.0)

    def strength(self, changed: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (k,) linear answers to (k, channels, *spatial) images, unbounded."""
        parts = self.weights * (changed.astype(np.float64) - self.baseline)
        out: NDArray[np.float64] = parts.reshape(len(parts), -1).sum(axis=1)
        return out

    @property
    def truth(self) -> NDArray[np.float64]:
        """(k, *spatial) what each pixel adds to the answer on the way from the baseline: adds up to 1."""
        out: NDArray[np.float64] = (self.weights * (self.images.astype(np.float64) - self.baseline)).sum(axis=1)
        return out


def known_support(images: NDArray[np.float32], rng: np.random.Generator, *, cases: int = CASES) -> Known | None:
    """Return models whose important pixels are known, None where no image has any detail.

    The box lies at random among places with more detail than half of all places tried.

    Args:
        images: (n, channels, *spatial) stored intensities; they are used again where they are fewer than `cases`.
        rng: Draws images and boxes.
        cases: Models.
    """
    base = blurred(images)
    detail = images.astype(np.float64) - base
    rich = np.flatnonzero((detail**2).reshape(len(images), -1).sum(axis=1) > 0)
    if not rich.size:
        return None
    rows = np.resize(rng.permutation(rich), cases)
    support = np.stack([_box((detail[i] ** 2).sum(axis=0), rng) for i in rows])
    return Known(images=images[rows], baseline=base[rows], support=support)


def _box(energy: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return one box of about a fiftieth of the image, among those of `_TRIES` that hold more detail than most."""
    long = [side for side in energy.shape if side > 1]
    share = SUPPORT_SHARE ** (1 / max(1, len(long)))
    sides = [min(side, max(2, round(side * share))) if side > 1 else 1 for side in energy.shape]
    boxes, held = [], []
    for _ in range(_TRIES):
        corner = [int(rng.integers(0, side - length + 1)) for side, length in zip(energy.shape, sides, strict=True)]
        box = tuple(slice(c, c + length) for c, length in zip(corner, sides, strict=True))
        boxes.append(box)
        held.append(float(energy[box].sum()))
    good = np.flatnonzero((np.array(held) >= np.median(held)) & (np.array(held) > 0))
    if good.size:
        place = boxes[int(rng.choice(good))]
    else:
        peak = np.unravel_index(int(energy.argmax()), energy.shape)
        at = [min(int(p), side - length) for p, side, length in zip(peak, energy.shape, sides, strict=True)]
        place = tuple(slice(c, c + length) for c, length in zip(at, sides, strict=True))
    out = np.zeros(energy.shape, bool)
    out[place] = True
    return out


def selftest_curves(
    known: Known, fill: Fill, shares: NDArray[np.float64], levels: Levels, rng: np.random.Generator, *, insertion: bool
) -> Estimate:
    """Return the advantage of the true map over the closest control: a metric that works has it above 0.

    Args:
        known: Models whose important pixels are known; what they look at is what the fill takes away.
        fill: Of their images.
        shares: (s,) as of the metric that is tested.
        levels: Levels of the bounds.
        rng: Draws the random map, and breaks ties.
        insertion: Whether insertion is tested, or deletion.
    """
    known = known.filled(fill)
    everything = np.ones(known.support.shape, bool)
    ends = known.score(known.images), known.score(fill(everything))
    maps = {"truth": known.truth, **control_maps(known.images, rng)}
    areas = {
        name: area(
            curves(known.score, fill, ranks(values, rng), shares, insertion=insertion, ends=ends, together=1), shares
        )
        for name, values in maps.items()
    }  # fmt: skip
    return selftest_scores(areas, levels, lower_is_better=not insertion)


def selftest_scores(scores: Mapping[str, NDArray[np.float64]], levels: Levels, *, lower_is_better: bool) -> Estimate:
    """Return the advantage of the true map over the closest control, a known model as the unit.

    Args:
        scores: (k,) by map: `truth` and every name of `CONTROLS`.
        levels: Levels of the bounds.
        lower_is_better: Which way is better.
    """
    truth, sign = scores["truth"], 1 if lower_is_better else -1
    behind = {name: sign * (scores[name] - truth) for name in CONTROLS}
    # A control that is worse by the same amount in every case is beaten, though no interval says so.
    controls = {name: scores[name] for name, d in behind.items() if np.ptp(d) > _SAME or d[0] <= 0}
    if not controls:
        least = min(float(d[0]) for d in behind.values())
        return Estimate.counted(least, n=truth.size, n_patients=truth.size)
    estimate, _ = advantage(truth, controls, np.arange(truth.size), levels, lower_is_better=lower_is_better)
    return estimate


def stands(estimate: Estimate, levels: Levels) -> bool:
    """Return whether a self-test was passed: the true map beats every control, interval and all."""
    bounds = estimate.bounds((1 - levels.confidence) / 2)
    return estimate.value is not None and bounds is not None and bounds[0] > 0
