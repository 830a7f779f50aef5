"""A model's own maps: taken as they are where they belong to the audited model, refused with the reason where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.core import InputSpec, ModelSpec
from audit.explain import Maps, OwnMap, Queries, attribute, explained_by, methods_for, own_map_of
from audit.explain._queries import _windows, windows_of
from audit.models import from_callable
from audit.testing import PLANTED_MAPS, blob_cohort, blob_network, planted_map
from tests.attacks.nets import Linear, wrap

UNIT = InputSpec(scale=False)
SAID = {
    "sound": "",
    "sign-flipped": "its sign is reversed",
    "wrong-output": "another output",
    "other-weights": "computed on other weights",
    "other-weights-unsaid": "does not say on which weights",
    "edges": "stays the same when the model's weights are drawn anew",
}


def maps_of(model: Any, images: np.ndarray, own: OwnMap | None = None, **more: Any) -> Maps:
    explained = explained_by(model.predict(images), model.card)
    return attribute(
        model, images, explained, methods=["own_map"], rng=np.random.default_rng(0), batch=16, own=own, **more
    )


def three_outputs(n: int = 16) -> tuple[Any, np.ndarray]:
    """Return a model whose three outputs read three stripes, and images that are bright in one of them."""
    w = np.zeros((3, 9, 9))
    for k in range(3):
        w[k, 3 * k : 3 * k + 3] = 1.0
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.3, (n, 1, 9, 9)).astype(np.float32)
    for i, image in enumerate(images):
        image[0, 3 * (i % 3) : 3 * (i % 3) + 3, 2:7] += 0.6
    model = wrap(Linear(w.reshape(3, -1)), input=UNIT, task="multiclass", classes=("a", "b", "c"))
    return model, images


@pytest.mark.parametrize("name", sorted(PLANTED_MAPS))
def test_a_map_that_lies_is_refused_for_what_it_lies_about(name: str) -> None:
    """Sign, output, weights, and none of the three: the reason names it; the sound map stands as it is."""
    model, images = three_outputs()
    own = planted_map(name, model)
    maps = maps_of(model, images, own)
    if name == "signed-edges":
        # Its sign does follow output and weights; XAI002 finds that nothing else of it does.
        assert maps.refused == {}
    elif name == "sound":
        assert maps.refused == {}
        assert maps.values["own_map"] == pytest.approx(own.function(images, model=model))
    else:
        assert SAID[name] in maps.refused["own_map"]


def test_a_sound_map_of_a_trained_network_stands() -> None:
    """Input x gradient of a network that was trained is refused for nothing."""
    cohort = blob_cohort(np.random.default_rng(0), n=16)
    assert cohort.images is not None
    images = np.stack([cohort.images.load(i) for i in range(16)])
    model = blob_network()
    assert maps_of(model, images, planted_map("sound", model)).refused == {}
    assert "sign is reversed" in maps_of(model, images, planted_map("sign-flipped", model)).refused["own_map"]


class Attending(torch.nn.Module):
    """Gives a map of its own: a coarse one, or one an output."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.inner = kind, Linear(np.arange(72.0).reshape(2, 36) / 36 - 0.5)

    def forward(self, x: Any) -> Any:
        return self.inner(x)

    def attention_map(self, x: Any) -> Any:
        each = x * self.inner.layer.weight.view(1, 2, 6, 6)
        if self.kind == "each output":
            return each
        if self.kind == "nan":
            return each[:, 0] * np.nan
        if self.kind == "numbers":
            return each.flatten(1).sum(dim=1)
        return torch.nn.functional.avg_pool2d((each[:, 1] - each[:, 0])[:, None], 3)


def attending(kind: str) -> tuple[Any, np.ndarray]:
    images = np.random.default_rng(0).uniform(0, 1, (8, 1, 6, 6)).astype(np.float32)
    return wrap(Attending(kind), input=UNIT, task="multiclass", classes=("a", "b")), images


def test_a_network_that_attends_is_asked_for_its_map() -> None:
    """Of one map an output, that of the decision counts; the images reach the network prepared as always."""
    model, images = attending("each output")
    assert "own_map" in methods_for(model, model.card)
    assert own_map_of(wrap(Linear(np.ones(36)))) is None
    maps = maps_of(model, images)
    decided = model.predict(images).argmax(axis=1)
    weights = model.module.net.inner.layer.weight.numpy().reshape(2, 6, 6)
    assert maps.values["own_map"] == pytest.approx(weights[decided] * images[:, 0], abs=1e-6)


def test_a_coarse_map_is_enlarged() -> None:
    """Two by two cells over six by six pixels: linear between the centres of the cells, flat beyond them."""
    model, images = attending("coarse")
    found = maps_of(model, images, checks=False).values["own_map"]
    with torch.no_grad():
        coarse = model.module.net.attention_map(torch.as_tensor(images))
        expected = torch.nn.functional.interpolate(coarse, size=(6, 6), mode="bilinear", align_corners=False)
    assert found == pytest.approx(expected[:, 0].numpy(), abs=1e-5)


