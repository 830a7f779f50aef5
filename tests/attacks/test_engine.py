"""The attack itself: exact where the answer is known, within its bounds, at the cost that it states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import Meter, Plan, attack, questions
from audit.core import InputSpec
from tests.attacks.nets import Linear, Masked, Pixelwise, convolutional, wrap

EPSILONS = (0.05, 0.1, 0.2, 0.4)
PLAN = Plan(epsilons=EPSILONS, headline=0.1, steps=8, restarts=1, search="sign")
ENGINES = pytest.mark.parametrize("plan", [PLAN, replace(PLAN, search="apgd")], ids=["sign", "apgd"])


def cases(n: int = 40, shape: tuple[int, ...] = (1, 6, 6), seed: int = 0) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, *shape)).astype(np.float32), rng


def run(model: Any, images: np.ndarray, target: np.ndarray, plan: Plan = PLAN, meter: Meter | None = None) -> Any:
    question = questions(model.card)[0]
    return attack(model, question, images, target, plan=plan, rng=np.random.default_rng(1), meter=meter)


@ENGINES
def test_a_linear_model_is_broken_exactly_up_to_its_margin(plan: Plan) -> None:
    """Right under attack means |w|_1 epsilon below the signed logit, case by case."""
    images, rng = cases(200)
    w = rng.normal(size=36)
    target = rng.integers(0, 2, 200)
    outcome = run(wrap(Linear(w, 0.3)), images, target, plan)
    signed = np.where(target == 1, 1, -1) * (images.reshape(200, -1) @ w + 0.3)
    for index, epsilon in enumerate(plan.epsilons):
        sure = np.abs(signed - np.abs(w).sum() * epsilon) > 1e-4
        expected = signed > np.abs(w).sum() * epsilon
        assert sure.sum() >= 195
        assert (outcome.right[sure, index] == expected[sure]).all()
        assert outcome.right[:, index].mean() == pytest.approx(expected.mean(), abs=1e-6)


class Shifted(Linear):
    """Takes something away from the images, in memory of its own."""

    def forward(self, x: Any) -> Any:
        return super().forward(x - 0.25)


class InPlace(Linear):
    """The same in the memory of the images that it is given."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.sub_(0.25))


class Behind(Linear):
    """The same, and writes into the images behind the back of the graph."""

    def forward(self, x: Any) -> Any:
        out = super().forward(x - 0.25)
        x.data.fill_(7.0)
        return out


@ENGINES
@pytest.mark.parametrize("kind", [InPlace, Behind])
def test_a_network_that_writes_into_its_images_is_attacked_as_one_that_does_not(plan: Plan, kind: type[Linear]) -> None:
    """The images of a search are its own."""
    images, rng = cases(48)
    weights, target = rng.normal(size=36), rng.integers(0, 2, 48)
    plain, writing = (run(wrap(each(weights, 0.3)), images, target, plan) for each in (Shifted, kind))
    assert 0 < plain.right[:, 1].sum() < plain.right_clean.sum()
    for name in ("right", "answers", "worst"):
        assert np.array_equal(getattr(plain, name), getattr(writing, name)), name


@ENGINES
def test_the_scale_of_the_logits_changes_nothing(plan: Plan) -> None:
    """Logits times 50 are the same decisions, and the same cases break."""
    images, rng = cases(48)
    target = rng.integers(0, 2, 48)
    plain = run(wrap(convolutional(3)), images, target, plan)
    loud = run(wrap(convolutional(3, gain=50.0)), images, target, plan)
    assert 0 < plain.right[:, 1].sum() < plain.right_clean.sum()
    assert (plain.right == loud.right).mean() >= 0.99


@ENGINES
@pytest.mark.parametrize(
    ("outputs", "squash", "spec"),
    [
        (1, "", {}),
        (1, "sigmoid", {"output": "probabilities"}),
        (2, "", {}),
        (2, "softmax", {"output": "probabilities", "operating_point": 0.3}),
        (3, "", {"task": "multiclass", "classes": ("a", "b", "c")}),
        (3, "softmax", {"task": "multiclass", "classes": ("a", "b", "c"), "output": "probabilities"}),
        (4, "", {"task": "ordinal", "classes": ("0", "1", "2", "3")}),
    ],
)
def test_every_classifier_head_is_moved_and_broken(plan: Plan, outputs: int, squash: str, spec: dict[str, Any]) -> None:
    """Every head's image is changed, at the full size, and a large size breaks all; no head is left as it was."""
    images, rng = cases(24)
    model = wrap(Linear(rng.normal(size=(outputs, 36)), squash=squash), **spec)
    target = rng.integers(0, max(2, outputs), 24)
    outcome = run(model, images, target, replace(plan, epsilons=(0.1, 8.0)))
    moved = np.abs(outcome.worst - images).reshape(24, -1).max(axis=1)
    assert (moved[outcome.right_clean] > 0.099).all()
    assert outcome.right_clean.any()
    assert not outcome.right[:, 1].any()


