"""Small torch modules with wired weights, and the ways in which a network misleads an attack; torch at first use."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from audit.testing._phantom import BLOCK, LEVEL, Signals, checkerboard

_FINE_SCALE, _COARSE_SCALE = 0.02, 0.3


def undrawn() -> Any:
    """Return a context in which layers may draw their first weights and torch's generator stays as it was."""
    import torch

    return torch.random.fork_rng(devices=[])


@cache
def modules() -> Any:
    """Return the module classes by name."""
    import torch
    from torch import nn

    class Readout(nn.Module):  # type: ignore[misc, unused-ignore]
        """Convolution, batch norm, tanh and a linear layer that read the codes of `Signals`, (n, codes)."""

        def __init__(self, signals: Signals, *, fine: bool = True) -> None:
            super().__init__()
            dims, k = len(signals.shape), signals.codes
            conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv3d, nn.BatchNorm3d)
            self.conv = conv(1, k + 1, BLOCK, stride=BLOCK, bias=False)
            self.norm, self.bend, self.flat = norm(k + 1), nn.Tanh(), nn.Flatten()
            corner = (slice(0, BLOCK),) * dims
            whole = Signals(shape=signals.shape, codes=k)
            kernels = np.stack([*(p[corner] for p in whole.patterns), np.ones((BLOCK,) * dims)]) / BLOCK**dims
            self.conv.weight.data = torch.as_tensor(kernels[:, None], dtype=torch.float32)
            self.norm.running_mean[-1] = LEVEL
            scales = torch.tensor([_FINE_SCALE] * k + [_COARSE_SCALE])
            self.norm.running_var.copy_(scales**2 - self.norm.eps)
            weights = _last_layer(signals, fine=fine)
            self.last = nn.Linear(weights.shape[1], k)
            self.last.weight.data = torch.as_tensor(weights, dtype=torch.float32)
            self.last.bias.data.zero_()

        def forward(self, x: Any) -> Any:
            return self.last(self.flat(self.bend(self.norm(self.conv(x)))))

    class Affine(nn.Module):  # type: ignore[misc, unused-ignore]
        """Codes (n, q) to outputs (n, k): the linear head of a network."""

        def __init__(self, body: Any, weights: Any, bias: Any = 0.0) -> None:
            super().__init__()
            w = np.atleast_2d(np.asarray(weights, dtype=np.float32))
            self.body, self.head = body, nn.Linear(w.shape[1], w.shape[0])
            self.head.weight.data = torch.as_tensor(w)
            self.head.bias.data = torch.as_tensor(np.broadcast_to(np.float32(bias), w.shape[:1]).copy())

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    class Segmenter(nn.Module):  # type: ignore[misc, unused-ignore]
        """Mask logits from the smoothed brightness and the smoothed checkerboard around each pixel."""

        def __init__(self, dims: int, fine: float, coarse: float) -> None:
            super().__init__()
            pool = nn.AvgPool2d if dims == 2 else nn.AvgPool3d
            side, share = (5, 0.5) if dims == 2 else (3, 0.4)
            self.smooth = pool(side, stride=1, padding=side // 2, count_include_pad=False)
            mix = nn.Conv2d if dims == 2 else nn.Conv3d
            self.mix = mix(2, 1, 1)
            self.mix.weight.data = torch.tensor([1.0, 0.1]).view(1, 2, *[1] * dims) / fine
            self.mix.bias.data = torch.tensor([-share * (fine + 0.1 * coarse) / fine])

        def forward(self, x: Any) -> Any:
            signs = torch.as_tensor(checkerboard(tuple(x.shape[2:])), dtype=x.dtype, device=x.device)
            x = x - LEVEL
            return self.mix(self.smooth(torch.cat([x * signs, x], dim=1)))

    class Scaled(nn.Module):  # type: ignore[misc, unused-ignore]
        """Logits times a gain; `squash` makes probabilities of them, (n, 1) or (n, 2)."""

        def __init__(self, body: Any, gain: float = 1.0, squash: str = "") -> None:
            super().__init__()
            self.body, self.gain, self.squash = body, gain, squash

        def forward(self, x: Any) -> Any:
            z = self.gain * self.body(x)
            if self.squash == "softmax":
                return torch.softmax(torch.cat([-z / 2, z / 2], dim=1), dim=1)
            return torch.sigmoid(z) if self.squash else z

    class Masked(nn.Module):  # type: ignore[misc, unused-ignore]
        """A network whose gradient is not that of its answer."""

        def __init__(self, body: Any, how: str) -> None:
            super().__init__()
            self.body, self.how = body, how

        def forward(self, x: Any) -> Any:
            if self.how == "argmax":
                z = self.body(x)
                return nn.functional.one_hot((z[:, 0] > 0).long(), 2).to(x.dtype)
            if self.how == "quantised":
                return self.body(torch.round(7 * x) / 7)
            if self.how == "reversed":
                return self.body(2 * x.detach() - x)
            if self.how == "nan":
                return self.body(x) + torch.sqrt(0 * x).flatten(1).sum(dim=1, keepdim=True)
            if self.how == "shattered":
                return self.body(x) + 0.05 * torch.sin(800 * (x - LEVEL)).flatten(1).sum(dim=1, keepdim=True)
            # A branch that the graph does see, too weak to matter at the sizes of an attack, turns at the largest.
            live = 120 * (x[..., -4:].flatten(1).mean(dim=1, keepdim=True) - LEVEL)
            if self.how == "clamped":
                return torch.clamp(50 * self.body(x), -10, 10) + live
            if self.how == "squashed":
                return 10 * torch.tanh(50 * self.body(x)) + live
            if self.how == "sign":
                return 4 * torch.sign(self.body(x)) + 250 / 120 * live
            return self.body(x).detach() + live

    class Hidden(nn.Module):  # type: ignore[misc, unused-ignore]
        """A network whose answer has no gradient, plus a weak branch that has one; the decisions are the network's.

        `how` is "signs": each output is 4 on its side of its level; "winner": 4 for the largest; "stairs": in steps of
        5. Where `levels` are given the outputs are probabilities, and these are the log odds at which they decide.
        """

        def __init__(self, body: Any, how: str, levels: Any = None) -> None:
            super().__init__()
            self.body, self.how, self.levels = body, how, levels

        def forward(self, x: Any) -> Any:
            z = self.body(x)
            level = 0.0 if self.levels is None else torch.as_tensor(self.levels, dtype=z.dtype, device=z.device)
            z = (z if self.levels is None else torch.logit(z)) - level
            live = 10 * (x[..., -4:].flatten(1).mean(dim=1) - LEVEL).view(-1, *[1] * (z.ndim - 1))
            if self.how == "stairs":
                return (5 * torch.round(z / 5)).detach() + live
            if self.how == "winner":
                largest = nn.functional.one_hot(z.argmax(dim=1), z.shape[1]).to(z.dtype)
                return 4 * largest + live * torch.linspace(-1, 1, z.shape[1], dtype=z.dtype, device=z.device)
            z = 4 * torch.sign(z).detach() + live + level
            return z if self.levels is None else torch.sigmoid(z)

    class Restless(nn.Module):  # type: ignore[misc, unused-ignore]
        """A network that draws at random at every call, from its own generator."""

        def __init__(self, body: Any, how: str) -> None:
            super().__init__()
            self.body, self.how, self.source = body, how, torch.Generator().manual_seed(7)

        def _below(self, limit: int) -> int:
            return int(torch.randint(limit, (1,), generator=self.source))

        def forward(self, x: Any) -> Any:
            if self.how == "dropout":
                kept = torch.rand(x.shape, generator=self.source) < 0.8
                return self.body(LEVEL + (x - LEVEL) * kept.to(x.device) / 0.8)
            side = x.shape[-1]
            size = side - 4 + self._below(5)
            small = nn.functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
            lacking = side - size
            left, top = self._below(lacking + 1), self._below(lacking + 1)
            return self.body(nn.functional.pad(small, (left, lacking - left, top, lacking - top), mode="replicate"))

    class Faint(nn.Module):  # type: ignore[misc, unused-ignore]
        """The mean brightness of the last columns times a gain, plus a constant."""

        def __init__(self, gain: float, bias: float = 0.0, columns: int = 6) -> None:
            super().__init__()
            self.gain, self.bias = nn.Parameter(torch.tensor(gain)), nn.Parameter(torch.tensor(bias))
            self.columns = columns

        def forward(self, x: Any) -> Any:
            return self.gain * (x[..., -self.columns :].flatten(1).mean(dim=1, keepdim=True) - LEVEL) + self.bias

    class Flat(nn.Module):  # type: ignore[misc, unused-ignore]
        """(n, k) of w.x + b over all pixels."""

        def __init__(self, weights: Any, bias: float) -> None:
            super().__init__()
            w = np.atleast_2d(weights)
            self.layer = nn.Linear(w.shape[1], w.shape[0])
            self.layer.weight.data = torch.as_tensor(w, dtype=torch.float32)
            self.layer.bias.data.fill_(bias)

        def forward(self, x: Any) -> Any:
            return self.layer(x.flatten(1))

    return SimpleNamespace(
        Readout=Readout, Affine=Affine, Segmenter=Segmenter, Scaled=Scaled, Masked=Masked, Hidden=Hidden,
        Restless=Restless, Faint=Faint, Flat=Flat,
    )  # fmt: skip


def _last_layer(signals: Signals, *, fine: bool) -> np.ndarray[Any, Any]:
    """Return (codes, channels * cells) weights of the last layer, for responses divided by their scales."""
    k, step = signals.codes, (slice(None, None, BLOCK),) * len(signals.shape)
    regions = signals.regions[(slice(None), *step)].reshape(k, -1)
    cells = regions.shape[1]
    of_fine, of_coarse = signals.weights
    out = np.zeros((k, k + 1, cells))
    for code in range(k):
        where = regions[code] if signals.local else np.ones(cells, dtype=bool)
        out[code, code] = fine * of_fine * _FINE_SCALE * where / where.sum()
        out[code, k] = of_coarse * _COARSE_SCALE * regions[code] / regions[code].sum()
    return out.reshape(k, -1)
