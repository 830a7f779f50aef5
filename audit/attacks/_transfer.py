"""Perturbations made on one model and tried on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Objective, Question
from audit.attacks._outcome import NOISE, Meter, Outcome
from audit.core import DifferentiableModel, ImagingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRANSFERRED = "transfer"
_DECAY = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Transferred:
    """What became of n cases at E sizes.

    Args:
        outcome: On the audited model.
        surrogate_clean: (n,) right on the surrogate without an attack.
        surrogate: (n, E) right on the surrogate under the perturbations made for it.
        agrees: (n,) both models are right, or both are wrong, without an attack.
    """

    outcome: Outcome
    surrogate_clean: NDArray[np.bool_]
    surrogate: NDArray[np.bool_]
    agrees: NDArray[np.bool_]


def transfer(
    model: ImagingModel, surrogate: DifferentiableModel, asked: tuple[Question, Question], images: NDArray[np.float32],
    target: NDArray[Any], *, epsilons: Sequence[float], headline: float, steps: int, rng: np.random.Generator,
    meter: Meter,
) -> Transferred:  # fmt: skip
    """Attack the surrogate and try what comes of it on the audited model.

    Three perturbations a size: one step along the gradient, and signed steps with and without momentum; the steps go on
    when the surrogate has long given in, since what lies just behind its border seldom transfers. A success counts only
    on the audited model, and a case that is broken stays broken at larger sizes.

    Args:
        model: The audited model, asked for answers alone.
        surrogate: The model that gives gradients.
        asked: The decision of the audited model, and the same one of the surrogate.
        images: (n, channels, *spatial) stored intensities.
        target: (n, ...) targets.
        epsilons: Rising L-infinity sizes.
        headline: The one at which random signs are tried as a control.
        steps: Gradient steps.
        rng: Random signs.
        meter: Where the cost is counted.

    Returns:
        What became of the cases on both models.

    References:
        Dong et al. 2018, Boosting adversarial attacks with momentum, CVPR.
    """
    import torch

    spec = model.card.input
    device = next((p.device for p in surrogate.module.parameters()), torch.device("cpu"))
    region = torch.as_tensor(attack_region(images, spec.modality).astype(np.float32), device=device)
    ball = Ball.around(torch.as_tensor(images, device=device), spec.range, region)
    wanted, rows = torch.as_tensor(target, device=device), np.arange(len(images))
    ledger = Ledger(model, asked[0], len(images), len(epsilons), meter)
    ledger.enter(rows, images, target)
    other = Ledger(surrogate, asked[1], len(images), len(epsilons), meter)
    other.enter(rows, images, target)
    objectives = asked[1].objectives
    clean = [_slope(surrogate, o, ball.x0, wanted, meter) for o in objectives]
    best = images.copy()
    ledger.gradient[:] = np.logical_and.reduce([_usable(g) for g in clean])
    for index, epsilon in enumerate(epsilons):
        for number, objective in enumerate(objectives):
            made = [ball.along(-clean[number], epsilon)]
            made += [_steps(surrogate, objective, ball, wanted, epsilon, steps, d, meter) for d in (0.0, _DECAY)]
            for x in made:
                array = x.detach().cpu().numpy()
                other.offer(rows, array, target, TRANSFERRED)
                _, lower = ledger.offer(rows, array, target, TRANSFERRED)
                hit = lower.any(axis=1)
                best[hit] = array[hit]
        if epsilon == headline:
            ledger.attacked[:] = ledger.right
            kept = best.copy()
            signs = torch.as_tensor(transfer_draws(rng, images.shape), dtype=torch.float32, device=device)
            noisy = ball.project(signs * epsilon, epsilon).cpu().numpy()
            ledger.noise[:] = ledger.right_clean & ledger.offer(rows, noisy, target, NOISE)[0]
        ledger.close(rows, np.full(rows.size, index))
        other.close(rows, np.full(rows.size, index))
    outcome, on_surrogate = ledger.outcome(kept), other.outcome(kept)
    return Transferred(
        outcome=outcome, surrogate_clean=on_surrogate.right_clean, surrogate=on_surrogate.right,
        agrees=outcome.right_clean == on_surrogate.right_clean,
    )  # fmt: skip


def transfer_draws(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return random signs: all that `transfer` draws for images of a shape (n, channels, *spatial)."""
    out: NDArray[Any] = 2.0 * rng.integers(0, 2, shape) - 1.0
    return out


def _slope(surrogate: DifferentiableModel, objective: Objective, x: Any, wanted: Any, meter: Meter) -> Any:
    meter.gradients += len(x)
    return slopes(surrogate.forward, (objective,), np.zeros(len(x), dtype=np.int64), x, wanted)[1]


def _steps(
    surrogate: DifferentiableModel, objective: Objective, ball: Ball, wanted: Any, epsilon: float, steps: int,
    decay: float, meter: Meter,
) -> Any:  # fmt: skip
    """Return images after all the signed steps, with the gradients before counted in by a factor each."""
    import torch

    x, velocity = ball.x0.clone(), torch.zeros_like(ball.x0)
    for _ in range(steps):
        slope = torch.nan_to_num(_slope(surrogate, objective, x, wanted, meter), nan=0.0, posinf=0.0, neginf=0.0)
        length = slope.abs().flatten(1).mean(dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
        velocity = decay * velocity + slope / ball.column(length).to(slope.dtype)
        x = ball.project(ball.step(x - ball.x0, velocity, 2.5 * epsilon / steps), epsilon)
    return x


def _usable(gradient: Any) -> NDArray[np.bool_]:
    """Return (n,) whether a gradient is finite throughout and not zero everywhere."""
    flat = gradient.flatten(1).cpu().numpy()
    out: NDArray[np.bool_] = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    return out
