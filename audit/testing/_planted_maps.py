"""A model's own maps, sound or with one fault that must be seen before they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.explain import OwnMap

PLANTED_MAPS: Mapping[str, str] = {
    "sound": "input x gradient from the blurred image, of the model that it is given",
    "sign-flipped": "the sound one times -1",
    "wrong-output": "the sound one of the next output",
    "other-weights": "the sound one of the same architecture with other weights, whose digest it names",
    "other-weights-unsaid": "the same, which says of which weights it is nowhere",
    "edges": "the slopes of the image, whatever the model's weights are",
    "signed-edges": "the same with the sign of the sound one, which is all of it that follows the weights",
}
"""What `planted_map` builds, by name."""


def planted_map(name: str, model: Any) -> OwnMap:
    """Return a planted map of a network.

    Args:
        name: One of `PLANTED_MAPS`.
        model: The audited model, with access to gradients.

    Raises:
        InputError: No such map.
    """
    from audit.explain import OwnMap, untrained

    if name not in PLANTED_MAPS:
        raise InputError(f"no planted map {name!r}", expected=f"one of {', '.join(PLANTED_MAPS)}", got=repr(name))
    if name.startswith("other-weights"):
        other = untrained(model, np.random.default_rng(11))
        digest = "" if name.endswith("unsaid") else "0" * 64
        return OwnMap(function=lambda images: _product(images, other, 0), name=name, digest=digest)
    if name == "edges":
        return OwnMap(function=_edges, name=name)
    if name == "signed-edges":
        return OwnMap(
            function=lambda images, model: _edges(images, model) * np.sign(_product(images, model, 0)), name=name
        )
    sign, shift = (-1.0 if name == "sign-flipped" else 1.0), int(name == "wrong-output")

    def maps(images: NDArray[Any], model: Any) -> NDArray[np.float64]:
        return sign * _product(images, model, shift)

    return OwnMap(function=maps, name=name)


def _edges(images: NDArray[Any], model: Any) -> NDArray[np.float64]:
    del model
    grey = images.astype(np.float64).mean(axis=1)
    slopes = [np.gradient(grey, axis=axis) for axis in range(1, grey.ndim)]
    out: NDArray[np.float64] = np.sqrt(np.sum(np.square(slopes), axis=0))
    return out


def _product(images: NDArray[Any], model: Any, shift: int) -> NDArray[np.float64]:
    """Return (n, *spatial) gradients of the explained logit, or of the next output, times image minus blur."""
    import torch

    from audit.explain import blurred, explained_by

    x = torch.as_tensor(np.array(images, dtype=np.float32)).requires_grad_()
    raw = model.module(x)
    explained = explained_by(raw.detach().double().numpy(), model.card)
    if shift:
        explained = replace(explained, index=(explained.index + shift) % raw.shape[1])
    (slope,) = torch.autograd.grad(explained.logit(raw, *explained.tensors()).sum(), x)
    away = images - blurred(images)
    out: NDArray[np.float64] = (slope.double().numpy() * away).sum(axis=1)
    return out
