"""How alike maps stay when the weights under them are drawn again, against how alike maps are that share nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel, Estimate, Levels
from audit.explain._randomised import cascade, redrawn
from audit.explain._similarity import RANKS, STRUCTURES, Prepared, alike
from audit.stats import mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.explain._explained import Explained

    Make = Callable[[Any, NDArray[np.float32], Explained], Mapping[str, NDArray[np.float64]]]

METHOD = "cluster t over draws of the weights, each with patients of its own"
LEAST_ROOM = 0.1
"""Least distance between one map made twice and the maps of two patients that anything can be told from."""
_LARGEST = 2**17
_SAME = 1 - 1e-6


@dataclass(kw_only=True, eq=False)
class Likeness:
    """How alike the maps of one method stay, one list entry a draw of the weights.

    Args:
        own: By measure, (m, steps) similarity of a case's map with that of the same case under drawn weights.
        other: By measure, (m, steps) similarity with the map of another patient under drawn weights: what maps that
            share neither image nor weights have in common.
        alone: By measure, (m,) like `own` where one step's layers alone were drawn, another step each time.
        again: By measure, (m,) similarity with the map of the same case and weights, made a second time.
        draw: (m,) number of the draw.
    """

    own: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    other: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    alone: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    again: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    draw: list[NDArray[np.int64]] = field(default_factory=list)

    def joined(self, part: str, measure: str) -> NDArray[np.float64]:
        """Return one part of all draws together, cases first."""
        return np.concatenate(getattr(self, part)[measure])

    @property
    def draws(self) -> NDArray[np.int64]:
        """(n,) number of each case's draw."""
        return np.concatenate(self.draw)


