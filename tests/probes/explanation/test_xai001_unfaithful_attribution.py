"""XAI001: a map of what the model uses beats the controls, one that shows something else does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Measurement, NotApplicable, ProbeContext
from audit.explain import CONTROLS, Maps, attribute
from audit.probes.explanation import UnfaithfulAttribution
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.attacks.nets import Linear, Pixelwise, wrap

UNIT = InputSpec(scale=False)
BUDGET = replace(BUDGETS["smoke"], explain_cases=None, explain_steps=8)


class Spot(torch.nn.Module):
    """Log odds from the brightness above 0.7, wherever it is: a planted feature of a few pixels."""

    def forward(self, x: Any) -> Any:
        return 4 * torch.relu(x - 0.7).flatten(1).sum(dim=1, keepdim=True) - 1


def spots(n: int = 40, *, net: Any = None, shape: tuple[int, ...] = (16, 16), **spec: Any) -> ProbeContext:
    """Return the context of a cohort with a bright spot in the positive cases, away from edges and centre."""
    rng = np.random.default_rng(0)
    target = np.arange(n) % 4 > 0
    images = rng.uniform(0.2, 0.5, (n, 1, *shape)).astype(np.float32)
    images[:, 0, ..., :, shape[-1] // 2 :] += 0.15
    # Dark spots of greater contrast, which the model ignores and |I - blur(I)| takes for what matters.
    images[:, 0, ..., 9:11, 2:15:4] = 0.0
    images[:, 0, ..., 12:14, 2:15:4] = 0.0
    for i in np.flatnonzero(target):
        row, column = rng.integers(1, 4), rng.integers(1, 5)
        images[i, 0, ..., row : row + 2, column : column + 2] = 1.0
    model = wrap(net or Spot(), input=UNIT, **spec)
    cohort = from_arrays(images, target.astype(int), task="binary", classes=("no", "yes"))
    return context(model, cohort, budget=BUDGET)


def of(measurements: list[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    return [
        m for m in measurements if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())
    ]


@pytest.mark.parametrize("shape", [(16, 16), (4, 16, 16)])
def test_a_planted_feature_is_found(shape: tuple[int, ...]) -> None:
    """Integrated gradients of a model that uses a spot beat every control, interval and all, in 2-D and in 3-D."""
    given = list(UnfaithfulAttribution().run(spots(shape=shape)))
    for metric in ("deletion_advantage", "insertion_advantage", "deletion_advantage_mean_fill"):
        (m,) = of(given, metric, attribution="integrated_gradients")
        assert m.low is not None
        assert m.low > 0
        assert (m.n, m.n_patients) == (40, 40)
        assert m.condition["control"] in CONTROLS


@pytest.mark.parametrize("seed", range(3))
def test_a_map_of_chance_is_found_out(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that draws its maps at random has no advantage over the best control."""
    rng = np.random.default_rng(seed)

    def guess(*given: Any, **more: Any) -> Maps:
        honest = attribute(*given, **more)
        return replace(honest, values={k: rng.random(v.shape) for k, v in honest.values.items()})

    monkeypatch.setattr("audit.probes.explanation._collect.attribute", guess)
    given = list(UnfaithfulAttribution().run(spots()))
    for metric in ("deletion_advantage", "insertion_advantage"):
        (m,) = of(given, metric, attribution="integrated_gradients")
        assert m.low is not None
        assert m.low < 0
        assert m.value is not None
        assert m.value < 0.02


def test_a_map_of_edges_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that shows the anatomy's edges and calls it an explanation has no advantage over the edge control."""

    def edges(model: Any, images: np.ndarray, *given: Any, **more: Any) -> Maps:
        honest = attribute(model, images, *given, **more)
        slope = np.hypot(*np.gradient(images[:, 0].astype(float), axis=(1, 2)))
        return replace(honest, values=dict.fromkeys(honest.values, slope))

    monkeypatch.setattr("audit.probes.explanation._collect.attribute", edges)
    (m,) = of(list(UnfaithfulAttribution().run(spots())), "deletion_advantage", attribution="saliency")
    assert m.value is None or m.value <= 1e-3


def test_a_model_without_usable_gradients_has_no_advantage() -> None:
    """Maps of zeros are random orders: nothing is claimed for them."""

    class Hidden(Spot):
        def forward(self, x: Any) -> Any:
            return super().forward(x.detach())

    given = list(UnfaithfulAttribution().run(spots(net=Hidden())))
    (m,) = of(given, "deletion_advantage", attribution="integrated_gradients")
    assert m.value is None or (m.low is not None and m.low < 0)


