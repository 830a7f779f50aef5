"""P26: an attack that stops too early is found out by one that goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from audit.attacks import Certificate, Plan, attack, certify, questions
from audit.core import Estimate
from tests.attacks.nets import Linear, Valley, wrap

PLAN = Plan(epsilons=(0.1, 0.2), headline=0.2, steps=2, restarts=1, search="sign")
SIDE = 36


def outcome_of(net: torch.nn.Module, plan: Plan) -> tuple[np.ndarray, Certificate]:
    """Return which cases stand at the headline size, and the certificate."""
    rng = np.random.default_rng(0)
    model = wrap(net)
    images = rng.normal(0, 0.001, (40, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    (question,) = questions(model.card)
    found = attack(model, question, images, target, plan=plan, rng=rng)
    every = np.arange(40)
    certificate = certify(
        model, question, found, images=images, target=target, clean=model.predict(images), sample=every,
        patients=every, plan=plan, rng=rng, batch=16,
    )  # fmt: skip
    return found.right[:, 1], certificate


def test_more_steps_that_still_improve_fail_the_certificate() -> None:
    """Two long steps leap over the valley and most stand; four find it: nothing holds below."""
    stands, certificate = outcome_of(Valley(), PLAN)
    assert stands.mean() > 0.6
    assert certificate.values["certificate_steps"] > 0.05
    assert "certificate_steps" in certificate.failed
    robust = Estimate(value=0.95, curve=((0.025, 0.9, 1.0),), method="m", n=40, n_patients=40)
    assert certificate.bound(robust).curve == ((0.025, 0.0, 1.0),)


def test_enough_steps_hold_the_certificate() -> None:
    """The control: on a linear model two steps find what there is, and with eighty the valley is found."""
    _, certificate = outcome_of(Linear(np.linspace(-1, 1, SIDE)), PLAN)
    assert certificate.values["certificate_steps"] == 0
    stands, certificate = outcome_of(Valley(), replace(PLAN, steps=80))
    assert stands.mean() < 0.05
    assert "certificate_steps" not in certificate.failed
