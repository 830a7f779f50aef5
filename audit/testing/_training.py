"""A small network trained on the phantom, plainly or on attacked images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from audit.testing._phantom import LEVEL

CASES, BATCH, EPOCHS, SEED = 1536, 128, 10, 3
TRAINED_SIZE = 6 / 255
"""Size of the attacks in training, three times the headline size."""


def trained(*, robust: bool) -> Any:
    """Return a convolutional network that was trained on images of `network_cohort`, one logit.

    Adversarial training of Madry et al. 2018 (ICLR) with three signed steps a batch; a few seconds on one core.

    Args:
        robust: Train on attacked images, else on the images as they are.

    Returns:
        A new module in eval mode.
    """
    net = _fresh()
    net.load_state_dict(dict(_weights(robust)))
    return net.eval()


def _fresh() -> Any:
    import torch
    from torch import nn

    class Centred(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 4, stride=2, padding=1), nn.ReLU(),
                nn.Flatten(), nn.Linear(256, 1),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.net(10 * (x - LEVEL))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return Centred()


@cache
def _weights(robust: bool) -> Mapping[str, Any]:
    """Return the weights after training; drawn from generators of its own, the same at every call."""
    import torch
    from torch import nn

    from audit.testing._networks import BINARY

    rng = np.random.default_rng(SEED)
    target = np.arange(CASES) % 2
    images = torch.as_tensor(BINARY.images(2.0 * target[:, None] - 1, rng))
    wanted = torch.as_tensor(target, dtype=torch.float32)[:, None]
    net, loss = _fresh(), nn.BCEWithLogitsLoss()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for rows in torch.as_tensor(rng.permutation(CASES)).split(BATCH):
            x, y = images[rows], wanted[rows]
            if robust:
                start = rng.uniform(-TRAINED_SIZE, TRAINED_SIZE, x.shape)
                x = _attacked(net, loss, x, y, torch.as_tensor(start, dtype=torch.float32))
            optimiser.zero_grad()
            loss(net(x), y).backward()
            optimiser.step()
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def _attacked(net: Any, loss: Any, x: Any, y: Any, delta: Any) -> Any:
    """Return images after three signed steps that raise the loss."""
    import torch

    for _ in range(3):
        delta = delta.detach().requires_grad_()
        (grad,) = torch.autograd.grad(loss(net(x + delta), y), delta)
        delta = (delta + TRAINED_SIZE / 2 * grad.sign()).clamp(-TRAINED_SIZE, TRAINED_SIZE)
    return (x + delta).detach()
