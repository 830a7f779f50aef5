"""Training on pieces of simulated skull bases, the loss on voxels above 130 HU alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms import SkullBaseKnobs, SkullBaseVolumes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from audit.reference._system import Say
    from audit.reference.systems.calcification.nets import CalcificationNet

TRAINING, TEST, AUDIT = range(3)
"""Parts of a seed; no patient is in two."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the network of both twins is trained.

    Attributes:
        patients: Patients that it sees.
        passes: How often it sees a piece of each.
        batch: Pieces a step.
        piece: Rows and columns of a piece; all planes are in it. Where it lies, and whether it is mirrored, is drawn.
        rate: Highest learning rate.
        deep: Weight of the loss of the auxiliary output.
    """

    patients: int = 400
    passes: int = 18
    batch: int = 6
    piece: tuple[int, int] = (24, 28)
    rate: float = 4e-3
    deep: float = 0.4


def fit(settings: Settings, *, seed: int, say: Say, knobs: SkullBaseKnobs | None = None) -> CalcificationNet:
    """Train the network; the same seed gives the same weights on the same machine.

    Args:
        settings: How.
        seed: Of patients, first weights and order.
        say: Is told of the progress.
        knobs: Of the phantom.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _fitted(settings, seed, say, knobs or SkullBaseKnobs())
    finally:
        torch.set_num_threads(threads)


def _fitted(settings: Settings, seed: int, say: Say, knobs: SkullBaseKnobs) -> CalcificationNet:
    import torch

    from audit.reference.systems.calcification.nets import CalcificationNet

    images, masks = _tensors(settings, seed, knobs)
    # Channels last is a quarter faster on a CPU.
    net = CalcificationNet()
    net.to(memory_format=torch.channels_last_3d)
    # A voxel above 130 HU is seldom plaque; starting there spares the first steps.
    for head in (net.head, net.auxiliary):
        torch.nn.init.constant_(head.bias, -4.0)
    steps = settings.passes * (len(images) // settings.batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps, pct_start=0.2)
    generator = torch.Generator().manual_seed(seed)
    net.train()
    for turn in range(settings.passes):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for start in range(0, len(images) - settings.batch + 1, settings.batch):
            chosen = order[start : start + settings.batch]
            rows, columns = (_drawn(images.shape[3 + i], settings.piece[i], generator) for i in range(2))
            mirrored = bool(torch.rand(1, generator=generator) < 0.5)
            batch, wanted = (_cut(held[chosen], rows, columns, mirrored) for held in (images, masks))
            loss = _loss(net, batch, wanted, settings.deep)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        say(f"pass {turn + 1} of {settings.passes}: loss {total * settings.batch / len(images):.3f}")
    net.eval().to(memory_format=torch.contiguous_format)
    return net


def _tensors(settings: Settings, seed: int, knobs: SkullBaseKnobs) -> tuple[Tensor, Tensor]:
    """Return (n, 1, planes, rows, columns) images in [0, 1] and masks."""
    import torch

    volumes = SkullBaseVolumes(patients=settings.patients, seed=(seed, TRAINING), knobs=knobs)
    scans = [volumes.scan(index) for index in range(len(volumes))]
    images = np.stack([prepared(scan.image) for scan in scans])[:, None]
    masks = np.stack([scan.plaques for scan in scans])[:, None]
    return torch.from_numpy(images), torch.from_numpy(masks.astype(np.float32))


def _drawn(size: int, piece: int, generator: Generator) -> slice:
    import torch

    first = int(torch.randint(size - piece + 1, (1,), generator=generator))
    return slice(first, first + piece)


def _cut(held: Tensor, rows: slice, columns: slice, mirrored: bool) -> Tensor:
    import torch

    part = held[..., rows, columns]
    return (part.flip(-1) if mirrored else part).contiguous(memory_format=torch.channels_last_3d)


def prepared(image: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return HU as the network gets them: clipped to its window and mapped to [0, 1]."""
    from audit.reference.systems.calcification.nets import WINDOW_HU

    low, high = WINDOW_HU
    return np.asarray((np.clip(image, low, high) - low) / (high - low), dtype=np.float32)


def _loss(net: CalcificationNet, images: Tensor, masks: Tensor, deep: float) -> Tensor:
    from audit.reference.systems.calcification.nets import FLOOR_HU, WINDOW_HU

    floor = (FLOOR_HU - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])
    asked = (images >= floor).float()
    main, auxiliary = net.supervised(images)
    return _of(main, masks, asked) + deep * _of(auxiliary, masks, asked)


def _of(logits: Tensor, masks: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy and Dice, on the voxels that are asked for alone."""
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    entropy = (entropy * asked).sum() / asked.sum().clamp(min=1)
    share, truth = logits.sigmoid() * asked, masks * asked
    overlap = 1 - (2 * (share * truth).sum() + 1) / (share.sum() + truth.sum() + 1)
    # Plaque is less than a hundredth of what is dense, so its cross-entropy is small.
    return 10 * entropy + overlap
