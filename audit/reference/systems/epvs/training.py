"""The recipe as `[training]` of an audit.toml names it, for PERF007: the basal ganglia alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._counting import learn_counts
from audit.reference.systems.epvs._learning import FULL, Settings, fresh
from audit.reference.systems.epvs.nets import REGION_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

REGION = "basal ganglia"
STEPS = 1200
"""Steps of every training, whatever its size."""


def fit(images: NDArray[np.float32], targets: NDArray[Any], seed: int) -> Any:
    """Train the network of one region on its counts.

    Args:
        images: (n, 1, planes, rows, columns) stored grey levels.
        targets: (n,) counts of observer 1.
        seed: Of weights, order, mirrors and shifts.

    Returns:
        A torch module from stored grey levels to (n, 1) counts.
    """
    import torch
    from torch import nn

    counting = Settings().counting
    net = fresh(seed, REGION)
    with torch.no_grad():
        net.counts.bias[REGION_NAMES.index(REGION)] = float(np.mean(targets))
    epochs = max(1, round(STEPS * counting.batch / len(images)))
    learn_counts(
        net, images[:, 0], targets, np.zeros(len(images), dtype=np.int64), full=FULL, seed=seed,
        settings=replace(counting, epochs=epochs),
    )  # fmt: skip

    class Stored(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            said: torch.Tensor = self.net(x / FULL)
            return said

    return Stored().eval()
