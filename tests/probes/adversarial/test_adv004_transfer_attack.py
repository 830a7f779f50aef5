"""ADV004: what transfers from a declared surrogate or a distilled one is scored on the audited model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable, Surrogate
from audit.probes.adversarial.adv004_transfer_attack import TransferAttack
from audit.testing import check_probe, context, head, network, planted, tiny_cohort
from tests.attacks.nets import Linear, wrap
from tests.probes.adversarial.attacked import BUDGET, HEADLINE, UNIT, known, linear, measured, of, only, verdict

DISTILLED = {"attack": "transfer: distilled"}


def test_a_twin_transfers_as_far_as_the_weights_themselves() -> None:
    """A linear surrogate of twice the weights has the same signs, so the closed form of the white-box attack holds."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 36)
    ctx, signed = linear(w)
    twin = wrap(Linear(2 * w, -w.sum()), input=UNIT)
    ctx = replace(ctx, surrogates=(Surrogate(relation="same init", model=twin),))
    given = list(TransferAttack().run(ctx))
    for row in of(given, "robust_accuracy", attack="transfer: same init"):
        right = signed - float(row.condition["epsilon"]) * np.abs(w).sum() > 0
        assert row.value == pytest.approx(right.mean(), abs=1e-9)
    assert not of(given, "robust_accuracy", **DISTILLED)


def test_a_fragile_network_falls_to_its_near_relative() -> None:
    """Logits times 50 leave the gradient's signs: the undefended network is caught through its saturated twin."""
    ctx = replace(known("undefended"), surrogates=(Surrogate(relation="same init", model=network("saturated")),))
    row = only(list(TransferAttack().run(ctx)), "robust_accuracy", **HEADLINE)
    assert row.high is not None
    assert row.high < 0.5


def test_a_sturdy_model_stands_what_transfers() -> None:
    """The twin of a linear model turns the few cases of little margin, and the rest passes a limit of 0.7."""
    w = np.ones(36)
    ctx, signed = linear(w, strength=0.014)
    ctx = replace(ctx, surrogates=(Surrogate(relation="same init", model=wrap(Linear(2 * w, -w.sum()), input=UNIT)),))
    row = only(list(TransferAttack().run(ctx)), "robust_accuracy", **HEADLINE)
    assert row.value == pytest.approx((signed - float(row.condition["epsilon"]) * 36 > 0).mean(), abs=1e-9)
    assert row.low is not None
    assert row.low > 0.7
    assert "bound only" not in row.method


def test_what_transfers_no_better_than_chance_passes_nothing() -> None:
    """Where the surrogate's changes turn no more cases than random signs do, what stands says nothing."""
    ctx = known("adversarially-trained")
    ctx = replace(ctx, surrogates=(Surrogate(relation="other architecture", model=network("undefended")),))
    row = only(list(TransferAttack().run(ctx)), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "certificate_noise" in row.method


def test_a_surrogate_that_agrees_little_passes_nothing() -> None:
    """One that reads a single pixel agrees better than chance and far from well: nothing passes by it."""
    w, one = np.ones(36), np.eye(36)[0]
    ctx, _ = linear(w, strength=0.01)
    ctx = replace(ctx, surrogates=(Surrogate(relation="other data", model=wrap(Linear(one, -0.5), input=UNIT)),))
    given = list(TransferAttack().run(ctx))
    kappa = only(given, "certificate_agreement").value
    assert kappa is not None
    assert 0.2 < kappa < 0.6
    row = only(given, "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "certificate_agreement" in row.method


@pytest.mark.parametrize("name", ["undefended", "adversarially-trained"])
def test_nothing_passes_by_a_distilled_surrogate(name: str) -> None:
    """What a small student leaves standing says nothing, of an undefended network as of a sturdy one."""
    row = only(measured(TransferAttack, name), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "upper bound only, distilled surrogate" in row.method
    assert verdict(TransferAttack, known(name)) != "PASS"


def test_a_distilled_surrogate_turns_a_model_that_only_answers() -> None:
    """A linear model that gives no gradient is taught to a small network on half of the patients, and falls to it."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 36)
    ctx, _ = linear(w, n=160)
    given = list(TransferAttack().run(ctx))
    largest = only(given, "robust_accuracy", epsilon=float(f"{16 / 255:.6g}"), **DISTILLED)
    assert largest.n < 160
    assert largest.value is not None
    assert largest.value < 0.2
    checks, kept = ctx.sink.artifacts
    assert checks.name == "attack_certificate"
    assert kept.name == "transfer_curve"
    assert kept.arrays["surrogate"].tolist() == ["distilled"]


@pytest.mark.parametrize("name", ["constant", "unlike", "masked"])
def test_a_surrogate_of_no_use_cannot_pass_anything(name: str) -> None:
    """One that always says the same, one that says something else, and one without a gradient open the lower side."""
    w = np.ones(36)
    ctx, _ = linear(w, strength=0.3)
    models = {
        "constant": wrap(Linear(0 * w, 1.0), input=UNIT),
        "unlike": wrap(Linear(-w, 0.5 * w.sum()), input=UNIT),
        "masked": network("undefended"),
    }
    if name == "masked":
        ctx = known("undefended")
        models["masked"] = network("argmax-inside")
    ctx = replace(ctx, surrogates=(Surrogate(relation="other init", model=models[name]),))
    row = only(list(TransferAttack().run(ctx)), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "upper bound only" in row.method


def test_the_model_itself_is_no_surrogate() -> None:
    """The audited model as its own surrogate is named and measured nothing of."""
    ctx = known("undefended")
    ctx = replace(ctx, surrogates=(Surrogate(relation="same init", model=ctx.model),))
    given = list(TransferAttack().run(ctx))
    assert {m.missing for m in given} == {"the surrogate is the audited model itself; ADV001 attacks that"}


def test_a_surrogate_without_gradients_is_named() -> None:
    """A surrogate that only answers gives missing rows with the reason."""
    ctx = replace(
        context(planted("healthy"), tiny_cohort(np.random.default_rng(0), n=30), budget=BUDGET),
        surrogates=(Surrogate(relation="other data", model=planted("healthy")),),
    )
    given = list(TransferAttack().run(ctx))
    assert {m.missing for m in given} == {"the surrogate gives no gradients"}


def test_what_cannot_be_distilled_is_not_applicable() -> None:
    """A segmentation without a declared surrogate is not applicable, with the reason."""
    model, cohort = head("segmentation", np.random.default_rng(0), n=20)
    ctx = context(model, cohort, budget=BUDGET, raw=np.ones((20, 1)), columns=("dice",))
    with pytest.raises(NotApplicable, match="none can be distilled for the task segmentation"):
        list(TransferAttack().run(ctx))


def test_an_answer_that_does_not_repeat_cannot_pass() -> None:
    """A model that draws at random leaves no lower bound."""
    row = only(measured(TransferAttack, "dropout-on"), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(TransferAttack, {"undefended": lambda: known("undefended", n=40)}) == ("undefended",)
