"""XAI002: a map that ignores the weights is found out through the judge, one that follows them is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, Finding, Limit, Measurement, NotApplicable, Policy, ProbeContext, ProbeResult, Rule
from audit.judge import judge
from audit.probes.explanation import RandomisationInsensitive
from audit.testing import (
    blob_cohort,
    blob_network,
    check_probe,
    context,
    planted,
    planted_map,
    tiny_cohort,
    trained_context,
)
from tests.attacks.nets import Pixelwise, convolutional, wrap
from tests.judge._make import TODAY
from tests.probes.explanation.spots import UNIT, of

METHODS = ("input_x_gradient", "saliency", "guided_backprop", "own_map")
BUDGET = replace(BUDGETS["smoke"], randomised_cases=32, randomised_steps=4)
LIMIT = 0.42
METRIC = "similarity_after_randomisation"


def blobs(own: str = "edges", n: int = 40, methods: tuple[str, ...] = METHODS) -> ProbeContext:
    """Return the context of a trained network, with a planted map of its own where that is among the methods."""
    model = blob_network()
    given = context(model, blob_cohort(np.random.default_rng(0), n=n), budget=BUDGET)
    spec = replace(given.explain, methods=methods)
    if "own_map" in methods:
        spec = replace(spec, own=planted_map(own, model).function, own_map=f"maps:{own}")
    return replace(given, explain=spec)


def judged(measurements: list[Measurement], **where: Any) -> Finding:
    """Return what a rule says that asks the similarity to stay under the limit."""
    info = RandomisationInsensitive.info
    rule = Rule(id="r", probe=info.code, metric=METRIC, where=where, limit=Limit(max=LIMIT))
    result = ProbeResult(info=info, state="completed", measurements=tuple(measurements))
    return judge([result], Policy(name="p", rules=(rule,)), today=TODAY)[0]


@pytest.fixture(scope="module")
def given() -> tuple[ProbeContext, list[Measurement]]:
    """A trained network under three methods, and edges that are called its own map."""
    ctx = blobs()
    return ctx, list(RandomisationInsensitive().run(ctx))


def test_gradients_of_a_trained_network_pass(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """Input x gradient and saliency come near maps that share nothing, interval and all."""
    for method in ("input_x_gradient", "saliency"):
        assert judged(given[1], attribution=method).status == "PASS"


def test_guided_backpropagation_fails(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """It keeps most of its map whatever the upper layers have learnt, and the headline says what was required."""
    finding = judged(given[1], attribution="guided_backprop")
    assert finding.status == "FAIL"
    assert "guided_backprop" in finding.headline


def test_edges_that_are_called_an_explanation_fail(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """A map of the image alone never changes: 1, a fact, under every comparison."""
    assert judged(given[1], attribution="own_map").status == "FAIL"
    for metric in (METRIC, "absolute_similarity_after_randomisation", "similarity_after_all_layers"):
        (m,) = of(given[1], metric, attribution="own_map")
        assert (m.value, m.method) == (1.0, "count")


def test_no_rule_on_all_methods_passes_with_one_that_fails(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """The worst method decides."""
    assert judged(given[1]).status == "FAIL"


def test_every_comparison_has_its_row(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """Signed and absolute, both scalings, the last step, a single one; random labels say why they are absent."""
    rows = of(given[1], "structural_similarity_after_randomisation", attribution="saliency")
    assert [m.condition["parameter"] for m in rows] == [
        "signed, by the largest value", "signed, by the second moment", "absolute, by the largest value",
        "absolute, by the second moment",
    ]  # fmt: skip
    (whole,) = of(given[1], "absolute_similarity_after_randomisation", attribution="input_x_gradient")
    (signed,) = of(given[1], METRIC, attribution="input_x_gradient")
    assert whole.value is not None
    assert signed.value is not None
    # The image is a factor of the map: its absolute values stay more alike than its signs.
    assert whole.value > signed.value + 0.2
    assert of(given[1], "similarity_after_one_layer", attribution="saliency")[0].n == 32
    (labels,) = of(given[1], "similarity_after_random_labels")
    assert labels.missing is not None
    assert "no training recipe" in labels.missing


def test_the_cascade_is_kept(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """One row a method and step, with bounds around it; guided backpropagation stays above gradients at first."""
    (artifact,) = given[0].sink.artifacts
    assert artifact.name == "randomisation_cascade"
    arrays = artifact.arrays
    assert len(str(artifact.meta["steps"]).split("|")) == 4
    assert (arrays["low"] <= arrays["similarity"]).all()
    assert (arrays["similarity"] <= arrays["high"]).all()
    first = arrays["step"] == 1
    at = dict(zip(arrays["attribution"][first].tolist(), arrays["similarity"][first].tolist(), strict=True))
    assert at["guided_backprop"] > at["input_x_gradient"] + 0.15


@pytest.mark.parametrize("own", ["other-weights", "other-weights-unsaid"])
def test_a_map_of_other_weights_fails(own: str) -> None:
    """A map that was computed on other weights stays what it is when the audited ones are drawn again."""
    ctx = blobs(own, n=24, methods=("own_map",))
    assert judged(list(RandomisationInsensitive().run(ctx)), attribution="own_map").status == "FAIL"


def test_a_sound_map_of_its_own_passes() -> None:
    """Gradients under another name follow the weights; with the sign flipped they do, too: XAI001 finds that."""
    for own in ("sound", "sign-flipped"):
        ctx = blobs(own, n=40, methods=("own_map",))
        given = list(RandomisationInsensitive().run(ctx))
        assert judged(given, attribution="own_map").status == "PASS", own


def test_edges_whose_sign_follows_the_weights_fail() -> None:
    """Signed maps change with the sign alone; the number is that of absolute values."""
    given = list(RandomisationInsensitive().run(blobs("signed-edges", n=24, methods=("own_map",))))
    assert judged(given, attribution="own_map").status == "FAIL"
    (m,) = of(given, METRIC, attribution="own_map")
    assert m.value is not None
    assert m.value > 0.9


def test_the_middle_of_the_image_with_a_sign_has_no_number() -> None:
    """Absolute values that are alike for all patients say nothing, whatever the sign does."""
    from audit.explain import control_maps
    from audit.testing import PLANTED_MAPS

    assert "signed-edges" in PLANTED_MAPS
    ctx = blobs("sound", n=24, methods=("own_map",))
    sound = ctx.explain.own
    assert sound is not None

    def centred(images: np.ndarray, model: Any) -> np.ndarray:
        centre = control_maps(images, np.random.default_rng(0))["centre"]
        return np.asarray(centre * np.sign(sound(images, model=model)))

    ctx = replace(ctx, explain=replace(ctx.explain, own=centred))
    given = list(RandomisationInsensitive().run(ctx))
    assert judged(given, attribution="own_map").status == "INCONCLUSIVE"


def test_a_map_of_chance_has_no_number() -> None:
    """It changes with everything, its own draw included: that is no dependence on the weights."""
    ctx = blobs(n=24, methods=("own_map",))
    rng = np.random.default_rng(3)
    ctx = replace(ctx, explain=replace(ctx.explain, own=lambda images: rng.random((len(images), *images.shape[2:]))))
    given = list(RandomisationInsensitive().run(ctx))
    assert judged(given, attribution="own_map").status == "INCONCLUSIVE"


def recipe(images: np.ndarray, targets: np.ndarray, seed: int) -> Any:
    """Return a network that the seed and the order of the targets decide."""
    import torch

    del images
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 10**9 + int(np.asarray(targets).ravel() @ np.arange(np.size(targets)) ** 2))
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 5, padding=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
            torch.nn.Linear(64, 1),
        )  # fmt: skip


def test_models_of_shuffled_labels_are_compared_where_a_recipe_is_declared() -> None:
    """Five trainings of a recipe whose networks share nothing with the audited one: near 0, over 15 patients."""
    cohort, others = blob_cohort(np.random.default_rng(0), n=24), blob_cohort(np.random.default_rng(1), n=12)
    ctx = trained_context(others, cohort, recipe=recipe, model=blob_network(), budget=BUDGET)
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("input_x_gradient",)))
    (m,) = of(list(RandomisationInsensitive().run(ctx)), "similarity_after_random_labels")
    assert m.value is not None
    assert abs(m.value) < 0.5
    assert (m.n, m.n_patients) == (15, 15)


def test_a_budget_that_is_spent_says_so() -> None:
    """With fewer trainings than are needed there is no number, and the cap is named."""
    cohort, others = blob_cohort(np.random.default_rng(0), n=24), blob_cohort(np.random.default_rng(1), n=12)
    ctx = trained_context(others, cohort, recipe=recipe, model=blob_network(), budget=BUDGET, trainings=2)
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("saliency",)))
    (m,) = of(list(RandomisationInsensitive().run(ctx)), "similarity_after_random_labels")
    assert m.missing is not None
    assert "the budget allows 2" in m.missing


def test_few_patients_have_no_number() -> None:
    """Eight patients are four draws of two, too few for an interval: no rule passes."""
    ctx = blobs(n=8, methods=("saliency",))
    (m,) = of(list(RandomisationInsensitive().run(ctx)), METRIC)
    assert m.missing is not None
    assert "4 draws" in m.missing


def test_a_network_without_weights_has_no_number() -> None:
    """Nothing can be drawn again, so that nothing passes for having changed."""
    images = np.random.default_rng(0).uniform(0, 1, (12, 1, 8, 8)).astype(np.float32)
    from audit.cohorts import from_arrays

    segmenter = wrap(
        Pixelwise(gain=10, level=0.5), input=UNIT, task="segmentation", output="mask_logits", operating_point=None,
        classes=(),
    )  # fmt: skip
    cohort = from_arrays(images, np.zeros(12), task="segmentation", masks=images > 0.5)
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((12, 1)), columns=("dice",))
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("saliency",)))
    (m,) = of(list(RandomisationInsensitive().run(ctx)), METRIC)
    assert m.missing is not None
    assert "no weights" in m.missing


def test_the_audited_network_is_as_it_was(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """The digest after the probe is that of before."""
    assert given[0].model.state_digest() == given[0].digest_before


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_other_tasks_and_volumes_have_numbers(task: str) -> None:
    """A value of volumes, and a class among three, are compared like a decision."""
    shape = (1, 3, 6, 6) if task == "regression" else (1, 6, 6)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(20, *shape)).astype(np.float32)
    from audit.cohorts import from_arrays

    if task == "regression":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = torch.nn.Sequential(
                torch.nn.Conv3d(1, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(64, 1)
            )
        model = wrap(net, input=UNIT, task=task, output="value", operating_point=None, classes=())
        cohort = from_arrays(images, rng.normal(size=20), task=task)
    else:
        model = wrap(convolutional(0, outputs=3), input=UNIT, task=task, operating_point=None, classes=("a", "b", "c"))
        cohort = from_arrays(images, np.arange(20) % 3, task=task, classes=("a", "b", "c"))
    ctx = context(model, cohort, budget=BUDGET)
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("saliency",)))
    (m,) = of(list(RandomisationInsensitive().run(ctx)), METRIC)
    assert m.value is not None
    assert m.n_patients == 20


def test_a_model_that_can_only_be_asked_is_not_applicable() -> None:
    """There are no weights to draw."""
    with pytest.raises(NotApplicable, match="no network"):
        list(RandomisationInsensitive().run(context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    made = {"blobs": lambda: blobs(n=12, methods=("saliency", "own_map"))}
    assert check_probe(RandomisationInsensitive, made) == ("blobs",)
