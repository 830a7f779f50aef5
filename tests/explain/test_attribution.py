"""Attribution maps equal closed forms where there are any, for every head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.core import Access, InputSpec
from audit.errors import InputError
from audit.explain import BY_GRADIENT, METHODS, Queries, attribute, chosen, explained_by, methods_for
from audit.explain._explained import largest_component
from audit.testing import SavedModel, planted
from tests.attacks.nets import Linear, Masked, Pixelwise, convolutional, wrap

UNIT = InputSpec(scale=False)
GRADIENTS = BY_GRADIENT


def draw(n: int = 6, shape: tuple[int, ...] = (1, 6, 6)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (n, *shape)).astype(np.float32)
    return images, np.full_like(images, 0.5)


def maps_of(model: Any, images: np.ndarray, baseline: np.ndarray) -> Any:
    explained = explained_by(model.predict(images), model.card)
    return attribute(
        model, images, explained, methods=GRADIENTS, rng=np.random.default_rng(0), batch=4, baseline=baseline
    )


def test_a_linear_model_has_its_weights_as_maps() -> None:
    """Signed towards the decision: w (x - baseline), |w (x - baseline)|, w x, |w|; complete to float32."""
    images, baseline = draw()
    w = np.random.default_rng(1).normal(size=36)
    model = wrap(Linear(w), input=UNIT)
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0)[:, None, None]
    assert set(np.unique(sign)) == {-1.0, 1.0}
    maps = maps_of(model, images, baseline)
    weights, x, away = w.reshape(6, 6), images[:, 0], (images - baseline)[:, 0]
    assert tuple(maps.values) == GRADIENTS
    assert maps.values["integrated_gradients"] == pytest.approx(sign * weights * away, abs=1e-5)
    assert maps.values["integrated_gradients_absolute"] == pytest.approx(np.abs(weights * away), abs=1e-5)
    assert maps.values["input_x_gradient"] == pytest.approx(sign * weights * x, abs=1e-5)
    assert maps.values["saliency"] == pytest.approx(np.broadcast_to(np.abs(weights), x.shape), abs=1e-5)
    assert maps.values["gradient_shap"] == pytest.approx(sign * weights * away, abs=1e-5)
    assert maps.completeness["integrated_gradients"].max() < 1e-3


def test_integrated_gradients_of_a_network_are_complete() -> None:
    """On a smooth network their sum is the change of the output within 1 %."""
    images, baseline = draw()
    assert np.median(maps_of(wrap(convolutional(0), input=UNIT), images, baseline).completeness[GRADIENTS[0]]) < 0.01


@pytest.mark.parametrize(
    ("outputs", "squash", "spec"),
    [
        (1, "sigmoid", {"output": "probabilities"}),
        (2, "", {}),
        (2, "softmax", {"output": "probabilities"}),
        (3, "", {"task": "multiclass", "classes": ("a", "b", "c")}),
        (3, "softmax", {"task": "ordinal", "classes": ("0", "1", "2"), "output": "probabilities"}),
        (3, "", {"task": "multilabel", "classes": ("a", "b", "c")}),
        (3, "sigmoid", {"task": "multilabel", "classes": ("a", "b", "c"), "output": "probabilities"}),
        (1, "", {"task": "regression", "output": "value", "operating_point": None}),
    ],
)
def test_every_head_is_explained_towards_its_decision(outputs: int, squash: str, spec: dict[str, Any]) -> None:
    """A step along the map's sign raises the explained score, whatever was decided."""
    images, baseline = draw(12)
    model = wrap(Linear(np.random.default_rng(2).normal(size=(outputs, 36)), squash=squash), input=UNIT, **spec)
    explained = explained_by(model.predict(images), model.card)
    maps = attribute(
        model, images, explained, methods=GRADIENTS, rng=np.random.default_rng(0), batch=4, baseline=baseline
    )
    assert all(np.abs(m).max() > 0 for m in maps.values.values())
    away = np.sign(images - baseline) * np.sign(maps.values["integrated_gradients"])[:, None]
    moved = model.predict((images + 0.01 * away).astype(np.float32))
    if model.card.task == "regression":
        assert (moved[:, 0] > explained.value).all()
    else:
        assert (explained.score(moved) > explained.score(model.predict(images))).all()


def test_a_mask_is_explained_by_its_own_pixels() -> None:
    """Of a pixelwise model only the pixels of its largest component get a map, in two dimensions and in three."""
    for shape in ((1, 6, 6), (1, 3, 4, 5)):
        images, baseline = draw(4, shape)
        model = wrap(
            Pixelwise(level=0.6), input=UNIT, task="segmentation", output="mask_logits", operating_point=None,
            classes=(),
        )  # fmt: skip
        maps = maps_of(model, images, baseline).values
        marked = explained_by(model.predict(images), model.card).region
        assert marked is not None
        assert marked.any(axis=tuple(range(1, marked.ndim))).all()
        assert (images[:, 0][marked] >= 0.6).all()
        assert (maps["saliency"] == marked).all()
        assert (maps["integrated_gradients"][~marked] == 0).all()


