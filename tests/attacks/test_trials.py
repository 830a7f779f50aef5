"""Each part of the certificate against a case that is worked by hand, and against the fault that it is made for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import Averaged, Bounds, Cases, Plan, Trial, attack_cases, must_be, questions, steady
from audit.attacks._chance import above_chance
from audit.attacks._slope_check import slopes_agree
from audit.core import InputSpec
from tests.attacks.nets import Linear, Masked, Valley, convolutional, wrap

PLAN = Plan(epsilons=(0.05, 0.1), headline=0.1, steps=8, restarts=1)
WEIGHTS = np.linspace(-1, 1, 36)


def drawn(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 1, 6, 6)).astype(np.float32)


def trial_of(model: Any, images: np.ndarray, target: np.ndarray, plan: Plan = PLAN) -> Trial:
    (question,) = questions(model.card)
    return Trial(
        model=model, question=question, images=images, target=target, plan=plan, rng=np.random.default_rng(1), batch=5
    )


class Restless(torch.nn.Module):
    """w.x plus a number that alternates between 2 and -2 from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = Linear(WEIGHTS), 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.inner(x) + (2.0 if self.calls % 2 else -2.0)


class FloatOnly(torch.nn.Module):
    """A network that refuses double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = convolutional(3)

    def forward(self, x: Any) -> Any:
        if x.dtype != torch.float32:
            raise TypeError("float32 only")
        return self.inner(x)


@pytest.mark.parametrize("net", [convolutional(3), Linear(WEIGHTS), FloatOnly(), Linear(1e-6 * WEIGHTS, 5.0)])
def test_honest_gradients_agree_with_differences(net: torch.nn.Module) -> None:
    """In float64 where the network takes it, in float32 where not, and where rounding hides the change."""
    model, images = wrap(net), drawn()
    (question,) = questions(model.card)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    assert slopes_agree(model, question, images, target, np.random.default_rng(0)).all()


@pytest.mark.parametrize("how", ["detached", "reversed", "nan"])
def test_a_gradient_of_another_function_does_not_agree(how: str) -> None:
    """Detached, turned round, or no number: no case agrees."""
    model, images = wrap(Masked(WEIGHTS, how)), drawn()
    (question,) = questions(model.card)
    assert not slopes_agree(model, question, images, np.ones(12, int), np.random.default_rng(0)).any()


def test_the_check_leaves_the_model_as_it_was() -> None:
    """The double precision is that of a copy."""
    model, images = wrap(convolutional(3)), drawn()
    before = model.state_digest()
    (question,) = questions(model.card)
    slopes_agree(model, question, images, np.ones(12, int), np.random.default_rng(0))
    assert model.state_digest() == before
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


def test_a_model_that_repeats_itself_is_attacked_as_it_is() -> None:
    """Nothing stands between the attack and a deterministic model."""
    model = wrap(Linear(WEIGHTS))
    same_model, same = steady(model, drawn(), 5)
    assert same_model is model
    assert same.all()


def test_a_restless_model_is_attacked_in_the_mean() -> None:
    """The mean over an even number of calls takes the alternating number away, in answers and gradients."""
    model, images = wrap(Restless()), drawn()
    averaged, same = steady(model, images, 5)
    assert not same.any()
    assert isinstance(averaged, Averaged)
    exact = images.reshape(12, -1).astype(np.float64) @ WEIGHTS
    np.testing.assert_allclose(averaged.predict(images)[:, 0], exact, atol=1e-4)
    x = torch.as_tensor(images).requires_grad_()
    averaged.forward(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy().reshape(12, -1), np.tile(WEIGHTS, (12, 1)), atol=1e-5)
    assert averaged.state_digest() == model.state_digest()
    assert averaged.card is model.card


@pytest.mark.parametrize("norm", ["linf", "l2", "l0"])
def test_the_attack_keeps_to_its_bounds(norm: Any) -> None:
    """Every worst image keeps to size and range, under each norm, on integers as well."""
    images = np.random.default_rng(0).integers(0, 40, (12, 1, 6, 6)).astype(np.float32)
    model = wrap(Linear(WEIGHTS), input=InputSpec(range=(0.0, 40.0), scale=False))
    target = (model.predict(images)[:, 0] > 0).astype(int)
    size = 0.2 if norm == "l0" else 3.0
    plan = replace(PLAN, epsilons=(size,), headline=size, norm=norm)
    bounds = Bounds(np.arange(0, 12, 2), model.card.input, size, norm)
    (question,) = questions(model.card)
    attack_cases(
        model, question, Cases.of(images, target), plan=plan, rng=np.random.default_rng(0), observe=bounds.look
    )
    assert bounds.seen.all()
    assert bounds.kept.all()


@pytest.mark.parametrize(
    ("norm", "change", "kept"),
    [
        ("linf", 0.1, True),
        ("linf", 0.1001, False),
        ("l2", 0.6, True),
        ("l2", 0.601, False),
        ("l0", 5.0, True),
        ("linf", np.nan, False),
    ],
)
def test_bounds_see_what_goes_beyond(norm: Any, change: float, kept: bool) -> None:
    """One of 36 pixels is changed: at L-infinity by the amount, at L2 by a sixth of it, at L0 by 1/36 of the pixels."""
    spec = InputSpec(range=(0.0, 10.0), scale=False)
    image = np.full((1, 1, 6, 6), 1.5, np.float32)
    worst = image.copy()
    worst[0, 0, 0, 0] += np.float32(change)
    epsilon = {"linf": float(np.float32(1.6) - np.float32(1.5)), "l2": 0.1, "l0": 1 / 36}[norm]
    bounds = Bounds(np.arange(1), spec, epsilon, norm)
    bounds.look(np.arange(1), image, worst)
    assert bounds.kept.tolist() == [kept]


def test_bounds_see_the_range_and_the_padding() -> None:
    """A pixel beyond the range, and a change of padding in CT, are out of bounds; a start beyond the range is not."""
    spec = InputSpec(modality="ct", range=(-100.0, 100.0), scale=False)
    image = np.full((1, 1, 6, 6), -100.0, np.float32)
    image[:, :, 2:] = 99.95
    found = []
    for row, size in ((3, 0.1), (0, 0.1), (3, 0.04)):
        worst = image.copy()
        worst[0, 0, row, 0] += np.float32(size)
        bounds = Bounds(np.arange(1), spec, 0.2)
        bounds.look(np.arange(1), image, worst)
        found.append(bool(bounds.kept[0]))
    assert found == [False, False, True]
    beyond = image + np.float32(50.0)
    bounds = Bounds(np.arange(1), replace(spec, modality=""), 0.2)
    bounds.look(np.arange(1), beyond, beyond)
    assert bounds.kept[0]


def test_chance_of_classes_weighs_them_alike() -> None:
    """9 of 10 negatives and 5 of 10 positives right: 0.7 less 0.5, less 1.645 standard errors drawn towards a half."""
    (question,) = questions(wrap(Linear(WEIGHTS)).card)
    target = np.repeat([0, 1], 10)
    right = np.r_[np.ones(9), 0, np.ones(5), np.zeros(5)].astype(bool)
    drawn_to = np.array([9.5 / 11, 5.5 / 11])
    exact = 0.2 - 1.6448536 * np.sqrt((drawn_to * (1 - drawn_to) / 10).sum()) / 2
    patients = np.arange(20)
    clean = np.zeros((20, 1))
    assert above_chance(question, right, target, clean, patients) == pytest.approx(exact, abs=1e-6)
    majority = target == 0
    assert above_chance(question, majority, target, clean, patients) < 0
    assert above_chance(question, right, np.zeros(20, int), clean, patients) is None


def test_chance_of_values_is_the_error_that_the_median_would_make() -> None:
    """Answers off by 1 where the median is off by 2, 2, 0: a third of the mean error is lost to the last case."""
    model = wrap(Linear(WEIGHTS), task="regression", output="value", operating_point=None, clinical_tolerance=5.0,
                 classes=())  # fmt: skip
    (question,) = questions(model.card)
    target = np.tile([-2.0, 2.0, 0.0], 20)
    saved = np.tile([1.0, 1.0, -1.0], 20)
    exact = (saved.mean() - 1.6448536 * saved.std(ddof=1) / np.sqrt(60)) / (4 / 3)
    got = above_chance(question, np.ones(60, bool), target, (target + 1)[:, None], np.arange(60))
    assert got == pytest.approx(exact, abs=1e-6)
    constant = above_chance(question, np.ones(60, bool), target, np.zeros((60, 1)), np.arange(60))
    assert constant == 0.0


def test_a_search_that_is_worth_less_than_one_step_is_found_out() -> None:
    """A search of no step at all leaves standing what one step breaks; one of eight steps does not."""
    model, images = wrap(Linear(WEIGHTS)), drawn(40) * np.float32(0.05)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    assert trial_of(model, images, target).one_step().mean() == 0
    assert trial_of(model, images, target, replace(PLAN, steps=0)).one_step().mean() > 0.3


def test_asking_alone_turns_what_a_masked_gradient_leaves() -> None:
    """Of a detached model the gradient attack sees nothing; asking breaks cases near the boundary."""
    model, images = wrap(Masked(WEIGHTS, "detached")), drawn(20) * np.float32(0.05)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    assert trial_of(model, images, target).asked().mean() < 0.5


def test_what_a_check_must_give_is_said_in_words() -> None:
    """The limit of each check is there to be printed."""
    assert must_be("certificate_identity") == "1"
    assert must_be("certificate_steps") == "at most 0.05"


def test_few_steps_are_named_as_the_cause() -> None:
    """Where only a longer search breaks more, gradients are sound and the budget is not."""
    from audit.attacks import diagnose

    model = wrap(Valley())
    images = np.random.default_rng(0).normal(0, 0.001, (20, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    trial = trial_of(model, images, target)
    assert diagnose(trial, ["certificate_steps"]) == "too few steps"
    assert diagnose(trial, []) == ""


class Kinked(torch.nn.Module):
    """The sum over pixels of a zigzag of slope 1 and -1 that turns every ten thousandth of the range."""

    def __init__(self) -> None:
        super().__init__()
        self.width = torch.nn.Parameter(torch.tensor(255e-4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.width * (torch.remainder(x / self.width, 2) - 1).abs()).flatten(1).sum(dim=1, keepdim=True)


def test_kinks_of_a_network_are_no_other_function() -> None:
    """Where slopes turn often, as those of deep networks do, honest gradients agree: a step crosses hardly a kink."""
    images = np.random.default_rng(0).uniform(20, 235, (24, 1, 6, 6)).astype(np.float32)
    model = wrap(Kinked(), input=InputSpec(range=(0.0, 255.0), scale=False))
    (question,) = questions(model.card)
    agrees = slopes_agree(model, question, images, np.ones(24, dtype=int), np.random.default_rng(1))
    assert agrees.mean() >= 0.9
