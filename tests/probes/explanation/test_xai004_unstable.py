"""XAI004: maps that move with the noise are found out, steady ones are left alone, blind ones have no number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.cohorts import from_arrays
from audit.core import Finding, InputSpec, Limit, Measurement, Policy, ProbeContext, ProbeResult, Rule
from audit.judge import judge
from audit.probes.explanation import Unstable
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.attacks.nets import Linear, wrap
from tests.judge._make import TODAY
from tests.probes.explanation.spots import BUDGET, UNIT, of

SD = 0.05


class Wave(torch.nn.Module):
    """Log odds whose slope turns its sign within the noise: 0.1 sin(40 x)."""

    def forward(self, x: Any) -> Any:
        return (0.1 * torch.sin(40 * x)).flatten(1).sum(dim=1, keepdim=True)


def steady(net: Any = None, *, n: int = 24, methods: tuple[str, ...] = ("input_x_gradient",)) -> ProbeContext:
    """Return the context of images of pure noise of a known size around 1."""
    rng = np.random.default_rng(0)
    images = (1 + rng.normal(0, SD, (n, 1, 16, 16))).astype(np.float32)
    model = wrap(net or Linear(rng.normal(size=256)), input=replace(UNIT, range=(-5.0, 5.0)))
    given = context(model, from_arrays(images, np.arange(n) % 2, task="binary", classes=("a", "b")), budget=BUDGET)
    return replace(given, explain=replace(given.explain, methods=methods))


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(Unstable().run(ctx))


def judged(given: list[Measurement], limit: float = 0.3) -> Finding:
    """Return what a rule says that asks the sensitivity to stay under a limit."""
    rule = Rule(id="r", probe="XAI004", metric="max_sensitivity", where={}, limit=Limit(max=limit))
    result = ProbeResult(info=Unstable.info, state="completed", measurements=tuple(given))
    return judge([result], Policy(name="p", rules=(rule,)), today=TODAY)[0]


def test_a_linear_model_moves_by_the_noise() -> None:
    """Closed form: w x moves by w noise, relative to its length by the noise over the brightness of 1, within 10 %."""
    given = run(steady())
    (m,) = of(given, "max_sensitivity")
    assert m.condition["epsilon"] == pytest.approx(SD, rel=0.05)
    # The larger of two draws lies a little above their mean.
    assert m.value == pytest.approx(SD, rel=0.1)
    assert (m.n, m.n_patients) == (24, 24)
    assert judged(given).status == "PASS"
    # Every linear network moves as much, the untrained one as well.
    (same,) = of(given, "stability_advantage")
    assert same.value == pytest.approx(0.0, abs=0.005)


def test_a_slope_that_turns_within_the_noise_fails() -> None:
    """The map of the next image has nothing in common with that of this one."""
    given = run(steady(Wave()))
    (m,) = of(given, "max_sensitivity")
    assert m.value is not None
    assert m.value > 0.9
    assert judged(given).status == "FAIL"
    (better,) = of(given, "stability_advantage")
    assert better.high is not None
    assert better.high < 0


def test_a_map_that_ignores_the_image_has_no_number() -> None:
    """The slope of a linear model never moves: nobody passes by that, and a map of zeros has no length."""
    given = run(steady(methods=("saliency",)))
    assert judged(given).status == "INCONCLUSIVE"
    (m,) = of(given, "max_sensitivity")
    assert m.missing is not None
    assert "do not follow the image" in m.missing
    given = run(steady(Linear(np.zeros(256))))
    assert judged(given).status == "INCONCLUSIVE"


def test_the_controls_have_their_rows() -> None:
    """Two random maps are 0.71 of their length apart, the centre stays, by construction."""
    given = run(steady())
    (chance,) = of(given, "control_max_sensitivity", attribution="random")
    assert chance.value == pytest.approx(np.sqrt(0.5), abs=0.05)
    (centre,) = of(given, "control_max_sensitivity", attribution="centre")
    assert (centre.value, centre.method) == (0.0, "count")
    assert {str(m.condition["attribution"]) for m in of(given, "control_max_sensitivity")} == {
        "random", "edge", "centre", "magnitude",
    }  # fmt: skip


def test_whole_steps_stay_whole() -> None:
    """Stored integers are asked about with integers only."""
    seen: list[np.ndarray] = []

    class Seen(Linear):
        def forward(self, x: Any) -> Any:
            seen.append(x.detach().numpy().copy())
            return super().forward(x)

    rng = np.random.default_rng(0)
    images = rng.integers(80, 120, (8, 1, 16, 16)).astype(np.float32)
    model = wrap(Seen(rng.normal(size=256)), input=InputSpec(range=(0.0, 255.0)))
    made = context(model, from_arrays(images, np.arange(8) % 2, task="binary", classes=("a", "b")), budget=BUDGET)
    run(replace(made, explain=replace(made.explain, methods=("input_x_gradient",))))
    asked = np.concatenate([a for a in seen if len(a) == 8])
    assert (np.abs(asked * 255 - np.round(asked * 255)) < 1e-3).all() or (asked == np.round(asked)).all()


def test_flat_images_have_no_noise_to_be_measured() -> None:
    """Then there is no number, and the reason."""
    model = wrap(Linear(np.ones(256)), input=UNIT)
    images = np.ones((8, 1, 16, 16), np.float32)
    made = context(model, from_arrays(images, np.arange(8) % 2, task="binary", classes=("a", "b")), budget=BUDGET)
    given = run(replace(made, explain=replace(made.explain, methods=("saliency",))))
    assert all(m.missing == "the noise of these images cannot be measured" for m in given)


def test_a_model_that_can_only_be_asked_has_numbers() -> None:
    """Occlusion is made again on noisy images; the figure's arrays are kept."""
    ctx = context(planted("healthy"), tiny_cohort(np.random.default_rng(0), n=24), budget=BUDGET)
    ctx = replace(ctx, explain=replace(ctx.explain, methods=("occlusion",)))
    (m,) = of(run(ctx), "max_sensitivity")
    assert m.value is not None
    (artifact,) = ctx.sink.artifacts
    assert artifact.name == "explanation_stability"
    assert artifact.arrays["kind"].tolist()[0] == "method"


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(Unstable, {"noise": lambda: steady(n=8)}) == ("noise",)