@ENGINES
def test_a_value_is_pushed_out_of_its_tolerance_on_the_nearer_side(plan: Plan) -> None:
    """A linear value leaves the tolerance when error plus |w|_1 epsilon exceeds it, whichever the side."""
    images, rng = cases(60)
    w = rng.normal(size=36) / 20
    model = wrap(Linear(w), task="regression", output="value", operating_point=None, clinical_tolerance=0.5)
    target = images.reshape(60, -1) @ w + rng.uniform(-0.4, 0.4, 60)
    outcome = run(model, images, target, plan)
    error = np.abs(images.reshape(60, -1) @ w - target)
    for index, epsilon in enumerate(plan.epsilons):
        assert (outcome.right[:, index] == (error + np.abs(w).sum() * epsilon <= 0.5)).all()
    assert 0 < outcome.right[:, 2].sum() < 60


@ENGINES
def test_a_finding_is_attacked_by_itself(plan: Plan) -> None:
    """A multilabel model gives one question a finding, each with its own operating point and exact margin."""
    images, rng = cases(60)
    w = rng.normal(size=(2, 36))
    model = wrap(Linear(w), task="multilabel", classes=("oedema", "mass"), operating_point={"oedema": 0.5, "mass": 0.9})
    asked = questions(model.card)
    assert [q.name for q in asked] == ["oedema", "mass"]
    target = rng.integers(0, 2, (60, 2))
    for column, question in enumerate(asked):
        y = question.targets(target)
        outcome = attack(model, question, images, y, plan=plan, rng=rng)
        z = images.reshape(60, -1) @ w[column] - (0, np.log(9))[column]
        signed = np.where(y == 1, z, -z)
        assert (outcome.right[:, 1] == (signed > np.abs(w[column]).sum() * 0.1)).all()


@ENGINES
def test_a_mask_is_erased_and_one_is_invented(plan: Plan) -> None:
    """Erasing needs the foreground's margin; an empty reference is broken by inventing one pixel."""
    images = np.full((3, 1, 6, 6), -1.0, dtype=np.float32)
    images[:2, :, 1:4, 1:4] = 1.0
    reference = (images[:, 0] > 0).astype(np.int64)
    images[1, :, 1:4, 1:4] = 0.3
    model = wrap(Pixelwise(), task="segmentation", output="mask_logits", operating_point=None)
    outcome = run(model, images, reference, replace(plan, epsilons=(0.25, 0.35, 1.1), headline=0.25))
    assert outcome.right_clean.all()
    assert outcome.right.tolist() == [[True, True, False], [True, False, False], [True, True, False]]


@ENGINES
def test_volumes_are_attacked_as_images_are(plan: Plan) -> None:
    """A 3-D input breaks exactly at its margin."""
    images, rng = cases(10, (1, 4, 5, 6))
    w = rng.normal(size=120)
    target = (images.reshape(10, -1) @ w > 0).astype(int)
    outcome = run(wrap(Linear(w)), images, target, plan)
    expected = np.abs(images.reshape(10, -1) @ w)[:, None] > np.abs(w).sum() * np.array(EPSILONS)
    assert (outcome.right == expected).all()


class Recorder:
    """A model that keeps every image it is asked about."""

    def __init__(self, model: Any) -> None:
        self.model, self.card, self.module, self.seen, self.gradients = model, model.card, model.module, [], 0

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.seen.append(images.copy())
        return self.model.predict(images)

    def forward(self, images: Any) -> Any:
        if torch.is_grad_enabled():
            self.gradients += len(images)
        return self.model.forward(images)

    def state_digest(self) -> str:
        return self.model.state_digest()


@ENGINES
@pytest.mark.parametrize("integers", [True, False])
def test_no_perturbation_exceeds_epsilon_or_the_range(plan: Plan, integers: bool) -> None:
    """Every image asked about is within epsilon and the valid range, to the last bit."""
    rng = np.random.default_rng(5)
    images = rng.uniform(0, 255, (8, 1, 6, 6)).astype(np.float32)
    images = np.round(images) if integers else images
    model = Recorder(wrap(convolutional(1), input=InputSpec(range=(0.0, 255.0))))
    (question,) = questions(model.card)
    sized = replace(plan, epsilons=(2.5,), headline=2.5)
    outcome = attack(model, question, images, np.ones(8, int), plan=sized, rng=rng)
    asked = np.concatenate(model.seen)
    # Random images are far apart, so each one asked about belongs to the nearest.
    moved = np.abs(asked[:, None].astype(float) - images[None].astype(float)).max(axis=(2, 3, 4)).min(axis=1)
    assert moved.max() <= 2.5
    assert moved.max() > 2.4
    assert asked.min() >= 0
    assert asked.max() <= 255
    assert outcome.integer.all() == integers
    whole = (asked == np.round(asked)).all(axis=(1, 2, 3))
    assert whole.sum() > 8 if integers else not whole.any()


