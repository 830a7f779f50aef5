"""Models that answer at random: noticed by asking twice, attacked in the mean over several draws.

`steady(model, images, batch) -> (model, same)`: the model itself where it repeats itself, else its `Averaged` twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel, ModelCard

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 8
"""Answers that are averaged where a model does not repeat itself."""


class Averaged:
    """The mean answer of a model over several draws, and its gradient: the expectation over transformation.

    A single draw that comes out wrong is luck, not a success, so the decision is that of the mean as well.

    Args:
        model: A model that draws at every call.
        draws: Calls an answer.

    References:
        Athalye et al. 2018, Synthesizing robust adversarial examples, ICML.
    """

    def __init__(self, model: DifferentiableModel, draws: int = DRAWS) -> None:
        self._model, self.draws = model, draws

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._model.card

    @property
    def module(self) -> Any:
        """The module, which draws."""
        return self._model.module

    def forward(self, images: Any) -> Any:
        """Return the mean raw outputs as a tensor, differentiable in `images`."""
        import torch

        return torch.stack([self._model.forward(images) for _ in range(self.draws)]).mean(dim=0)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mean raw outputs."""
        out: NDArray[np.float64] = np.mean([self._model.predict(images) for _ in range(self.draws)], axis=0)
        return out

    def state_digest(self) -> str:
        """Return the model's digest."""
        return self._model.state_digest()


def close(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (m,) whether answers agree up to what float32 and the batch's make-up explain."""
    one, other = a.reshape(len(a), -1), b.reshape(len(b), -1)
    out: NDArray[np.bool_] = np.logical_and.reduce(np.isclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True), axis=1)
    return out


def repeats(model: DifferentiableModel, images: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (m,) whether the answer to an image is the same when it is asked again in the same batch."""
    return close(model.predict(images), model.predict(images))


def steady(
    model: DifferentiableModel, images: NDArray[np.float32], batch: int
) -> tuple[DifferentiableModel, NDArray[np.bool_]]:
    """Return what to attack, and (m,) whether the model gave the same answer to an image twice.

    Args:
        model: The model under attack.
        images: (m, channels, *spatial) some images of the cohort.
        batch: Images a batch.

    Returns:
        The model itself where every answer was repeated, else its mean over `DRAWS` draws.
    """
    same = np.concatenate([repeats(model, images[i : i + batch]) for i in range(0, len(images), batch)])
    return (model if same.all() else Averaged(model)), same
