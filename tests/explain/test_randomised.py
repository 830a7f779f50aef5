"""A network is drawn again on a copy, from the output down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.core import InputSpec, NotApplicable
from audit.explain import cascade, draws, redrawn
from audit.explain._attribution_setup import slope
from tests.attacks.nets import Pixelwise, wrap

UNIT = InputSpec(scale=False)
IMAGE = np.ones((1, 1, 8, 8), np.float32)


class Upside(torch.nn.Module):
    """Declares its layers in another order than it calls them; `gate` is used by its parent and never called."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(4, 1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.stem = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.gate = torch.nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        x = self.norm(self.stem(x)).mean(dim=(2, 3))
        return self.head(x * torch.sigmoid(torch.nn.functional.linear(x, self.gate.weight, self.gate.bias)))


def model() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Upside()
    net.norm.running_mean.fill_(0.3)
    net.norm.weight.data.fill_(2.0)
    return wrap(net, input=UNIT)


def state(of: Any) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in of.state_dict().items()}


def test_layers_come_from_the_output_down() -> None:
    """The order is that of calls, not of declaration; a layer that is never called stands where its parent does."""
    names = redrawn(model(), np.random.default_rng(0), image=IMAGE).layers
    assert [n.split(".")[-1] for n in names] == ["head", "norm", "stem", "gate"]
    declared = redrawn(model(), np.random.default_rng(0)).layers
    assert [n.split(".")[-1] for n in declared] == ["gate", "stem", "norm", "head"]


def test_a_step_draws_its_layers_alone_and_never_the_audited_ones() -> None:
    """Drawing the head leaves the rest of the copy as it was; the audited module keeps weights, digest and hooks."""
    audited = model()
    before, digest = state(audited.module), audited.state_digest()
    copy = redrawn(audited, np.random.default_rng(0), image=IMAGE)
    learnt = copy.state_digest()
    copy.draw(copy.layers[:1])
    after = state(copy.module)
    changed = {name for name, value in after.items() if not np.array_equal(value, before[name])}
    assert {name.split(".")[-2] for name in changed} == {"head"}
    assert copy.state_digest() != learnt
    assert copy.card.digest == copy.state_digest()
    copy.draw(copy.layers)
    assert audited.state_digest() == digest
    assert all(np.array_equal(value, before[name]) for name, value in state(audited.module).items())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in audited.module.modules())
    assert not any(m._forward_pre_hooks for m in copy.module.modules())


def flattened(*, view: bool) -> Any:
    """Return a network whose head flattens convolutions in a way that layouts break, or in one that they do not."""

    class Net(torch.nn.Sequential):
        def forward(self, x: Any) -> Any:
            x = self[1](self[0](x))
            return self[2](x.view(len(x), -1) if view else x.flatten(1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv, norm = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
        return wrap(Net(conv, norm, torch.nn.Linear(256, 1)), input=UNIT)


@pytest.mark.parametrize("view", [False, True])
def test_the_layout_of_a_copy_changes_no_answer_and_no_gradient(view: bool) -> None:
    """Channels last where the network allows it, else as it was; both copies answer and draw alike within 1e-5."""
    audited = flattened(view=view)
    laid, plain = (redrawn(audited, np.random.default_rng(1), image=i) for i in (IMAGE, None))
    weight = laid.module.net[0].weight
    assert weight.stride() == ((9, 9, 3, 1) if view else (9, 1, 3, 1))
    images = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    for drawn in (False, True):
        for copy in (laid, plain) if drawn else ():
            copy.draw(["net.0", "net.2"])
        assert laid.predict(images) == pytest.approx(plain.predict(images), abs=1e-5)
        slopes = [slope(c.forward, torch.from_numpy(images)).numpy() for c in (laid, plain)]
        assert slopes[0] == pytest.approx(slopes[1], abs=1e-5)
    assert laid.state_digest() == plain.state_digest()


def test_weights_are_drawn_as_torch_starts_them() -> None:
    """Weights lie within one over the root of the inputs, norms start afresh, and the seed decides."""
    copies = [redrawn(model(), np.random.default_rng(3), image=IMAGE) for _ in range(2)]
    for copy in copies:
        copy.draw(copy.layers)
    values = state(copies[0].module)
    stem = next(v for k, v in values.items() if k.endswith("stem.weight"))
    assert np.abs(stem).max() <= 1 / 3
    assert np.abs(stem).max() > 0.2
    norm = {k.split(".")[-1]: v for k, v in values.items() if ".norm." in k}
    assert (norm["weight"] == 1).all()
    assert (norm["running_mean"] == 0).all()
    assert (norm["running_var"] == 1).all()
    assert all(np.array_equal(values[k], v) for k, v in state(copies[1].module).items())


def test_a_network_without_weights_has_nothing_to_draw() -> None:
    """It says so, instead of giving maps that did not change."""
    with pytest.raises(NotApplicable, match="no weights"):
        redrawn(wrap(Pixelwise(), input=UNIT), np.random.default_rng(0), image=IMAGE)


def test_a_network_that_cannot_be_copied_says_so() -> None:
    """A network that holds a generator, which cannot be copied, is no crash."""
    net = Upside()
    net.held = (i for i in range(3))  # type: ignore[assignment]
    with pytest.raises(NotApplicable, match="cannot be copied"):
        redrawn(wrap(net, input=UNIT), np.random.default_rng(0), image=IMAGE)


def test_the_first_step_is_the_last_layer_and_the_last_step_leaves_none() -> None:
    """Steps are consecutive, share no layer and hold all of them; there are no more steps than layers."""
    layers = tuple("abcdefghij")
    steps = cascade(layers, 4)
    assert steps[0] == ("a",)
    assert len(steps) == 4
    assert tuple(name for step in steps for name in step) == layers
    assert cascade(("a", "b"), 5) == (("a",), ("b",))


@pytest.mark.parametrize(("count", "groups", "sizes"), [(24, 6, [4] * 6), (5, 9, [2, 3]), (1, 5, [1]), (11, 5, None)])
def test_every_draw_has_two_cases_where_there_are_two(count: int, groups: int, sizes: list[int] | None) -> None:
    """Runs are consecutive and hold all cases."""
    found = list(draws(count, groups))
    assert [i for rows in found for i in range(rows.start, rows.stop)] == list(range(count))
    if sizes is None:
        assert min(rows.stop - rows.start for rows in found) >= 2
    else:
        assert sorted(rows.stop - rows.start for rows in found) == sizes
