"""Maps that know nothing of what a model has learnt: what an attribution must beat before it counts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, DifferentiableModel, ModelCard
from audit.explain._fills import blurred

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTROLS: tuple[str, ...] = ("random", "edge", "centre", "magnitude")
"""Controls that are the same for every method; the untrained network has a map a method."""
UNTRAINED = "untrained"


def control_maps(
    images: NDArray[np.float32], rng: np.random.Generator, *, untrained: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return maps that know nothing of what the model has learnt.

    `random` is chance, `edge` the slope of the image, `centre` how much nearer than the corners to its middle,
    `magnitude` how far a pixel lies from its blurred surroundings, |I - blur(I)|, which is high on small lesions
    whatever the model does.

    Args:
        images: (n, channels, *spatial) stored intensities.
        rng: Draws the random maps.
        untrained: (n, *spatial) maps of the untrained network on the same images, by method.

    Returns:
        (n, *spatial) by name, the higher the more relevant; those of `untrained` as `untrained_control(method)`.
    """
    grey = images.astype(np.float64).mean(axis=1)
    slopes = [np.gradient(grey, axis=axis) for axis in range(1, grey.ndim) if grey.shape[axis] > 1]
    edge = np.sqrt(sum((s**2 for s in slopes), start=np.zeros_like(grey)))
    away = np.zeros(grey.shape[1:])
    for axis, side in enumerate(grey.shape[1:]):
        shape = [1] * away.ndim
        shape[axis] = side
        away = away + (((np.arange(side) - (side - 1) / 2) / max(side, 2)) ** 2).reshape(shape)
    magnitude = np.abs(images.astype(np.float64) - blurred(images)).sum(axis=1)
    known = {
        "random": rng.random(grey.shape), "edge": edge, "centre": np.broadcast_to(away.max() - away, grey.shape),
        "magnitude": magnitude,
    }  # fmt: skip
    return known | {untrained_control(method): values for method, values in (untrained or {}).items()}


def untrained_control(method: str) -> str:
    """Return the name of the control that is a method's own map of the untrained network."""
    return f"{UNTRAINED}:{method}"


def controls_of(method: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the controls of one method: those of all, and its own of the untrained network if given."""
    own = untrained_control(method)
    return (*CONTROLS, own) if own in given else CONTROLS


def plain_name(control: str) -> str:
    """Return a control's name without the method that it belongs to."""
    return control.partition(":")[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Untrained:
    """The architecture of a model with weights that were drawn anew.

    Args:
        card: The audited model's card.
        module: The network with its preprocessing, in eval mode.
    """

    card: ModelCard
    module: Any

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a tensor, differentiable in `images`."""
        return self.module(images)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs as `audit.core.ImagingModel.predict` does."""
        import torch

        with torch.inference_mode():
            out: NDArray[np.float64] = self.module(torch.from_numpy(np.array(images, np.float32))).double().numpy()
        return out

    def state_digest(self) -> str:
        """Return nothing: it is no model under audit."""
        return ""


def has_weights(model: Any) -> bool:
    """Return whether a model has weights that can be drawn anew."""
    if model.card.access < Access.GRADIENT or not hasattr(model, "module"):
        return False
    return next(model.module.parameters(), None) is not None


def untrained(model: Any, rng: np.random.Generator) -> DifferentiableModel | None:
    """Return the model's architecture untrained, or None where its weights are not at hand.

    Every weight of two or more dimensions, and the bias beside it, is uniform within 1 / sqrt(inputs of a unit), as
    torch draws those of linear layers and convolutions; norms have scale 1, shift 0 and the running mean 0 and variance
    1 of a network that has seen no image; any other parameter is permuted. The audited module is not touched.

    Args:
        model: The model.
        rng: Draws the weights.

    References:
        Adebayo et al. 2018, Sanity checks for saliency maps, NeurIPS.
    """
    if not has_weights(model):
        return None
    import torch

    twin = copy.deepcopy(model.module)
    with torch.no_grad():
        for module in twin.modules():
            redraw(module, rng)
    return Untrained(card=model.card, module=twin.eval())


def redraw(module: Any, rng: np.random.Generator) -> None:
    """Draw the parameters of one module, not of its children, anew by the rule of `untrained`."""
    import torch

    norm = hasattr(module, "running_mean") or isinstance(module, (torch.nn.LayerNorm, torch.nn.GroupNorm))
    if getattr(module, "running_mean", None) is not None:
        module.running_mean.zero_()
        module.running_var.fill_(1.0)
    own = dict(module.named_parameters(recurse=False))
    fans = [p[0].numel() for p in own.values() if p.ndim >= 2]
    for name, values in own.items():
        if norm:
            values.fill_(1.0 if name == "weight" else 0.0)
        elif values.ndim >= 2 or (fans and "bias" in name):
            bound = 1 / np.sqrt(max(1, values[0].numel() if values.ndim >= 2 else max(fans)))
            drawn = rng.uniform(-bound, bound, tuple(values.shape))
            values.copy_(torch.as_tensor(drawn, dtype=values.dtype))
        else:
            mixed = rng.permutation(values.detach().cpu().numpy().ravel()).reshape(tuple(values.shape))
            values.copy_(torch.as_tensor(mixed, dtype=values.dtype))
