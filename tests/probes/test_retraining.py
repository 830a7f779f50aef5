"""No rule on a newly trained model is passed where it learnt nothing, learnt wrong, or was not trained enough."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from audit.core import Limit, Policy, ProbeResult, Rule
from audit.judge import judge
from audit.probes.data import LabelNoise
from audit.probes.performance import TrainingSize
from audit.probes.shift import LeaveOneProtocolOut
from audit.testing import region_recipe, tiny_cohort, trained_context

RULES = {
    "cases": (TrainingSize, Rule(id="cases", probe="PERF007", metric="cases_to_target", limit=Limit(max=150.0))),
    "doubling": (TrainingSize, Rule(id="doubling", probe="PERF007", metric="gain_of_doubling", limit=Limit(max=0.05))),
    "curve": (TrainingSize, Rule(id="curve", probe="PERF007", metric="performance", limit=Limit(min=0.7))),
    "transfer": (
        LeaveOneProtocolOut,
        Rule(id="transfer", probe="SHIFT004", metric="performance", where={"parameter": "source only"},
             limit=Limit(min=0.7)),
    ),
    "harm": (
        LeaveOneProtocolOut,
        Rule(id="harm", probe="SHIFT004", metric="gain_over_target_only", where={"parameter": "pooled"},
             limit=Limit(min=-0.05)),
    ),
    "noise": (
        LabelNoise,
        Rule(id="noise", probe="DATA011", metric="noise_cost", where={"parameter": "flips of 20 %"},
             limit=Limit(max=0.05)),
    ),
}  # fmt: skip


class Says:
    """A model that answers by a function of the images."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self.answer(images), dtype=float)[:, None]


def constant(images: Any, targets: Any, seed: int, weights: Any = None) -> Says:
    return Says(lambda x: np.zeros(len(x)))


def saturated(images: Any, targets: Any, seed: int, weights: Any = None) -> Says:
    return Says(lambda x: np.full(len(x), 1e6))


def guesses(images: Any, targets: Any, seed: int, weights: Any = None) -> Says:
    # It heeds its cases, since a recipe that does not is refused, and learns nothing from them.
    off = np.random.default_rng([seed, int(1e3 * np.abs(images).sum()), int(targets.sum())]).normal(size=64)
    return Says(lambda x: 30 * (x.reshape(len(x), -1) * (np.arange(64) % 8 == 6)) @ off)


def reversed_(images: Any, targets: Any, seed: int, weights: Any = None) -> Says:
    patch = images[:, 0, 3:6, 3:6].mean(axis=(1, 2))
    learnt = patch[targets == 1].mean() - patch[targets == 0].mean()
    return Says(lambda x: -learnt * x[:, 0, 3:6, 3:6].mean(axis=(1, 2)))


def status(name: str, recipe: Any, *, n: int = 240, audited: int = 240, **more: Any) -> str:
    """Return what the judge says of one rule."""
    probe, rule = RULES[name]
    cohorts = (tiny_cohort(np.random.default_rng(s), n=k, signal=2.0) for s, k in ((1, n), (2, audited)))
    ctx = trained_context(*cohorts, recipe=recipe, target=0.7, **more)
    result = ProbeResult(info=probe.info, state="completed", measurements=tuple(probe().run(ctx)))
    policy = Policy(name="p", rules=(rule,))
    (finding,) = judge((result,), policy, today=dt.date(2026, 11, 26), input_range=None)
    return finding.status


@pytest.mark.parametrize("name", RULES)
def test_a_healthy_recipe_fails_nothing(name: str) -> None:
    """A discriminant that learns the lesion from a few cases draws no FAIL, and most rules PASS."""
    found = status(name, region_recipe, n=300, audited=300)
    assert found == "PASS" if name in ("cases", "doubling", "curve", "transfer") else found != "FAIL"


@pytest.mark.parametrize(
    ("name", "recipe"),
    [(name, recipe) for name in ("cases", "curve") for recipe in (constant, saturated, guesses, reversed_)]
    + [("transfer", guesses), ("transfer", constant)],
)
def test_what_learns_nothing_is_never_passed(name: str, recipe: Any) -> None:
    """Constant, saturated, random and reversed models have no PASS on performance."""
    assert status(name, recipe) != "PASS"


@pytest.mark.parametrize("name", ["cases", "doubling", "curve", "transfer", "noise"])
@pytest.mark.parametrize("more", [{"trainings": 2}, {"seconds": 0.0}, {"audited": 12}, {"n": 12}])
def test_what_was_not_trained_enough_is_never_passed(name: str, more: dict[str, Any]) -> None:
    """Too few trainings, no time, few audited or few development patients leave a rule open."""
    assert status(name, region_recipe, **more) in ("INCONCLUSIVE", "FAIL")


def test_one_class_is_never_passed() -> None:
    """An audited cohort of ill patients alone has no AUC of anything."""
    development, audited = (tiny_cohort(np.random.default_rng(s), n=200) for s in (1, 2))
    audited = audited.subset(audited.targets == 1)
    ctx = trained_context(development, audited, recipe=region_recipe, target=0.7)
    for probe in (TrainingSize, LeaveOneProtocolOut, LabelNoise):
        found = list(probe().run(ctx))
        assert found
        assert all(m.value is None for m in found)
