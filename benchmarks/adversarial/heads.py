"""Small networks of several heads, on which an attack of a large size should break every case."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.adversarial import tasks

CASES = 16
TITLES = {
    "two": "2 logits, 2-D", "half": "2 logits, 2-D, a size that half survive", "three": "3 classes, 2-D",
    "one": "1 logit, 2-D", "findings": "3 findings, 2-D", "volume": "2 logits, 3-D", "volume-one": "1 logit, 3-D",
}  # fmt: skip
OUTPUTS = {"two": 2, "half": 2, "three": 3, "one": 1, "findings": 3, "volume": 2, "volume-one": 1}
SPECS: dict[str, dict[str, Any]] = {
    "two": {}, "half": {}, "one": {}, "volume": {}, "volume-one": {},
    "three": {"task": "multiclass", "classes": ("a", "b", "c"), "operating_point": None},
    "findings": {"task": "multilabel", "classes": ("a", "b", "c"), "operating_point": {"a": 0.5, "b": 0.5, "c": 0.5}},
}  # fmt: skip


def make(name: str) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Return network, images and the labels that are its own decisions, (n,), or (n, 3) for findings."""
    torch.manual_seed(7)
    shape = (12, 12, 12) if name.startswith("volume") else (16, 16)
    x, _ = tasks.phantom(CASES, shape, 7)
    linear = nn.Linear(x[0].size, OUTPUTS[name])
    net = tasks.frozen(nn.Sequential(nn.Flatten(), linear))
    with torch.no_grad():
        # Every output is near its decision for the mean image, so that both decisions occur.
        linear.bias -= net(torch.as_tensor(x)).mean(dim=0)
    return net, x, decided(name, net, x)


def epsilon(name: str, net: nn.Module, x: np.ndarray) -> float:
    """Return a size at which every case falls; for "half" one between the eighth and ninth exact smallest size."""
    if name != "half":
        return 0.4
    with torch.no_grad():
        z, w = net(torch.as_tensor(x)).numpy(), net[1].weight.numpy()
    least = np.sort(np.abs(z[:, 1] - z[:, 0]) / np.abs(w[1] - w[0]).sum())
    return float((least[CASES // 2 - 1] + least[CASES // 2]) / 2)


def decided(name: str, net: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the network's decisions."""
    with torch.inference_mode():
        z = net(torch.as_tensor(x)).numpy()
    if OUTPUTS[name] == 1:
        return (z[:, 0] >= 0).astype(np.int64)
    if name == "findings":
        return (z >= 0).astype(np.int64)
    return z.argmax(axis=1).astype(np.int64)


def broken(name: str, net: nn.Module, found: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (n,) whether a decision changed, of findings any."""
    other = decided(name, net, found) != y
    out: np.ndarray = other.reshape(len(other), -1).any(axis=1)
    return out
