"""Contexts and readings that the tests of the attacks beside ADV001 share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Measurement, Probe, ProbeContext
from audit.testing import context, network, network_cohort
from tests.attacks.nets import Linear, wrap

# Nets this small run many times slower on several threads than on one.
torch.set_num_threads(1)

UNIT = InputSpec(scale=False)
BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=8)
HEADLINE = {"parameter": "headline"}


def known(name: str, *, n: int = 60, **more: Any) -> ProbeContext:
    """Return the context of a planted network on its cohort."""
    return context(network(name), network_cohort(np.random.default_rng(0), n=n), budget=BUDGET, **more)


@cache
def measured(probe: type[Probe], name: str) -> Sequence[Measurement]:
    """Return what a probe measures on a planted network."""
    return tuple(probe().run(known(name)))


def linear(weights: np.ndarray, *, strength: float = 0.02, n: int = 80) -> tuple[ProbeContext, np.ndarray]:
    """Return the context of a linear model on images whose mean differs by label, and its signed logits."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, n)
    images = np.clip(0.5 + strength * (2 * target - 1)[:, None, None, None] + rng.normal(0, 0.02, (n, 1, 6, 6)), 0, 1)
    images = images.astype(np.float32)
    model = wrap(Linear(weights, -0.5 * weights.sum()), input=UNIT)
    cohort = from_arrays(images, target, task="binary", classes=("no", "yes"))
    signed = (2 * target - 1) * (images.reshape(n, -1).astype(float) @ weights - 0.5 * weights.sum())
    return context(model, cohort, budget=BUDGET), signed


def of(measurements: Sequence[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    """Return the measurements of a metric under a condition."""
    return [
        m for m in measurements if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())
    ]


def only(measurements: Sequence[Measurement], metric: str, **condition: Any) -> Measurement:
    """Return the one measurement of a metric under a condition."""
    (found,) = of(measurements, metric, **condition)
    return found
