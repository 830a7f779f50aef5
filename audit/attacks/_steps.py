"""One search in the L-infinity ball: our own signed steps, or those of torchattacks."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Any

from audit.attacks._objectives import Objective
from audit.core import DifferentiableModel


def torchattacks_available() -> bool:
    """Return whether torchattacks can be imported."""
    return importlib.util.find_spec("torchattacks") is not None


@dataclass(kw_only=True)
class Meter:
    """Images that went through the model, forward alone and with a gradient."""

    forwards: int = 0
    gradients: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Box:
    """What a perturbed image may be.

    Args:
        x0: (n, channels, *spatial) images, float32.
        low: Lowest valid intensity, elementwise: an image that starts outside the range may stay where it is.
        high: Highest valid intensity.
        region: (n, 1, *spatial) 1 where a change is allowed.
    """

    x0: Any
    low: Any
    high: Any
    region: Any

    @classmethod
    def around(cls, x0: Any, valid: tuple[float, float], region: Any) -> Box:
        """Return the box of images within a valid range."""
        return cls(x0=x0, low=x0.clamp_max(valid[0]), high=x0.clamp_min(valid[1]), region=region)

    def take(self, rows: Any) -> Box:
        """Return the box of some of the images."""
        return Box(x0=self.x0[rows], low=self.low[rows], high=self.high[rows], region=self.region[rows])

    def project(self, delta: Any, epsilon: float) -> Any:
        """Return valid images within epsilon, never beyond it by a rounding error either."""
        import torch

        clean = torch.nan_to_num(delta, nan=0.0).clamp(-epsilon, epsilon) * self.region
        x = torch.minimum(torch.maximum(self.x0 + clean, self.low), self.high)
        over = (x.double() - self.x0.double()).abs() > epsilon
        return torch.where(over, torch.nextafter(x, self.x0), x)


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """The model, what to lower and by how many steps.

    Args:
        model: The model under attack.
        objective: The margin.
        steps: Gradient steps.
        meter: Where the cost is counted.
    """

    model: DifferentiableModel
    objective: Objective
    steps: int
    meter: Meter = field(default_factory=Meter)

    def margin(self, x: Any, target: Any) -> Any:
        """Return (n,) margins without a gradient."""
        import torch

        self.meter.forwards += len(x)
        with torch.no_grad():
            return self.objective.margin(self.model.forward(x), target)

    def gradient(self, x: Any, target: Any) -> tuple[Any, Any]:
        """Return (n,) margins and their gradients, which are 0 where the graph does not reach the image."""
        import torch

        self.meter.gradients += len(x)
        x = x.detach().requires_grad_()
        margin = self.objective.margin(self.model.forward(x), target)
        if not margin.requires_grad:
            return margin.detach(), torch.zeros_like(x)
        (grad,) = torch.autograd.grad(margin.sum(), x, allow_unused=True)
        return margin.detach(), torch.zeros_like(x) if grad is None else grad

    def own(self, box: Box, target: Any, epsilon: float, start: Any) -> Any:
        """Return the perturbation of the lowest margin met on signed steps of 2.5 epsilon / steps.

        Args:
            box: What is allowed.
            target: (n, ...) targets.
            epsilon: Size in stored units.
            start: Perturbation to start from.
        """
        import torch

        best = _Best(box.x0)
        x = box.project(start, epsilon)
        for _ in range(self.steps):
            margin, grad = self.gradient(x, target)
            best.offer(x - box.x0, margin)
            sign = torch.nan_to_num(grad, nan=0.0).sign()
            x = box.project(x - box.x0 - 2.5 * epsilon / self.steps * sign, epsilon)
        best.offer(x - box.x0, self.margin(x, target))
        return best.delta

    def torchattacks(self, box: Box, target: Any, epsilon: float, seed: int) -> Any:
        """Return the perturbation of the lowest margin that the PGD of torchattacks meets.

        PGD works on [0, 1] and raises a cross-entropy of logits, which goes flat where logits are large. It is given a
        model of two logits whose difference is the margin's change about its present value: the sign of the gradient
        is the margin's at any scale.

        Args:
            box: What is allowed.
            target: (n, ...) targets.
            epsilon: Size in stored units.
            seed: Seed of the random start; the global generator is left as it was.
        """
        import torch
        import torchattacks

        low, high = float(box.low.min()), float(box.high.max())
        span = high - low
        u0 = (box.x0 - low) / span
        best = _Best(box.x0)
        search = self

        class Head(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.device_hint = torch.nn.Parameter(torch.zeros(1, device=u0.device), requires_grad=False)

            def forward(self, u: Any) -> Any:
                search.meter.gradients += len(u)
                delta = (u - u0) * span * box.region
                margin = search.objective.margin(search.model.forward(box.x0 + delta), target)
                best.offer(delta.detach(), margin.detach())
                # A graph that does not reach the image must give a zero gradient, not an exception.
                change = margin - margin.detach() + 0 * u.flatten(1).sum(dim=1)
                return torch.stack([change, torch.zeros_like(change)], dim=1)

        head = Head().eval()
        attack = torchattacks.PGD(head, eps=epsilon / span, alpha=2.5 * epsilon / span / self.steps, steps=self.steps)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            u = attack(u0, torch.zeros(len(u0), dtype=torch.long, device=u0.device))
        x = box.project((u - u0) * span, epsilon)
        best.offer(x - box.x0, self.margin(x, target))
        return best.delta


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
        shape = (-1, *[1] * (delta.ndim - 1))
        self.delta = torch.where(lower.reshape(shape), delta, self.delta)