def test_an_empty_mask_has_nothing_to_explain() -> None:
    """A segmentation that marks nothing is not usable; every other answer is."""
    model = wrap(
        Pixelwise(level=0.5), input=UNIT, task="segmentation", output="mask_logits", operating_point=None, classes=()
    )
    images = np.zeros((2, 1, 4, 4), np.float32)
    images[1, 0, 1, 1] = 1.0
    assert explained_by(model.predict(images), model.card).usable.tolist() == [False, True]


@pytest.mark.parametrize("how", ["quantised", "detached", "reversed", "nan"])
def test_a_gradient_that_is_not_that_of_the_answers_gives_no_map(how: str) -> None:
    """Hidden, reversed and undefined gradients are refused with the reason; what is asked for still has its map."""
    images, baseline = draw()
    model = wrap(Masked(np.random.default_rng(1).normal(size=36), how), input=UNIT)
    explained = explained_by(model.predict(images), model.card)
    maps = attribute(
        model, images, explained, methods=(*GRADIENTS, "grad_cam", "occlusion"), rng=np.random.default_rng(0), batch=4,
        baseline=baseline,
    )  # fmt: skip
    assert tuple(maps.values) == ("occlusion",)
    assert set(maps.refused) == {*GRADIENTS, "grad_cam"}
    for name, reason in maps.refused.items():
        local = name in ("saliency", "input_x_gradient", "grad_cam")
        assert ("finite differences" if how != "quantised" else "gradient is 0" if local else "its sum") in reason


def test_a_model_that_answers_always_the_same_has_a_map_of_zeros() -> None:
    """Its gradient of 0 is right; the relative distance of sums is infinite, and nothing is refused for it."""
    images, baseline = draw()
    maps = maps_of(wrap(Linear(np.zeros(36), 1.0), input=UNIT), images, baseline)
    assert all((m == 0).all() for m in maps.values.values())
    assert tuple(maps.values) == GRADIENTS
    assert np.isinf(maps.completeness["integrated_gradients"]).all()


def test_weights_that_are_not_those_of_the_digest_are_refused() -> None:
    """After one weight has changed no method has a map of any kind."""
    images, baseline = draw()
    model = wrap(Linear(np.ones(36)), input=UNIT)
    explained = explained_by(model.predict(images), model.card)
    with torch.no_grad():
        model.module.net.layer.weight[0, 0] += 1
    maps = attribute(
        model, images, explained, methods=("saliency", "occlusion"), rng=np.random.default_rng(0), batch=4,
        baseline=baseline,
    )  # fmt: skip
    assert maps.values == {}
    assert all("digest" in reason for reason in maps.refused.values())


