"""XAI001: a map of what the model uses beats the controls, one that shows something else does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import Estimate, Measurement, NotApplicable, ProbeContext
from audit.errors import PolicyError
from audit.models import from_callable
from audit.probes.explanation import UnfaithfulAttribution
from audit.probes.explanation import xai001_unfaithful_attribution as module
from audit.testing import check_probe, context
from tests.attacks.nets import Linear, Pixelwise, wrap
from tests.probes.explanation.spots import BUDGET, UNIT, Spot, judged, of, replaced
from tests.probes.explanation.spots import spots as any_spots

GRADIENTS = ("integrated_gradients", "saliency")
HEADLINE = "integrated_gradients"
ADVANTAGES = ("deletion_advantage", "insertion_advantage", "ranking_advantage")


def spots(*given: Any, **more: Any) -> ProbeContext:
    """Return the cohort of spots with a model that is satisfied with one."""
    return any_spots(*given, capped=True, **more)


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(UnfaithfulAttribution().run(ctx))


@pytest.fixture(scope="module")
def given() -> tuple[ProbeContext, list[Measurement]]:
    """The sound method on the model that uses a spot."""
    ctx = spots(methods=GRADIENTS)
    return ctx, run(ctx)


def test_a_planted_feature_is_found(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """Integrated gradients of a model that uses a spot beat every control under every fill, interval and all."""
    for metric in ("deletion_advantage", "insertion_advantage"):
        for fill in ("linear", "blur"):
            (m,) = of(given[1], metric, attribution=HEADLINE, parameter=fill)
            assert m.low is not None
            assert m.low > 0
            assert (m.n, m.n_patients) == (28, 28)
            assert "least over 5 controls" in m.method
        assert judged(UnfaithfulAttribution, given[1], metric, attribution=HEADLINE).status == "PASS"
    assert judged(UnfaithfulAttribution, given[1], "ranking_advantage", attribution=HEADLINE).status == "PASS"
    (constant,) = of(given[1], "deletion_advantage_mean_fill", attribution=HEADLINE)
    assert constant.low is not None
    assert constant.low > 0


@pytest.mark.parametrize("metric", ["deletion_advantage_mean_fill", "largest_fall", "selftest_deletion"])
def test_what_only_compares_decides_no_release(metric: str, given: tuple[ProbeContext, list[Measurement]]) -> None:
    """A constant fill leaves the distribution, and a self-test says nothing of a method: no blocking rule may rest on
    them."""
    with pytest.raises(PolicyError, match="may not decide"):
        judged(UnfaithfulAttribution, given[1], metric)


def test_a_planted_feature_is_found_in_a_volume() -> None:
    """The same holds in three dimensions."""
    given = run(spots(12, shape=(3, 16, 16), methods=(HEADLINE,)))
    assert judged(UnfaithfulAttribution, given, "deletion_advantage", attribution=HEADLINE).status == "PASS"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda name, x, v: np.random.default_rng(len(v)).random(v.shape), id="chance"),
        pytest.param(lambda name, x, v: np.hypot(*np.gradient(x[:, 0].astype(float), axis=(1, 2))), id="edges"),
        pytest.param(lambda name, x, v: -v, id="flipped"),
        pytest.param(lambda name, x, v: 0 * v, id="zeros"),
        pytest.param(lambda name, x, v: np.roll(v, 1, axis=0), id="of another case"),
    ],
)
def test_a_map_of_something_else_does_not_pass(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance, edges, the wrong sign, nothing, or the map of another case: no rule on any advantage passes."""
    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(fault))
    given = run(spots(methods=(HEADLINE,)))
    for metric in ADVANTAGES:
        finding = judged(UnfaithfulAttribution, given, metric, attribution=HEADLINE)
        assert finding.status in ("FAIL", "INCONCLUSIVE")


