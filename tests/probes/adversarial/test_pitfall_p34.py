"""P34: a model that answers nothing but the majority is not robust."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec
from audit.probes.adversarial import LinfEvasion
from audit.testing import context
from tests.attacks.nets import wrap

BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=4)


class Indifferent(torch.nn.Module):
    """The logit of the majority, and next to nothing of the image."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, x: Any) -> Any:
        return -2.0 + self.weight * x.flatten(1).mean(dim=1, keepdim=True)


@pytest.mark.parametrize("weight", [0.0, 1e-3])
def test_chance_that_nothing_can_turn_has_no_lower_bound(weight: float) -> None:
    """Nine of ten are right, clean and under attack, since all are called negative; no rule can PASS on that."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (100, 1, 6, 6)).astype(np.float32)
    target = (np.arange(100) % 10 == 0).astype(int)
    cohort = from_arrays(images, target, None, task="binary", classes=("no", "yes"))
    ctx = context(wrap(Indifferent(weight), input=InputSpec(scale=False)), cohort, budget=BUDGET)
    given = list(LinfEvasion().run(ctx))
    accuracy = [m for m in given if m.metric == "robust_accuracy"]
    assert [m.value for m in accuracy] == [0.9] * len(accuracy)
    assert all(m.low == 0 and "certificate_large_epsilon" in m.method for m in accuracy)
    assert all(m.value == 0 for m in given if m.metric == "robust_sensitivity")
    assert all(m.low == 0 for m in given if m.metric.startswith("robust") and m.low is not None)
