"""XAI005: a map whose values mean something for the model beats the controls, others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import Measurement, NotApplicable, ProbeContext
from audit.models import from_callable
from audit.probes.explanation import Infidelity
from audit.probes.explanation import xai005_infidelity as module
from audit.testing import check_probe, context
from tests.attacks.nets import Linear, Pixelwise, wrap
from tests.probes.explanation.spots import BUDGET, UNIT, Spot, judged, of, replaced
from tests.probes.explanation.spots import spots as any_spots

HEADLINE = "integrated_gradients"


def linear(n: int = 24, **more: Any) -> ProbeContext:
    """Return the context of a linear model of noise images: every metric has a closed form."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(n, 1, 16, 16)).astype(np.float32)
    model = wrap(Linear(rng.normal(size=256)), input=UNIT)
    cohort = from_arrays(images, np.arange(n) % 2, task="binary", classes=("no", "yes"))
    ctx = context(model, cohort, budget=BUDGET)
    return replace(ctx, explain=replace(ctx.explain, methods=(HEADLINE, "input_x_gradient", "saliency")), **more)


def spots(*given: Any, **more: Any) -> ProbeContext:
    """Return the cohort of spots with a model that is satisfied with one."""
    return any_spots(*given, capped=True, **more)


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(Infidelity().run(ctx))


@pytest.fixture(scope="module")
def given() -> list[Measurement]:
    """The rows of a linear model."""
    return run(linear())


def test_a_linear_model_is_foretold_by_its_contributions(given: list[Measurement]) -> None:
    """Closed form: integrated gradients from the blurred image have infidelity 0 and beat every control."""
    for kind in ("square", "noise"):
        (value,) = of(given, "infidelity", attribution=HEADLINE, parameter=kind)
        assert value.value == pytest.approx(0.0, abs=1e-4)
        assert (value.n, value.n_patients) == (24, 24)
        (better,) = of(given, "infidelity_advantage", attribution=HEADLINE, parameter=kind)
        assert better.low is not None
        assert better.low > 0.3
    assert judged(Infidelity, given, "infidelity_advantage", attribution=HEADLINE).status == "PASS"


def test_what_has_no_sign_foretells_worse(given: list[Measurement]) -> None:
    """Saliency cannot say which way an answer goes: it has most of the change left to explain."""
    for kind in ("square", "noise"):
        (value,) = of(given, "infidelity", attribution="saliency", parameter=kind)
        assert value.value is not None
        assert value.value > 0.7


def test_the_selftest_and_completeness_have_their_rows(given: list[Measurement]) -> None:
    """True maps of known models beat the controls; integrated gradients of a linear model add up."""
    rows = of(given, "selftest_infidelity")
    assert [m.condition["parameter"] for m in rows] == ["square", "noise"]
    assert all(m.low is not None and m.low > 0 for m in rows)
    (complete,) = of(given, "completeness_error")
    assert complete.condition["attribution"] == HEADLINE
    assert complete.value == pytest.approx(0.0, abs=1e-3)


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
    """Chance, edges, the wrong sign, nothing, or the map of another case: the rule does not pass."""
    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(fault))
    ctx = linear()
    given = run(replace(ctx, explain=replace(ctx.explain, methods=(HEADLINE,))))
    assert judged(Infidelity, given, "infidelity_advantage", attribution=HEADLINE).status in ("FAIL", "INCONCLUSIVE")
    for kind in ("square", "noise"):
        (value,) = of(given, "infidelity", attribution=HEADLINE, parameter=kind)
        assert value.value is None or value.value > 0.7


def test_the_network_of_spots_passes_in_noise_and_in_squares() -> None:
    """Of the cases whose answer moves at all, integrated gradients foretell more than any control."""
    given = run(spots(methods=(HEADLINE,)))
    (m,) = of(given, "infidelity_advantage", attribution=HEADLINE, parameter="square")
    assert m.low is not None
    assert m.low > 0
    assert m.n < 28


@pytest.mark.parametrize("gain", [0.0])
def test_a_constant_model_has_no_number(gain: float) -> None:
    """An answer that never changes cannot be foretold, and nothing is claimed."""
    given = run(spots(8, net=Spot(gain), methods=("saliency",)))
    for m in given:
        if m.metric.startswith("infidelity"):
            assert m.missing == module.STILL
    assert judged(Infidelity, given, "infidelity_advantage", attribution="saliency").status == "INCONCLUSIVE"


def test_an_answer_that_is_no_number_leaves_none() -> None:
    """A model that breaks on perturbed images gives no infidelity, and the reason is said."""

    class Brittle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Linear(np.ones(256))

        def forward(self, x: Any) -> Any:
            broken = (x[:, 0, 0, 0] * 1e4 % 1 < 0.5)[:, None]
            return torch.where(broken, torch.nan, self.inner(x))

    ctx = linear(8)
    ctx = replace(ctx, model=wrap(Brittle(), input=UNIT), explain=replace(ctx.explain, methods=("saliency",)))
    rows = [m for m in run(ctx) if m.metric.startswith("infidelity")]
    assert rows
    assert all(m.value is None and m.missing for m in rows)


def test_a_metric_that_fails_its_selftest_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that gives the same whatever it is shown counts for nothing."""
    monkeypatch.setattr("audit.explain._infidelity.infidelity", lambda said, changed: np.full(len(said), 0.5))
    given = run(linear(8))
    rows = [m for m in given if m.metric.startswith("infidelity")]
    assert rows
    assert {m.missing for m in rows} == {module.UNTESTED}


def test_a_model_that_can_only_be_asked_is_explained_by_asking() -> None:
    """Occlusion of a linear function beats four controls under squares."""
    ctx = linear()
    w = np.zeros(256)
    w[40:60] = 3.0
    model = from_callable(lambda x: x.reshape(len(x), -1) @ w[:, None], replace(ctx.model._spec, kind="callable"))
    ctx = replace(ctx, model=model, explain=replace(ctx.explain, methods=("occlusion",)))
    (m,) = of(run(ctx), "infidelity_advantage", attribution="occlusion", parameter="square")
    assert "least over 4 controls" in m.method
    assert m.value is not None
    assert m.value > 0


def test_nothing_marked_is_not_applicable() -> None:
    """Without a marked pixel in the whole sample there is nothing to explain."""
    segmenter = wrap(
        Pixelwise(level=0.6), input=UNIT, task="segmentation", output="mask_logits", operating_point=None, classes=()
    )
    images = np.zeros((6, 1, 8, 8), np.float32)
    cohort = from_arrays(images, np.zeros(6), task="segmentation", masks=images)
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((6, 1)), columns=("dice",))
    with pytest.raises(NotApplicable, match="every mask is empty"):
        run(ctx)


def test_what_is_kept_for_the_figure() -> None:
    """A value of every method and control, by perturbation."""
    ctx = linear(8)
    run(ctx)
    assert [(a.name, a.meta["parameter"]) for a in ctx.sink.artifacts] == [
        ("infidelity_by_map", "square"), ("infidelity_by_map", "noise"),
    ]  # fmt: skip
    names = ctx.sink.artifacts[0].arrays["map"].tolist()
    assert names == [HEADLINE, "input_x_gradient", "saliency", "random", "edge", "centre", "magnitude"]


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(Infidelity, {"linear": lambda: linear(8)}) == ("linear",)
