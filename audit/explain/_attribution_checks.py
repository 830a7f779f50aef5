"""Whether gradients are those of the answers, and weights those of the digest, before any map counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ImagingModel
from audit.explain._attribution_setup import CHECKED, REFUSALS, Setup, array, forward_of, slope, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = 4
TOLERANCE = {"float64": 0.01, "float32": 0.1}
"""Largest distance of directional derivatives from finite differences, over all directions of a case, relative to the
finite differences."""
_STEP = {"float64": 1e-6, "float32": 1e-3}
_JITTER = 1e-2
_SAME = 1e-3
_ROUNDINGS = 64


def refusal_of_weights(model: ImagingModel) -> str:
    """Return why no map of a model counts: its weights are not those of its digest; empty where they are.

    Of a model whose weights are not at hand nothing can be said here.
    """
    if not hasattr(model, "module") or model.state_digest() == model.card.digest:
        return ""
    return "the weights in memory are not those of the model's digest"


def refusal_of_gradients(setup: Setup) -> tuple[str, str]:
    """Return why no gradient of a model can be believed, and why not those at the image; empty where they can.

    On up to four cases the derivative of the explained logit along random directions is held against central finite
    differences: next to the image and not on it, at a point moved at random by up to 1 % of the range, since a network
    has kinks where intensities are tied, as in padding; a case that disagrees is tried at a second point. In float64 on
    a copy where the network allows it (within 1 %), in float32 on the model itself where not (within 10 %). A gradient
    of 0 on each of them, of a model that answers the images otherwise than their baselines, is no explanation either,
    whether the network rounds or is saturated; paths from the baseline to the image may still add up to the change, and
    are checked for that.

    Args:
        setup: Model, images, baseline and what is explained.
    """
    import torch

    count = min(CHECKED, len(setup.images))
    images, given = setup.images[:count], setup.explained.take(slice(0, count)).tensors()
    try:
        forward, kind = _precise(setup, images)
        dtype, span = getattr(torch, kind), setup.model.card.input.span
        more = tuple(t.to(device=setup.device, dtype=dtype if t.is_floating_point() else t.dtype) for t in given)
        ways = [setup.tensor(setup.rng.choice([-1.0, 1.0], images.shape)).to(dtype) for _ in range(DIRECTIONS)]

        def output(images: Any) -> Any:
            return setup.explained.take(slice(0, count)).logit(forward(images), *more)

        def tried() -> tuple[Any, NDArray[np.bool_]]:
            near = _inside(images + _JITTER * span * setup.rng.uniform(-1, 1, images.shape), setup)
            x = setup.tensor(near).to(dtype)
            gradient = slope(output, x)
            return gradient, _disagreement(output, x, gradient, ways, span)

        gradient, off = tried()
        if off.any():
            # A kink may lie within the step of one point by chance; wrong gradients are wrong at another one, too.
            off = off & tried()[1]
        start = setup.tensor(setup.baseline[:count]).to(dtype)
        flat = not bool(gradient.any()) and _moved(output, setup.tensor(images).to(dtype), start)
    except REFUSALS as error:
        return f"its gradients cannot be taken: {told(error)}", ""
    if not off.any():
        return "", (
            "its gradient is 0 on every image that was checked, though its answers change with the image"
            if flat
            else ""
        )
    return (
        f"its gradients do not agree with finite differences of its answers, on {int(off.sum())} of {off.size} cases "
        "that were checked"
    ), ""


def _moved(output: Callable[[Any], Any], x: Any, start: Any) -> bool:
    import torch

    with torch.no_grad():
        here, there = array(output(x)), array(output(start))
    return bool((np.abs(here - there) > _SAME * np.maximum(np.abs(here), 1.0)).any())


def _disagreement(
    output: Callable[[Any], Any], x: Any, gradient: Any, ways: list[Any], span: float
) -> NDArray[np.bool_]:
    import torch

    kind = str(x.dtype).removeprefix("torch.")
    step, eps = _STEP[kind] * span, float(torch.finfo(x.dtype).eps)
    with torch.no_grad():
        said = array(output(x))
        told = np.stack([array((gradient * way).flatten(1).sum(dim=1)) for way in ways])
        seen = np.stack([array(output(x + step * way) - output(x - step * way)) / (2 * step) for way in ways])
    rounding = _ROUNDINGS * eps * np.maximum(np.abs(said), 1.0) / step
    distance = np.linalg.norm(told - seen, axis=0)
    out: NDArray[np.bool_] = ~(distance <= TOLERANCE[kind] * np.linalg.norm(seen, axis=0) + rounding)
    return out


def _inside(values: NDArray[np.float64], setup: Setup) -> NDArray[np.float64]:
    """Return values reflected at the ends of the range, where a clip has a kink."""
    low, high = setup.model.card.input.window or setup.model.card.input.range
    mirrored = np.where((values < low) & (setup.images[: len(values)] >= low), 2 * low - values, values)
    above = (mirrored > high) & (setup.images[: len(values)] <= high)
    out: NDArray[np.float64] = np.where(above, 2 * high - mirrored, mirrored)
    return out


def _precise(setup: Setup, images: NDArray[np.float32]) -> tuple[Callable[[Any], Any], str]:
    """Return the forward of a copy in float64 and "float64", or the model's own and "float32"."""
    import torch

    own = forward_of(setup.model)
    if setup.model.card.input.tile is not None:
        # A copy answers tile by tile without a checkpoint, and a volume in float64 is twice as large.
        return own, "float32"
    try:
        twin = copy.deepcopy(setup.model.module).double()
        with torch.no_grad():
            said = twin(setup.tensor(images).double())
            expected = own(setup.tensor(images)).double()
        same = said.dtype == torch.float64 and said.shape == expected.shape
        same = same and bool(torch.allclose(said, expected, rtol=_SAME, atol=_SAME))
    except REFUSALS:
        return own, "float32"
    return (twin, "float64") if same else (own, "float32")
