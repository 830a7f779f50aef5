"""The certificate holds for a sound attack and fails for each way in which one can be fooled."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import CHECKS, Bounds, Cases, Certificate, Plan, _certificate, attack_cases, certify, questions
from audit.core import Estimate
from tests.attacks.nets import Linear, Masked, convolutional, wrap

PLAN = Plan(epsilons=(0.05, 0.1, 0.2), headline=0.1, steps=8, restarts=1, search="apgd")


def certificate_of(model: Any, *, plan: Plan = PLAN, clean: np.ndarray | None = None, n: int = 30) -> Certificate:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(n, 1, 6, 6)).astype(np.float32)
    answers = model.predict(images)
    target = (answers[:, 0] > np.median(answers[:, 0])).astype(int)
    (question,) = questions(model.card)
    every = np.arange(n)
    bounds = Bounds(every, model.card.input, plan.headline, plan.norm)
    outcome = attack_cases(model, question, Cases.of(images, target), plan=plan, rng=rng, observe=bounds.look)
    return certify(
        model, question, outcome, images=images, target=target, clean=answers if clean is None else clean,
        sample=every, patients=every // 2, plan=plan, rng=rng, batch=16, bounds=bounds,
    )  # fmt: skip


@pytest.mark.parametrize("net", [Linear(np.linspace(-1, 1, 36)), convolutional(3), convolutional(3, gain=50.0)])
def test_a_sound_attack_has_its_certificate(net: torch.nn.Module) -> None:
    """On a model with honest gradients every check is made and holds, whatever the scale of the logits."""
    certificate = certificate_of(wrap(net))
    assert tuple(certificate.values) == CHECKS
    assert certificate.failed == ()
    assert certificate.cases["certificate_gradient"] == certificate.cases["certificate_descent"] < 30
    assert certificate.patients["certificate_gradient"] == certificate.patients["certificate_descent"] <= 15


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("quantised", "certificate_gradient"),
        ("detached", "certificate_gradient"),
        ("nan", "certificate_gradient"),
        ("reversed", "certificate_descent"),
    ],
)
def test_a_masked_gradient_fails_the_certificate(how: str, check: str) -> None:
    """Each way of hiding a gradient fails the check that is made for it."""
    assert check in certificate_of(wrap(Masked(np.linspace(-1, 1, 36), how))).failed


def test_saturated_probabilities_fail_the_certificate() -> None:
    """Probabilities that are exactly 0 or 1 in float32 have no gradient; robust numbers on them are not believed."""
    model = wrap(Linear(np.linspace(-1, 1, 36), squash="sigmoid", gain=1e4), output="probabilities")
    assert "certificate_gradient" in certificate_of(model).failed


@pytest.mark.parametrize(("without", "share"), [(3, 1.0), (0, 2 / 3)])
def test_only_cases_that_are_right_anyway_need_a_gradient(without: int, share: float) -> None:
    """A case that is wrong without an attack may lie where nothing slopes; one that is right may not."""
    right, slopes = np.array([True, True, True, False]), np.arange(4) != without
    left = SimpleNamespace(
        right_clean=right, right=right[:, None], right_stored=right[:, None], gradient=slopes, right_noise=right,
        right_attack=right, descends=right,
    )  # fmt: skip
    found = dict(_certificate._counted(left, np.arange(4), None))
    value, patients = found["certificate_gradient"]
    assert (value, patients.tolist()) == (pytest.approx(share), [0, 1, 2])


def test_random_noise_that_does_better_fails_the_certificate() -> None:
    """An attack that climbs where it should descend breaks fewer cases than noise."""
    plan = replace(PLAN, epsilons=(0.5,), headline=0.5)
    certificate = certificate_of(wrap(Masked(np.linspace(-1, 1, 36), "reversed")), plan=plan, n=200)
    assert certificate.values["certificate_noise"] < 0
    assert "certificate_noise" in certificate.failed


def test_a_graph_that_answers_otherwise_fails_the_certificate() -> None:
    """Gradients of another function than the model's are no gradients of the model."""
    model = wrap(Linear(np.linspace(-1, 1, 36)))

    class Surrogate:
        card, module = model.card, model.module

        def predict(self, images: np.ndarray) -> np.ndarray:
            return model.predict(images) + 0.5

        def forward(self, images: Any) -> Any:
            return model.forward(images)

        def state_digest(self) -> str:
            return model.state_digest()

    assert certificate_of(Surrogate()).failed == ("certificate_identity",)


def test_a_clean_answer_that_differs_fails_the_certificate() -> None:
    """A model that no longer says what it said before the attack fails the identity check."""
    model = wrap(Linear(np.linspace(-1, 1, 36)))
    assert "certificate_identity" in certificate_of(model, clean=np.zeros((30, 1))).failed


def test_a_model_that_nothing_can_turn_fails_the_certificate() -> None:
    """An answer that no image of the range can change is no evidence of robustness."""
    failed = certificate_of(wrap(Linear(np.linspace(-1, 1, 36) / 1e4, 5.0))).failed
    assert "certificate_large_epsilon" in failed


def test_a_failed_certificate_opens_the_lower_side_only() -> None:
    """Value and upper bound stay, the lower bound is 0 at every level, and the method says why."""
    estimate = Estimate(
        value=0.9, curve=((0.1, 0.85, 0.93), (0.025, 0.8, 0.95)), method="Korn-Graubard", n=100, n_patients=90, k=90
    )
    failed = Certificate(
        values={"certificate_gradient": 0.2}, cases={"certificate_gradient": 30}, patients={"certificate_gradient": 15}
    )
    bound = failed.bound(estimate)
    assert bound.value == 0.9
    assert bound.curve == ((0.1, 0.0, 0.93), (0.025, 0.0, 0.95))
    assert "upper bound only" in bound.method
    assert "certificate_gradient" in bound.method
    success = failed.bound(estimate, of_success=True)
    assert success.curve == ((0.1, 0.85, 1.0), (0.025, 0.8, 1.0))
    assert "lower bound only" in success.method
    sound = Certificate(
        values={"certificate_gradient": 1.0}, cases={"certificate_gradient": 30}, patients={"certificate_gradient": 15}
    )
    assert sound.bound(estimate) is estimate
    absent = Estimate.absent("too few patients", method="Korn-Graubard")
    assert failed.bound(absent) is absent