def test_every_method_has_its_row_and_the_class_its_own_metric() -> None:
    """Four methods, two directions, the class decided for under a metric of its own; completeness is a count."""
    given = list(UnfaithfulAttribution().run(spots()))
    for metric in ("deletion_advantage", "insertion_advantage"):
        assert [m.condition["attribution"] for m in of(given, metric)] == [
            "integrated_gradients", "integrated_gradients_absolute", "input_x_gradient", "saliency",
        ]  # fmt: skip
    by_class = of(given, "deletion_advantage_by_class")
    assert [m.condition["class"] for m in by_class] == ["no", "yes"]
    assert sum(m.n for m in by_class) == 40
    (complete,) = of(given, "completeness_error")
    assert complete.method == "count"
    assert complete.value is not None
    assert complete.value < 0.1


def test_the_budget_bounds_the_cases() -> None:
    """A sample of the patients is explained, and n says so."""
    ctx = replace(spots(), budget=replace(BUDGET, explain_cases=12))
    given = list(UnfaithfulAttribution().run(ctx))
    assert {m.n for m in of(given, "deletion_advantage")} == {12}


def test_the_curves_are_kept_and_examples_are_marked_as_pixels() -> None:
    """Mean curves start and end together; maps are strongest where the model looks, and marked so as to be withheld."""
    ctx = spots()
    list(UnfaithfulAttribution().run(ctx))
    assert [a.name for a in ctx.sink.artifacts] == ["deletion_curve", "insertion_curve", "attribution_examples"]
    assert [a.pixels for a in ctx.sink.artifacts] == [False, False, True]
    deletion, shown = ctx.sink.artifacts[0].arrays, ctx.sink.artifacts[2].arrays
    assert set(deletion) == {"fraction", "attribution", *CONTROLS}
    for name in CONTROLS:
        assert deletion[name][0] == deletion["attribution"][0]
        assert deletion[name][-1] == deletion["attribution"][-1]
    assert shown["attribution"].shape == (3, 16, 16)
    assert shown["attribution"].dtype == np.uint8
    assert ctx.cohort.targets[1] == 1
    assert shown["images"][1, 0].ravel()[shown["attribution"][1].argmax()] == 255


def test_masks_and_values_are_explained() -> None:
    """A segmentation that follows brightness and a linear value both beat the controls; empty masks are left out."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 0.3, (24, 1, 16, 16)).astype(np.float32)
    for i in range(20):
        row, column = rng.integers(1, 12, 2)
        images[i, 0, row : row + 3, column : column + 3] = 0.9
    segmenter = wrap(
        Pixelwise(gain=10, level=0.6), input=UNIT, task="segmentation", output="mask_logits", operating_point=None,
        classes=(),
    )  # fmt: skip
    cohort = from_arrays(images, np.zeros(24), task="segmentation", masks=(images > 0.6).astype(float))
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((24, 1)), columns=("dice",))
    (m,) = of(list(UnfaithfulAttribution().run(ctx)), "deletion_advantage", attribution="integrated_gradients")
    assert m.n == 20
    assert m.low is not None
    assert m.low > 0
    w = np.zeros((16, 16))
    w[2:4, 9:12] = 1.0
    value = wrap(
        Linear(w.ravel()), input=UNIT, task="regression", output="value", operating_point=None, classes=(),
        clinical_tolerance=1.0,
    )  # fmt: skip
    images = rng.uniform(0, 1, (24, 1, 16, 16)).astype(np.float32)
    cohort = from_arrays(images, images.sum(axis=(1, 2, 3)), task="regression")
    (m,) = of(
        list(UnfaithfulAttribution().run(context(value, cohort, budget=BUDGET))), "deletion_advantage",
        attribution="integrated_gradients_absolute",
    )  # fmt: skip
    assert m.low is not None
    assert m.low > 0


def test_all_masks_empty_is_not_applicable() -> None:
    """Without a marked pixel in the whole sample there is nothing to explain."""
    segmenter = wrap(
        Pixelwise(level=0.6), input=UNIT, task="segmentation", output="mask_logits", operating_point=None, classes=()
    )
    images = np.zeros((6, 1, 8, 8), np.float32)
    cohort = from_arrays(images, np.zeros(6), task="segmentation", masks=images)
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((6, 1)), columns=("dice",))
    with pytest.raises(NotApplicable, match="every mask is empty"):
        list(UnfaithfulAttribution().run(ctx))


def test_a_model_without_gradients_is_not_applicable() -> None:
    """A model that can only be asked has no gradient to attribute."""
    ctx = context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))
    with pytest.raises(NotApplicable, match="no gradients"):
        list(UnfaithfulAttribution().run(ctx))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(UnfaithfulAttribution, {"spots": lambda: spots(12)}) == ("spots",)
