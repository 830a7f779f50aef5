"""DeepLIFT's rule for maxima over windows that may overlap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_NONE = 1e-10


@contextmanager
def rescaled_pools(module: Any) -> Iterator[None]:
    """Put layers that follow DeepLIFT's rule in place of the max pools of a copy for a while; they answer as these do.

    captum hands the share of a window to its largest value by unpooling, which keeps one share where windows overlap,
    as in the first pool of a ResNet: what the others gave is lost. Here they are added.

    Args:
        module: A copy; its batches must hold images and their baselines, one half after the other.
    """
    import torch

    pools = [
        (parent, name, layer)
        for parent in list(module.modules())
        for name, layer in list(parent.named_children())
        if type(layer) in (torch.nn.MaxPool2d, torch.nn.MaxPool3d) and not layer.return_indices
    ]
    for parent, name, layer in pools:
        setattr(parent, name, _pool_class()(layer))
    try:
        yield
    finally:
        for parent, name, layer in pools:
            setattr(parent, name, layer)


@cache
def _pool_class() -> type[Any]:
    import torch
    from torch.nn import functional

    class Rule(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        @staticmethod
        def forward(ctx: Any, x: Any, layer: Any) -> Any:
            pool = functional.max_pool2d if isinstance(layer, torch.nn.MaxPool2d) else functional.max_pool3d
            out, places = pool(
                x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode, return_indices=True
            )
            ctx.save_for_backward(x, out, places)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            x, out, places = (t.flatten(2) for t in ctx.saved_tensors)
            shape = ctx.saved_tensors[0].shape
            (image, start), (top, low), (here, there) = x.chunk(2), out.chunk(2), places.chunk(2)
            weight = gradient.flatten(2).chunk(2)[0]
            most = torch.maximum(top, low)
            share = torch.zeros_like(image).scatter_add_(2, here, weight * (most - low))
            share.scatter_add_(2, there, weight * (top - most))
            away = image - start
            plain = torch.zeros_like(image).scatter_add_(2, here, weight)
            multiplier = torch.where(away.abs() < _NONE, plain, share / away)
            return torch.cat([multiplier, multiplier]).reshape(shape), None

    class Pool(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """A max pool whose backward pass is the rule."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.settings = (layer,)
            self.training = False

        def forward(self, x: Any) -> Any:
            return Rule.apply(x, self.settings[0])

    return Pool