def pooled(maps: NDArray[np.float64], largest: int = _LARGEST) -> NDArray[np.float64]:
    """Return maps averaged over blocks until none has more values than are compared.

    Args:
        maps: (n, *spatial).
        largest: Values of a map at most.
    """
    while maps[0].size > largest:
        for axis in range(1, maps.ndim):
            if maps.shape[axis] > 1:
                even = maps.shape[axis] // 2 * 2
                part = np.take(maps, np.arange(even), axis=axis)
                shape = (*part.shape[:axis], even // 2, 2, *part.shape[axis + 1 :])
                maps = part.reshape(shape).mean(axis=axis + 1)
    return maps


def compare(
    model: DifferentiableModel, make: Make, images: NDArray[np.float32], explained: Explained,
    found: dict[str, Likeness], *, rng: np.random.Generator, steps: int, number: int, repeat: Sequence[str] = (),
    alone: bool = True, structure: bool = True,
) -> tuple[tuple[str, ...], ...]:  # fmt: skip
    """Add how alike the maps of some cases of different patients stay under one draw of the weights.

    The layers are drawn again from the output down, one step after the other, on a copy; what is explained stays the
    decision of the audited model. One further copy has a single step drawn.

    Args:
        model: The audited model.
        make: From a model, images and what is explained to (m, *spatial) maps by method.
        images: (m, channels, *spatial) of m patients, at least 2.
        explained: What is explained of them.
        found: Where the likeness of each method goes.
        rng: Draws the weights.
        steps: Steps at most.
        number: Number of this draw.
        repeat: Methods whose map is drawn at random, too, so that it is made twice on the audited weights.
        alone: Whether the further copy is made.
        structure: Whether structural similarity is measured beside the ranks.

    Returns:
        Names of the layers of each step.

    Raises:
        NotApplicable: The network has no weights, or cannot be copied.
    """
    net = redrawn(model, rng, image=images[:1])
    way = cascade(net.layers, steps)
    before, twice = _before(model, make, images, explained, repeat, structure)
    stages = []
    for layers in way:
        net.draw(layers)
        stages.append(_prepared(make(net, images, explained), structure))
    lone: dict[str, Prepared] = {}
    if alone:
        single = redrawn(model, rng, image=images[:1])
        single.draw(way[number % len(way)])
        lone = _prepared(make(single, images, explained), structure)
    _note(found, before, twice, stages, lone, number)
    return way


def compare_with(
    model: DifferentiableModel, other: Any, make: Make, images: NDArray[np.float32], explained: Explained,
    found: dict[str, Likeness], *, number: int, repeat: Sequence[str] = (),
) -> None:  # fmt: skip
    """Add how alike the maps of some cases of different patients are under another model, as `compare` does.

    Args:
        model: The audited model.
        other: The other model, which takes the place of drawn weights in one step.
        make: As for `compare`, as are all others.
    """
    before, twice = _before(model, make, images, explained, repeat)
    after = _prepared(make(other, images, explained))
    _note(found, before, twice, [after], after, number)


def _before(
    model: Any,
    make: Make,
    images: NDArray[np.float32],
    explained: Explained,
    repeat: Sequence[str],
    structure: bool = True,
) -> tuple[dict[str, Prepared], dict[str, Prepared | None]]:
    """Return the maps under the audited weights, and those that may differ a second time."""
    before = _prepared(make(model, images, explained), structure)
    drawn = set(repeat) & set(before)
    more = {k: v for k, v in make(model, images, explained).items() if k in drawn} if drawn else {}
    again = _prepared(more, structure)
    return before, {name: again.get(name) if name in drawn else first for name, first in before.items()}


def _note(
    found: dict[str, Likeness], before: Mapping[str, Prepared], twice: Mapping[str, Prepared | None],
    stages: Sequence[Mapping[str, Prepared]], lone: Mapping[str, Prepared], number: int,
) -> None:  # fmt: skip
    for name, first in before.items():
        to = found.setdefault(name, Likeness())
        shifted = np.roll(np.arange(len(first.flat)), 1)
        same = [_alike(first, stage.get(name)) for stage in stages]
        apart = [_alike(first, stage.get(name), shifted) for stage in stages]
        one, again = _alike(first, lone.get(name)), _alike(first, twice.get(name))
        for measure in (*RANKS, *STRUCTURES):
            to.own.setdefault(measure, []).append(np.stack([s[measure] for s in same], axis=1))
            to.other.setdefault(measure, []).append(np.stack([s[measure] for s in apart], axis=1))
            to.alone.setdefault(measure, []).append(one[measure])
            to.again.setdefault(measure, []).append(again[measure])
        to.draw.append(np.full(len(first.flat), number))


def _prepared(maps: Mapping[str, NDArray[np.float64]], structure: bool = True) -> dict[str, Prepared]:
    return {name: Prepared(pooled(values), structure=structure) for name, values in maps.items()}


def _alike(
    one: Prepared, two: Prepared | None, rows: NDArray[np.int64] | None = None
) -> Mapping[str, NDArray[np.float64]]:
    unknown = dict.fromkeys((*RANKS, *STRUCTURES), np.full(len(one.flat), np.nan))
    return unknown if two is None else {**unknown, **alike(one, two, rows)}


def over_steps(own: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n,) means of both over the steps at which both are known, NaN where there is none.

    Args:
        own: (n, steps).
        other: (n, steps).
    """
    known = np.isfinite(own) & np.isfinite(other)
    count = known.sum(axis=1)
    means = [
        np.divide(np.where(known, part, 0.0).sum(axis=1), count, out=np.full(len(own), np.nan), where=count > 0)
        for part in (own, other)
    ]
    return means[0], means[1]


def corrected(
    own: NDArray[np.float64], other: NDArray[np.float64], again: NDArray[np.float64], draws: NDArray[np.int64],
    levels: Levels,
) -> Estimate:  # fmt: skip
    """Estimate how alike maps stay, on a scale from maps that share nothing to a map made twice.

    (mean own - mean other) / (mean again - mean other): 1 where the weights do not matter, 0 where the maps are as
    unlike as those of two patients under two networks. The interval linearises the ratio and clusters by draw, since
    all cases of a draw share its luck; no patient is in two draws.

    Args:
        own: (n,) similarity of each case's map with its map under drawn weights, NaN where there is none.
        other: (n,) with the map of another patient under drawn weights.
        again: (n,) of each case's map with itself made a second time.
        draws: (n,) number of the draw.
        levels: Levels of the bounds.

    Returns:
        At most 1; a fact of this cohort where no map changed at all. Absent with fewer than 5 draws, where most maps
        are flat, and where maps differ no more between patients than within one.
    """
    known = np.isfinite(own) & np.isfinite(other) & np.isfinite(again)
    n = int(known.sum())

    def absent(reason: str) -> Estimate:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=n)

    if 2 * n < own.size or n == 0:
        return absent(f"{own.size - n} of {own.size} cases have no map to compare, or a flat one")
    s, c, u = own[known], other[known], again[known]
    room = float(u.mean() - c.mean())
    if room < LEAST_ROOM:
        if u.mean() < 1 - LEAST_ROOM:
            return absent("a map made twice is as unlike itself as another patient's")
        return absent("maps of different patients are alike whatever the weights")
    if s.min() >= _SAME and u.min() >= _SAME:
        return Estimate.counted(1.0, n=n, n_patients=n)
    count = int(np.unique(draws[known]).size)
    if count < 5:
        words = f"{count} draw{'' if count == 1 else 's'} of the weights"
        return absent(f"{words}, fewer than the 5 that an interval needs")
    ratio = (s.mean() - c.mean()) / room
    pulls = (s - s.mean()) - (1 - ratio) * (c - c.mean()) - ratio * (u - u.mean())
    found = mean(ratio + pulls / room, draws[known], levels)
    return replace(found, method=METHOD if found.value is not None else found.method, n=n, n_patients=n)