def test_a_flipped_map_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Least relevant first is worse than chance, shown with its interval."""
    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(lambda name, x, v: -v))
    given = run(spots(methods=(HEADLINE,)))
    assert judged(UnfaithfulAttribution, given, "ranking_advantage", attribution=HEADLINE).status == "FAIL"


def test_the_map_of_another_output_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model with two independent findings, the map of the one is no explanation of the other."""

    class Two(torch.nn.Module):
        """Square spots under one output, bright dots under the other."""

        def __init__(self) -> None:
            super().__init__()
            self.square = Spot()

        def forward(self, x: Any) -> Any:
            return torch.cat([self.square(x), 0.5 * x[:, :, 10, 1:15:2].mean(dim=2)], dim=1)

    ctx = spots(net=Two(), task="multilabel", classes=("square", "dots"), methods=(HEADLINE,))
    ctx = replace(ctx, cohort=replace(ctx.cohort, targets=np.stack([ctx.cohort.targets] * 2, axis=1)))
    honest = run(ctx)
    assert judged(UnfaithfulAttribution, honest, "deletion_advantage", attribution=HEADLINE).status == "PASS"
    from audit.explain import attribute

    def wrong(model: Any, images: Any, explained: Any, **more: Any) -> Any:
        return attribute(model, images, replace(explained, index=1 - explained.index), **more)

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", wrong)
    finding = judged(UnfaithfulAttribution, run(ctx), "deletion_advantage", attribution=HEADLINE)
    assert finding.status in ("FAIL", "INCONCLUSIVE")


@pytest.mark.parametrize("gain", [0.0, 1e6])
def test_a_model_whose_answer_never_moves_has_no_number(gain: float) -> None:
    """A constant or a saturated model: curves are flat, and differences of rounding are not taken for an advantage."""
    net = Spot(gain, offset=60.0)
    given = run(spots(12, net=net, methods=("saliency",)))
    for metric in ADVANTAGES:
        (m,) = of(given, metric, attribution="saliency", parameter="linear")
        assert m.value is None
        assert judged(UnfaithfulAttribution, given, metric, attribution="saliency").status == "INCONCLUSIVE"


def test_differences_of_rounding_are_no_advantage() -> None:
    """Two orders that tie but for the arithmetic have a low bound below 0."""
    from audit.explain import advantage

    own = np.full(30, 0.5)
    controls = {"a": own - 1e-7 - 1e-9 * np.arange(30)}
    ctx = spots(4)
    plain, _ = advantage(own, controls, np.arange(30), ctx.levels, lower_is_better=False)
    assert plain.bounds(0.025)[0] > 0
    careful, _ = advantage(own, controls, np.arange(30), ctx.levels, lower_is_better=False, resolution=1e-4)
    assert careful.bounds(0.025)[0] == pytest.approx(-1e-4, rel=0.01)
    assert careful.bounds(0.025)[1] == pytest.approx(1e-4, rel=0.01)