def test_an_image_outside_the_range_stays_where_it_is() -> None:
    """Intensities beyond the declared range are not clipped into it: size 0 is the identity."""
    images, rng = cases(4)
    images[:, 0, 0, 0] = 25.0
    outcome = run(
        wrap(Linear(rng.normal(size=36))), images, np.ones(4, int), replace(PLAN, epsilons=(0.0,), headline=0.0)
    )
    assert (outcome.worst == images).all()


def test_integers_below_one_step_have_no_stored_image() -> None:
    """Half a grey level breaks a case on its way to the model, and never in a file."""
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (20, 1, 6, 6)).astype(np.float32)
    w = rng.normal(size=36)
    z = images.reshape(20, -1) @ w
    model = wrap(Linear(w, -np.median(z)), input=InputSpec(range=(0.0, 255.0), scale=False))
    plan = replace(PLAN, epsilons=(0.5, 64.0), headline=0.5)
    outcome = run(model, images, (z > np.median(z)).astype(int), plan)
    expected = np.abs(z - np.median(z)) > 0.5 * np.abs(w).sum()
    assert (outcome.right[:, 0] == expected).all()
    assert (outcome.right_stored[:, 0] == outcome.right_clean).all()
    assert outcome.right_stored[:, 1].sum() < outcome.right_clean.sum()
    assert (outcome.right <= outcome.right_stored).all()


def test_wrong_without_an_attack_is_never_robust() -> None:
    """A case that is wrong as it is stays wrong at every size."""
    images, rng = cases(30)
    outcome = run(wrap(convolutional(1)), images, rng.integers(0, 2, 30))
    assert not outcome.right_clean.all()
    assert not outcome.right[~outcome.right_clean].any()


def test_a_broken_case_stays_broken() -> None:
    """Right only ever turns to wrong as epsilon rises."""
    images, rng = cases(40)
    outcome = run(wrap(convolutional(2)), images, rng.integers(0, 2, 40))
    assert (np.diff(outcome.right.astype(int), axis=1) <= 0).all()


@ENGINES
def test_the_cost_is_counted_and_kept(plan: Plan) -> None:
    """A model robust everywhere costs one gradient and then one a step and size; a broken case a few for its rank."""
    images, rng = cases(12)
    w = rng.normal(size=36) / 1e4
    sure = Recorder(wrap(Linear(w, 5.0)))
    meter = Meter()
    (question,) = questions(sure.card)
    attack(sure, question, images, np.ones(12, int), plan=plan, rng=rng, meter=meter)
    # One more a case tells at the headline size whether gradients differ from place to place.
    assert meter.gradients == sure.gradients == 12 + 12 * plan.steps * len(plan.epsilons) + 12
    fragile = Recorder(wrap(Linear(w)))
    target = (images.reshape(12, -1) @ w > 0).astype(int)
    large = replace(plan, epsilons=(8.0, 9.0), headline=8.0)
    for ranking, pushed in ((False, 0), (True, plan.steps // 4)):
        spent = Meter()
        attack(fragile, question, images, target, plan=replace(large, ranking=ranking), rng=rng, meter=spent)
        assert spent.gradients == 12 + 12 * pushed


def test_the_global_generator_is_left_as_it_was() -> None:
    """Random starts do not move torch's global state, and equal seeds give equal attacks."""
    images, rng = cases(16)
    target = rng.integers(0, 2, 16)
    plan = replace(PLAN, search="apgd", restarts=2)
    before = torch.random.get_rng_state()
    first = run(wrap(convolutional(2)), images, target, plan)
    assert (torch.random.get_rng_state() == before).all()
    second = run(wrap(convolutional(2)), images, target, plan)
    assert (first.worst == second.worst).all()
    assert (first.answers == second.answers).all()


@ENGINES
def test_an_answer_that_is_no_number_is_broken_and_not_kept(plan: Plan) -> None:
    """A model that answers NaN to a valid change is wrong there; the answers kept are numbers."""

    class Brittle(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            z = x.flatten(1).sum(dim=1, keepdim=True)
            return torch.where(z > 1.0, torch.full_like(z, float("nan")), z)

    images = np.full((2, 1, 3, 3), -0.01, dtype=np.float32)
    outcome = run(wrap(Brittle()), images, np.zeros(2, int), plan)
    assert outcome.right_clean.all()
    assert not outcome.right[:, -1].any()
    assert np.isfinite(outcome.answers).all()


@ENGINES
@pytest.mark.parametrize("how", ["detached", "quantised", "nan"])
def test_hidden_gradients_raise_nothing_and_are_reported(plan: Plan, how: str) -> None:
    """Without a usable gradient the attack still runs, and no case counts as having one."""
    images, rng = cases(10)
    outcome = run(wrap(Masked(rng.normal(size=36), how)), images, np.ones(10, int), plan)
    assert not outcome.gradient.any()
    assert not outcome.descends.any()
