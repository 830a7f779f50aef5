"""How a network learns to count from counts alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Estimate
    from audit.reference._system import Say


@dataclass(frozen=True, kw_only=True)
class Counting:
    """How it is trained.

    Attributes:
        epochs: Passes through the scans.
        batch: Scans a step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        shift: Voxels by which scans are moved at random along every axis, at most.
    """

    epochs: int = 10
    batch: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    shift: int = 0


def learn_counts(
    net: Any, images: NDArray[Any], counts: NDArray[Any], columns: NDArray[np.int64], *, full: float, seed: int,
    settings: Counting, say: Say | None = None,
) -> Any:  # fmt: skip
    """Train a network on counts by the squared error; scans are mirrored along all axes, and moved, at random.

    Args:
        net: From (n, 1, *spatial) in [0, 1] to (n, k); changed in place.
        images: (n, *spatial) stored grey levels.
        counts: (n,) what is counted.
        columns: (n,) which of the k outputs says so.
        full: Stored grey level that is 1.
        seed: Of order, mirrors and shifts.
        settings: How it is trained.
        say: Is told how far it is.

    Returns:
        The network, ready to answer.
    """
    import torch

    rng, n = np.random.default_rng([seed, 77]), len(images)
    # On CPUs, convolutions of volumes are twice as fast when the channels come last.
    net.to(memory_format=torch.channels_last_3d).train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(1, n // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * batches
    )
    y, which = torch.as_tensor(counts, dtype=torch.float32), torch.as_tensor(columns)[:, None]
    start = time.perf_counter()
    for epoch in range(settings.epochs):
        order, total = rng.permutation(n), 0.0
        for rows in np.array_split(order, batches):
            x = _varied(images[rows], rng, settings.shift).astype(np.float32)[:, None] / full
            given = torch.as_tensor(x).contiguous(memory_format=torch.channels_last_3d)
            loss = ((net(given).gather(1, which[rows])[:, 0] - y[rows]) ** 2).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        if say is not None:
            say(f"epoch {epoch + 1} of {settings.epochs}: loss {total / n:.3f}, {time.perf_counter() - start:.0f} s")
    return net.to(memory_format=torch.contiguous_format).eval()


def sizes_and_seeds(
    name: str, folder: Path, sizes: Sequence[int], seeds: Sequence[int], cell: Callable[[int, int], dict[str, object]],
    say: Say,
) -> None:  # fmt: skip
    """Train on growing numbers of patients, one file a number and seed; what is there already is not done again.

    Args:
        name: The system.
        folder: Made if absent.
        sizes: Numbers of training patients.
        seeds: Of patients, weights and order.
        cell: From a number and a seed to what the file holds.
        say: Is told how far it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        for seed in seeds:
            file = folder / f"{name}-{size:04d}-{seed}.json"
            if not file.is_file():
                say(f"{size} patients, seed {seed}")
                part = file.with_suffix(".part")
                part.write_text(json.dumps(cell(size, seed), indent=1) + "\n", encoding="utf-8")
                part.replace(file)


def answers(net: Any, images: NDArray[Any], *, full: float, batch: int = 32) -> NDArray[np.float64]:
    """Return (n, k) what a network says of scans (n, *spatial) of stored grey levels."""
    import torch

    out = []
    net.eval()
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            x = images[start : start + batch].astype(np.float32)[:, None] / full
            out.append(net(torch.as_tensor(x)).numpy())
    return np.concatenate(out).astype(np.float64)


def agreement(a: NDArray[Any], b: NDArray[Any]) -> Estimate:
    """Return the absolute agreement ICC(A,1) of these two readings (n,), one a patient, with a jackknife of patients.

    It holds for these readers; two are too few to stand for others.
    """
    from audit.core import Levels
    from audit.stats import AbsoluteIcc
    from audit.stats import agreement as of

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return of(AbsoluteIcc(centre=float(y.mean())), x, y, np.arange(len(x)), Levels())


def _varied(images: NDArray[Any], rng: np.random.Generator, shift: int) -> NDArray[Any]:
    """Return images (n, *spatial), each mirrored along some of its axes and moved; what comes in is 0."""
    out = np.zeros_like(images)
    for i, image in enumerate(images):
        flips = tuple(int(a) for a in np.flatnonzero(rng.random(image.ndim) < 0.5))
        steps = rng.integers(-shift, shift + 1, image.ndim) if shift else np.zeros(image.ndim, dtype=np.int64)
        there = tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(steps, image.shape, strict=True))
        here = tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(steps, image.shape, strict=True))
        out[i][there] = np.flip(image, axis=flips)[here]
    return out
