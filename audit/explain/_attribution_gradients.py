"""Methods that need nothing but gradients of the output, by captum; nothing is hooked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel
from audit.errors import MissingExtraError
from audit.explain._explained import Explained
from audit.explain._methods import (
    GRADIENT_SHAP,
    INPUT_X_GRADIENT,
    INTEGRATED_GRADIENTS,
    INTEGRATED_GRADIENTS_ABSOLUTE,
    SALIENCY,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATH_STEPS = 32
"""Points on the path of integrated gradients, and draws of gradient SHAP."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """What maps are made of; the fields are those of `attribute`."""

    model: DifferentiableModel
    images: NDArray[np.float32]
    baseline: NDArray[np.float32]
    explained: Explained
    rng: np.random.Generator
    batch: int
    checks: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Some of the maps; the fields are those of `Maps`."""

    values: dict[str, NDArray[np.float64]]
    refused: dict[str, str] = field(default_factory=dict)
    completeness: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    layer: str = ""


def gradient_maps(setup: Setup, methods: Sequence[str]) -> Part:
    """Return maps of the methods that need nothing but gradients."""
    if not methods:
        return Part(values={})
    import torch

    try:
        from captum.attr import InputXGradient, IntegratedGradients, Saliency
    except ImportError as error:
        raise MissingExtraError("captum", "torch") from error
    model, explained = setup.model, setup.explained
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    x = torch.as_tensor(setup.images, device=device).requires_grad_()
    start = torch.as_tensor(setup.baseline, device=device)
    more = tuple(t.to(device) for t in explained.tensors())

    def output(images: Any, *given: Any) -> Any:
        # A graph that does not reach the image must give a zero map, not an exception.
        return explained.logit(model.forward(images), *given) + 0 * images.flatten(1).sum(dim=1)

    found: dict[str, NDArray[np.float64]] = {}
    completeness = {}
    refused = {}
    if {INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE} & set(methods):
        raw = numpy(
            IntegratedGradients(output).attribute(
                x, baselines=start, additional_forward_args=more, n_steps=PATH_STEPS,
                internal_batch_size=max(setup.batch, len(x)),
            )
        )  # fmt: skip
        with torch.no_grad():
            change = (output(x, *more) - output(start, *more)).double().cpu().numpy()
        total = raw.reshape(len(raw), -1).sum(axis=1)
        completeness[INTEGRATED_GRADIENTS] = np.where(
            change == 0, np.inf, np.abs(total - change) / np.maximum(np.abs(change), 1e-300)
        )
        found[INTEGRATED_GRADIENTS] = raw.sum(axis=1)
        found[INTEGRATED_GRADIENTS_ABSOLUTE] = np.abs(raw).sum(axis=1)
    if INPUT_X_GRADIENT in methods:
        found[INPUT_X_GRADIENT] = numpy(InputXGradient(output).attribute(x, additional_forward_args=more)).sum(axis=1)
    if SALIENCY in methods:
        found[SALIENCY] = numpy(Saliency(output).attribute(x, additional_forward_args=more)).sum(axis=1)
    if GRADIENT_SHAP in methods:
        refused[GRADIENT_SHAP] = "not here yet"
    return Part(values={n: found[n] for n in methods if n in found}, completeness=completeness, refused=refused)


def numpy(values: Any) -> NDArray[np.float64]:
    """Return a tensor as a float64 array; what is no number becomes 0."""
    out: NDArray[np.float64] = np.nan_to_num(values.detach().double().cpu().numpy(), posinf=0.0, neginf=0.0)
    return out
