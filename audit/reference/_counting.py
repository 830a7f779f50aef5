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

_GRAINS = (0.0, 0.7, 1.5, 3.0)
"""Standard deviations, in voxels, of the noise that decides what is erased."""
_FILLS = (3.0, 1.0)
"""Standard deviations, in voxels, of the means that fill it in: the narrower where enough is left nearby."""
_ENOUGH = 0.05


@dataclass(frozen=True, kw_only=True)
class Counting:
    """How it is trained.

    Attributes:
        epochs: Passes through the scans.
        batch: Scans a step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        shift: Voxels by which scans are moved at random along every axis, at most.
        sparsity: Loss for each count that the evidence of a scan adds up to, by absolute value; above 0 the network has
            `evidence` and `total`.
        erased: Scans of every step that are shown once more with parts erased; they must then add up to the evidence
            of what is left. Needs `sparsity`.
    """

    epochs: int = 10
    batch: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    shift: int = 0
    sparsity: float = 0.0
    erased: int = 0


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
            said, extra = _said(net, x, rng, settings)
            error = ((said.gather(1, which[rows])[:, 0] - y[rows]) ** 2).mean()
            loss = error + extra
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(error.detach()) * len(rows)
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


def _said(net: Any, x: NDArray[np.float32], rng: np.random.Generator, settings: Counting) -> tuple[Any, Any]:
    """Return (n, k) what a network says of scans (n, 1, *spatial), and the loss for its evidence."""
    import torch

    few = min(settings.erased, len(x)) if settings.sparsity else 0
    kept, less = erased(x[:few, 0], rng)
    shown = np.concatenate([x, less[:, None]]) if few else x
    given = torch.as_tensor(shown).contiguous(memory_format=torch.channels_last_3d)
    if not settings.sparsity:
        return net(given), 0.0
    found = net.evidence(given)
    evidence, total = found[: len(x)], net.total(found)
    extra = settings.sparsity * evidence.abs().flatten(1).sum(dim=1).mean()
    if few:
        # What is left counts as it did; the clean scan is the measure of the other, and not the other way round.
        left = net.total(evidence[:few] * torch.as_tensor(kept)).detach()
        extra = extra + ((total[len(x) :] - left) ** 2).mean()
    return total[: len(x)], extra


def erased(images: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return what is kept of images (n, *spatial), and the images with the rest filled in from what is kept.

    Kept is what lies above a quantile, drawn evenly, of noise of a grain that is drawn as well, from single voxels to
    large parts; the rest gets the mean of what is kept nearby, and a little noise.

    Args:
        images: Scans.
        rng: Draws what is erased.
    """
    from scipy.ndimage import gaussian_filter

    kept = np.zeros(images.shape, dtype=bool)
    out = images.copy()
    for i, image in enumerate(images):
        noise = gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), rng.choice(_GRAINS))
        kept[i] = noise >= np.quantile(noise, rng.random())
        near = np.full(image.shape, image.mean(), dtype=np.float32)
        for wide in _FILLS:
            weight = gaussian_filter(kept[i].astype(np.float32), wide)
            mean = gaussian_filter(np.where(kept[i], image, 0.0).astype(np.float32), wide) / np.maximum(weight, 1e-6)
            near = np.where(weight > _ENOUGH, mean, near)
        near += 0.01 * image.std() * rng.standard_normal(image.shape, dtype=np.float32)
        out[i] = np.where(kept[i], image, np.maximum(near, 0.0))
    return kept, out


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
