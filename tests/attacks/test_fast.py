"""The faster copy gives the model's own gradients, and is left alone where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.attacks import Meter, Plan, attack, fast_forward, questions
from audit.attacks import _fast as fast
from audit.core import InputSpec
from audit.models import _held as held
from audit.models import fast_predict, folded, held_copy
from audit.testing import planted
from tests.attacks.nets import Linear, convolutional, wrap


class Residual(torch.nn.Module):
    """Convolution and batch normalisation twice, with a sum around the second."""

    def __init__(self, dimensions: int = 2) -> None:
        super().__init__()
        conv = torch.nn.Conv2d if dimensions == 2 else torch.nn.Conv3d
        norm = torch.nn.BatchNorm2d if dimensions == 2 else torch.nn.BatchNorm3d
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.norm1 = conv(1, 8, 3, padding=1), norm(8)
            self.second, self.norm2 = conv(8, 8, 3, padding=1), norm(8)
            self.last = torch.nn.Linear(8, 1)
            for layer in (self.norm1, self.norm2):
                torch.nn.init.uniform_(layer.weight, 0.5, 2.0)
                torch.nn.init.uniform_(layer.bias, -0.5, 0.5)
                layer.running_mean.uniform_(-0.5, 0.5)
                layer.running_var.uniform_(0.5, 2.0)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm1(self.first(x)))
        x = torch.relu(x + self.norm2(self.second(x)))
        return self.last(x.flatten(2).mean(dim=2))


class Untraceable(Residual):
    """The same, with Python that looks at the values."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) if bool(x.sum() > -1e9) else x.flatten(1)[:, :1]


def chosen(model: Any, images: np.ndarray, target: np.ndarray, meter: Meter | None = None) -> Any:
    (question,) = questions(model.card)
    given = torch.as_tensor(images), torch.as_tensor(target)
    return fast_forward(model, question.objectives[0], *given, meter or Meter())


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIT_BF16", "off")


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("net", [Residual(2), Residual(3), Untraceable(2), convolutional(1)])
def test_in_float32_the_copy_answers_as_the_model_does(net: Any) -> None:
    """Folded where the network can be traced, channels last everywhere: outputs and gradients agree to 1e-4."""
    rng = np.random.default_rng(0)
    shape = (6, 1, 6, 6, 6) if isinstance(net, Residual) and isinstance(net.first, torch.nn.Conv3d) else (6, 1, 6, 6)
    images, model = rng.normal(size=shape).astype(np.float32), wrap(net)
    before = model.state_digest()
    forward = chosen(model, images, np.ones(6, int))
    assert forward != model.forward
    x = torch.as_tensor(images).requires_grad_()
    (copied,) = torch.autograd.grad(forward(x).sum(), x)
    (own,) = torch.autograd.grad(model.forward(x).sum(), x)
    assert torch.allclose(copied, own, atol=1e-4 * float(own.abs().max()))
    assert torch.allclose(forward(x), model.forward(x), atol=1e-4)
    assert model.state_digest() == before


@pytest.mark.usefixtures("exact")
def test_batch_normalisation_is_folded_where_it_can_be() -> None:
    """Both normalisations of a traceable network are gone; the network itself keeps them."""
    net = Residual().eval()
    traced = folded(net)
    kinds = [type(m).__name__ for m in traced.modules()]
    assert "BatchNorm2d" not in [type(traced.get_submodule(n.target)).__name__ for n in traced.graph.nodes
                                 if n.op == "call_module"]  # fmt: skip
    assert "Conv2d" in kinds
    assert isinstance(net.norm1, torch.nn.BatchNorm2d)
    assert folded(Untraceable().eval()).__class__ is Untraceable


def test_a_network_without_convolutions_is_left_alone() -> None:
    """There is nothing to gain on a linear model, and no gradient is spent on finding out."""
    model, meter = wrap(Linear(np.ones(36))), Meter()
    assert chosen(model, np.zeros((4, 1, 6, 6), np.float32), np.ones(4, int), meter) == model.forward
    assert (meter.forwards, meter.gradients) == (0, 0)


def test_a_copy_that_answers_otherwise_is_not_used() -> None:
    """A model whose forward is not that of its module keeps its own forward."""
    model = wrap(convolutional(1))

    class Surrogate:
        card, module = model.card, model.module

        def forward(self, images: Any) -> Any:
            return model.forward(images) + 0.5

    other: Any = Surrogate()
    assert chosen(other, np.zeros((4, 1, 6, 6), np.float32), np.ones(4, int)) == other.forward