def test_a_metric_that_fails_its_selftest_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill that changes nothing ranks no known pixel first: the numbers that rest on it are missing and say so."""

    def nothing(name: str, images: np.ndarray, *given: Any, **more: Any) -> Any:
        return lambda removed: images

    monkeypatch.setattr(module, "make_fill", nothing)
    given = run(spots(12, methods=(HEADLINE,)))
    for m in given:
        if "advantage" in m.metric:
            assert m.value is None
            assert m.missing == module.UNTESTED
        if m.metric.startswith("selftest"):
            assert m.value is None
    finding = judged(UnfaithfulAttribution, given, "deletion_advantage", attribution=HEADLINE)
    assert finding.status == "INCONCLUSIVE"


def test_the_selftest_has_its_rows(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """True maps of known models beat the controls for both directions and every fill that is used."""
    rows = [m for m in given[1] if m.metric.startswith("selftest")]
    assert [(m.metric, m.condition["parameter"]) for m in rows] == [
        ("selftest_deletion", "linear"), ("selftest_deletion", "blur"), ("selftest_deletion", "mean"),
        ("selftest_insertion", "linear"), ("selftest_insertion", "blur"),
    ]  # fmt: skip
    assert all(m.low is not None and m.low > 0 for m in rows)


def test_the_class_has_its_own_metric(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """A decision for `no` is not taken away by replacing pixels, and its row says so instead of giving a number."""
    by_class = of(given[1], "deletion_advantage_by_class")
    assert [m.condition["class"] for m in by_class] == ["no", "yes"]
    assert sum(m.n for m in by_class) == 28
    assert by_class[0].missing == module.FLAT
    (insertion,) = of(given[1], "insertion_advantage_by_class", **{"class": "yes"})
    assert insertion.low is not None
    assert insertion.low > 0


def test_a_control_that_cannot_be_had_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the untrained network gives no map, a method is not held against the other controls alone."""
    from audit.explain import attribute

    def without(model: Any, *given: Any, **more: Any) -> Any:
        maps = attribute(model, *given, **more)
        return replace(maps, values={}) if "Untrained" in type(model).__name__ else maps

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", without)
    given = run(spots(12, methods=(HEADLINE,)))
    (m,) = of(given, "insertion_advantage", attribution=HEADLINE, parameter="linear")
    assert m.missing is not None
    assert "untrained" in m.missing


def test_a_refused_method_has_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that cannot be verified is missing under its name, for the reason that it was refused."""
    from audit.explain import attribute

    def refusing(*given: Any, **more: Any) -> Any:
        maps = attribute(*given, **more)
        kept = {k: v for k, v in maps.values.items() if k != "saliency"}
        return replace(maps, values=kept, refused={"saliency": "its gradients are not those of the output"})

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", refusing)
    given = run(spots(12, methods=GRADIENTS))
    (m,) = of(given, "deletion_advantage", attribution="saliency")
    assert m.missing == "its gradients are not those of the output"
    assert of(given, "insertion_advantage", attribution=HEADLINE, parameter="linear")[0].value is not None


def test_a_model_that_can_only_be_asked_is_explained_by_asking() -> None:
    """Occlusion of a function finds the spot; there are no weights to draw anew, so four controls are left."""
    ctx = spots(24)

    def ask(images: np.ndarray) -> np.ndarray:
        x = images[:, 0]
        windows = x[:, 1:, 1:] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, :-1, :-1]
        return 4 * np.maximum(windows - 3.2, 0).reshape(len(images), -1).sum(axis=1, keepdims=True) - 1

    spec = replace(ctx.model._spec, kind="callable")
    model = from_callable(ask, spec)
    asked = replace(
        context(model, ctx.cohort, budget=replace(BUDGET, explain_masks=60)),
        explain=replace(ctx.explain, methods=("occlusion",)),
    )
    given = run(asked)
    (m,) = of(given, "deletion_advantage", attribution="occlusion", parameter="linear")
    assert "least over 4 controls" in m.method
    assert judged(UnfaithfulAttribution, given, "ranking_advantage", attribution="occlusion").status == "PASS"


def test_an_answer_that_is_no_number_leaves_none() -> None:
    """A model that breaks on imputed images gives no advantage, and the reason is said."""

    class Brittle(Spot):
        def forward(self, x: Any) -> Any:
            broken = (x[:, 0, 0, 0] * 1e4 % 1 < 0.5)[:, None]
            return torch.where(broken, torch.nan, super().forward(x))

    ctx = spots(12)
    brittle = replace(ctx, model=wrap(Brittle(), input=UNIT))
    brittle = replace(brittle, explain=replace(ctx.explain, methods=("saliency",)))
    metrics = [m for m in run(brittle) if m.metric in ADVANTAGES]
    assert metrics
    assert all(m.value is None and m.missing for m in metrics)


def test_the_budget_bounds_the_cases() -> None:
    """A sample of the patients is explained, and n says so."""
    ctx = replace(spots(methods=("saliency",)), budget=replace(BUDGET, explain_cases=12))
    assert {m.n for m in of(run(ctx), "deletion_advantage")} == {12}


def test_the_curves_are_kept_and_examples_are_marked_as_pixels(given: tuple[ProbeContext, list[Measurement]]) -> None:
    """Mean curves start and end together; maps are strongest where the model looks, and marked so as to be withheld."""
    ctx = given[0]
    kept = {a.name: a for a in ctx.sink.artifacts}
    assert list(kept) == [
        "deletion_curve", "insertion_curve", "deletion_margins", "insertion_margins", "attribution_examples",
    ]  # fmt: skip
    assert [a.pixels for a in kept.values()] == [False, False, False, False, True]
    deletion, shown = kept["deletion_curve"].arrays, kept["attribution_examples"].arrays
    controls = ("random", "edge", "centre", "magnitude", "untrained")
    assert set(deletion) == {"fraction", "attribution", "method saliency", *controls}
    for name in controls:
        assert deletion[name][0] == deletion["attribution"][0]
        assert deletion[name][-1] == deletion["attribution"][-1]
    assert kept["deletion_margins"].arrays["control"].tolist() == list(controls)
    assert (kept["deletion_margins"].arrays["difference"] > 0).all()
    assert shown["attribution"].shape == (3, 16, 16)
    assert shown["attribution"].dtype == np.uint8
    assert ctx.cohort.targets[1] == 1
    assert shown["images"][1, 0].ravel()[shown["attribution"][1].argmax()] == 255


def test_masks_are_explained() -> None:
    """A segmentation that follows brightness beats the controls; empty masks are left out."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 0.3, (24, 1, 16, 16)).astype(np.float32)
    images[:, 0, 12:15, 1:15:4] = -1.0
    for i in range(20):
        row, column = rng.integers(1, 8, 2)
        images[i, 0, row : row + 3, column : column + 3] = 0.9
    segmenter = wrap(
        Pixelwise(gain=10, level=0.6), input=UNIT, task="segmentation", output="mask_logits", operating_point=None,
        classes=(),
    )  # fmt: skip
    cohort = from_arrays(images, np.zeros(24), task="segmentation", masks=(images > 0.6).astype(float))
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((24, 1)), columns=("dice",))
    ctx = replace(ctx, explain=replace(ctx.explain, methods=(HEADLINE,)))
    (m,) = of(run(ctx), "deletion_advantage", attribution=HEADLINE, parameter="linear")
    assert m.n == 20
    assert m.low is not None
    assert m.low > 0


