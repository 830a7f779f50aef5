"""Attribution maps by captum, one value a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel
from audit.errors import MissingExtraError
from audit.explain._explained import Explained

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGRATED_GRADIENTS, SALIENCY, INPUT_X_GRADIENT = "integrated_gradients", "saliency", "input_x_gradient"
INTEGRATED_GRADIENTS_ABSOLUTE = "integrated_gradients_absolute"
METHODS: tuple[str, ...] = (INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE, INPUT_X_GRADIENT, SALIENCY)
PATH_STEPS = 32
"""Points on the path of integrated gradients."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """Attribution maps of n cases.

    Args:
        values: (n, *spatial) by method, the more the more relevant for the decision.
        completeness: (n,) relative distance of the sum of integrated gradients from the change of the output that it
            must equal; infinite where the output does not change.
    """

    values: dict[str, NDArray[np.float64]]
    completeness: NDArray[np.float64]


def attribute(
    model: DifferentiableModel, images: NDArray[np.float32], baseline: NDArray[np.float32], explained: Explained,
    *, batch: int,
) -> Maps:  # fmt: skip
    """Return attribution maps of the explained logit.

    Integrated gradients run from the baseline to the image; a signed map ranks what speaks for the decision first, an
    absolute one what matters either way. Saliency is the absolute gradient. Channels are summed up.

    Args:
        model: The model; its gradients are those of its preprocessing, too.
        images: (n, channels, *spatial) stored intensities.
        baseline: The same shape, where integrated gradients start.
        explained: What is explained of the n cases.
        batch: Images a batch.

    Raises:
        MissingExtraError: captum is not installed.
    """
    import torch

    try:
        from captum.attr import InputXGradient, IntegratedGradients, Saliency
    except ImportError as error:
        raise MissingExtraError("captum", "torch") from error
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    x = torch.as_tensor(images, device=device).requires_grad_()
    start = torch.as_tensor(baseline, device=device)
    more = tuple(t.to(device) for t in explained.tensors())

    def output(images: Any, *given: Any) -> Any:
        # A graph that does not reach the image must give a zero map, not an exception.
        return explained.logit(model.forward(images), *given) + 0 * images.flatten(1).sum(dim=1)

    integrated = IntegratedGradients(output).attribute(
        x, baselines=start, additional_forward_args=more, n_steps=PATH_STEPS, internal_batch_size=max(batch, len(x))
    )
    product = InputXGradient(output).attribute(x, additional_forward_args=more)
    gradient = Saliency(output).attribute(x, additional_forward_args=more)
    with torch.no_grad():
        change = (output(x, *more) - output(start, *more)).double().cpu().numpy()
    integrated_map = _per_pixel(integrated)
    total = _numpy(integrated).reshape(len(images), -1).sum(axis=1)
    gap = np.where(change == 0, np.inf, np.abs(total - change) / np.maximum(np.abs(change), 1e-300))
    return Maps(
        values={
            INTEGRATED_GRADIENTS: integrated_map,
            INTEGRATED_GRADIENTS_ABSOLUTE: np.abs(_numpy(integrated)).sum(axis=1),
            INPUT_X_GRADIENT: _per_pixel(product),
            SALIENCY: _per_pixel(gradient),
        },
        completeness=gap,
    )


def _numpy(values: Any) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.nan_to_num(values.detach().double().cpu().numpy(), posinf=0.0, neginf=0.0)
    return out


def _per_pixel(values: Any) -> NDArray[np.float64]:
    out: NDArray[np.float64] = _numpy(values).sum(axis=1)
    return out