def test_a_kink_in_the_path_gets_more_points() -> None:
    """Of a network that steps steeply between baseline and image, 32 points miss the change; the map does not."""

    class Step(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.tanh(400 * (x.flatten(1).mean(dim=1, keepdim=True) - 0.503)) + 0.5

    images = np.full((3, 1, 4, 4), 0.9, dtype=np.float32)
    maps = maps_of(wrap(Step(), input=UNIT), images, np.zeros_like(images))
    assert maps.completeness["integrated_gradients"].max() < 0.05


def test_an_unknown_method_is_an_error_and_names_the_known_ones() -> None:
    """A method that does not exist is no refusal but wrong use."""
    images, _ = draw()
    model = wrap(Linear(np.ones(36)), input=UNIT)
    explained = explained_by(model.predict(images), model.card)
    with pytest.raises(InputError, match="gradient_shap"):
        attribute(model, images, explained, methods=["lime"], rng=np.random.default_rng(0), batch=4)


def test_a_model_that_can_only_be_asked_is_explained_by_asking() -> None:
    """Without gradients the methods are occlusion and RISE, in every profile; saved answers have none."""
    model = planted()
    assert methods_for(model, model.card) == ("occlusion", "rise")
    assert chosen(methods_for(model, model.card), "smoke") == ("occlusion", "rise")
    assert chosen(methods_for(model, model.card), "smoke", ["rise"]) == ("rise",)
    images = np.zeros((2, 1, 8, 8), np.float32)
    explained = explained_by(model.predict(images), model.card)
    maps = attribute(
        model, images, explained, methods=("saliency", "rise"), rng=np.random.default_rng(0), batch=4,
        queries=Queries(masks=2),
    )  # fmt: skip
    assert tuple(maps.values) == ("rise",)
    assert maps.refused == {"saliency": "the model gives no gradients"}
    saved = SavedModel(card=replace(model.card, access=Access.SAVED))
    assert methods_for(saved, saved.card) == ()


def test_the_defaults_of_a_profile_grow() -> None:
    """Smoke is part of standard, standard of full; a network's own map is looked at in each."""
    allowed = METHODS
    small, middle, large = (set(chosen(allowed, p)) for p in ("smoke", "standard", "full"))
    assert small < middle < large == set(METHODS)
    assert "own_map" in small


def test_a_list_of_methods_cannot_leave_out_the_own_map_of_a_model() -> None:
    """What a network shows its users is audited whatever methods a file names; where there is none, none is added."""
    assert chosen(METHODS, "standard", ["grad_cam"]) == ("grad_cam", "own_map")
    assert chosen(("saliency", "grad_cam"), "standard", ["grad_cam"]) == ("grad_cam",)
    assert chosen(("saliency", "grad_cam"), "standard", ["own_map"]) == ()


def test_few_images_at_a_time_give_the_same_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for a single image changes no map by more than rounding; draws of gradient SHAP differ."""
    images, baseline = draw(5)
    model = wrap(convolutional(0), input=UNIT)
    whole = maps_of(model, images, baseline)
    monkeypatch.setattr("audit.explain._attribution_setup.MEMORY", 1)
    alone = maps_of(model, images, baseline)
    for name, values in [(n, v) for n, v in whole.values.items() if n != "gradient_shap"]:
        assert alone.values[name] == pytest.approx(values, abs=1e-6)


def test_gradient_shap_follows_the_seed_and_leaves_the_process_alone() -> None:
    """The same generator gives the same map, another one another; torch's and numpy's own states stay."""
    images, baseline = draw()
    model = wrap(convolutional(0), input=UNIT)
    explained = explained_by(model.predict(images), model.card)

    def of(seed: int) -> np.ndarray:
        maps = attribute(
            model, images, explained, methods=["gradient_shap"], rng=np.random.default_rng(seed), batch=4,
            baseline=baseline,
        )  # fmt: skip
        return maps.values["gradient_shap"]

    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = of(0)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert (first == of(0)).all()
    assert (first != of(1)).any()


def test_channels_are_summed_up() -> None:
    """A colour image has one map, the sum over its channels."""
    images, baseline = draw(3, (3, 4, 4))
    w = np.random.default_rng(3).normal(size=48)
    model = wrap(Linear(w), input=InputSpec(scale=False, channels=3))
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0)[:, None, None]
    expected = sign * (w.reshape(3, 4, 4) * (images - baseline)).sum(axis=1)
    assert maps_of(model, images, baseline).values["integrated_gradients"] == pytest.approx(expected, abs=1e-5)


def test_the_names_are_those_of_the_decisions() -> None:
    """A binary model is named by what it decided at its operating point, others by their winner."""
    model = wrap(Linear(np.ones(4), -2.0), input=UNIT, operating_point=0.7)
    raw = np.array([[0.0], [2.0]])
    assert explained_by(raw, model.card).names.tolist() == ["no", "yes"]
    several = wrap(Linear(np.ones((3, 4))), input=UNIT, task="multiclass", classes=("a", "b", "c"))
    assert explained_by(np.eye(3), several.card).names.tolist() == ["a", "b", "c"]
    assert torch.is_tensor(explained_by(raw, model.card).tensors()[0])


def test_the_largest_component_is_explained() -> None:
    """Of three pixels in a row, two below each other and one at a corner of the row, the row stays."""
    marked = np.zeros((2, 5, 5), bool)
    marked[0, 0, :3] = marked[0, 3:, 4] = marked[0, 1, 3] = True
    kept = np.zeros_like(marked)
    kept[0, 0, :3] = True
    assert (largest_component(marked) == kept).all()


@pytest.mark.parametrize(
    ("raw", "spec"),
    [
        ((6, 1), {}),
        ((6, 1), {"output": "probabilities"}),
        ((6, 1), {"output": "value"}),
        ((6, 2), {"output": "probabilities"}),
        ((6, 2), {}),
        ((6, 3), {"task": "multiclass", "classes": ("a", "b", "c")}),
        ((6, 3), {"task": "multilabel", "classes": ("a", "b", "c"), "output": "probabilities"}),
        ((6, 3), {"task": "ordinal", "classes": ("a", "b", "c"), "output": "probabilities"}),
        ((6, 1), {"task": "regression", "output": "value", "operating_point": None}),
        ((6, 1, 4, 4), {"task": "segmentation", "output": "mask_probabilities", "classes": ()}),
        ((6, 3, 4, 4), {"task": "segmentation", "output": "mask_logits", "classes": ()}),
    ],
)
def test_the_explained_logit_is_the_same_without_torch(raw: tuple[int, ...], spec: dict[str, Any]) -> None:
    """What a model that can only be asked is explained by equals what gradients are taken of, within 1e-5."""
    card = wrap(Linear(np.ones(4)), input=UNIT, **spec).card
    said = np.random.default_rng(0).uniform(0.01, 0.99, raw)
    explained = explained_by(said, card)
    expected = explained.logit(torch.as_tensor(said), *explained.tensors()).numpy()
    assert explained.strength(said) == pytest.approx(expected, rel=1e-5, abs=1e-5)
