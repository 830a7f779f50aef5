"""ADV003: a fragile model that can only be asked is caught, a sturdy one is not, and a blind attack passes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, Access, InputSpec, Measurement, ModelCard, NotApplicable, ProbeContext
from audit.probes.adversarial import QueryAttack
from audit.testing import (
    FunctionModel,
    check_probe,
    context,
    network,
    network_cohort,
    planted,
    saved_context,
    small_cohort,
    tiny_cohort,
)
from tests.probes.adversarial.attacked import verdict

# Nets this small run many times slower on several threads than on one.
torch.set_num_threads(1)
BUDGET = replace(BUDGETS["smoke"], attack_cases=180, attack_queries=60, attack_steps=8)


def asked_only(strength: float, *, n: int = 60, flat: bool = False, **more: Any) -> tuple[ProbeContext, np.ndarray]:
    """Return the context of a callable that reads the mean, and the change that turns each case (below 0: wrong)."""
    rng = np.random.default_rng(0)
    target = np.arange(n) % 2
    shift = strength * (2 * target - 1) + rng.normal(0, 0.002, n)
    images = (0.5 + shift[:, None, None, None] + rng.normal(0, 0.03, (n, 1, 6, 6))).clip(0, 1).astype(np.float32)

    def answer(x: np.ndarray) -> np.ndarray:
        z = 20 * (x.reshape(len(x), -1).mean(axis=1) - 0.5)
        return np.sign(z)[:, None] if flat else z[:, None]

    given: dict[str, Any] = {
        "name": "m", "kind": "callable", "task": "binary", "output": "logits", "access": Access.QUERY, "digest": "d",
        "classes": ("no", "yes"), "operating_point": 0.5, "input": InputSpec(scale=False),
    }  # fmt: skip
    model = FunctionModel(card=ModelCard(**(given | more)), answer=answer)
    cohort = from_arrays(images, target, np.arange(n) // 2, task="binary", classes=("no", "yes"))
    return context(model, cohort, budget=BUDGET), (2 * target - 1) * (images.reshape(n, -1).mean(axis=1) - 0.5)


def of(given: list[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    return [m for m in given if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())]


def test_an_undefended_callable_is_broken() -> None:
    """Without gradients every size gives the exact share, for the mean intensity falls to a uniform change."""
    ctx, limits = asked_only(0.012)
    given = list(QueryAttack().run(ctx))
    shares = of(given, "robust_accuracy")
    assert len(shares) == 6
    for m in shares:
        exact = (limits > float(m.condition["epsilon"])).mean()  # type: ignore[arg-type]
        assert m.value == pytest.approx(exact, abs=1e-9)
        assert (m.n, m.n_patients) == (60, 30)
        assert m.condition["attack"] == "query"
    (last,) = of(given, "robust_accuracy", epsilon=shares[-1].condition["epsilon"])
    assert last.high is not None
    assert last.high < 0.2
    (won,) = of(given, "winning_share", attack="square")
    assert won.value is None or won.value == 1.0


def test_a_callable_that_stands_every_question_is_not_called_robust() -> None:
    """A margin far beyond the sizes is told, with every interval open on the side that only gradients could close."""
    ctx, _ = asked_only(0.3)
    given = list(QueryAttack().run(ctx))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert (headline.value, headline.low, headline.high) == (1.0, 0.0, 1.0)
    assert "upper bound only, asked only: robustness to queries is not robustness" in headline.method
    assert all(m.low == 0.0 for m in given if m.metric.startswith("robust_"))
    (success,) = of(given, "attack_success", parameter="headline")
    assert (success.value, success.low, success.high) == (0.0, 0.0, 1.0)
    assert not of(given, "certificate_query")
    assert verdict(QueryAttack, ctx) == "INCONCLUSIVE"


def test_an_undefended_callable_that_outlasts_its_questions_does_not_pass() -> None:
    """A linear model of many pixels whose every answer a change of half the size turns: too few questions find it."""
    rng = np.random.default_rng(0)
    target, w = np.arange(40) % 2, rng.choice([-1.0, 1.0], 1024)
    shift = np.where(np.arange(40) < 36, 0.004, 0.0001) * (2 * target - 1)
    images = (0.5 + shift[:, None] * w).reshape(40, 1, 32, 32).astype(np.float32)
    ctx, _ = asked_only(0.3)
    model = FunctionModel(
        card=replace(ctx.card, digest="w"), answer=lambda x: (x.reshape(len(x), -1) - 0.5) @ w[:, None]
    )  # fmt: skip
    cohort = from_arrays(images, target, np.arange(40), task="binary", classes=("no", "yes"))
    ctx = context(model, cohort, budget=BUDGET)
    (headline,) = of(list(QueryAttack().run(ctx)), "robust_accuracy", parameter="headline")
    assert float(headline.condition["epsilon"]) > 0.004  # type: ignore[arg-type]
    assert headline.value == pytest.approx(0.9)
    assert "certificate" not in headline.method
    assert headline.low == 0.0
    assert verdict(QueryAttack, ctx) == "INCONCLUSIVE"


def test_a_model_that_answers_in_decisions_alone_cannot_pass_and_can_fail() -> None:
    """Where the scores do not respond the lower side is open; what the search on decisions broke stays broken."""
    sturdy, _ = asked_only(0.3, flat=True)
    given = list(QueryAttack().run(sturdy))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert headline.value == 1.0
    assert headline.low == 0.0
    assert "certificate_response" in headline.method
    fragile, limits = asked_only(0.002, flat=True)
    given = list(QueryAttack().run(fragile))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert headline.high is not None
    assert headline.high < 0.35
    assert headline.value == pytest.approx((limits > float(headline.condition["epsilon"])).mean())  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["constant", "dropout-left-on"])
def test_a_constant_or_random_model_cannot_pass(fault: str) -> None:
    """Neither a model that nothing turns nor one that answers by chance has a lower bound."""
    ctx = context(planted(fault), tiny_cohort(np.random.default_rng(1), n=60), budget=BUDGET)
    given = list(QueryAttack().run(ctx))
    assert all(m.low == 0.0 for m in of(given, "robust_accuracy"))
    assert any("bound only" in m.method for m in of(given, "robust_accuracy"))


def test_no_operating_point_leaves_the_auc_alone() -> None:
    """Without an operating point the shares are missing with the reason; the AUC is not."""
    ctx, _ = asked_only(0.012, operating_point=None)
    given = list(QueryAttack().run(ctx))
    assert all(m.missing == "no operating point is declared" for m in of(given, "robust_accuracy"))
    assert all(m.value is not None for m in of(given, "robust_auc"))


def test_what_is_kept_says_what_it_cost() -> None:
    """The curve falls with the images asked for, and settings and answers lie beside it."""
    ctx, _ = asked_only(0.012)
    given = list(QueryAttack().run(ctx))
    checks, curve, settings = ctx.sink.artifacts
    assert checks.name == "attack_certificate"
    assert (curve.name, settings.name) == ("query_curve", "attack_settings")
    assert (np.diff(curve.arrays["share_right"]) <= 0).all()
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert curve.arrays["share_right"][-1] == pytest.approx(headline.value)
    assert settings.meta["gradients"] == 0
    assert settings.meta["forwards"] > 0
    ((condition, cases, raw),) = ctx.sink.conditions
    assert condition == f"query epsilon={headline.condition['epsilon']:g}"
    assert raw.shape == (cases.size, 1)


def test_a_network_is_asked_at_the_headline_size_and_held_beside_its_gradients() -> None:
    """Few questions leave much of an undefended network standing; its gradient, on the same cases, nothing."""
    cohort = network_cohort(np.random.default_rng(0), n=40)
    ctx = context(network("undefended"), cohort, budget=replace(BUDGET, attack_queries=8))
    given = list(QueryAttack().run(ctx))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    asked = next(a for a in ctx.sink.artifacts if a.name == "query_curve").arrays["share_right"][-1]
    assert headline.value is not None
    assert headline.value <= 0.1 < 0.5 < asked
    assert sum(m.value or 0.0 for m in of(given, "winning_share")) == pytest.approx(1.0)
    (auc,) = of(given, "robust_auc")
    assert auc.value is not None
    assert auc.value < 0.3
    assert verdict(QueryAttack, ctx) == "FAIL"
    assert {m.condition["parameter"] for m in of(given, "robust_accuracy")} == {"headline"}
    (check,) = of(given, "certificate_query")
    assert check.value is not None
    assert check.value <= 0.05


def test_hidden_gradients_are_found_out_by_asking() -> None:
    """An argmax in the graph hides the gradient: questions break what descent cannot, and the check says so."""
    cohort = network_cohort(np.random.default_rng(0), n=40)
    budget = replace(BUDGET, attack_queries=150)
    given = list(QueryAttack().run(context(network("argmax-inside"), cohort, budget=budget)))
    (check,) = of(given, "certificate_query")
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert check.value is not None
    assert check.value > 0.05
    assert headline.low == 0.0
    assert "certificate_query" in headline.method


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("argmax-inside", "certificate_gradient"),
        ("detached-branch", "certificate_finite_difference"),
        ("clamped-and-live", "certificate_path"),
    ],
)
def test_a_network_without_a_usable_gradient_cannot_pass(name: str, check: str) -> None:
    """Where descent has no gradient to go by, what stands says nothing, however few answers the questions turn."""
    cohort = network_cohort(np.random.default_rng(0), n=24)
    ctx = context(network(name), cohort, budget=replace(BUDGET, attack_queries=8))
    (headline,) = of(list(QueryAttack().run(ctx)), "robust_accuracy", parameter="headline")
    assert headline.low == 0.0
    assert check in headline.method


def test_a_sturdy_network_passes() -> None:
    """A network that was trained on attacked images stands both attacks, and every check holds."""
    cohort = network_cohort(np.random.default_rng(0), n=40)
    ctx = context(network("adversarially-trained"), cohort, budget=replace(BUDGET, attack_queries=100))
    (headline,) = of(list(QueryAttack().run(ctx)), "robust_accuracy", parameter="headline")
    assert "bound only" not in headline.method
    assert headline.low is not None
    assert headline.low > 0.7


def test_saved_answers_cannot_be_asked() -> None:
    """Saved predictions answer for no new image."""
    ctx = saved_context(np.linspace(0, 1, 20), small_cohort(np.arange(20) % 2))
    with pytest.raises(NotApplicable, match="no new image"):
        list(QueryAttack().run(ctx))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(QueryAttack, {"callable": lambda: asked_only(0.012, n=20)[0]}) == ("callable",)
