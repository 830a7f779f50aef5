"""What a network's last weighted layer is given: the features that its answer is a weighted sum of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, Arrays, ProbeContext
from audit.probes._images import batch_size
from audit.probes._parted import batch_by_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLOSED = "the model gives no look at its layers"
NO_LAYER = "no layer with weights was called"
RESHAPED = "its last weighted layer is not called once an image"


class _ReshapedError(Exception):
    """The layer is not called once an image."""


def look_inside(ctx: ProbeContext) -> str | None:
    """Return why there are no features to look at, or None."""
    if ctx.cohort.images is None:
        return "the cohort has no images"
    if ctx.card.access < Access.GRADIENT or not hasattr(ctx.model, "module"):
        return CLOSED
    return None


def features(ctx: ProbeContext, model: Any, cases: NDArray[np.int64]) -> NDArray[np.float64] | str:
    """Return (m, p) inputs of the last layer with weights that answers, averaged over its positions, or why not.

    Args:
        ctx: The probe's context.
        model: The audited model, or its architecture with other weights.
        cases: (m,) indices into the cohort.
    """
    import torch

    source = ctx.cohort.images
    assert source is not None
    first = np.asarray(source.load(int(cases[0])), dtype=np.float32)
    name = _last_layer(model, torch.from_numpy(first[None].copy()))
    if name is None:
        return NO_LAYER
    layer = dict(model.module.named_modules())[name]
    size = batch_size(first, ctx.budget.batch_size)

    def work(rows: NDArray[np.int64], number: int) -> Arrays:
        del number
        batch = np.stack([source.load(int(i)) for i in cases[rows]]).astype(np.float32)
        caught: list[Any] = []
        handle = layer.register_forward_pre_hook(lambda _, given: caught.append(given[0].detach()))
        try:
            with torch.inference_mode():
                model.forward(torch.from_numpy(batch))
        finally:
            handle.remove()
        if len(caught) != 1 or len(caught[0]) != len(batch):
            raise _ReshapedError
        return {"features": _pooled(layer, caught[0])}

    try:
        return batch_by_batch(ctx, "features", len(cases), size, work)["features"]
    except _ReshapedError:
        return RESHAPED


def _last_layer(model: Any, image: Any) -> str | None:
    """Return the name of the layer with weights that is called last for one image."""
    import torch

    called: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda _, __, name=name: called.append(name))
        for name, module in model.module.named_modules()
        if _weighted(module)
    ]
    try:
        with torch.inference_mode():
            model.forward(image)
    finally:
        for handle in handles:
            handle.remove()
    return called[-1] if called else None


def _weighted(module: Any) -> bool:
    """Tell a layer that mixes features by weights from a norm that scales each."""
    own = dict(module.named_parameters(recurse=False)) if hasattr(module, "named_parameters") else {}
    return any(values.ndim >= 2 for values in own.values())


def _pooled(layer: Any, given: Any) -> NDArray[np.float64]:
    """Return (b, p) means over positions: behind the channels for a convolution, before the last axis otherwise."""
    values: NDArray[np.float64] = given.double().cpu().numpy()
    if values.ndim <= 2:
        return values.reshape(len(values), -1)
    convolves = hasattr(layer, "kernel_size")
    axes = tuple(range(2, values.ndim)) if convolves else tuple(range(1, values.ndim - 1))
    out: NDArray[np.float64] = values.mean(axis=axes)
    return out
