"""One thread for a small network, and the number from before afterwards."""

from __future__ import annotations

import pytest

from audit.core import InputSpec, ModelSpec
from audit.models import fitting_threads, from_callable, from_module

torch = pytest.importorskip("torch")


def model(channels, size):
    spec = ModelSpec(kind="torch", task="binary", output="logits", input=InputSpec(size=size))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(channels), torch.nn.Linear(channels, 1))
    net(torch.zeros(1, 1, *size))
    return from_module(net.eval(), spec)


@pytest.mark.parametrize(("channels", "size", "wanted"), [(2, (8, 8), 1), (2, (256, 256), 3), (20_000, (8, 8), 3)])
def test_small_networks_on_small_images_get_one_thread(channels, size, wanted):
    """Both the network and the image must be small."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with fitting_threads(model(channels, size)) as threads:
            assert threads == wanted == torch.get_num_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_other_models_are_left_alone():
    """A callable has no module to count."""
    spec = ModelSpec(kind="callable", task="binary", output="logits")
    with fitting_threads(from_callable(lambda x: x.mean(axis=(1, 2, 3)), spec)) as threads:
        assert threads is None
