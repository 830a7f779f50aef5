"""Training of an emphysema grader on one reader's grades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.systems.emphysema._loss import STEEPNESS, loss_of
from audit.reference.systems.emphysema.nets import RANGE, gap_net, proportion_net

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from audit.reference.systems.emphysema._data import Scans


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained.

    Attributes:
        net: `gap` or `proportion`.
        loss: One of `LOSSES`.
        norm: One of `NORMS`.
        rate: Largest learning rate of the one-cycle schedule.
        steps: Steps of the optimiser, the same for any number of patients.
        batch: Patients a step.
        steepness: Of the sigmoids of the interval losses.
    """

    net: str
    loss: str
    norm: str = "none"
    rate: float = 5e-3
    steps: int = 300
    batch: int = 10
    steepness: float = STEEPNESS


def fit(scans: Scans, settings: Settings, *, seed: int) -> nn.Module:
    """Train on the first observer's grades; the same arguments give the same network on the same machine.

    Args:
        scans: Of the development patients.
        settings: How.
        seed: Of the initial weights, the order and the flips.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _fit(scans, settings, torch.Generator().manual_seed(seed))
    finally:
        torch.set_num_threads(threads)


def _fit(scans: Scans, settings: Settings, generator: object) -> nn.Module:
    import torch

    net = (proportion_net if settings.net == "proportion" else gap_net)(settings.norm)
    images, grades = torch.from_numpy(unit(scans.images)), torch.from_numpy(scans.grades[:, 0])
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=settings.steps, pct_start=0.2, cycle_momentum=False
    )
    order = torch.empty(0, dtype=torch.long)
    for _ in range(settings.steps):
        while len(order) < settings.batch:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        index, order = order[: settings.batch], order[settings.batch :]
        # Left for right, front for back; never base for apex, where panlobular emphysema lies otherwise.
        sides = [axis for axis in (3, 4) if torch.rand(1, generator=generator).item() < 0.5]
        shares = net(images[index].flip(sides))[:, 0] / 100
        loss = loss_of(settings.loss, shares, grades[index], steepness=settings.steepness)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return net.eval()


def unit(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images as the network takes them, [0, 1]."""
    low, high = RANGE
    return np.asarray((np.clip(images, low, high) - low) / (high - low), dtype=np.float32)


def answers(net: nn.Module, images: NDArray[np.float32], *, batch: int = 50) -> NDArray[np.float64]:
    """Return (n,) predicted shares, 0 to 1, for stored images."""
    import torch

    with torch.no_grad():
        parts = [net(torch.from_numpy(unit(images[i : i + batch])))[:, 0] for i in range(0, len(images), batch)]
    return np.asarray(torch.cat(parts).double().numpy() / 100)


def maps(net: nn.Module, images: NDArray[np.float32], *, batch: int = 50) -> NDArray[np.float32]:
    """Return (n, planes, rows, columns) maps of a ProportionNet, 0 to 1."""
    import torch

    with torch.no_grad():
        parts = [net.attention_map(torch.from_numpy(unit(images[i : i + batch]))) for i in range(0, len(images), batch)]
    return np.asarray(torch.cat(parts).numpy())
