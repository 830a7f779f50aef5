"""Copies of a network whose nonlinear layers can be hooked: none in place, none used twice, none a bare function."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

from audit.explain._attribution_setup import REFUSALS

_SAME = 1e-4


def plain_copy(module: Any) -> Any:
    """Return a deep copy in which no layer works in place; the original is left as it is.

    Args:
        module: The module from images to raw outputs.

    Raises:
        REFUSALS: It cannot be copied.
    """
    twin = copy.deepcopy(module)
    for layer in twin.modules():
        if getattr(layer, "inplace", False) is True:
            layer.inplace = False
    return twin


def hookable_copy(module: Any, images: Any, used: Any = None) -> tuple[Any | None, str]:
    """Return a copy each of whose nonlinear operations is a layer of its own, or None and the reason.

    The network is traced into a graph; in it, a nonlinear layer that is used more than once becomes as many layers,
    functions and methods (`torch.relu`, `x.sigmoid()`, operators of an exported graph) become layers, and additions in
    place become additions. What cannot be traced is copied as it is, and refused where a layer is used twice. The copy
    must answer as the original does.

    Args:
        module: The module from images to raw outputs.
        images: (n, channels, *spatial) tensor to compare on.
        used: A copy whose hooks are gone again: a graph that answers as the network does serves once more.
    """
    import torch

    if isinstance(getattr(used, "net", None), torch.fx.GraphModule) and _same(module, used, images):
        return used, ""
    if any(isinstance(m, torch.jit.ScriptModule) for m in module.modules()):
        return None, "TorchScript runs outside Python, and its layers cannot be looked into"
    try:
        twin = plain_copy(module)
    except REFUSALS as error:
        return None, f"the network cannot be copied ({type(error).__name__})"
    traced = _traced(twin.net) if hasattr(twin, "net") else None
    if traced is not None:
        before, twin.net = twin.net, traced
        if not _same(module, twin, images):
            twin.net, traced = before, None
    if traced is None:
        again = _used_twice(twin, images)
        if again:
            return (
                None,
                f"the layer {again!r} is used more than once, and the network cannot be traced to tell its uses",
            )
        if not _same(module, twin, images):
            return None, "a copy of the network without operations in place answers otherwise than the network"
    for layer in twin.modules():
        if not list(layer.children()) and next(layer.parameters(), None) is None:
            layer.register_forward_pre_hook(_of_its_own)
    return twin, ""


def _of_its_own(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give a layer an input tensor of its own.

    captum hooks tensors: where one hooked layer directly follows another, as a pool follows a ReLU, both hook the same
    tensor, and the first one is told the gradient before the second one has changed it.
    """
    return tuple(x.clone() if hasattr(x, "clone") else x for x in given)


def _same(module: Any, twin: Any, images: Any) -> bool:
    import torch

    try:
        with torch.no_grad():
            # Copies go in: a network that works in place may change what it is given.
            expected, got = module(images.clone()), twin(images.clone())
    except REFUSALS:
        return False
    if got.shape != expected.shape:
        return False
    return bool((got - expected).abs().max() <= _SAME * expected.abs().max().clamp_min(1.0))


def _used_twice(module: Any, images: Any) -> str:
    """Return the name of a layer without parameters that runs more than once, empty where none does."""
    import torch

    runs: dict[str, int] = {}
    handles = []
    for name, layer in module.named_modules():
        if list(layer.children()) or next(layer.parameters(), None) is not None:
            continue

        def count(_: Any, __: Any, ___: Any, name: str = name) -> None:
            runs[name] = runs.get(name, 0) + 1

        handles.append(layer.register_forward_hook(count))
    try:
        with torch.no_grad():
            module(images[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    return next((name for name, times in runs.items() if times > 1), "")


def _traced(net: Any) -> Any | None:
    """Return the network as a graph of separate layers, None where it cannot be traced."""
    import torch

    try:
        graph = net if isinstance(net, torch.fx.GraphModule) else torch.fx.symbolic_trace(net)
    except Exception:  # noqa: BLE001 - runs the network's own Python with stand-ins for images: it may raise anything
        return None
    layers, seen = dict(graph.named_modules()), set[str]()
    for number, node in enumerate(list(graph.graph.nodes)):
        made: Any = None
        if node.op == "call_module":
            target = str(node.target)
            layer = layers.get(target)
            if layer is None or next(layer.parameters(), None) is not None or list(layer.buffers()):
                continue
            if target in seen:
                made = copy.deepcopy(layer)
            seen.add(target)
        elif node.op in ("call_function", "call_method"):
            if node.target in _IN_PLACE:
                node.target = _IN_PLACE[node.target]
                continue
            builder = _builders().get(node.target)
            made = builder(*node.args[1:], **node.kwargs) if builder is not None else None
        if made is None or not node.args:
            continue
        name = f"separate_{number}"
        graph.add_submodule(name, made)
        with graph.graph.inserting_after(node):
            call = graph.graph.call_module(name, args=(node.args[0],))
        node.replace_all_uses_with(call)
        graph.graph.erase_node(node)
    try:
        graph.graph.lint()
        graph.recompile()
    except REFUSALS:
        return None
    for layer in graph.modules():
        layer.training = False
    return graph


_IN_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv, "add_": "add", "sub_": "sub", "mul_": "mul", "div_": "div",
}  # fmt: skip


def _builders() -> dict[Any, Callable[..., Any]]:
    """Return what makes a layer of a function, a method or an operator, with the arguments after the first."""
    import torch
    from torch import nn
    from torch.nn import functional

    aten = torch.ops.aten

    def relu(*_: Any, **__: Any) -> Any:
        return nn.ReLU()

    def leaky(negative_slope: float = 0.01, inplace: bool = False) -> Any:
        del inplace
        return nn.LeakyReLU(negative_slope)

    def elu(alpha: float = 1.0, inplace: bool = False) -> Any:
        del inplace
        return nn.ELU(alpha)

    def pool(kind: Any) -> Callable[..., Any]:
        def build(
            kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
            return_indices: bool = False,
        ) -> Any:  # fmt: skip
            del return_indices
            return kind(kernel_size, stride or None, padding, dilation, False, ceil_mode)

        return build

    def softmax(dim: int | None = None, *_: Any, **__: Any) -> Any:
        return nn.Softmax(dim=dim)

    relus = (torch.relu, torch.relu_, functional.relu, functional.relu_, "relu", "relu_", aten.relu.default,
             aten.relu_.default)  # fmt: skip
    return {
        **dict.fromkeys(relus, relu),
        **dict.fromkeys((torch.sigmoid, functional.sigmoid, "sigmoid", "sigmoid_", aten.sigmoid.default),
                        lambda *_, **__: nn.Sigmoid()),
        **dict.fromkeys((torch.tanh, functional.tanh, "tanh", "tanh_", aten.tanh.default),
                        lambda *_, **__: nn.Tanh()),
        **dict.fromkeys((functional.leaky_relu, aten.leaky_relu.default, aten.leaky_relu_.default), leaky),
        **dict.fromkeys((functional.elu, aten.elu.default, aten.elu_.default), elu),
        **dict.fromkeys((functional.max_pool2d, torch.max_pool2d, aten.max_pool2d.default), pool(nn.MaxPool2d)),
        **dict.fromkeys((functional.max_pool3d, torch.max_pool3d, aten.max_pool3d.default), pool(nn.MaxPool3d)),
        **dict.fromkeys((functional.softmax, torch.softmax, "softmax", aten.softmax.int), softmax),
    }  # fmt: skip
