"""Perturbations made on one network and tried on another, in the suite's own ball of allowed images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Ball, slopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ATTACKS = {"one step": 1, "20 steps": 20}
EPSILONS = (0.005, 0.01, 0.02, 0.03)
"""Largest change of a pixel, of the full scale."""
HEADLINE = 0.01
_STEP = 0.005
"""Of the many steps, of the full scale: 0.01 on a scale from -1 to 1."""
_BATCH = 100


class Margin:
    """The logit towards the reference standard: what an attack lowers, which raises the cross entropy."""

    def margin(self, raw: Any, target: Any) -> Any:
        """Return (n,) margins of (n, 1) logits for (n,) targets of 0 or 1."""
        return raw[:, 0] * (2 * target - 1)


def perturbed(net: Any, images: Floats, labels: Floats, *, epsilon: float, steps: int) -> Floats:
    """Return images within epsilon that a network answers worse.

    One step goes to the corner that the sign of the gradient names; several go 0.005 of the full scale each, are kept
    within epsilon and the scale, and start at the image. The sign of the gradient of the logit towards the reference
    standard is that of the cross entropy.

    Args:
        net: The network whose gradients are taken.
        images: (n, 1, rows, columns) in [0, 1].
        labels: (n,) 0 or 1.
        epsilon: Largest change of a pixel, of the full scale.
        steps: 1 or more.
    """
    return np.concatenate(
        [
            _part(net, images[i : i + _BATCH], labels[i : i + _BATCH], epsilon, steps)
            for i in range(0, len(images), _BATCH)
        ]
    )


def _part(net: Any, images: Floats, labels: Floats, epsilon: float, steps: int) -> Floats:
    import torch

    ball = Ball.around(torch.from_numpy(images), (0.0, 1.0), torch.ones(len(images), 1, *images.shape[2:]))
    target, which, x = torch.from_numpy(labels), np.zeros(len(images), dtype=np.int64), ball.x0.clone()
    size = epsilon if steps == 1 else _STEP
    for _ in range(steps):
        slope = slopes(net, (Margin(),), which, x, target)[1]  # type: ignore[arg-type]
        x = ball.project(x - ball.x0 - size * slope.sign(), epsilon)
    out: Floats = x.numpy()
    return out


def shuffled(images: Floats, attacked: Floats, rng: np.random.Generator) -> Floats:
    """Return images under the same perturbations with their pixels in random places: their size without their aim."""
    change = (attacked - images).reshape(len(images), -1)
    moved = rng.permuted(change, axis=1).reshape(images.shape)
    out: Floats = np.clip(images + moved, 0.0, 1.0).astype(np.float32)
    return out
