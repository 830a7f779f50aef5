"""XAI006: explanations that are worse for one group are found out, equal ones are left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import Finding, Limit, Measurement, NotApplicable, Policy, ProbeContext, ProbeResult, Rule
from audit.explain import Explained
from audit.judge import judge
from audit.probes.explanation import SubgroupDisparity
from audit.testing import ArrayImages, attribute, check_probe, context
from tests.attacks.nets import wrap
from tests.judge._make import TODAY
from tests.probes.explanation.spots import UNIT, Spot, of, replaced
from tests.probes.explanation.test_xai003_mislocalised import masked

SEX = np.where(np.arange(64) // 4 % 2 == 0, "female", "male")


def groups(n: int = 64, *, role: Any = "protected") -> ProbeContext:
    """Return the context of `masked`, with a sex that is in no image: every fourth case is negative, in either sex."""
    given = masked(n)
    return replace(given, cohort=replace(given.cohort, attributes={"sex": attribute("sex", SEX[:n], role)}))


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(SubgroupDisparity().run(ctx))


def judged(given: list[Measurement], metric: str = "faithfulness_gap") -> Finding:
    """Return what a rule says that asks no group to be worse off by 0.1."""
    rule = Rule(id="r", probe="XAI006", metric=metric, where={"attribute": "sex"}, limit=Limit(min=-0.1))
    result = ProbeResult(info=SubgroupDisparity.info, state="completed", measurements=tuple(given))
    return judge([result], Policy(name="p", rules=(rule,)), today=TODAY)[0]


@pytest.fixture(scope="module")
def fair() -> tuple[ProbeContext, list[Measurement]]:
    """Sound maps for everybody."""
    ctx = groups()
    return ctx, run(ctx)


def test_equal_explanations_pass(fair: tuple[ProbeContext, list[Measurement]]) -> None:
    """Sex is in no image and in no map: both gaps are near 0, mirror images, with a simultaneous interval."""
    assert judged(fair[1]).status == "PASS"
    for metric in ("faithfulness_gap", "localisation_gap"):
        one, two = of(fair[1], metric)
        assert one.value is not None
        assert two.value is not None
        assert abs(one.value) < 0.08
        assert one.value == pytest.approx(-two.value)
        assert one.contrast == two.contrast
        assert one.simultaneous is not None
    assert {m.subgroup["sex"] for m in of(fair[1], "control_faithfulness_gap")} == {"female", "male"}


def test_worse_explanations_of_one_group_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of women that are turned round show nothing of what the model used, nor the lesion: both rules fail."""
    ctx = groups()
    assert ctx.cohort.images is not None
    women = {ctx.cohort.images.load(int(i)).tobytes() for i in np.flatnonzero(SEX == "female")}
    from audit.probes.explanation._maps import Explainer

    honest = Explainer.__call__

    def biased(self: Explainer, model: Any, images: np.ndarray, explained: Explained) -> dict[str, np.ndarray]:
        maps = honest(self, model, images, explained)
        hers = np.array([image.astype(np.float32).tobytes() in women for image in images])
        return {name: np.where(hers[:, None, None], -values, values) for name, values in maps.items()}

    monkeypatch.setattr(Explainer, "__call__", biased)
    given = run(ctx)
    assert judged(given).status == "FAIL"
    assert "sex female" in judged(given).headline
    assert judged(given, "localisation_gap").status == "FAIL"


@pytest.mark.parametrize("fault", ["random", "edges"])
def test_maps_that_are_worthless_for_all_have_no_gap(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of chance and edges are as bad for women as for men, which is no evidence that they are as good."""
    rng = np.random.default_rng(5)

    def change(_: str, images: np.ndarray, values: np.ndarray) -> np.ndarray:
        return rng.random(values.shape) if fault == "random" else np.abs(np.gradient(images[:, 0], axis=-1))

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(change))
    given = run(groups())
    for metric in ("faithfulness_gap", "localisation_gap"):
        assert judged(given, metric).status == "INCONCLUSIVE"
        assert all(
            "means nothing" in (m.missing or "") or "mean nothing" in (m.missing or "") for m in of(given, metric)
        )


@pytest.mark.parametrize("gain", [0.0, 1e-3])
def test_a_model_that_hardly_answers_has_no_gap(gain: float) -> None:
    """Of a constant and of a nearly constant model no explanation is better for anybody, and no rule passes."""
    model = wrap(Spot(gain=gain), input=UNIT)
    ctx = groups(32)
    given = run(context(model, ctx.cohort, budget=ctx.budget))
    assert judged(given).status == "INCONCLUSIVE"
    assert judged(given, "localisation_gap").status == "INCONCLUSIVE"


def test_the_gaps_are_kept_for_the_figure(fair: tuple[ProbeContext, list[Measurement]]) -> None:
    """One row a level with bounds around the gap."""
    (artifact,) = fair[0].sink.artifacts
    assert artifact.name == "explanation_gaps"
    assert artifact.arrays["level"].tolist() == ["sex: female", "sex: male"]
    assert (artifact.arrays["low"] <= artifact.arrays["gap"]).all()


def test_without_masks_there_is_no_localisation() -> None:
    """The other gap is there all the same."""
    ctx = groups(24)
    given = run(replace(ctx, cohort=replace(ctx.cohort, masks=None)))
    assert all(m.missing == "the cohort has no lesion masks" for m in of(given, "localisation_gap"))
    assert any(m.value is not None for m in of(given, "faithfulness_gap"))


def test_empty_masks_leave_the_other_gap() -> None:
    """Masks that hold nothing take the gap of localisation away, not the probe."""
    ctx = groups(32)
    empty = ArrayImages(array=np.zeros((32, 1, 16, 16), np.uint8))
    given = run(replace(ctx, cohort=replace(ctx.cohort, masks=empty)))
    assert all("empty" in (m.missing or "") for m in of(given, "localisation_gap"))
    assert any(m.value is not None for m in of(given, "faithfulness_gap"))


def test_a_refused_method_has_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule passes where the maps do not stand."""
    from audit.explain import Maps

    def refused(*_: Any, **__: Any) -> Maps:
        return Maps(values={}, refused={"integrated_gradients": "planted"}, completeness={})

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", refused)
    given = run(groups(24))
    assert judged(given).status == "INCONCLUSIVE"
    assert {m.missing for m in of(given, "faithfulness_gap")} == {"planted"}


def test_nobody_to_compare_is_not_applicable() -> None:
    """Without a protected attribute the question has no meaning."""
    with pytest.raises(NotApplicable, match="protected"):
        run(groups(12, role="protocol"))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(SubgroupDisparity, {"spots": lambda: groups(16)}) == ("spots",)
