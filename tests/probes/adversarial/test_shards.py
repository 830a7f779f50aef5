"""Attacks in shards: the same numbers whatever the size of a shard, and each shard pays for its own cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Probe, ProbeContext
from audit.probes.adversarial import (
    L2Evasion,
    LinfEvasion,
    MinimalPerturbation,
    QueryAttack,
    SparseAttack,
    TargetedMiss,
    TransferAttack,
)
from audit.testing import context
from tests.attacks.nets import Rowwise, wrap
from tests.probes.parted import check_any_shards, check_cost_of_a_shard

BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=5, batch_size=3, attack_queries=20)
CASES = 12
COSTLY: tuple[type[Probe], ...] = (L2Evasion, MinimalPerturbation, TargetedMiss, TransferAttack)
PARTED = [LinfEvasion, QueryAttack, SparseAttack, *(pytest.param(p, marks=pytest.mark.slow) for p in COSTLY)]


def fragile(cases: int = CASES, **more: Any) -> ProbeContext:
    """Return the context of a linear model, some of whose cases fall at each size."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, cases)
    images = 0.5 + 0.01 * (2 * target - 1)[:, None, None, None] + rng.normal(0, 0.02, (cases, 1, 8, 8))
    images = np.clip(images, 0, 1).astype(np.float32)
    weights = rng.uniform(0.2, 2.0, 64) * np.where(rng.random(64) < 0.2, -0.3, 1)
    model = wrap(Rowwise(weights, -0.5 * float(weights.sum())), input=InputSpec(scale=False))
    cohort = from_arrays(images, target, np.arange(cases) // 2, task="binary", classes=("no", "yes"))
    return context(model, cohort, budget=BUDGET, **more)


def enough(probe: type[Probe]) -> int:
    """Return how many cases a probe takes at least: a surrogate is taught on half of them."""
    return 40 if probe is TransferAttack else CASES


@pytest.mark.parametrize("probe", PARTED)
def test_the_size_of_a_shard_changes_no_number(probe: type[Probe]) -> None:
    """Cases one by one, as usual, or all at once: the same measurements, figures and passes, to the bit."""
    check_any_shards(probe, lambda: fragile(enough(probe)))


@pytest.mark.parametrize("probe", PARTED)
def test_a_shard_by_itself_asks_about_its_own_cases(probe: type[Probe]) -> None:
    """What another worker does for one shard is that shard alone; nothing before it asks the model."""
    costs = check_cost_of_a_shard(probe, fragile(enough(probe)))
    assert 0 < max(costs) < 0.5 * sum(costs)


class Both(torch.nn.Module):
    """Two linear answers to one image."""

    def __init__(self, first: Rowwise, second: Rowwise) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Any) -> Any:
        return torch.cat([self.first(x), self.second(x)], dim=1)


def findings() -> ProbeContext:
    """Return the context of a linear model of two findings."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, (9, 2))
    images = np.full((9, 1, 8, 8), 0.5)
    images[:, :, :4] += 0.01 * (2 * target[:, :1, None, None] - 1)
    images[:, :, 4:] += 0.01 * (2 * target[:, 1:, None, None] - 1)
    images = np.clip(images + rng.normal(0, 0.02, images.shape), 0, 1).astype(np.float32)
    upper = np.repeat([1.0, 0.0], 32) * rng.uniform(0.2, 2.0, 64)
    lower = np.repeat([0.0, 1.0], 32) * rng.uniform(0.2, 2.0, 64)
    net = Both(*(Rowwise(w, -0.5 * float(w.sum())) for w in (upper, lower)))
    spec = {"task": "multilabel", "classes": ("oedema", "mass")}
    model = wrap(net, input=InputSpec(scale=False), **spec)
    return context(model, from_arrays(images, target, **spec), budget=replace(BUDGET, attack_steps=3))


def test_shards_of_a_second_question_need_not_attack_the_first() -> None:
    """Of two findings each is attacked by itself; a shard of the second takes the first from what is kept."""
    costs = check_cost_of_a_shard(LinfEvasion, findings())
    assert 0 < max(costs) < 0.4 * sum(costs)


@pytest.mark.slow
def test_the_size_of_a_shard_changes_no_number_of_any_question() -> None:
    """Two findings: the same measurements, figures and passes, to the bit."""
    check_any_shards(LinfEvasion, findings)


def test_further_attacks_are_parted_by_whole_batches() -> None:
    """Attacks of a library draw for a batch at once: batches are the positions, and three together change nothing."""
    pytest.importorskip("torchattacks")
    names = ("torchattacks:PGD", "torchattacks:FGSM")
    check_any_shards(LinfEvasion, lambda: fragile(attacks=names))
