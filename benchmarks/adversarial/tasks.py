"""Networks, simulated images, sizes and the check that a case is broken: what both environments share.

Nothing of this suite is imported here, so that the peers' environment can read the same tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

SIZES = 6
QUANTILES = (0.06, 0.25, 0.45, 0.65, 0.82, 0.97)
"""The sizes are these quantiles of the smallest size that breaks a case: from nearly all right to nearly all broken."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A network and how it is trained: image shape, training images, passes over them, factor on the logits."""

    title: str
    shape: tuple[int, ...]
    images: int
    passes: int
    gain: float = 1.0


KINDS = {
    "cnn2": Kind(title="2-D CNN, 32 × 32", shape=(32, 32), images=384, passes=10),
    "cnn2-loud": Kind(title="the same, logits × 50", shape=(32, 32), images=384, passes=10, gain=50.0),
    "resnet18": Kind(title="ResNet-18, 64 × 64", shape=(64, 64), images=192, passes=4),
    "cnn3": Kind(title="3-D CNN, 32 × 32 × 32", shape=(32, 32, 32), images=256, passes=10),
}


class Gain(nn.Module):
    """A factor on the logits: the same decisions, a loss that goes flat."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.gain * z


class Counted(nn.Module):
    """A network that counts the images that went through it, and those of which a gradient came back."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.forwards, self.gradients = net, 0, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.net(x)
        self.forwards += len(x)
        if out.requires_grad:
            out.register_hook(lambda _: self._back(len(x)))
        return out

    def _back(self, count: int) -> None:
        self.gradients += count


def phantom(n: int, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 1, *shape) images in [0, 1], an organ in noise, and (n,) labels: 1 where it holds a lesion."""
    rng = np.random.default_rng(seed)
    axes = np.stack(np.meshgrid(*(np.linspace(-1, 1, s) for s in shape), indexing="ij"))
    y = rng.permutation(np.arange(n) % 2)
    x = np.empty((n, 1, *shape), dtype=np.float32)
    for i in range(n):
        centre, radius = rng.uniform(-0.1, 0.1, len(shape)), rng.uniform(0.6, 0.8, len(shape))
        body = _bump(axes, centre, radius, sharp=12.0)
        way = rng.normal(size=len(shape))
        at = centre + 0.4 * way / np.linalg.norm(way) * rng.uniform(0.3, 1.0)
        lesion = (
            y[i] * rng.uniform(0.25, 0.45) * _bump(axes, at, np.full(len(shape), rng.uniform(0.18, 0.3)), sharp=4.0)
        )
        x[i, 0] = 0.15 + 0.35 * body + lesion + rng.normal(0, 0.04, shape)
    return x.clip(0, 1), y.astype(np.int64)


def _bump(axes: np.ndarray, centre: np.ndarray, radius: np.ndarray, *, sharp: float) -> np.ndarray:
    column = (-1, *(1,) * (axes.ndim - 1))
    far = np.sqrt((((axes - centre.reshape(column)) / radius.reshape(column)) ** 2).sum(axis=0))
    return 1 / (1 + np.exp(sharp * (far - 1)))


def network(name: str) -> nn.Module:
    """Return an untrained network with two logits."""
    kind = KINDS[name]
    if name == "resnet18":
        from torchvision.models import resnet18

        net: nn.Module = resnet18(num_classes=2)
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    else:
        net = _small(len(kind.shape), (8, 16, 32) if name == "cnn3" else (16, 32, 32))
    return nn.Sequential(net, Gain(kind.gain))


def _small(dimensions: int, widths: tuple[int, int, int]) -> nn.Module:
    conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
    pool = nn.AdaptiveMaxPool2d(4) if dimensions == 2 else nn.AdaptiveMaxPool3d(2)
    layers: list[nn.Module] = []
    before = 1
    for i, width in enumerate(widths):
        layers += [
            conv(before, width, 3, stride=1 + (i > 0 or dimensions == 3), padding=1, bias=False),
            norm(width),
            nn.ReLU(),
        ]
        before = width
    cells = 4**2 if dimensions == 2 else 2**3
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(before * cells, 2))


def train(name: str, seed: int) -> nn.Module:
    """Return a network trained briefly on simulated images."""
    kind = KINDS[name]
    torch.manual_seed(seed)
    net = network(name)
    x, y = (torch.as_tensor(a) for a in phantom(kind.images, kind.shape, 1000 + seed))
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(kind.passes):
        for rows in torch.randperm(len(x)).split(16):
            optimiser.zero_grad()
            # The factor is for the attack to meet, not for the training.
            nn.functional.cross_entropy(net[0](x[rows]), y[rows]).backward()
            optimiser.step()
    return frozen(net)


def frozen(net: nn.Module) -> nn.Module:
    """Return the network as an attack is given it: every engine gains from parameters that want no gradient."""
    return net.eval().requires_grad_(False)


def prepare(name: str, seed: int, cases: int, path: Path) -> dict[str, object]:
    """Train a network, choose images that it gets right and sizes, and save them all; return what they are."""
    kind, net = KINDS[name], train(name, seed)
    x, y = phantom(4 * cases, kind.shape, 2000 + seed)
    right = answers(net, x) == y
    accuracy = float(right.mean())
    x, y = x[right][:cases], y[right][:cases]
    least = smallest(net, x, y)
    epsilons = np.maximum.accumulate(np.quantile(least, QUANTILES)) * (1 + 1e-6 * np.arange(SIZES))
    torch.save({"name": name, "state": net.state_dict(), "x": x, "y": y, "epsilons": epsilons}, path)
    return {"accuracy": accuracy, "cases": len(x), "epsilons": epsilons.tolist()}


def load(path: Path) -> tuple[nn.Module, np.ndarray, np.ndarray, list[float]]:
    """Return network, (n, 1, *shape) images, (n,) labels and the sizes of a saved task."""
    saved = torch.load(path, weights_only=False)
    net = network(saved["name"])
    net.load_state_dict(saved["state"])
    return frozen(net), saved["x"], saved["y"], saved["epsilons"].tolist()


def answers(net: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return (n,) decisions."""
    with torch.inference_mode():
        out: np.ndarray = np.concatenate([net(part).argmax(dim=1).numpy() for part in torch.as_tensor(x).split(64)])
    return out


