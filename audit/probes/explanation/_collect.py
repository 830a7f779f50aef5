"""The curves of every case, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ImagingModel, ProbeContext
from audit.explain import (
    CONTROLS,
    Explained,
    Maps,
    area,
    attribute,
    blurred,
    control_maps,
    curves,
    explained_by,
    flat,
    ranks,
)
from audit.probes._images import load_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = ("integrated_gradients", "integrated_gradients_absolute", "input_x_gradient", "saliency")
HEADLINE = METHODS[0]
"""The method that is shown in figures and repeated with another fill."""
SHOWN = 3
"""Maps offered as examples."""


@dataclass(kw_only=True, eq=False)
class Found:
    """Curves of all cases so far, by fill and direction and by map.

    Args:
        shares: (s,) shares of the pixels.
        curves: (m, s) by (fill, direction) and map, one array a batch.
        cases: Cases, by batch.
        names: Class decided for, by batch.
        completeness: Errors of integrated gradients, by batch.
        examples: Images and maps of the first cases.
        skipped: Cases without anything to explain, or whose changed images gave no number.
    """

    shares: NDArray[np.float64]
    curves: dict[tuple[str, str], dict[str, list[NDArray[np.float64]]]] = field(default_factory=dict)
    cases: list[NDArray[np.int64]] = field(default_factory=list)
    names: list[NDArray[np.str_]] = field(default_factory=list)
    completeness: list[NDArray[np.float64]] = field(default_factory=list)
    examples: dict[str, NDArray[Any]] = field(default_factory=dict)
    skipped: int = 0

    def areas(self, fill: str, direction: str) -> dict[str, NDArray[np.float64]]:
        """Return (n,) areas by map."""
        return {name: area(np.concatenate(c), self.shares) for name, c in self.curves[fill, direction].items()}


def explain(ctx: ProbeContext, found: Found, cases: NDArray[np.int64], batch: int) -> None:
    """Add the curves of one batch."""
    model: Any = ctx.model
    images = load_images(ctx.cohort, cases)
    explained = explained_by(model.predict(images), ctx.card)
    rows = np.flatnonzero(explained.usable)
    found.skipped += cases.size - rows.size
    if not rows.size:
        return
    images, explained, cases = images[rows], explained.take(rows), cases[rows]
    blur = blurred(images)
    maps = attribute(model, images, explained, methods=METHODS, rng=ctx.rng, batch=batch, baseline=blur)
    orders = {**maps.values, **control_maps(images, ctx.rng)}
    places = {name: ranks(values, ctx.rng) for name, values in orders.items()}
    plain = {name: places[name] for name in (HEADLINE, *CONTROLS)}
    change = Change(model=model, explained=explained, images=images, shares=found.shares)
    new = {
        ("blur", "deletion"): change.curves(blur, places, insertion=False),
        ("blur", "insertion"): change.curves(blur, places, insertion=True),
        ("mean", "deletion"): change.curves(flat(images), plain, insertion=False),
    }
    sound = np.logical_and.reduce([np.isfinite(c).all(axis=1) for group in new.values() for c in group.values()])
    found.skipped += int((~sound).sum())
    if not sound.any():
        return
    for key, group in new.items():
        kept = found.curves.setdefault(key, {})
        for name, values in group.items():
            kept.setdefault(name, []).append(values[sound])
    found.cases.append(cases[sound])
    found.names.append(explained.names[sound])
    found.completeness.append(maps.completeness[HEADLINE][sound])
    if not found.examples:
        found.examples = _examples(images, maps, sound)


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """One batch whose pixels are replaced.

    Args:
        model: The model, untouched.
        explained: What is explained of the batch.
        images: (m, channels, *spatial) stored intensities.
        shares: (s,) shares of the pixels.
    """

    model: ImagingModel
    explained: Explained
    images: NDArray[np.float32]
    shares: NDArray[np.float64]

    def ask(self, changed: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (m,) how much of each decision is left."""
        with np.errstate(invalid="ignore"):
            return self.explained.score(self.model.predict(changed))

    def curves(
        self, fill: NDArray[np.float32], places: dict[str, NDArray[np.int64]], *, insertion: bool
    ) -> dict[str, NDArray[np.float64]]:
        """Return (m, s) curves by order."""
        ends = self.ask(self.images), self.ask(fill)
        return {
            name: curves(self.ask, self.images, fill, order, self.shares, insertion=insertion, ends=ends)
            for name, order in places.items()
        }


def _examples(images: NDArray[np.float32], maps: Maps, sound: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    rows = np.flatnonzero(sound)[:SHOWN]
    return {"images": images[rows], "maps": maps.values[HEADLINE][rows]}
