"""The smallest perturbation found is the closed form's where there is one, and every success is verified."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from audit.attacks import Meter, Plan, attack, questions
from audit.attacks._minimal import smallest
from tests.attacks.nets import Linear, convolutional, wrap


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_gives_the_closed_form(norm: Literal["linf", "l2"]) -> None:
    """The distance to a plane is the margin over the dual norm of its weights; 2 % above it is reached."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=36)
    images = rng.normal(0, 1, (20, 1, 6, 6)).astype(np.float32)
    logit = images.reshape(20, -1).astype(float) @ w
    target = (logit > 0).astype(int)
    model = wrap(Linear(w))
    exact = np.abs(logit) / np.abs(w).sum() if norm == "linf" else np.abs(logit) / np.linalg.norm(w) / np.sqrt(36)
    found = smallest(
        model, questions(model.card)[0], images, target, norm=norm, stood=np.zeros(20), broke=np.full(20, 8.0),
        steps=4, rounds=7, meter=Meter(),
    )  # fmt: skip
    assert (found >= exact * (1 - 1e-5)).all()
    assert found == pytest.approx(exact, rel=0.02)


def test_the_bracket_is_left_on_its_upper_side_only_by_a_success() -> None:
    """A case that nothing broke stays infinite, one that is wrong already stays 0, and no size grows."""
    model = wrap(convolutional(3))
    rng = np.random.default_rng(1)
    images = rng.normal(0, 1, (12, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    question, plan = questions(model.card)[0], Plan(epsilons=(0.1, 0.4, 1.6), headline=0.4, steps=10, restarts=1)
    out = attack(model, question, images, target, plan=plan, rng=rng)
    sizes = np.array([*plan.epsilons, np.inf])
    broke = sizes[out.right.sum(axis=1)]
    broke[0], broke[1] = np.inf, 0.0
    found = smallest(
        model, question, images, target, norm="linf", stood=np.zeros(12), broke=broke, steps=10, rounds=5, meter=Meter()
    )
    assert found[0] == np.inf
    assert found[1] == 0.0
    assert (found <= broke).all()
    inside = np.isfinite(found) & (found > 0)
    assert (found[inside] < broke[inside]).any()
    # A fresh attack of three times the steps at 0.8 of the size found breaks next to nothing.
    fails = 0
    for i in np.flatnonzero(inside):
        size = float(0.8 * found[i])
        again = Plan(epsilons=(size,), headline=size, steps=30, restarts=1)
        fails += bool(attack(model, question, images[i : i + 1], target[i : i + 1], plan=again, rng=rng).right[0, 0])
    assert fails >= inside.sum() - 1


def test_cost_is_counted() -> None:
    """Gradients and answers of the search are on the meter."""
    model = wrap(Linear(np.ones(36)))
    images = np.ones((2, 1, 6, 6), dtype=np.float32)
    meter = Meter()
    smallest(
        model, questions(model.card)[0], images, np.array([1, 1]), norm="linf", stood=np.zeros(2),
        broke=np.full(2, 8.0), steps=3, rounds=2, meter=meter,
    )  # fmt: skip
    assert meter.gradients >= 2
    assert meter.forwards >= 2
