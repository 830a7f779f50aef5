"""Guided backpropagation by intercepting every ReLU that runs, whatever it is called by."""

from __future__ import annotations

from functools import cache
from typing import Any


def guided_gradient(net: Any, x: Any, given: tuple[Any, ...]) -> tuple[Any, int]:
    """Return guided gradients of a network's numbers, and how many ReLUs ran.

    Layers, functions, methods, operators of exported graphs, in place or not, reused or not: all of them pass through
    torch's own dispatch, where the rule is put in. TorchScript does not.

    Args:
        net: From (n, ...) images to (n,) numbers.
        x: (n, channels, *spatial) tensor.
        given: What the network is asked beside the images.

    Returns:
        A tensor of the shape of `x`, and a count.
    """
    import torch

    x = x.detach().clone().requires_grad_()
    mode = _mode_class()()
    with mode:
        said = net(x, *given)
    (gradient,) = torch.autograd.grad(said.sum(), x)
    return gradient, mode.count


@cache
def _mode_class() -> type[Any]:
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    class Rule(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            # Which were above 0, and not the tensor: what follows may change it in place.
            ctx.save_for_backward(x > 0)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (above,) = ctx.saved_tensors
            return gradient.clamp_min(0) * above

    aten = torch.ops.aten
    here = {functional.relu, torch.relu, torch.Tensor.relu, aten.relu.default}
    in_place = {functional.relu_, torch.relu_, torch.Tensor.relu_, aten.relu_.default}

    class Mode(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
        """Runs the rule in place of each ReLU."""

        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func not in here and func not in in_place:
                return func(*args, **kwargs)
            self.count += 1
            out = Rule.apply(args[0] if args else kwargs["input"])
            if func in in_place or kwargs.get("inplace") or (func is functional.relu and len(args) > 1 and args[1]):
                return (args[0] if args else kwargs["input"]).copy_(out)
            return out

    return Mode
