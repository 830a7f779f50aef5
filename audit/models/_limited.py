"""A model that is asked about few images at a time, where memory does not hold more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ImagingModel, ModelCard

if TYPE_CHECKING:
    from numpy.typing import NDArray

Forward = Callable[[Any], Any]


class LimitedModel:
    """Passes images on in parts, and puts the answers together.

    Whoever asks need not know: its batches, and what it draws for them, stay as they are.

    Args:
        model: The model; what else it offers is offered here, too.
        most: Images that it may be given at a time.
    """

    def __init__(self, model: ImagingModel, most: int) -> None:
        self._model, self.most = model, most

    def __getattr__(self, name: str) -> Any:
        # Asked for before there is a model, where a copy is being made.
        if name.startswith("__") or name == "_model":
            raise AttributeError(name)
        return getattr(self._model, name)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._model.card

    def state_digest(self) -> str:
        """Return the digest of the weights as they are in memory now."""
        return self._model.state_digest()

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs; see `audit.core.ImagingModel.predict`."""
        parts = [self._model.predict(images[i : i + self.most]) for i in range(0, len(images), self.most)]
        return np.concatenate(parts) if parts else self._model.predict(images)


class LimitedNetwork(LimitedModel):
    """The same for a model that gives gradients: what a part needs to go backward is worked out again when it does."""

    @property
    def module(self) -> Any:
        """The module itself, without a limit."""
        model: Any = self._model
        return model.module

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a tensor; see `audit.core.DifferentiableModel.forward`."""
        model: Any = self._model
        return in_parts(model.forward, self)(images)


def in_parts(forward: Forward, model: Any) -> Forward:
    """Return a forward that keeps to the images that a model may be given at a time; the same where it has no limit.

    Args:
        forward: From a tensor of images to outputs, of the model or of a copy.
        model: The model.
    """
    most = getattr(model, "most", None)
    if most is None:
        return forward
    import torch
    from torch.utils.checkpoint import checkpoint

    def few(images: Any) -> Any:
        parts = images.split(most)
        if not (torch.is_grad_enabled() and images.requires_grad):
            return torch.cat([forward(part) for part in parts])
        return torch.cat([checkpoint(forward, part, use_reentrant=False) for part in parts])

    return few


def limited(model: ImagingModel, most: int) -> ImagingModel:
    """Return a model that is asked about few images at a time.

    Args:
        model: The model.
        most: Images at a time, 1 or more.
    """
    return LimitedNetwork(model, most) if hasattr(model, "module") else LimitedModel(model, most)
