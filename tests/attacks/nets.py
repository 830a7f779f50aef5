"""Tiny networks with known behaviour under attack."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from audit.core import InputSpec, ModelSpec
from audit.models import TorchModel, from_module

# Nets this small run many times slower on several threads than on one.
torch.set_num_threads(1)


class Linear(torch.nn.Module):
    """(n, k) of w.x + b over all pixels; `squash` makes probabilities of it."""

    def __init__(
        self, weights: np.ndarray, bias: np.ndarray | float = 0.0, squash: str = "", gain: float = 1.0
    ) -> None:
        super().__init__()
        w = torch.as_tensor(np.atleast_2d(weights), dtype=torch.float32)
        self.layer = torch.nn.Linear(w.shape[1], w.shape[0])
        self.layer.weight.data = w
        self.layer.bias.data = torch.as_tensor(np.broadcast_to(bias, w.shape[:1]).copy(), dtype=torch.float32)
        self.squash, self.gain = squash, gain

    def forward(self, x: Any) -> Any:
        z = self.gain * self.layer(x.flatten(1))
        if self.squash == "sigmoid":
            return torch.sigmoid(z)
        return torch.softmax(z, dim=1) if self.squash == "softmax" else z


class Rowwise(torch.nn.Module):
    """A linear model of 2^k pixels that adds up each image in one order, so that no other image of a batch tells.

    A matrix product of one row rounds otherwise than that of several.
    """

    def __init__(self, weights: np.ndarray, bias: float = 0.0) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))
        self.bias = bias

    def forward(self, x: Any) -> Any:
        z = x.flatten(1) * self.weights
        while z.shape[1] > 1:
            z = z[:, 0::2] + z[:, 1::2]
        return z + self.bias


class Masked(torch.nn.Module):
    """A linear model whose gradient is hidden: `quantised`, `detached`, `nan`, or `reversed` in sign."""

    def __init__(self, weights: np.ndarray, how: str) -> None:
        super().__init__()
        self.inner, self.how = Linear(weights), how

    def forward(self, x: Any) -> Any:
        if self.how == "quantised":
            return self.inner(torch.round(x * 50) / 50)
        if self.how == "detached":
            return self.inner(x.detach())
        if self.how == "reversed":
            return self.inner(2 * x.detach() - x)
        return self.inner(x) + torch.sqrt(0 * x).sum()


class Pixelwise(torch.nn.Module):
    """Mask logits: gain * (x - level) of each pixel."""

    def __init__(self, gain: float = 1.0, level: float = 0.0) -> None:
        super().__init__()
        self.gain, self.level = gain, level

    def forward(self, x: Any) -> Any:
        return self.gain * (x[:, :1] - self.level)


class Valley(torch.nn.Module):
    """Right all around but in a narrow valley within reach, and far outside, where large changes lead."""

    def forward(self, x: Any) -> Any:
        shift = x.flatten(1).mean(dim=1, keepdim=True)
        return torch.minimum((shift - 0.03).abs() - 0.005, 0.22 - shift.abs())


def wrap(net: torch.nn.Module, **spec: Any) -> TorchModel:
    """Return the model of a net that takes stored intensities in [-10, 10] as they are."""
    given = {"task": "binary", "output": "logits", "operating_point": 0.5, "classes": ("no", "yes"), **spec}
    given.setdefault("input", InputSpec(range=(-10.0, 10.0), scale=False))
    return from_module(net, ModelSpec(kind="torch", **given))


def convolutional(seed: int, outputs: int = 1, gain: float = 1.0) -> torch.nn.Module:
    """Return a small random network; only the last layer's scale depends on `gain`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 6, 3, padding=1), torch.nn.Tanh(),
            torch.nn.Flatten(), torch.nn.Linear(6 * 36, outputs),
        )  # fmt: skip
    net[-1].weight.data *= gain
    net[-1].bias.data *= gain
    return net
