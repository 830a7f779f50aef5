"""How fast this machine is at what a run is made of, from a few passes of the loaded model over real cases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, Cohort, ImagingModel
from audit.execution._costs import Cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 3
_ELEMENTS = 2**22
_BESIDE = 1.4
"""What a probe does between its passes, as a share of these, on the reference models."""
_BEGUN = 0.05
"""Seconds of a probe that has next to nothing to do."""
LEAST, MOST = 0.5, 2.5
"""What an estimate may be off by: attacks end as soon as a case breaks, and small batches cost more."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds for one of each.

    Args:
        forward: An image forward through the model.
        backward: The gradient of one, beyond its forward pass.
        read: An image read.
        look: Putting as many random numbers in order as an image has pixels, the unit of what is done to images without
            the model.
        draw: One patient in one resample of one number.
        batch: Images that were passed together.
    """

    forward: float = 0.0
    backward: float = 0.0
    read: float = 0.0
    look: float = 0.0
    draw: float = 0.0
    batch: int = 0

    def seconds(self, cost: Cost, *, draws: int) -> float:
        """Return about how long a piece of work takes on one worker.

        Args:
            cost: What it costs.
            draws: Patients times resamples, for one number.
        """
        passes = cost.forwards * self.forward + cost.backwards * self.backward
        beside = cost.reads * self.read + cost.looks * self.look + cost.numbers * draws * self.draw
        return _BEGUN + _BESIDE * passes + beside


def pace_of(model: ImagingModel, cohort: Cohort, batch: int) -> Pace:
    """Time one batch of cases, read, forward and with a gradient, and what statistics are made of.

    Args:
        model: The loaded model.
        cohort: The cases.
        batch: Images a batch; fewer are taken of large volumes.
    """
    draw = _draw(len(cohort))
    if cohort.images is None or model.card.access < Access.QUERY:
        return Pace(draw=draw)
    images, read = _read(cohort, batch)
    if images is None:
        return Pace(draw=draw, read=read)
    count = len(images)
    forward = _least(lambda: model.predict(images)) / count
    backward = 0.0
    if model.card.access >= Access.GRADIENT:
        backward = max(0.0, _gradient(model, images) / count - forward)
    look = _look(images[0].size)
    return Pace(forward=forward, backward=backward, read=read, look=look, draw=draw, batch=count)


def _read(cohort: Cohort, batch: int) -> tuple[NDArray[np.float32] | None, float]:
    """Return a batch of cases, None where none can be read, and the seconds that one took."""
    from audit.cohorts import read_batches

    first = next(iter(read_batches(cohort, range(min(4, len(cohort))), 1)))
    size = max(1, min(batch, _ELEMENTS // max(1, first.images.size)))
    # Spread over the cohort, since files of one site often lie together and are alike.
    rows = np.unique(np.linspace(0, len(cohort) - 1, min(size, len(cohort))).astype(np.int64))
    began = time.perf_counter()
    found = next(iter(read_batches(cohort, rows, len(rows))))
    read = (time.perf_counter() - began) / len(rows)
    return (found.images if len(found.kept) else None), read


def _gradient(model: Any, images: NDArray[np.float32]) -> float:
    import torch

    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))

    def once() -> None:
        x = torch.as_tensor(images, device=device).detach().clone().requires_grad_()
        said = model.forward(x).sum()
        if said.requires_grad:
            torch.autograd.grad(said, x, allow_unused=True)

    return _least(once)


def _look(pixels: int) -> float:
    # Random numbers, since an image of one grey is in order already.
    values = np.random.default_rng(0).random(pixels)
    return _least(lambda: values.argsort(kind="stable"))


def _draw(cases: int) -> float:
    """Return the seconds that one patient costs in a resample."""
    rng, size = np.random.default_rng(0), max(200, min(cases, 20000))
    values = rng.random(size)

    def resample() -> float:
        return float(values[rng.integers(0, size, size)].mean())

    return _least(resample) / size


def _least(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few tries, the first of which warms up."""
    taken = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
        if sum(taken) > 20:
            break
    return min(taken)
