"""Gradients from a faster copy of the model; answers are never taken from it.

`fast_forward(model, objective, images, target, meter)` returns a function from images to raw outputs: that of a copy
whose batch normalisation is folded into its convolutions, whose weights lie channels last, and which computes in
bfloat16 where the hardware does, or the model's own `forward`. Which one it is follows from the network and the
hardware, never from a clock, and is checked on images at hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from audit.attacks._gradient import slopes
from audit.attacks._objectives import Objective
from audit.attacks._outcome import Meter
from audit.attacks._refusals import REFUSALS
from audit.core import DifferentiableModel
from audit.models import bfloat16_allowed, cpu_has_bfloat16

Forward = Callable[[Any], Any]
_CHECKED = 8
_SAME = 1e-4
_PARALLEL = 0.9


def bfloat16_pays(device: Any) -> bool:
    """Return whether a device computes in bfloat16 itself, and the environment does not forbid it."""
    import torch

    if not bfloat16_allowed():
        return False
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available()) and cpu_has_bfloat16()


def fast_forward(model: DifferentiableModel, objective: Objective, images: Any, target: Any, meter: Meter) -> Forward:
    """Return the fastest forward that gives the model's own gradients.

    In float32 the copy's outputs must agree with the model's to 1e-4 of their size, in bfloat16 its gradients must
    point the same way (median cosine of at least 0.9). Bfloat16 is left alone where outputs are probabilities or
    values, whose last digits it would lose.

    Args:
        model: The model under attack.
        objective: The margin to lower.
        images: (m, channels, *spatial) images at hand.
        target: (m, ...) their targets.
        meter: Where the cost of the check is counted.
    """
    import torch

    if not any(isinstance(m, _convolutions()) for m in model.module.modules()) or not hasattr(model.module, "net"):
        return model.forward
    images, target = images[:_CHECKED], target[:_CHECKED]
    same = _copy(model.module, None)
    if same is None or not _agrees(model, same, images, meter):
        return model.forward
    logits = model.card.output in ("logits", "mask_logits")
    if logits and bfloat16_pays(images.device):
        low = _copy(model.module, torch.bfloat16)
        if low is not None and _points_the_same_way(same, low, objective, images, target, meter):
            return low
    return same


def _convolutions() -> tuple[type, ...]:
    from torch import nn

    return (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def _copy(module: Any, dtype: Any) -> Forward | None:
    """Return the forward of a folded copy in channels-last layout, None where the network does not allow it."""
    import torch

    try:
        twin = copy.deepcopy(module)
        net = _folded(twin.net)
        layout = torch.channels_last_3d if any(isinstance(m, torch.nn.Conv3d) for m in net.modules()) else (
            torch.channels_last
        )  # fmt: skip
        net = net.to(memory_format=layout)
        twin.net = _wrapped(net if dtype is None else net.to(dtype), layout, dtype)
    except REFUSALS:
        return None
    for parameter in twin.parameters():
        parameter.requires_grad_(False)

    def forward(x: Any) -> Any:
        return twin(x)

    return forward


def _wrapped(net: Any, layout: Any, dtype: Any) -> Any:
    import torch

    class Wrapped(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """Converts what goes in and what comes out."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = net
            self.training = False

        def forward(self, x: Any) -> Any:
            x = x.to(memory_format=layout)
            if dtype is None:
                return self.inner(x)
            out = self.inner(x.to(dtype))
            return tuple(o.float() for o in out) if isinstance(out, (tuple, list)) else out.float()

    return Wrapped()


def _folded(net: Any) -> Any:
    """Return the network with batch normalisation folded into the convolution before it, where it can be traced."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        return net
    try:
        graph = torch.fx.symbolic_trace(net)
    except Exception:  # noqa: BLE001 - runs the network's own Python with stand-ins for images: it may raise anything
        return net
    named = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        before: Any = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(
            named.get(str(node.target)), torch.nn.modules.batchnorm._BatchNorm
        ):
            continue
        first = named.get(str(getattr(before, "target", ""))) if getattr(before, "op", "") == "call_module" else None
        if not isinstance(first, (torch.nn.Conv2d, torch.nn.Conv3d)) or len(before.users) > 1:
            continue
        parent, _, name = str(before.target).rpartition(".")
        if sum(n.target == before.target for n in graph.graph.nodes) > 1:
            continue
        fused = fuse_conv_bn_eval(first, named[str(node.target)])
        setattr(graph.get_submodule(parent), name, fused)
        named[str(before.target)] = fused
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.recompile()
    return graph.eval()


def _agrees(model: DifferentiableModel, forward: Forward, images: Any, meter: Meter) -> bool:
    import torch

    meter.forwards += 2 * len(images)
    with torch.no_grad():
        expected = model.forward(images)
        try:
            got = forward(images)
        except REFUSALS:
            return False
    if got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return False
    return bool((got - expected).abs().max() <= _SAME * expected.abs().max().clamp_min(1.0))


def _points_the_same_way(
    exact: Forward, low: Forward, objective: Objective, images: Any, target: Any, meter: Meter
) -> bool:
    import numpy as np
    import torch

    which = np.zeros(len(images), dtype=np.int64)
    meter.gradients += 2 * len(images)
    _, wanted = slopes(exact, (objective,), which, images, target)
    try:
        _, got = slopes(low, (objective,), which, images, target)
    except REFUSALS:
        return False
    cosine = torch.nn.functional.cosine_similarity(got.flatten(1).double(), wanted.flatten(1).double(), dim=1)
    return bool(torch.isfinite(got).all()) and float(cosine.median()) >= _PARALLEL
