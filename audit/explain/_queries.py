"""Maps of models that can only be asked: occlusion by windows, and RISE by random masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ImagingModel, ModelCard
from audit.explain._explained import Explained
from audit.explain._methods import OCCLUSION, RISE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = 2
"""A window covers at least so many pixels along an axis that has them."""


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Windows and masks of the methods that only ask.

    Args:
        window_mm: Side of an occluding window in mm; None, or images of unknown spacing: `window_share` counts.
        window_share: Side of an occluding window as a share of the image's, (0, 1].
        overlap: Share of a window by which two neighbours overlap, [0, 1).
        masks: Random masks of RISE.
        cells: Cells of a random mask along the longest side.
        kept: Probability that a cell is kept, (0, 1).
    """

    window_mm: float | None = None
    window_share: float = 0.125
    overlap: float = 0.5
    masks: int = 400
    cells: int = 7
    kept: float = 0.5

    def window(self, shape: Sequence[int], spacing_mm: Sequence[float] | None) -> tuple[int, ...]:
        """Return the sides of an occluding window in pixels, at least 2 and at most the image's."""
        if self.window_mm is not None and spacing_mm is not None:
            sides = [self.window_mm / mm for mm in spacing_mm]
        else:
            sides = [self.window_share * side for side in shape]
        return tuple(min(s, max(_LEAST, round(side))) for s, side in zip(shape, sides, strict=True))


def windows_of(shape: Sequence[int]) -> Queries:
    """Return the windows by which a model's own map is checked: in a volume about as many as in a plane.

    Those of a plane, an eighth of each side, would be thousands in a volume, each of a five-hundredth of it. Here a
    window covers the same share of the image, 1/64, and a pixel lies in about as many windows, 4, whatever the number
    of axes. No setting of the run changes them: who gives the map does not choose how closely it is looked at.

    Args:
        shape: Spatial size.
    """
    plain, axes = Queries(), max(2, sum(side > 1 for side in shape))
    share = plain.window_share ** (2 / axes)
    return replace(plain, window_share=share, overlap=1 - (1 - plain.overlap) ** (2 / axes))


