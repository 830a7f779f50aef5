"""DeepLIFT, guided backpropagation and Grad-CAM: on a copy, against captum by itself and against closed forms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from audit.core import InputSpec
from audit.explain import Maps, _attribution_copies, attribute, explained_by
from audit.explain._attribution_copies import plain_copy
from audit.explain._layers import layer_of
from audit.testing import blob_cohort, blob_network
from tests.attacks.nets import Linear, wrap

UNIT = InputSpec(scale=False)
HOOKED = ("deep_lift", "guided_backprop", "grad_cam", "grad_cam_signed")


def plain(dims: int = 2) -> nn.Sequential:
    """Return a network that captum can hook as it is: nothing in place or twice, no two hooked layers in a row."""
    conv, pool = (nn.Conv2d, nn.AvgPool2d) if dims == 2 else (nn.Conv3d, nn.AvgPool3d)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(
            conv(1, 4, 3, padding=1), nn.ReLU(), pool(2), conv(4, 3, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(3 * 4**dims, 1),
        ).eval()  # fmt: skip


def draw(n: int = 5, shape: tuple[int, ...] = (1, 8, 8)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (n, *shape)).astype(np.float32)
    return images, rng.uniform(0.4, 0.6, images.shape).astype(np.float32)


def maps_of(model: Any, images: np.ndarray, baseline: np.ndarray | None = None, **more: Any) -> Maps:
    explained = explained_by(model.predict(images), model.card)
    more = {"methods": HOOKED, **more}
    return attribute(model, images, explained, rng=np.random.default_rng(0), batch=4, baseline=baseline, **more)


@pytest.fixture(autouse=True)
def announced() -> Iterator[None]:
    """Captum by itself warns of the hooks that it sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("dims", [2, 3])
def test_a_network_that_captum_can_hook_has_the_maps_of_captum(dims: int) -> None:
    """In two dimensions and in three, within 1e-5 of captum by itself, signed towards the decision."""
    from captum.attr import DeepLift, GuidedBackprop, LayerGradCam

    images, baseline = draw(shape=(1, *[8] * dims))
    net = plain(dims)
    model = wrap(net, input=UNIT)
    maps = maps_of(model, images, baseline, layer="3")
    assert maps.refused == {}
    x, start = torch.as_tensor(images), torch.as_tensor(baseline)
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0).reshape(-1, *[1] * dims)
    lift = DeepLift(net).attribute(x, start).detach().numpy()[:, 0]
    assert maps.values["deep_lift"] == pytest.approx(sign * lift, abs=1e-5)
    assert maps.completeness["deep_lift"].max() < 1e-3
    # Guided backpropagation is not odd in the output: where the decision is negative, captum answers another question.
    guided, up = GuidedBackprop(net).attribute(x).detach().numpy()[:, 0], sign.ravel() > 0
    assert maps.values["guided_backprop"][up] == pytest.approx(guided[up], abs=1e-5)
    cam = LayerGradCam(net, net[3]).attribute(x).detach()
    mode = "bilinear" if dims == 2 else "trilinear"
    large = functional.interpolate(
        cam * torch.as_tensor(sign, dtype=torch.float32)[:, None], size=x.shape[2:], mode=mode
    )
    assert maps.values["grad_cam_signed"] == pytest.approx(large.numpy()[:, 0], abs=1e-5)
    assert maps.values["grad_cam"].min() >= 0
    assert maps.layer == "3"


def test_grad_cam_before_a_mean_is_the_class_map() -> None:
    """Weights of a linear layer on channel means make Grad-CAM the sum of weighted channels over their positions."""
    images, _ = draw()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        net = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)
        )
    model = wrap(net, input=UNIT)
    maps = maps_of(model, images, methods=("grad_cam", "grad_cam_signed"))
    with torch.no_grad():
        channels = net[1](net[0](torch.as_tensor(images)))
        expected = (channels * net[4].weight.view(1, 3, 1, 1)).sum(dim=1).numpy() / 64
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0)[:, None, None]
    assert maps.layer == "1"
    assert maps.values["grad_cam_signed"] == pytest.approx(sign * expected, abs=1e-6)
    assert maps.values["grad_cam"] == pytest.approx(np.maximum(sign * expected, 0), abs=1e-6)


def test_a_pool_after_a_relu_does_not_corrupt_deep_lift() -> None:
    """Captum by itself misses the change of the output there by more than 5 %; the map here adds up within 0.1 %."""
    from captum.attr import DeepLift

    images, baseline = draw()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 1)
        ).eval()
    x, start = torch.as_tensor(images), torch.as_tensor(baseline)
    alone = DeepLift(net).attribute(x, start).sum(dim=(1, 2, 3))
    change = (net(x) - net(start))[:, 0]
    assert ((alone - change).abs() / change.abs()).median() > 0.05
    maps = maps_of(wrap(net, input=UNIT), images, baseline, methods=["deep_lift"])
    assert maps.completeness["deep_lift"].max() < 1e-3


