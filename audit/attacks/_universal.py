"""One perturbation for all images: fitted on some cases, to be judged on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._fast import Forward, fast_forward
from audit.attacks._gradient import slopes
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Question
from audit.attacks._outcome import Cases, Meter
from audit.attacks._regions import Regions
from audit.core import DifferentiableModel, ImagingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOMENTUM = 0.9
_JUDGED = 2
_BEYOND = 0.1
"""A case counts as lost for the fit once its margin is this share of a usual clean one below 0."""


class UniversalFit:
    """Fits one L-infinity perturbation that overturns as many cases as it can.

    Every case that still stands has one vote, its gradient scaled to the same length; the perturbation follows the
    signs of the votes with momentum and shrinking steps, and the one under which the fewest cases stand is kept.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        cases: The cases to fit on; none of them may be judged.
        passes: Times that all of them are gone through.
        batch: Images a step.
        rng: Order of the cases.
        meter: Where the cost is counted.

    References:
        Moosavi-Dezfooli et al. 2017, Universal adversarial perturbations, CVPR, for the aim; the fit by stochastic
        gradients is that of Shafahi et al. 2020, Universal adversarial training, AAAI.
    """

    def __init__(
        self, model: DifferentiableModel, question: Question, cases: Cases, *, passes: int, batch: int,
        rng: np.random.Generator, meter: Meter,
    ) -> None:  # fmt: skip
        self.model, self.question, self.cases, self.meter = model, question, cases, meter
        self.passes, self.batch, self.rng = passes, batch, rng
        self._chosen: Forward | None = None
        self._regions = Regions(model.card.input.modality)

    def at(self, epsilon: float, before: Sequence[NDArray[np.float32]] = ()) -> tuple[NDArray[np.float32], float]:
        """Return the perturbation of one size, (channels, *spatial), and the share of the fitted cases that stand.

        Args:
            epsilon: Size in stored units.
            before: Perturbations of at most that size that compete with those fitted; the fit goes on from the first.
        """
        nothing = np.zeros(self.cases.images(np.arange(1)).shape[1:], dtype=np.float32)
        best, lowest = nothing, self._stand(nothing, epsilon)
        tried = list(before)
        for number in range(len(self.question.objectives)):
            # Later passes take smaller steps and are nearly always the better ones; each costs all cases to judge.
            tried += self._descend(number, epsilon, before[0] if before else nothing)[-_JUDGED:]
        for delta in tried:
            stand = self._stand(delta, epsilon)
            if stand < lowest:
                best, lowest = delta, stand
        return best, lowest

    def _stand(self, delta: NDArray[np.float32], epsilon: float) -> float:
        right = under(
            self.model, self.question, self.cases, delta, epsilon, self.batch, self.meter, regions=self._regions
        )
        return float(right.mean())

    def _descend(self, number: int, epsilon: float, start: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the perturbations at the end of each pass."""
        import torch

        delta = np.clip(start, -epsilon, epsilon).astype(np.float32)
        velocity = np.zeros_like(delta, dtype=np.float64)
        scale, found = 0.0, []
        for run in range(self.passes):
            order = self.rng.permutation(self.cases.count)
            size = 2 * epsilon / 2**run
            for begin in range(0, order.size, self.batch):
                rows = np.sort(order[begin : begin + self.batch])
                x, target, ball = _shifted(self.model, self.cases, rows, delta, epsilon, self._regions)
                self.meter.gradients += rows.size
                which = np.full(rows.size, number)
                wanted = torch.as_tensor(target, device=x.device)
                margin, slope = slopes(self._forward(x, wanted), self.question.objectives, which, x, wanted)
                margins = margin.double().cpu().numpy()
                scale = scale or float(np.median(np.abs(margins[np.isfinite(margins)]))) if margins.size else scale
                votes = torch.nan_to_num(slope * ball.region, nan=0.0, posinf=0.0, neginf=0.0).double()
                length = votes.flatten(1).abs().sum(dim=1).clamp_min(1e-300)
                stands = torch.as_tensor(margins > -_BEYOND * scale, device=votes.device).double()
                weight = (stands / length).reshape(-1, *(1,) * (votes.ndim - 1))
                velocity = _MOMENTUM * velocity + (votes * weight).sum(dim=0).cpu().numpy()
                delta = np.clip(delta - size * np.sign(velocity), -epsilon, epsilon).astype(np.float32)
            found.append(delta.copy())
        return found

    def _forward(self, x: Any, wanted: Any) -> Forward:
        """Return what gradients are taken of, chosen on the first images."""
        if self._chosen is None:
            self._chosen = fast_forward(self.model, self.question.objectives[0], x, wanted, self.meter)
        return self._chosen


def _shifted(
    model: ImagingModel, cases: Cases, rows: NDArray[np.int64], delta: NDArray[np.float32], epsilon: float,
    regions: Regions,
) -> tuple[Any, NDArray[Any], Ball]:  # fmt: skip
    """Return the valid images with a perturbation added where each may be changed, their targets and their ball."""
    import torch

    images, spec = cases.images(rows), model.card.input
    module: Any = getattr(model, "module", None)
    parameters = () if module is None else module.parameters()
    device = next((p.device for p in parameters), torch.device("cpu"))
    region = torch.as_tensor(regions.of(rows, images).astype(np.float32), device=device)
    ball = Ball.around(torch.as_tensor(images, device=device), spec.range, region)
    shift = torch.as_tensor(delta, device=device).expand(ball.x0.shape)
    return ball.project(shift, epsilon), cases.targets(rows), ball


def under(
    model: ImagingModel, question: Question, cases: Cases, delta: NDArray[np.float32], epsilon: float, batch: int,
    meter: Meter, *, regions: Regions | None = None,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return (n,) which cases the untouched model answers right under one perturbation.

    Args:
        model: The model.
        question: The decision.
        cases: The cases.
        delta: (channels, *spatial) perturbation.
        epsilon: Its size in stored units.
        batch: Images a batch.
        meter: Where the cost is counted.
        regions: Where these cases may be changed, for who asks about them more than once.
    """
    regions = regions or Regions(model.card.input.modality)
    ledger = Ledger(model, question, 0, 0, meter)
    parts = []
    for begin in range(0, cases.count, batch):
        rows = np.arange(begin, min(begin + batch, cases.count))
        x, target, _ = _shifted(model, cases, rows, delta, epsilon, regions)
        parts.append(ledger.ask(x.cpu().numpy(), target)[2])
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)
