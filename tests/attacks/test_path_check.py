"""Gradients add up between answers where they are those of the answer; other directions break what hides its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.attacks import Cases, Meter, Plan, attack, questions
from audit.attacks._ledger import Ledger
from audit.attacks._path_check import PAIRS, paths_agree
from audit.attacks._turning import Turning, rough
from tests.attacks.nets import Linear, convolutional, wrap

WEIGHTS = np.linspace(-1, 1, 36)


class Hidden(torch.nn.Module):
    """Steep and then flat in w.x, plus a weak and live pixel that hardly counts in w."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.inner, self.how = Linear(WEIGHTS), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = 1e3 * self.inner(x)
        step = {"clamp": torch.clamp(z, -10, 10), "tanh": 10 * torch.tanh(z), "sign": 10 * torch.sign(z)}[self.how]
        return step + 1e-3 * x[:, :, 2, 5]


def cases(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return images, and on which side of w.x = 0 they lie."""
    images = np.random.default_rng(0).normal(size=(n, 1, 6, 6)).astype(np.float32)
    return images, (images.reshape(n, -1) @ WEIGHTS > 0).astype(int)


@pytest.mark.parametrize("net", [Linear(WEIGHTS), Linear(WEIGHTS, gain=1e4), convolutional(3), convolutional(4)])
def test_honest_gradients_add_up(net: torch.nn.Module) -> None:
    """By the gradient theorem the integral between two cases is the difference of their margins, for every pair."""
    images, _ = cases()
    model = wrap(net)
    (question,) = questions(model.card)
    answers = model.predict(images)[:, 0]
    starts, agrees = paths_agree(model, question, images, (answers > 0).astype(int), 16)
    assert starts.size == agrees.size == PAIRS
    assert agrees.all()


@pytest.mark.parametrize("how", ["clamp", "tanh", "sign"])
def test_an_answer_that_turns_where_no_gradient_shows_it_does_not_add_up(how: str) -> None:
    """A step of 20 in a 64th of the way, beside a live pixel of a thousandth: few pairs agree."""
    images, target = cases()
    model = wrap(Hidden(how))
    (question,) = questions(model.card)
    starts, agrees = paths_agree(model, question, images, target, 16)
    assert starts.size == PAIRS
    assert agrees.mean() < 0.5


def test_cases_of_one_answer_have_no_path() -> None:
    """Where no case is answered otherwise there is nothing to add up, and no number."""
    images, _ = cases()
    model = wrap(Linear(WEIGHTS / 1e3, 5.0))
    (question,) = questions(model.card)
    starts, agrees = paths_agree(model, question, images, np.ones(len(images), int), 16)
    assert starts.size == agrees.size == 0


def test_the_place_where_an_answer_turns_is_found() -> None:
    """On the way between two images a linear score is 0 at z0 / (z0 - z1), here to 2 parts in 10,000 of the way."""
    images, target = cases()
    model = wrap(Linear(WEIGHTS))
    (question,) = questions(model.card)
    ledger = Ledger(model, question, len(images), 1, Meter())
    score = images.reshape(len(images), -1) @ WEIGHTS
    other = int(np.flatnonzero(target != target[0])[0])
    found, before, after, which = Turning(ledger, images[other : other + 1]).sides(
        np.arange(len(images)), images, target
    )
    assert found.tolist() == (target != target[other]).tolist()
    share = score[found] / (score[found] - score[other])
    exact = images[found] + share[:, None, None, None] * (images[other] - images[found])
    np.testing.assert_allclose(before[found], exact, atol=1e-3)
    np.testing.assert_allclose(after[found], exact, atol=1e-3)
    assert (np.sign(model.predict(after[found])[:, 0]) != np.sign(score[found])).all()
    assert (which == 0).all()


@pytest.mark.parametrize("how", ["clamp", "tanh"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_saturated_answer_is_broken_from_where_it_turns(how: str, norm: str) -> None:
    """What breaks w.x itself breaks the flattened one too; without anchors, every case would seem to stand."""
    images, target = cases()
    plan = Plan(epsilons=(1.5,), headline=1.5, steps=8, restarts=1, norm=norm)
    (question,) = questions(wrap(Hidden(how)).card)
    open_ = attack(wrap(Linear(WEIGHTS)), question, images, target, plan=plan, rng=np.random.default_rng(0))
    hidden = attack(wrap(Hidden(how)), question, images, target, plan=plan, rng=np.random.default_rng(0))
    assert open_.right.mean() < 0.1
    assert hidden.right.mean() <= open_.right.mean() + 0.05
    assert "turning point" in hidden.by


def test_gradients_that_differ_from_place_to_place_are_told() -> None:
    """Equal gradients are alike, orthogonal ones and none at all are not."""
    same, apart = torch.ones(1, 1, 2, 2), torch.tensor([[[[1.0, -1.0], [0.0, 0.0]]]])
    found = torch.stack([torch.cat([same, same, same]), torch.cat([same, apart, 0 * same])])
    assert rough(found).tolist() == [False, True, True]


def test_no_anchors_no_turning() -> None:
    """Cases that are read one by one are attacked as before where no images to go towards are given."""
    images, target = cases()
    assert replace(Cases.of(images, target), anchors=None).anchors is None
    assert Cases.of(images, target).anchors.shape == (16, 1, 6, 6)