@dataclass(kw_only=True, eq=False)
class AskedOnce:
    """Answers a fixed course of questions, which is asked again for each output, from the first time.

    Args:
        card: The audited model's card.
        ask: Answers as the audited model does.
        place: Next question; 0 starts the course again.
        answers: What was answered so far.
    """

    card: ModelCard
    ask: Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]
    place: int = 0
    answers: list[NDArray[np.float64]] = field(default_factory=list)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs; see `audit.core.ImagingModel.predict`."""
        if self.place == len(self.answers):
            self.answers.append(self.ask(images))
        self.place += 1
        return self.answers[self.place - 1]

    def state_digest(self) -> str:
        """Return nothing: it is no model under audit."""
        return ""


def query_maps(
    model: ImagingModel, images: NDArray[np.float32], baseline: NDArray[np.float32], explained: Explained,
    methods: Sequence[str], queries: Queries, rng: np.random.Generator, batch: int,
) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    """Return maps by asking alone, (n, *spatial) by method.

    Occlusion: each window in turn is replaced by the baseline; a pixel's value is the mean fall of the explained
    logit over the windows that cover it (Zeiler and Fergus 2014). RISE: random coarse masks, smoothly enlarged and
    shifted at random, blend image and baseline; a pixel's value is the covariance of its weight with the explained
    logit over the weight's variance, which is RISE's mean over masks (Petsiuk 2018) without the part that only counts
    how often a pixel was kept.

    Args:
        model: Answers, nothing more.
        images: (n, channels, *spatial) stored intensities.
        baseline: The same shape, what is put in.
        explained: What is explained of the n cases.
        methods: `occlusion`, `rise`.
        queries: Windows and masks.
        rng: Draws the masks, the same for all cases.
        batch: Images a question.
    """

    def ask(changed: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return explained.take(rows).strength(model.predict(changed))

    ways: dict[str, Callable[[], NDArray[np.float64]]] = {
        OCCLUSION: lambda: _occlusion(
            ask, images, baseline, queries, queries.window(images.shape[2:], model.card.input.spacing_mm), batch
        ),
        RISE: lambda: _rise(ask, images, baseline, queries, rng, batch),
    }
    return {name: ways[name]() for name in methods}


def _occlusion(
    ask: Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float64]], images: NDArray[np.float32],
    baseline: NDArray[np.float32], queries: Queries, window: tuple[int, ...], batch: int,
) -> NDArray[np.float64]:  # fmt: skip
    n, spatial = len(images), images.shape[2:]
    total, count = np.zeros((n, *spatial)), np.zeros(spatial)
    whole = np.concatenate([ask(images[r], r) for r in _split(np.arange(n), batch)])
    places = list(_windows(spatial, window, queries.overlap))
    pairs = np.array([(p, i) for p in range(len(places)) for i in range(n)], dtype=np.int64)
    for part in _split(pairs, batch):
        changed = images[part[:, 1]].copy()
        for row, (place, i) in enumerate(part):
            changed[(row, slice(None), *places[place])] = baseline[(i, slice(None), *places[place])]
        falls = whole[part[:, 1]] - ask(changed, part[:, 1])
        for (place, i), fall in zip(part, falls, strict=True):
            total[(i, *places[place])] += fall
    for place in places:
        count[place] += 1
    return total / count


def _windows(shape: Sequence[int], window: Sequence[int], overlap: float) -> Iterator[tuple[slice, ...]]:
    """Yield windows that cover the image, the last one of an axis moved back to end at the border."""
    starts = []
    for side, length in zip(shape, window, strict=True):
        step = max(1, round(length * (1 - overlap)))
        first = list(range(0, side - length + 1, step))
        starts.append(first if first[-1] == side - length else [*first, side - length])
    for corner in product(*starts):
        yield tuple(slice(c, c + length) for c, length in zip(corner, window, strict=True))


def _rise(
    ask: Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float64]], images: NDArray[np.float32],
    baseline: NDArray[np.float32], queries: Queries, rng: np.random.Generator, batch: int,
) -> NDArray[np.float64]:  # fmt: skip
    n, spatial = len(images), images.shape[2:]
    weighted, answers = np.zeros((n, *spatial)), np.zeros(n)
    first, second = np.zeros(spatial), np.zeros(spatial)
    start = np.zeros(n)
    for number in range(queries.masks):
        mask = random_mask(spatial, queries, rng)
        said = np.concatenate(
            [ask((mask * images[r] + (1 - mask) * baseline[r]).astype(np.float32), r)
             for r in _split(np.arange(n), batch)]
        )  # fmt: skip
        if number == 0:
            start = said
        # Answers that never change must give a map of zeros, not one of rounding errors.
        said = said - start
        weighted += said.reshape(-1, *[1] * len(spatial)) * mask
        answers += said
        first += mask
        second += mask**2
    mean = first / queries.masks
    variance = np.maximum(second / queries.masks - mean**2, 1e-12)
    out: NDArray[np.float64] = (
        weighted / queries.masks - (answers / queries.masks).reshape(-1, *[1] * len(spatial)) * mean
    ) / variance
    return out


def random_mask(shape: Sequence[int], queries: Queries, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return one mask of RISE, values in [0, 1]: a coarse binary grid, enlarged linearly, shifted at random.

    Args:
        shape: Spatial size, two or three sides; cells are of about the same size along each.
        queries: Number of cells and how likely one is kept.
        rng: Draws the grid and the shift.
    """
    from scipy import ndimage

    cell = max(1.0, max(shape) / queries.cells)
    counts = [max(1, int(np.ceil(side / cell))) for side in shape]
    grid = (rng.random([c + 1 for c in counts]) < queries.kept).astype(np.float64)
    shift = [rng.uniform(0, 1) if side > 1 else 0.0 for side in shape]
    places = np.meshgrid(*[np.arange(side) / cell + s for side, s in zip(shape, shift, strict=True)], indexing="ij")
    # Rounding of the interpolation aside, no pixel is kept by more than whole.
    out: NDArray[np.float64] = np.clip(ndimage.map_coordinates(grid, places, order=1, mode="nearest"), 0.0, 1.0)
    return out


def _split(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), max(1, size)):
        yield rows[start : start + max(1, size)]
