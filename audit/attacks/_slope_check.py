"""Whether gradients are those of the answers: directional derivatives against finite differences."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._fast import Forward
from audit.attacks._objectives import Objective, Question
from audit.attacks._refusals import REFUSALS
from audit.core import DifferentiableModel, InputSpec
from audit.models import in_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = 4
TOLERANCE = {"float64": 0.01, "float32": 0.1}
"""Largest distance between the two, over all directions of a case, relative to the finite differences."""
_STEP = {"float64": 1e-8, "float32": 1e-3}
"""Step of a difference, as a share of the window, so small that hardly a kink of a deep network lies within it; float32
needs one that stands out from its rounding."""
_JITTER = 1e-2
_SAME = 1e-3
_ROUNDINGS = 64
"""Roundings of the margin that a difference may have in it; what is below them cannot be told."""


def slopes_agree(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return (m,) whether the gradient of a case's margin predicts what small changes along random directions do to it.

    The comparison is made next to the image and not on it, since a margin has kinks where intensities are tied, as in
    padding: at a point that is moved at random by up to 1 % of the window. It is made in float64 on a copy of the
    module where the module allows it, in float32 on the model itself where not. A gradient of a part of the graph only,
    or of another function, does not agree; a gradient of zero where the margin does not move does.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (m, channels, *spatial) images.
        target: (m, ...) their targets.
        rng: Draws the point and the directions.
    """
    import torch

    forward, kind = _forward(model, images)
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    spec, dtype = model.card.input, getattr(torch, kind)
    low, high = spec.window or spec.range
    near = _inside(images + _JITTER * (high - low) * rng.uniform(-1, 1, images.shape), spec)
    x = torch.as_tensor(near, dtype=dtype, device=device)
    wanted = torch.as_tensor(target, device=device)
    ways = [torch.as_tensor(rng.choice([-1.0, 1.0], images.shape), dtype=dtype, device=device)
            for _ in range(DIRECTIONS)]  # fmt: skip
    step, rounding = _STEP[kind] * (high - low), _ROUNDINGS * float(torch.finfo(dtype).eps)
    agrees = np.ones(len(images), dtype=bool)
    for objective in question.objectives:
        one = _Linear(forward, objective, x, wanted)
        said = np.stack([_sums(one.slope * way) for way in ways])
        seen = np.stack([(one.at(x + step * way) - one.at(x - step * way)) / (2 * step) for way in ways])
        off, size = np.linalg.norm(said - seen, axis=0), np.linalg.norm(seen, axis=0)
        agrees &= off <= TOLERANCE[kind] * size + rounding * one.scale / step
    return agrees


class _Linear:
    """What a margin weighs the raw outputs with at a point, held fixed.

    A margin may hold back part of its own gradient on purpose, as one that is scaled by its outputs does; what is
    checked is the gradient through the network.
    """

    def __init__(self, forward: Forward, objective: Objective, x: Any, target: Any) -> None:
        import torch

        self._forward = forward
        x = x.detach().requires_grad_()
        raw = forward(x)
        leaf = raw.detach().requires_grad_()
        (self._weights,) = torch.autograd.grad(objective.margin(leaf, target).sum(), leaf)
        self.scale = _sums((self._weights * leaf.detach()).abs())
        slope = None
        if raw.requires_grad:
            (slope,) = torch.autograd.grad((raw * self._weights).sum(), x, allow_unused=True)
        self.slope = torch.zeros_like(x) if slope is None else slope.detach()

    def at(self, x: Any) -> NDArray[np.float64]:
        """Return (m,) the weighted outputs at another point."""
        import torch

        with torch.no_grad():
            return _sums(self._forward(x) * self._weights)


def _sums(values: Any) -> NDArray[np.float64]:
    out: NDArray[np.float64] = values.flatten(1).sum(dim=1).double().cpu().numpy()
    return out


def _inside(values: NDArray[np.float64], spec: InputSpec) -> NDArray[np.float64]:
    """Return values reflected at the ends of the range, where a clip has a kink."""
    low, high = spec.range
    mirrored = np.where(values < low, 2 * low - values, values)
    out: NDArray[np.float64] = np.where(mirrored > high, 2 * high - mirrored, mirrored)
    return out


def _forward(model: DifferentiableModel, images: NDArray[np.float32]) -> tuple[Forward, str]:
    """Return the forward of a copy in float64 and "float64", or the model's own and "float32"."""
    import torch

    try:
        exact = copy.deepcopy(model.module).double()
        device = next((p.device for p in exact.parameters()), torch.device("cpu"))
        twin = in_parts(exact, model)
        with torch.no_grad():
            said = twin(torch.as_tensor(images, dtype=torch.float64, device=device))
        own = model.predict(images)
        same = said.dtype == torch.float64 and np.allclose(said.cpu().numpy(), own, rtol=_SAME, atol=_SAME)
    except REFUSALS:
        return model.forward, "float32"
    return (twin, "float64") if same else (model.forward, "float32")
