"""A cohort whose positive cases have a bright spot, among dark spots of greater contrast, and models that use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, Finding, InputSpec, Limit, Measurement, Policy, Probe, ProbeContext, ProbeResult, Rule
from audit.explain import Maps, attribute
from audit.judge import judge
from audit.testing import context
from tests.attacks.nets import wrap
from tests.judge._make import TODAY

UNIT = InputSpec(scale=False)
BUDGET = replace(BUDGETS["smoke"], explain_cases=None, explain_steps=6, explain_perturbations=24)


class Spot(torch.nn.Module):
    """Log odds from windows of 2 x 2 pixels whose sum exceeds 3.2: square spots count, dots and dark spots do not.

    The weights of the window are those of a convolution, so that the network can be drawn anew.
    """

    def __init__(
        self, gain: float = 4.0, offset: float = -1.0, planes: bool = False, most: float = float("inf")
    ) -> None:
        super().__init__()
        self.window = torch.nn.Conv3d(1, 1, (1, 2, 2)) if planes else torch.nn.Conv2d(1, 1, 2)
        self.window.weight.data[:] = gain
        self.window.bias.data[:] = -3.2 * gain
        self.offset, self.most = offset, most

    def forward(self, x: Any) -> Any:
        return torch.relu(self.window(x)).flatten(1).sum(dim=1, keepdim=True).clamp(max=self.most) + self.offset


def spots(
    n: int = 28, *, net: Any = None, shape: tuple[int, ...] = (16, 16), methods: tuple[str, ...] = (),
    capped: bool = False, **spec: Any,
) -> ProbeContext:  # fmt: skip
    """Return the context of a cohort with a bright square in the positive cases, away from edges and centre.

    All cases have bright dots, and dark spots of greater contrast, which the model ignores; half of the image is
    brighter. `capped`: one square is all the evidence that there can be, so that more of it, made by a fill, is worth
    nothing.
    """
    rng = np.random.default_rng(0)
    target = np.arange(n) % 4 > 0
    images = rng.uniform(0.2, 0.5, (n, 1, *shape)).astype(np.float32)
    images[:, 0, ..., :, shape[-1] // 2 :] += 0.15
    images[:, 0, ..., 7:9, 1:15:3] = -1.0
    images[:, 0, ..., 13:15, 1:15:3] = -1.0
    images[:, 0, ..., 2:6:3, 8:15:3] = -1.0
    # Below the mean of a window that counts, so that no imputation makes a square of them.
    images[:, 0, ..., 10:13:2, 1:15:2] = 0.78
    for i in np.flatnonzero(target):
        row, column = rng.integers(1, 4), rng.integers(1, 5)
        images[i, 0, ..., row : row + 2, column : column + 2] = 1.0
    most = 3.4 * int(np.prod(shape[:-2])) if capped else float("inf")
    model = wrap(net or Spot(planes=len(shape) > 2, most=most), input=UNIT, **spec)
    cohort = from_arrays(images, target.astype(int), task="binary", classes=("no", "yes"))
    given = context(model, cohort, budget=BUDGET)
    return replace(given, explain=replace(given.explain, methods=methods))


def of(measurements: list[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    """Return the measurements of a metric under some conditions."""
    return [
        m for m in measurements if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())
    ]


def judged(probe: type[Probe], measurements: list[Measurement], metric: str, **where: Any) -> Finding:
    """Return what a rule says that asks a metric to be above 0."""
    rule = Rule(id="r", probe=probe.info.code, metric=metric, where=where, limit=Limit(min=0.0))
    result = ProbeResult(info=probe.info, state="completed", measurements=tuple(measurements))
    return judge([result], Policy(name="p", rules=(rule,)), today=TODAY)[0]


def replaced(change: Callable[[str, np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., Maps]:
    """Return an `attribute` whose maps were changed: from name, images and honest maps to maps."""

    def attributed(model: Any, images: np.ndarray, *given: Any, **more: Any) -> Maps:
        honest = attribute(model, images, *given, **more)
        return replace(honest, values={k: change(k, images, v) for k, v in honest.values.items()})

    return attributed