@pytest.mark.parametrize(("kind", "said"), [("nan", "no numbers"), ("numbers", "expected (n, *spatial)")])
def test_a_map_that_is_none_is_refused(kind: str, said: str) -> None:
    """Values that are no numbers and arrays of another shape are told."""
    model, images = attending(kind)
    assert said in maps_of(model, images).refused["own_map"]


def answers(images: np.ndarray) -> np.ndarray:
    """Answer like a linear model."""
    return images[:, 0, :3].mean(axis=(1, 2))[:, None] - 0.5


def marks(images: np.ndarray) -> np.ndarray:
    """Mark what `answers` reads."""
    maps = np.zeros((len(images), 6, 6))
    maps[:, :3] = images[:, 0, :3] - 0.3
    return maps * np.where(answers(images) >= 0, 1, -1)[:, :, None]


def test_a_function_beside_a_callable_shares_its_digest() -> None:
    """Maps that stand in the file of the audited callable are covered by its digest; others must say theirs."""
    spec = ModelSpec(kind="callable", task="binary", output="logits", operating_point=0.5, classes=("a", "b"))
    model = from_callable(answers, spec)
    images = np.random.default_rng(0).uniform(0, 1, (16, 1, 6, 6)).astype(np.float32)
    maps = maps_of(model, images, OwnMap(function=marks, name="marks"))
    assert maps.refused == {}
    elsewhere = OwnMap(function=np.abs, name="abs")
    assert "does not say on which weights" in maps_of(model, images, elsewhere).refused["own_map"]
    named = OwnMap(function=marks, name="marks", digest=model.card.digest)
    assert maps_of(model, images, named).refused == {}


def test_a_function_that_fails_is_refused_with_what_it_said() -> None:
    """The user's own function may raise anything."""
    model, images = attending("coarse")

    def fails(images: np.ndarray, model: Any) -> np.ndarray:
        raise KeyError("no such layer")

    assert "no such layer" in maps_of(model, images, OwnMap(function=fails, name="fails")).refused["own_map"]


def test_few_cases_cannot_check_a_map() -> None:
    """Output and sign are held against occlusion on four cases at least; fewer are refused."""
    model, images = three_outputs()
    assert "4 cases at least, got 3" in maps_of(model, images[:3], planted_map("sound", model)).refused["own_map"]


def in_volumes(n: int = 16) -> tuple[Any, np.ndarray]:
    """Return a model whose three outputs read three slabs of a volume, and volumes that are bright in one of them."""
    w = np.zeros((3, 12, 12, 12))
    for k in range(3):
        w[k, 4 * k : 4 * k + 4] = 1.0
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.3, (n, 1, 12, 12, 12)).astype(np.float32)
    for i, image in enumerate(images):
        image[0, 4 * (i % 3) : 4 * (i % 3) + 4, 3:9, 3:9] += 0.6
    model = wrap(Linear(w.reshape(3, -1)), input=UNIT, task="multiclass", classes=("a", "b", "c"))
    return model, images


@pytest.mark.parametrize("name", ["sound", "sign-flipped", "wrong-output", "other-weights-unsaid"])
def test_a_map_of_a_volume_that_lies_is_refused_all_the_same(name: str) -> None:
    """The fewer, larger windows of a volume still tell the sign and the output."""
    model, images = in_volumes()
    refused = maps_of(model, images, planted_map(name, model)).refused
    assert SAID[name] in refused["own_map"] if SAID[name] else refused == {}


@pytest.mark.parametrize(
    ("shape", "most"), [((20, 32, 28), 256), ((128, 128, 128), 256), ((8, 256, 256), 256), ((96, 96), 225)]
)
def test_a_volume_is_checked_by_as_many_windows_as_a_plane(shape: tuple[int, ...], most: int) -> None:
    """A window covers 1/64 of the image, rounded to voxels, and a voxel lies in about four, whatever the axes."""
    queries = windows_of(shape)
    window = queries.window(shape, None)
    places = list(_windows(shape, window, queries.overlap))
    assert 200 <= len(places) <= most
    assert np.prod(window) / np.prod(shape) == pytest.approx(1 / 64, rel=0.3)
    assert 3 <= len(places) * np.prod(window) / np.prod(shape) <= 5


@pytest.mark.parametrize("shape", [(96, 96), (9, 9), (1, 64, 48), (512, 384)])
def test_planes_are_checked_by_the_windows_of_occlusion(shape: tuple[int, ...]) -> None:
    """An eighth of each side that overlaps by half, as occlusion has by default."""
    assert windows_of(shape) == Queries()


def test_each_image_is_occluded_once_whatever_the_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three outputs are held against occlusion by one course of questions, not by three."""
    model, images = in_volumes(4)
    asked: list[int] = []

    def counted(model: Any, images: np.ndarray) -> Any:
        return lambda x: asked.append(len(x)) or model.predict(x)

    monkeypatch.setattr("audit.models.fast_predict", counted)
    maps_of(model, images, planted_map("sound", model))
    queries = windows_of((12, 12, 12))
    places = len(list(_windows((12, 12, 12), queries.window((12, 12, 12), None), queries.overlap)))
    assert sum(asked) == len(images) * (places + 1)
