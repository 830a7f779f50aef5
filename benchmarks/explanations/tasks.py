"""Networks and simulated images: what both environments share. Nothing of this suite is imported here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.adversarial.tasks import phantom

torch.set_num_threads(1)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A network and how it is trained: image shape, training images, passes over them."""

    title: str
    shape: tuple[int, ...]
    images: int = 192
    passes: int = 3


KINDS = {
    "cnn2": Kind(title="2-D CNN with pools, 64 × 64", shape=(64, 64)),
    "strided": Kind(title="2-D CNN with strides, 64 × 64", shape=(64, 64)),
    "resnet18": Kind(title="ResNet-18, 64 × 64", shape=(64, 64), images=128, passes=2),
    "cnn3": Kind(title="3-D CNN, 16 × 32 × 32", shape=(16, 32, 32)),
}
STEPS = 32
PERCENTAGES = (10, 30, 50, 70, 90)


def network(name: str) -> nn.Module:
    """Return an untrained network with two logits."""
    if name == "resnet18":
        from torchvision.models import resnet18

        net: nn.Module = resnet18(num_classes=2)
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        return net
    conv, norm = (nn.Conv3d, nn.BatchNorm3d) if name == "cnn3" else (nn.Conv2d, nn.BatchNorm2d)
    pool, mean = (nn.MaxPool3d, nn.AdaptiveAvgPool3d) if name == "cnn3" else (nn.MaxPool2d, nn.AdaptiveAvgPool2d)
    layers: list[nn.Module] = []
    before = 1
    for width in (16, 32, 32, 32):
        step = 2 if name == "strided" else 1
        layers += [conv(before, width, 3, stride=step, padding=1, bias=False), norm(width), nn.ReLU()]
        layers += [] if name == "strided" else [pool(2)]
        before = width
    return nn.Sequential(*layers, mean(1), nn.Flatten(), nn.Linear(before, 2))


def prepare(name: str, cases: int, path: Path) -> dict[str, object]:
    """Train a network briefly, decide images by it, and save both; return what they are."""
    kind = KINDS[name]
    torch.manual_seed(0)
    net = network(name)
    x, y = (torch.as_tensor(a) for a in phantom(kind.images, kind.shape, 1000))
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(kind.passes):
        for rows in torch.randperm(len(x)).split(16):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()
    net.eval().requires_grad_(False)
    images, labels = phantom(cases, kind.shape, 2000)
    with torch.no_grad():
        decided = net(torch.as_tensor(images)).argmax(dim=1).numpy()
    torch.save({"name": name, "state": net.state_dict(), "images": images, "decided": decided}, path)
    return {"accuracy": float((decided == labels).mean()), "parameters": sum(p.numel() for p in net.parameters())}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A trained network, images, and what it decides of them."""

    name: str
    net: nn.Module
    images: np.ndarray
    decided: np.ndarray

    def cut(self, count: int) -> Task:
        """Return the task on its first images."""
        return Task(name=self.name, net=self.net, images=self.images[:count], decided=self.decided[:count])

    @property
    def maps(self) -> np.ndarray:
        """(n, *spatial) an order of pixels that both sides share: drawn, without ties."""
        return np.random.default_rng(0).permuted(
            np.tile(np.linspace(0, 1, self.images[0, 0].size), (len(self.images), 1)), axis=1
        ).reshape(len(self.images), *self.images.shape[2:])  # fmt: skip


def load(path: str) -> Task:
    """Return a saved task."""
    kept = torch.load(path, weights_only=False)
    net = network(kept["name"])
    net.load_state_dict(kept["state"])
    return Task(name=kept["name"], net=net.eval().requires_grad_(False), images=kept["images"], decided=kept["decided"])


def saliency(net: Any, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return (n, channels, *spatial) absolute gradients of the logits decided for."""
    x = x.detach().clone().requires_grad_()
    chosen = net(x).gather(1, target[:, None]).sum()
    return torch.autograd.grad(chosen, x)[0].abs()


def forwards(task: Task, count: int, batch: int = 32) -> float:
    """Return the seconds of so many eager float32 forward passes."""
    x = torch.as_tensor(np.resize(task.images, (batch, *task.images.shape[1:])))
    return timed(lambda: _forwards(task.net, x, count))


def _forwards(net: nn.Module, x: torch.Tensor, count: int) -> None:
    with torch.no_grad():
        while count > 0:
            net(x[:count])
            count -= len(x)


def gradients(task: Task, count: int, batch: int = 32) -> float:
    """Return the seconds of so many eager float32 gradients of images."""
    x = torch.as_tensor(np.resize(task.images, (batch, *task.images.shape[1:])))
    target = torch.as_tensor(np.resize(task.decided, batch))

    def run() -> None:
        left = count
        while left > 0:
            saliency(task.net, x[:left], target[:left])
            left -= len(x)

    return timed(run)


def timed(run: Callable[[], object]) -> float:
    """Return the processor seconds of a call, which on one thread other work beside it changes little."""
    began = time.process_time()
    run()
    return time.process_time() - began