def smallest(net: nn.Module, x: np.ndarray, y: np.ndarray, *, halvings: int = 6, steps: int = 4) -> np.ndarray:
    """Return (n,) rough smallest sizes that break each case: grown until it breaks, then halved; no engine's own.

    Signed steps at a size far above the smallest one jump over it, so that bisection from a large size would not do.
    """
    high, open_ = np.full(len(x), np.log(0.5)), np.arange(len(x))
    for size in 0.5 / 4.0 ** np.arange(6)[::-1]:
        now = np.full(open_.size, size)
        fell = broken(net, x[open_], _signed(net, x[open_], y[open_], now, steps), y[open_], now)
        high[open_[fell]], open_ = np.log(size), open_[~fell]
    low = high - np.log(4.0)
    for _ in range(halvings):
        middle = (low + high) / 2
        fell = broken(net, x, _signed(net, x, y, np.exp(middle), steps), y, np.exp(middle))
        low, high = np.where(fell, low, middle), np.where(fell, middle, high)
    return np.exp(high)


def _signed(net: nn.Module, x: np.ndarray, y: np.ndarray, epsilon: np.ndarray, steps: int) -> np.ndarray:
    x0, wide = torch.as_tensor(x), torch.as_tensor(epsilon, dtype=torch.float32).reshape(-1, *(1,) * (x.ndim - 1))
    sign = torch.as_tensor(1.0 - 2.0 * y, dtype=torch.float32)
    now = x0.clone()
    for _ in range(steps):
        now.requires_grad_()
        z = net(now)
        (grad,) = torch.autograd.grad((sign * (z[:, 1] - z[:, 0])).sum(), now)
        moved = now.detach() + 2.5 * wide / steps * grad.sign()
        now = torch.minimum(torch.maximum(moved, x0 - wide), x0 + wide).clamp(0, 1)
    out: np.ndarray = now.numpy()
    return out


def broken(net: nn.Module, x: np.ndarray, found: np.ndarray, y: np.ndarray, epsilon: float | np.ndarray) -> np.ndarray:
    """Return (n,) whether images brought within size and range, in float32, are answered wrongly.

    One rule for all engines: a rounding error beyond the size is taken back before the network is asked.
    """
    wide = np.broadcast_to(np.asarray(epsilon, dtype=np.float64), len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    inside = np.clip(found.astype(np.float64), x - wide, x + wide).clip(0, 1).astype(np.float32)
    out: np.ndarray = answers(net, inside) != y
    return out
