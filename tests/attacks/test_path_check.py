"""Gradients add up between answers where they are those of the answer; other directions break what hides its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.attacks import Cases, Meter, Plan, aims, attack, questions
from audit.attacks._ledger import Ledger
from audit.attacks._path_check import PAIRS, paths_agree
from audit.attacks._turning import Turning, rough
from audit.testing import HEADS, head
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


def test_cases_of_one_answer_are_followed_to_images_that_are_made_of_them() -> None:
    """Where a cohort holds one class alone, inverted images are answered otherwise: honest gradients add up to them."""
    images, target = cases()
    (question,) = questions(wrap(Linear(WEIGHTS)).card)
    own = images[target == 1]
    for net, agree in ((Linear(WEIGHTS), 1.0), (Hidden("clamp"), 0.0), (Hidden("sign"), 0.0)):
        starts, agrees = paths_agree(wrap(net), question, own, np.ones(len(own), int), 16)
        assert starts.size == PAIRS
        assert agrees.mean() == pytest.approx(agree, abs=0.15)


def test_an_answer_that_no_image_turns_is_not_vouched_for() -> None:
    """Where neither a case nor an image made of one is answered otherwise, no pair agrees; without right cases none."""
    images, _ = cases()
    model = wrap(Linear(WEIGHTS / 1e3, 5.0))
    (question,) = questions(model.card)
    starts, agrees = paths_agree(model, question, images, np.ones(len(images), int), 16)
    assert starts.size == PAIRS
    assert not agrees.any()
    assert paths_agree(model, question, images, np.zeros(len(images), int), 16)[0].size == 0


@pytest.mark.parametrize("name", [h for h in HEADS if "3d" not in h])
def test_every_head_has_a_path(name: str) -> None:
    """Of every kind of output honest gradients add up, masks pixel by pixel; decisions without a gradient do not."""
    for hidden in (False, True):
        model, cohort = head(name, np.random.default_rng(0), n=24, hidden=hidden)
        images = np.stack([cohort.images.load(i) for i in range(24)])
        masks = None if cohort.masks is None else np.stack([cohort.masks.load(i)[0] for i in range(24)])
        for question in questions(model.card):
            target = question.targets(cohort.targets if masks is None else masks)
            asked = question.applies(target)
            right = question.objectives[0].right(model.predict(images[asked]), target[asked])
            assert right.mean() >= 0.7, question.name
            starts, agrees = paths_agree(model, question, images[asked], target[asked], 16)
            assert starts.size == PAIRS, question.name
            assert agrees.mean() == (0.0 if hidden else 1.0), question.name


@pytest.mark.parametrize("hidden", [False, True])
def test_a_group_of_classes_has_a_path(hidden: bool) -> None:
    """A grade or worse against what lies below: the way between both adds up unless the decision is cut off."""
    model, cohort = head("ordinal", np.random.default_rng(0), n=24, hidden=hidden)
    images = np.stack([cohort.images.load(i) for i in range(24)])
    for aim in aims(model.card):
        _, agrees = paths_agree(model, aim.question, images, aim.question.targets(cohort.targets), 16)
        assert agrees.size == PAIRS
        assert agrees.mean() == (0.0 if hidden else 1.0)


def test_the_place_where_an_answer_turns_is_found() -> None:
    """On the way between two images a linear score is 0 at z0 / (z0 - z1), here to 2 parts in 10,000 of the way."""
    images, target = cases()
    model = wrap(Linear(WEIGHTS))
    (question,) = questions(model.card)
    ledger = Ledger(model, question, len(images), 1, Meter())
    score = images.reshape(len(images), -1) @ WEIGHTS
    other = int(np.flatnonzero(target != target[0])[0])
    found, before, after, which = Turning(ledger, images[other : other + 1]).sides(
        np.arange(len(images)), np.arange(len(images)), images, target
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
