"""A faster copy of a network: normalisation folded into convolutions, weights channels last, bfloat16 where it pays."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ImagingModel
from audit.models._bfloat16 import bfloat16_allowed, cpu_has_bfloat16
from audit.models._limited import in_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Predict = Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]

REFUSALS = (
    RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError, NotImplementedError,
    ArithmeticError, NameError, copy.Error,
)  # fmt: skip
"""What a network may raise that is copied, traced, or run in another layout or precision."""
SAME = 1e-4
"""Largest distance of a copy's outputs from the network's, relative to their largest value or to 1."""
_CHECKED = 8


def bfloat16_pays(device: Any) -> bool:
    """Return whether a device computes in bfloat16 itself, and the environment does not forbid it."""
    import torch

    if not bfloat16_allowed():
        return False
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available()) and cpu_has_bfloat16()


def fast_predict(model: ImagingModel, images: NDArray[np.floating[Any]]) -> Predict:
    """Return the fastest float32 `predict` that answers as the model does.

    For many questions to one model, whose sum would cost as many passes: a copy with folded normalisation, whose
    weights are packed once for the processor's convolutions instead of at every call, or, where that cannot be done,
    lie channels last. Only where its outputs on the images at hand, together and one at a time, agree with the model's
    to 1e-4 of their size, else the model's own `predict`. The model is left as it is. Never bfloat16: what is answered
    may be reported.

    Args:
        model: The model.
        images: (n, channels, *spatial) images at hand; up to 8 of them are compared on.
    """
    module: Any = getattr(model, "module", None)
    if model.card.access < Access.GRADIENT or model.card.kind == "onnx" or not has_convolutions(module):
        # The converted graph of an ONNX model gives gradients; what answers is the graph itself.
        return model.predict
    shape, checked = images.shape[1:], images[:_CHECKED]
    expected = model.predict(checked)
    ways = [partial(fast_copy, module, None)]
    if model.card.input.tile is None:
        ways.insert(0, partial(_packed, module, checked))
    for way in ways:
        copied = way()
        copied = None if copied is None else in_parts(copied, model)
        if copied is not None and _agrees(_predict_by(copied), checked, expected):
            return _for_shape(shape, _predict_by(copied), model.predict)
    return model.predict


def _for_shape(shape: tuple[int, ...], fast: Predict, own: Predict) -> Predict:
    """Return the fast answers for images of the shape that was compared, else the model's own."""

    def predict(asked: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return fast(asked) if asked.shape[1:] == shape else own(asked)

    return predict


def _predict_by(forward: Callable[[Any], Any]) -> Predict:
    import torch

    def predict(asked: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        with torch.inference_mode():
            out: NDArray[np.float64] = forward(torch.from_numpy(np.array(asked, dtype=np.float32))).double().numpy()
        return out

    return predict


def _agrees(predict: Predict, images: NDArray[np.floating[Any]], expected: NDArray[np.float64]) -> bool:
    """Return whether answers are those expected, of all images together and of the first one alone."""
    try:
        found = [(predict(images), expected), (predict(images[:1]), expected[:1])]
    except REFUSALS:
        return False
    if any(got.shape != said.shape or not np.isfinite(got).all() for got, said in found):
        return False
    return all(np.abs(got - said).max() <= SAME * max(float(np.abs(said).max()), 1.0) for got, said in found)


def _packed(module: Any, images: NDArray[np.floating[Any]]) -> Callable[[Any], Any] | None:
    """Return the forward of a folded copy whose weights are packed, None where the network does not allow it.

    Layers of many weights and few pixels spend much of their time putting the weights in the order that the
    convolution wants, at every call; a frozen graph does it once. Only a network that can be traced with stand-ins for
    its images is frozen: its course then cannot hang on what an image shows.
    """
    import torch

    if next(module.parameters()).device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    try:
        twin = copy.deepcopy(module)
        graph = folded(twin.net)
        if not isinstance(graph, torch.fx.GraphModule):
            graph = _symbolic(graph)
        if graph is None:
            return None
        example = torch.from_numpy(np.array(np.resize(images, (2, *images.shape[1:])), dtype=np.float32))
        with warnings.catch_warnings(), torch.no_grad():
            # torch calls its frozen graphs deprecated; what takes their place needs a compiler.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(graph.eval(), twin.prepare(example), check_trace=False)
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        twin.net = _wrapped(frozen, torch.contiguous_format, None)
    except REFUSALS:
        return None

    def forward(x: Any) -> Any:
        return twin(x)

    return forward


def has_convolutions(module: Any) -> bool:
    """Return whether a pipeline has a network with convolutions, which is what the copy is faster at."""
    return hasattr(module, "net") and any(isinstance(m, _convolutions()) for m in module.modules())


def _convolutions() -> tuple[type, ...]:
    from torch import nn

    return (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def fast_copy(module: Any, dtype: Any) -> Callable[[Any], Any] | None:
    """Return the forward of a folded copy in channels-last layout, None where the network does not allow it."""
    import torch

    try:
        twin = copy.deepcopy(module)
        net = folded(twin.net)
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


def folded(net: Any) -> Any:
    """Return the network with batch normalisation folded into the convolution before it, where it can be traced."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        return net
    graph = _symbolic(net)
    if graph is None:
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


def _symbolic(net: Any) -> Any:
    """Return the network as a graph, None where what it does hangs on the images."""
    import torch

    try:
        return torch.fx.symbolic_trace(net)
    except Exception:  # noqa: BLE001 - runs the network's own Python with stand-ins for images: it may raise anything
        return None
