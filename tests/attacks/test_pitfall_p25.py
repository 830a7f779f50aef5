"""P25: what one step of the gradient breaks counts, whatever the search finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.attacks import Plan, attack, questions
from tests.attacks.nets import Linear, wrap

PLAN = Plan(epsilons=(0.05, 0.1, 0.2), headline=0.1, steps=8, restarts=1, search="sign")


def test_the_search_is_never_weaker_than_one_step() -> None:
    """With no search at all the single step breaks a linear model up to its margin; a search takes nothing back."""
    w = np.linspace(-1, 1, 36)
    model = wrap(Linear(w))
    images = np.random.default_rng(0).normal(0, 0.5, (60, 1, 6, 6)).astype(np.float32)
    logit = model.predict(images)[:, 0]
    target = (logit > 0).astype(int)
    (question,) = questions(model.card)
    found = [
        attack(model, question, images, target, plan=plan, rng=np.random.default_rng(1)).right
        for plan in (replace(PLAN, restarts=0), PLAN)
    ]
    exact = np.abs(logit)[:, None] > np.abs(w).sum() * np.array(PLAN.epsilons)
    assert 0 < exact.mean() < 1
    assert (found[0] == exact).all()
    assert (found[1] <= found[0]).all()
