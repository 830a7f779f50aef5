"""Contexts and readings that the tests of the attacks beside ADV001 share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from audit.cohorts import from_arrays
from audit.core import (
    BUDGETS,
    InputSpec,
    IntendedUse,
    Levels,
    Limit,
    Measurement,
    Policy,
    Probe,
    ProbeContext,
    Rule,
)
from audit.execution import Setting, Silent, run_probe
from audit.judge import judge
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


def verdict(probe: type[Probe], ctx: ProbeContext, *, least: float = 0.3) -> str:
    """Return what a rule on the robust accuracy at the headline size says of a model."""
    setting = Setting(
        model=ctx.model, cohort=ctx.cohort, clean=ctx.clean, seed=1, budget=ctx.budget, levels=Levels(),
        intended_use=IntendedUse(), golden=None, golden_tolerance=1e-4, digest_before=ctx.model.state_digest(),
        layer=None, store=lambda a: None, show_pixels=False,
    )  # fmt: skip
    result = run_probe(probe, setting, Silent()).result
    assert result.state == "completed", result.reason
    rule = Rule(
        id="robust", probe=probe.info.code, metric="robust_accuracy", where=HEADLINE, limit=Limit(min=least),
        blocking=True,
    )  # fmt: skip
    policy = Policy(name="robustness", rules=(rule,))
    (finding,) = judge([result], policy, today=dt.date(2026, 11, 26), input_range=(0.0, 1.0))
    return finding.status