def test_probabilities_are_never_taken_in_few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where outputs are probabilities the copy stays in float32, whatever the hardware."""
    monkeypatch.setattr(fast, "bfloat16_pays", lambda device: True)
    seen: list[Any] = []
    copied = fast._copy
    monkeypatch.setattr(fast, "_copy", lambda module, dtype: seen.append(dtype) or copied(module, dtype))
    images = np.random.default_rng(0).normal(size=(4, 1, 6, 6)).astype(np.float32)
    net = torch.nn.Sequential(convolutional(1), torch.nn.Sigmoid())
    chosen(wrap(net, output="probabilities"), images, np.ones(4, int))
    assert seen == [None]
    chosen(wrap(convolutional(1)), images, np.ones(4, int))
    assert seen == [None, None, torch.bfloat16]


def test_bfloat16_breaks_the_same_cases_within_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of eight bits break what exact ones do, up to 2 of 240 cells; every success is verified in float32."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    model = wrap(Residual(), input=InputSpec(range=(-10.0, 10.0), scale=False))
    answers = model.predict(images)[:, 0]
    target = (answers > np.median(answers)).astype(int)
    model = wrap(Shifted(Residual(), float(np.median(answers))))
    (question,) = questions(model.card)
    plan = Plan(epsilons=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32), headline=0.04, steps=10, restarts=1, ranking=False)
    found = []
    for pays in (False, True):
        monkeypatch.setattr(fast, "bfloat16_pays", lambda device, pays=pays: pays)
        found.append(attack(model, question, images, target, plan=plan, rng=np.random.default_rng(0)))
    assert 0.1 < found[0].right.mean() < 0.9
    assert (found[0].right != found[1].right).sum() <= 2
    worst = model.predict(found[1].worst)[:, 0] > 0
    assert ((worst == (target == 1)) | ~found[1].right[:, 2]).all()


class Shifted(torch.nn.Module):
    def __init__(self, net: Any, shift: float) -> None:
        super().__init__()
        self.net, self.shift = net, shift

    def forward(self, x: Any) -> Any:
        return self.net(x) - self.shift


def test_the_environment_can_forbid_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUDIT_BF16=off is obeyed on any hardware."""
    monkeypatch.setattr("audit.models._fast.cpu_has_bfloat16", lambda: True)
    monkeypatch.delenv("AUDIT_BF16", raising=False)
    assert fast.bfloat16_pays(torch.device("cpu"))
    monkeypatch.setenv("AUDIT_BF16", "off")
    assert not fast.bfloat16_pays(torch.device("cpu"))


def test_answers_of_the_copy_are_those_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-5, in 2-D and 3-D; never in bfloat16, whatever the hardware; the model is left as it is."""
    monkeypatch.setattr("audit.models._fast.bfloat16_pays", lambda device: True)
    for dimensions in (2, 3):
        images = np.random.default_rng(0).normal(size=(9, 1, *[8] * dimensions)).astype(np.float32)
        model = wrap(Residual(dimensions))
        before = model.state_digest()
        fast_one = fast_predict(model, images)
        assert fast_one != model.predict
        assert fast_one(images) == pytest.approx(model.predict(images), abs=1e-5)
        assert model.state_digest() == before


class Forked(torch.nn.Module):
    """Answers dark images otherwise than bright ones, by a fork in its course."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 3)

    def forward(self, x: Any) -> Any:
        said = self.conv(x).mean(dim=(2, 3))
        return said if bool(x.mean() > 0) else said + 5


def test_a_course_that_hangs_on_the_images_is_never_frozen() -> None:
    """Of a network with a fork, images of the other side than those at hand are answered as the model does."""
    model = wrap(Forked(), input=InputSpec(range=(-10.0, 10.0), scale=False))
    bright = np.ones((4, 1, 6, 6), np.float32)
    fast_one = fast_predict(model, bright)
    for images in (bright, -bright):
        assert fast_one(images) == pytest.approx(model.predict(images), abs=1e-6)


def test_images_of_another_shape_are_the_models_own() -> None:
    """A copy that was compared on one shape answers no other."""
    model = wrap(Residual())
    fast_one = fast_predict(model, np.zeros((2, 1, 6, 6), np.float32))
    larger = np.random.default_rng(0).normal(size=(3, 1, 9, 7)).astype(np.float32)
    assert fast_one != model.predict
    assert np.array_equal(fast_one(larger), model.predict(larger))


def test_answers_that_differ_are_the_models_own() -> None:
    """Without convolutions, without weights at hand, or where the copy answers otherwise, `predict` itself is used."""
    images = np.zeros((2, 1, 6, 6), np.float32)
    linear = wrap(Linear(np.ones(36)))
    assert fast_predict(linear, images) == linear.predict
    asked = planted()
    assert fast_predict(asked, images) == asked.predict
    model = wrap(convolutional(1))

    class Otherwise:
        card, module = model.card, model.module

        def predict(self, given: Any) -> Any:
            return model.predict(given) + 0.5

    other: Any = Otherwise()
    assert fast_predict(other, images) == other.predict


def test_a_copy_is_made_again_when_the_network_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each precision; anew after a change of a weight, a buffer, a layer or a hook, and always where large."""
    made: list[Any] = []
    own = held.fast_copy
    monkeypatch.setattr(held, "fast_copy", lambda module, dtype: made.append(dtype) or own(module, dtype))
    module = wrap(Residual(2)).module
    x = torch.ones((1, 1, 8, 8))

    def asked() -> int:
        before = len(made)
        found = held_copy(module, None)
        assert found is held_copy(module, None)
        assert found is not None
        assert torch.allclose(found(x), module(x), atol=1e-4)
        return len(made) - before

    assert asked() == 1
    assert asked() == 0
    held_copy(module, torch.bfloat16)
    assert made[1:] == [torch.bfloat16]
    assert asked() == 0
    module.net.last.bias.data += 1.0
    assert asked() == 1
    module.net.norm1.running_mean += 1.0
    assert asked() == 1
    module.net.last = torch.nn.Linear(8, 1)
    assert asked() == 1
    seen: list[int] = []
    hook = module.register_forward_hook(lambda *_: seen.append(1))
    assert asked() == 1
    assert len(seen) == 2
    hook.remove()
    assert asked() == 1
    assert len(seen) == 2
    monkeypatch.setattr(held, "_MOST", 0)
    assert held_copy(module, None) is not held_copy(module, None)
