"""An untrained network is the same architecture with other weights, and the audited one is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.core import InputSpec
from audit.explain import CONTROLS, control_maps, controls_of, plain_name, untrained, untrained_control
from audit.testing import planted
from tests.attacks.nets import Linear, wrap

UNIT = InputSpec(scale=False)


class Normed(torch.nn.Module):
    """A convolution, a norm that has seen images, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
            torch.nn.Linear(4 * 64, 1),
        )  # fmt: skip
        self.body[1].running_mean.fill_(2.0)
        self.body[1].weight.data.fill_(3.0)
        self.own = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, x: Any) -> Any:
        return self.body(x) * self.own.sum()


def test_weights_are_drawn_by_the_rule_and_the_audited_network_is_untouched() -> None:
    """Uniform within 1 / sqrt(inputs); norms as new; others permuted; equal by seed; the digest is what it was."""
    model = wrap(Normed(), input=UNIT)
    before = model.state_digest()
    twin = untrained(model, np.random.default_rng(0))
    assert model.state_digest() == before
    old, new = dict(model.module.named_parameters()), dict(twin.module.named_parameters())
    name = next(n for n in new if n.endswith("body.0.weight"))
    assert not torch.equal(new[name], old[name])
    assert float(new[name].abs().max()) <= 1 / 3
    linear = new[next(n for n in new if n.endswith("body.4.weight"))]
    assert float(linear.std()) == pytest.approx((2 / 256**0.5) / 12**0.5, rel=0.15)
    assert float(new[next(n for n in new if n.endswith("body.1.weight"))].mean()) == 1.0
    assert sorted(new[next(n for n in new if n.endswith("own"))].tolist()) == [1.0, 2.0]
    assert float(dict(twin.module.named_buffers())[name.replace("0.weight", "1.running_mean")].abs().max()) == 0
    images = np.random.default_rng(1).random((3, 1, 8, 8)).astype(np.float32)
    assert twin.predict(images).shape == (3, 1)
    assert (untrained(model, np.random.default_rng(0)).predict(images) == twin.predict(images)).all()
    assert (twin.predict(images) != model.predict(images)).all()


def test_no_weights_no_untrained_network() -> None:
    """A model that can only be asked, and a network without parameters, have none."""
    assert untrained(planted("healthy"), np.random.default_rng(0)) is None

    class Sum(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.flatten(1).sum(dim=1, keepdim=True)

    assert untrained(wrap(Sum(), input=UNIT), np.random.default_rng(0)) is None
    assert untrained(wrap(Linear(np.ones(4)), input=UNIT), np.random.default_rng(0)) is not None


def test_a_method_has_its_own_untrained_control() -> None:
    """Controls of all, and of a method its own where it is there."""
    images = np.random.default_rng(0).random((2, 1, 8, 8)).astype(np.float32)
    maps = control_maps(images, np.random.default_rng(0), untrained={"saliency": np.ones((2, 8, 8))})
    assert controls_of("saliency", maps) == (*CONTROLS, untrained_control("saliency"))
    assert controls_of("occlusion", maps) == CONTROLS
    assert [plain_name(name) for name in controls_of("saliency", maps)] == [*CONTROLS, "untrained"]
    assert (maps["centre"] >= 0).all()