@pytest.mark.parametrize("dims", [2, 3])
def test_windows_that_overlap_keep_every_share(dims: int) -> None:
    """Of a pool of 3 at a stride of 2 captum alone loses shares; here the map adds up within 0.1 %."""
    from captum.attr import DeepLift

    images, baseline = draw(shape=(1, *[8] * dims))
    conv, pool = (nn.Conv2d, nn.MaxPool2d) if dims == 2 else (nn.Conv3d, nn.MaxPool3d)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            conv(1, 4, 3, padding=1), pool(3, stride=2, padding=1), nn.Flatten(), nn.Linear(4 * 4**dims, 1)
        ).eval()
    x, start = torch.as_tensor(images), torch.as_tensor(baseline)
    change = (net(x) - net(start))[:, 0]
    alone = DeepLift(net).attribute(x, start).flatten(1).sum(dim=1)
    assert ((alone - change).abs() / change.abs()).median() > 0.05
    maps = maps_of(wrap(net, input=UNIT), images, baseline, methods=["deep_lift"])
    assert maps.completeness["deep_lift"].max() < 1e-3


def test_methods_that_share_a_copy_have_the_maps_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, where pools follow another rule for DeepLIFT, whether one copy serves both or each has its own."""
    copies: list[Any] = []
    monkeypatch.setattr(_attribution_copies, "plain_copy", lambda m, of=plain_copy: copies.append(m) or of(m))
    images, baseline = draw()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 3, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(12, 1),
        ).eval()  # fmt: skip
    model = wrap(net, input=UNIT)
    both = maps_of(model, images, baseline, methods=["deep_lift", "guided_backprop"])
    assert (tuple(both.values), len(copies)) == (("deep_lift", "guided_backprop"), 1)
    for name, values in both.values.items():
        assert np.array_equal(maps_of(model, images, baseline, methods=[name]).values[name], values)
    assert len(copies) == 3


def blob_images(n: int = 6) -> np.ndarray:
    cohort = blob_cohort(np.random.default_rng(0), n=n)
    assert cohort.images is not None
    return np.stack([cohort.images.load(i) for i in range(n)])


def test_one_relu_for_all_layers_has_the_maps_of_many() -> None:
    """A network with a single in-place ReLU is split into its uses: the maps are those of its twin, within 1e-5."""
    images = blob_images()
    one, many = (maps_of(blob_network(name), images, layer="third") for name in ("reused", "trained"))
    assert one.refused == many.refused == {}
    for name, values in many.values.items():
        assert one.values[name] == pytest.approx(values, abs=1e-5 * np.abs(values).max()), name
    assert one.completeness["deep_lift"].max() < 0.01


def test_uses_of_a_layer_that_cannot_be_told_apart_are_refused() -> None:
    """Where no tracer can follow, the reused layer is named, and the methods that hook it have no map."""
    maps = maps_of(blob_network("reused-untraceable"), blob_images(), layer="third")
    assert tuple(maps.values) == ("grad_cam", "grad_cam_signed")
    assert all("'net.bends' is used more than once" in reason for reason in maps.refused.values())


class Functions(nn.Module):
    """ReLUs as function, method and in place, none of them a layer."""

    def __init__(self, *, hidden: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.first, self.second, self.last = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3), nn.Linear(12, 1)
        self.hidden = hidden

    def forward(self, x: Any) -> Any:
        if self.hidden and bool(torch.isnan(x).any()):
            raise ValueError
        x = functional.relu(self.first(x), inplace=True)
        x = torch.max_pool2d(self.second(x).relu(), 2)
        return self.last(x.flatten(1))


def test_functions_become_layers() -> None:
    """ReLUs that captum does not see are seen in the copy."""
    images, baseline = draw()
    maps = maps_of(wrap(Functions(), input=UNIT), images, baseline)
    assert maps.refused == {}
    assert maps.completeness["deep_lift"].max() < 1e-3


def test_functions_that_nothing_can_see_are_refused() -> None:
    """Without a trace captum hooks nothing; completeness and the second way both notice."""
    images, baseline = draw()
    maps = maps_of(wrap(Functions(hidden=True), input=UNIT), images, baseline)
    assert "its sum misses" in maps.refused["deep_lift"]
    assert "captum's hooks miss a ReLU" in maps.refused["guided_backprop"]


def test_the_audited_module_is_left_as_it_is() -> None:
    """Digest, hooks, in-place flags, mode and attributes of every layer are the same before and after."""
    model = blob_network("reused")

    def state() -> list[Any]:
        return [
            (n, m.training, getattr(m, "inplace", None), len(m._forward_hooks), len(m._forward_pre_hooks),
             len(m._backward_hooks), sorted(vars(m)))
            for n, m in model.module.named_modules()
        ]  # fmt: skip

    before, digest = state(), model.state_digest()
    maps_of(model, blob_images())
    assert state() == before
    assert model.state_digest() == digest


def test_an_exported_graph_and_a_script() -> None:
    """The operators of an export become layers; a TorchScript network is refused, and so is one without ReLU."""
    images, baseline = draw(4)
    net = plain()
    exported = torch.export.export(
        net, (torch.as_tensor(images),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    ).module()
    for module in exported.modules():
        module.training = False
    found = maps_of(wrap_as_is(exported), images, baseline, methods=HOOKED[:2])
    expected = maps_of(wrap(net, input=UNIT), images, baseline, methods=HOOKED[:2])
    assert found.refused == {}
    for name, values in expected.values.items():
        assert found.values[name] == pytest.approx(values, abs=1e-5)
    scripted = maps_of(wrap(torch.jit.trace(net, torch.as_tensor(images)), input=UNIT), images, baseline)
    assert "TorchScript" in scripted.refused["deep_lift"]
    assert "no layer" in scripted.refused["grad_cam"]
    linear = maps_of(wrap(Linear(np.ones(64)), input=UNIT), images, baseline)
    assert "no ReLU" in linear.refused["guided_backprop"]


def wrap_as_is(net: Any) -> Any:
    """Return the model of a module that cannot be put into another mode."""
    from audit.core import ModelSpec
    from audit.models import TorchModel

    return TorchModel(
        net, ModelSpec(kind="torch-export", task="binary", output="logits", operating_point=0.5, classes=("a", "b"),
                       input=UNIT)
    )  # fmt: skip


def test_the_layer_follows_a_stated_rule() -> None:
    """Last with more than one position; for a mask the bottleneck; a declared one that does not fit is refused."""
    image = torch.zeros(1, 1, 8, 8)
    card = wrap(Linear(np.ones(64))).card
    mask = wrap(nn.Conv2d(1, 1, 1), task="segmentation", output="mask_logits", operating_point=None, classes=()).card
    net = plain()
    assert layer_of(net, card, image) == ("4", "")
    assert layer_of(net, card, image, "1") == ("1", "")
    assert "no layer 'top'" in layer_of(net, card, image, "top")[1]
    assert "no positions" in layer_of(net, card, image, "6")[1]
    assert "runs 3 times" in layer_of(blob_network("reused").module.net, card, torch.zeros(1, 1, 32, 32), "bends")[1]
    first, second = nn.Sequential(plain()[0], nn.ReLU()), nn.Sequential(nn.Conv2d(4, 4, 3), nn.Tanh())
    blocks = nn.Sequential(first, second, nn.Flatten())
    assert layer_of(blocks, card, image) == ("1", "")
    u = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(4), nn.ReLU(), nn.Upsample(scale_factor=4))
    assert layer_of(u, mask, image) == ("2", "")
    assert layer_of(plain(3), card, torch.zeros(1, 1, 8, 8, 8)) == ("4", "")


def test_channels_and_normalisation_reach_the_maps() -> None:
    """Guided gradients are those of stored intensities: scale and normalisation of each channel are in them."""
    images = np.random.default_rng(0).uniform(0, 200, (4, 2, 6, 6)).astype(np.float32)
    spec = InputSpec(range=(0.0, 200.0), channels=2, mean=(0.4, 0.6), std=(0.1, 0.5))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 1))
    model = wrap(net, input=spec)
    found = maps_of(model, images, methods=["guided_backprop"]).values["guided_backprop"]
    from captum.attr import GuidedBackprop

    explained = explained_by(model.predict(images), model.card)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model.module

        def forward(self, x: Any, *given: Any) -> Any:
            return explained.logit(self.inner(x), *given)

    alone = GuidedBackprop(Whole()).attribute(torch.as_tensor(images), additional_forward_args=explained.tensors())
    assert found == pytest.approx(alone.detach().numpy().sum(axis=1), abs=1e-6)


@pytest.mark.parametrize("output", ["value", "mask_logits"])
def test_a_volume_in_tiles_is_explained_as_it_is_answered(output: str) -> None:
    """Tiles of a linear network that cover a volume exactly: the map is w (x - baseline), tile by tile."""
    images, baseline = draw(2, (1, 8, 8, 8))
    spec = InputSpec(scale=False, tile=(4, 8, 8))
    w = np.random.default_rng(1).normal(size=256)
    if output == "value":
        model = wrap(Linear(w), task="regression", output="value", operating_point=None, classes=(), input=spec)
        expected = np.tile(w.reshape(4, 8, 8), (2, 1, 1)) / 2 * (images - baseline)[:, 0]
    else:
        net = nn.Conv3d(1, 1, 1)
        net.weight.data.fill_(2.0)
        net.bias.data.fill_(-1.0)
        model = wrap(net, task="segmentation", output="mask_logits", operating_point=None, classes=(), input=spec)
        region = explained_by(model.predict(images), model.card).region
        assert region is not None
        expected = 2 * (images - baseline)[:, 0] * region
    maps = maps_of(model, images, baseline, methods=("integrated_gradients", "deep_lift", "gradient_shap", "saliency"))
    assert maps.refused == {}
    for name in ("integrated_gradients", "deep_lift", "gradient_shap"):
        assert maps.values[name] == pytest.approx(expected, abs=1e-4), name