def test_values_are_explained() -> None:
    """A linear value is explained by the absolute attribution of its pixels."""
    rng = np.random.default_rng(0)
    w = np.zeros((16, 16))
    w[2:4, 9:12] = 1.0
    value = wrap(
        Linear(w.ravel()), input=UNIT, task="regression", output="value", operating_point=None, classes=(),
        clinical_tolerance=1.0,
    )  # fmt: skip
    images = rng.uniform(0, 1, (40, 1, 16, 16)).astype(np.float32)
    cohort = from_arrays(images, images.sum(axis=(1, 2, 3)), task="regression")
    ctx = context(value, cohort, budget=BUDGET)
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("integrated_gradients_absolute",)))
    (m,) = of(run(ctx), "insertion_advantage", parameter="linear")
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
        run(ctx)


def test_images_without_detail_test_no_metric() -> None:
    """On flat images no known model can be made, and nothing counts."""
    ctx = spots(12, methods=("saliency",))
    flat = from_arrays(
        np.full((12, 1, 16, 16), 0.9, np.float32), np.arange(12) % 2, task="binary", classes=("no", "yes")
    )
    given = run(replace(ctx, cohort=flat))
    assert all(m.value is None for m in given if "advantage" in m.metric or m.metric.startswith("selftest"))
    assert isinstance(of(given, "selftest_deletion")[0], Measurement)
    assert Estimate.absent("x", method="none").value is None


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(UnfaithfulAttribution, {"spots": lambda: spots(12, methods=GRADIENTS)}) == ("spots",)
