"""Attacks of torchattacks on any objective."""

from __future__ import annotations

import importlib.util
from typing import Any

from audit.attacks._ball import Ball
from audit.attacks._objectives import Objective
from audit.attacks._outcome import Meter
from audit.core import DifferentiableModel


def torchattacks_available() -> bool:
    """Return whether torchattacks can be imported."""
    return importlib.util.find_spec("torchattacks") is not None


def torchattacks_pgd(
    model: DifferentiableModel, objective: Objective, ball: Ball, target: Any, epsilon: float, *, steps: int, seed: int,
    meter: Meter,
) -> Any:  # fmt: skip
    """Return valid images within epsilon, those of the lowest margin that the PGD of torchattacks meets.

    PGD works on [0, 1] and raises a cross-entropy of logits, which goes flat where logits are large. It is given a
    model of two logits whose difference is the margin's change about its present value: the sign of the gradient is
    the margin's at any scale.

    Args:
        model: The model under attack.
        objective: The margin to lower.
        ball: What is allowed, L-infinity.
        target: (m, ...) targets.
        epsilon: Size in stored units.
        steps: Gradient steps.
        seed: Seed of the random start; the global generator is left as it was.
        meter: Where the cost is counted.
    """
    import torch
    import torchattacks

    low, high = float(ball.low.min()), float(ball.high.max())
    span = high - low
    u0 = (ball.x0 - low) / span
    best = _Best(ball.x0)

    class Head(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.device_hint = torch.nn.Parameter(torch.zeros(1, device=u0.device), requires_grad=False)

        def forward(self, u: Any) -> Any:
            meter.gradients += len(u)
            delta = (u - u0) * span * ball.region
            margin = objective.margin(model.forward(ball.x0 + delta), target)
            best.offer(delta.detach(), margin.detach())
            # A graph that does not reach the image must give a zero gradient, not an exception.
            change = margin - margin.detach() + 0 * u.flatten(1).sum(dim=1)
            return torch.stack([change, torch.zeros_like(change)], dim=1)

    attack = torchattacks.PGD(Head().eval(), eps=epsilon / span, alpha=2.5 * epsilon / span / steps, steps=steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        u = attack(u0, torch.zeros(len(u0), dtype=torch.long, device=u0.device))
    x = ball.project((u - u0) * span, epsilon)
    meter.forwards += len(x)
    with torch.no_grad():
        best.offer(x - ball.x0, objective.margin(model.forward(x), target))
    return ball.project(best.delta, epsilon)


class _Best:
    """The perturbation of the lowest margin so far, image by image."""

    def __init__(self, x0: Any) -> None:
        import torch

        self.delta = torch.zeros_like(x0)
        self.margin = torch.full((len(x0),), float("inf"), device=x0.device)

    def offer(self, delta: Any, margin: Any) -> None:
        """Keep perturbations that are better than those before; a margin that is no number is the best of all."""
        import torch

        lower = torch.nan_to_num(margin.to(self.margin.dtype), nan=-float("inf")) < self.margin
        self.margin = torch.where(lower, margin.to(self.margin.dtype), self.margin)
        self.delta = torch.where(lower.reshape(-1, *[1] * (delta.ndim - 1)), delta, self.delta)
