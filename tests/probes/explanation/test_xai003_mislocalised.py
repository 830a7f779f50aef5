"""XAI003: sound maps that miss the lesion expose the model, unsound ones have no number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import audit
from audit.cohorts import from_arrays
from audit.core import ExplainSpec, Finding, Limit, Measurement, NotApplicable, Policy, ProbeContext, Rule
from audit.models import from_callable
from audit.probes.explanation import Mislocalised
from audit.probes.explanation import _qualify as qualifying
from audit.testing import ArrayImages, blob_cohort, blob_network, check_probe, context
from tests.attacks.nets import wrap
from tests.probes.explanation.spots import BUDGET, UNIT, Spot, judged, of, replaced, spots

HEADLINE = "integrated_gradients"


def masked(n: int = 40, *, methods: tuple[str, ...] = (HEADLINE,), spacing: Any = None, **more: Any) -> ProbeContext:
    """Return the context of `spots`, with the bright squares as lesions."""
    given = spots(n, methods=methods, **more)
    assert given.cohort.images is not None
    images = np.stack([given.cohort.images.load(i) for i in range(n)])
    cohort = replace(given.cohort, masks=ArrayImages(array=(images == 1.0).astype(np.uint8)), spacing_mm=spacing)
    return replace(given, cohort=cohort)


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(Mislocalised().run(ctx))


def finding(given: list[Measurement], method: str = HEADLINE) -> Finding:
    return judged(Mislocalised, given, "localisation_advantage", attribution=method)


@pytest.fixture(scope="module")
def sound() -> tuple[ProbeContext, list[Measurement]]:
    """A network that uses the squares, and integrated gradients, of which every number has a closed form."""
    ctx = masked()
    return ctx, run(ctx)


@pytest.fixture(scope="module")
def marker() -> list[Measurement]:
    """A network that reads a marker in the corner, on images whose lesions it never looks at."""
    cohort = blob_cohort(np.random.default_rng(0), n=60, marked=1.0)
    cohort = replace(cohort, spacing_mm=(1.0, 1.0))
    ctx = context(blob_network("marker"), cohort, budget=BUDGET)
    return run(replace(ctx, explain=replace(ctx.explain, methods=(HEADLINE, "deep_lift", "grad_cam"))))


def test_a_sound_map_of_a_sound_model_finds_every_lesion(sound: tuple[ProbeContext, list[Measurement]]) -> None:
    """All relevance lies in the squares: 1 everywhere, PASS, and the words say so."""
    for metric in ("froc_area", "pointing_game", "relevance_mass", "froc_area_when_correct"):
        (m,) = of(sound[1], metric)
        assert m.value == pytest.approx(1.0, abs=1e-3), metric
        assert m.low is not None
        assert m.low > 0.8
    (m,) = of(sound[1], "localisation_advantage")
    assert m.condition["stratum"] == "relevance on the lesion"
    assert (m.n, m.n_patients) == (30, 30)
    assert finding(sound[1]).status == "PASS"
    assert of(sound[1], "relevance_distance")[0].value == 0.0


def test_chance_stands_beside_it_in_closed_form(sound: tuple[ProbeContext, list[Measurement]]) -> None:
    """A square of 4 of 256 pixels, with 12 within 1.41 pixels of it that lie inside the image."""
    (m,) = of(sound[1], "control_relevance_mass", attribution="chance")
    assert m.value == pytest.approx(4 / 256)
    (m,) = of(sound[1], "control_pointing_game", attribution="chance")
    assert m.value == pytest.approx(16 / 256)
    for control in ("random", "edge", "centre", "magnitude"):
        (m,) = of(sound[1], "control_froc_area", attribution=control)
        assert m.value is not None
        assert m.value < 0.3


def test_the_curves_are_kept(sound: tuple[ProbeContext, list[Measurement]]) -> None:
    """One line a method and control, with bounds for the methods; rates rise and so do sensitivities."""
    (artifact,) = sound[0].sink.artifacts
    assert artifact.name == "froc_curve"
    arrays = artifact.arrays
    assert list(dict.fromkeys(arrays["name"].tolist())) == [
        HEADLINE, "random", "edge", "centre", "magnitude", "untrained",
    ]  # fmt: skip
    mine = arrays["name"] == HEADLINE
    assert (arrays["kind"][mine] == "method").all()
    assert (arrays["low"][mine] <= arrays["sensitivity"][mine]).all()
    assert np.isnan(arrays["low"][~mine]).all()
    for name in set(arrays["name"].tolist()):
        assert (np.diff(arrays["sensitivity"][arrays["name"] == name]) >= 0).all()
    assert (artifact.meta["cases"], artifact.meta["lesions"]) == (30, 30)


def test_a_marker_network_is_exposed_by_name_of_the_region(marker: list[Measurement]) -> None:
    """Its sound maps miss every lesion: FAIL, and the headline names corner, distance and the probe to look at next."""
    for method in (HEADLINE, "deep_lift"):
        found = finding(marker, method)
        assert found.status == "FAIL"
        assert "top left corner" in found.headline
        assert "mm from the lesion" in found.headline
        assert "CONF005" in found.headline
    (m,) = of(marker, "relevance_in_region", attribution=HEADLINE)
    assert m.condition["stratum"] == "top left corner"
    assert m.value == pytest.approx(1.0, abs=0.01)
    (far,) = of(marker, "relevance_distance", attribution=HEADLINE)
    assert far.unit == "mm"
    assert far.value is not None
    assert far.value > 6
    assert of(marker, "pointing_game", attribution=HEADLINE)[0].value == 0.0


def test_a_method_that_is_not_sound_has_no_number(marker: list[Measurement]) -> None:
    """A finding about the method, not the model: the reason says which condition it misses, and no rule passes."""
    (m,) = of(marker, "localisation_advantage", attribution="grad_cam")
    assert m.missing is not None
    assert m.missing.startswith("not qualified: ")
    assert finding(marker, "grad_cam").status == "INCONCLUSIVE"


@pytest.mark.parametrize("kind", ["flipped", "edges"])
def test_planted_attributions_do_not_qualify(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map with its sign turned is not faithful, one of edges depends on no weights; neither is measured."""

    def change(name: str, images: np.ndarray, honest: np.ndarray) -> np.ndarray:
        del name
        return -honest if kind == "flipped" else np.hypot(*np.gradient(images[:, 0].astype(float), axis=(1, 2)))

    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(change))
    given = run(masked())
    assert finding(given).status == "INCONCLUSIVE"
    assert all(m.missing for m in of(given, "froc_area"))


def test_a_method_qualifies_by_both_conditions() -> None:
    """Bounds decide, not values; a model that can only be asked has one condition."""
    ctx = masked(8)
    from tests.judge._make import estimate

    good, like, unlike = estimate(0.2, 0.1), estimate(0.6, 0.2), estimate(0.1, 0.1)
    why = qualifying._why_not
    assert why(ctx, good, unlike) == ""
    assert why(ctx, good, None) == ""
    assert "beat every control" in why(ctx, estimate(0.05, 0.1), unlike)
    assert "depend on the weights" in why(ctx, good, like)


def test_masks_that_fill_the_image_tell_nothing() -> None:
    """Where the mask itself is no better than a control, no method has a number: a hit is no merit."""
    ctx = masked()
    full = ArrayImages(array=np.ones((40, 1, 16, 16), np.uint8))
    given = run(replace(ctx, cohort=replace(ctx.cohort, masks=full)))
    assert finding(given).status == "INCONCLUSIVE"
    (m,) = of(given, "localisation_advantage")
    assert m.missing is not None
    assert "lesion masks themselves" in m.missing


def test_millimetres_count_where_the_spacing_is_known() -> None:
    """The radius is 3 mm at a spacing of 0.5 mm, and the rows say what it is; pixels without a spacing."""
    assert of(run(masked(12, spacing=(0.5, 0.5))), "control_pointing_game")[0].condition["parameter"] == (
        "hit within 3 mm"
    )
    assert of(run(masked(12)), "control_pointing_game")[0].condition["parameter"] == "hit within 1.41 pixels"


def test_volumes_have_numbers() -> None:
    """Squares of two planes are lesions of a volume, found in all three axes."""
    ctx = masked(28, shape=(4, 16, 16), spacing=(3.0, 1.0, 1.0))
    given = run(ctx)
    assert of(given, "pointing_game")[0].value == pytest.approx(1.0)
    assert "third of the slices" in str(of(given, "relevance_in_region")[0].condition["stratum"])


def test_a_missed_case_is_explained_by_the_finding_it_missed() -> None:
    """All positives count: with a threshold that misses every case, maps still point at the squares."""
    ctx = masked(operating_point=1 - 1e-9)
    given = run(ctx)
    assert of(given, "pointing_game_when_correct") == [] or of(given, "pointing_game_when_correct")[0].n < 30
    rows = of(given, "pointing_game")
    assert rows
    assert all(m.value == pytest.approx(1.0) or m.missing for m in rows)


def test_a_model_that_can_only_be_asked_is_measured_by_asking() -> None:
    """Occlusion of a function without gradients finds the squares and qualifies by deletion alone."""
    net = Spot()

    def answer(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(net(torch.as_tensor(images, dtype=torch.float32)).numpy())

    ctx = masked(methods=("occlusion",))
    model = from_callable(answer, replace(ctx.model._spec, kind="callable"))  # type: ignore[attr-defined]
    asked = replace(ctx, model=model)
    given = run(asked)
    (m,) = of(given, "localisation_advantage", attribution="occlusion")
    assert m.low is not None
    assert m.low > 0
    assert not any("untrained" in str(r.condition.get("attribution")) for r in given)


def test_a_value_is_localised_like_a_decision() -> None:
    """The regressed sum of the squares is explained; without decisions there are no rows of correct cases."""
    ctx = masked()
    assert ctx.cohort.images is not None
    images = np.stack([ctx.cohort.images.load(i) for i in range(40)])
    model = wrap(Spot(), input=UNIT, task="regression", output="value", operating_point=None, classes=())
    cohort = from_arrays(images, (images == 1).sum(axis=(1, 2, 3)).astype(float), task="regression")
    cohort = replace(cohort, masks=ctx.cohort.masks)
    made = context(model, cohort, budget=BUDGET)
    given = run(replace(made, explain=replace(made.explain, methods=(HEADLINE,))))
    assert of(given, "pointing_game_when_correct") == []
    (m,) = of(given, "localisation_advantage")
    assert m.n == 30
    assert m.value is None or m.value > 0.5


def test_without_masks_it_is_not_applicable() -> None:
    """No masks, a segmentation: nothing to point at."""
    ctx = masked(8)
    with pytest.raises(NotApplicable, match="no lesion masks"):
        run(replace(ctx, cohort=replace(ctx.cohort, masks=None)))
    assert "segmentation" not in Mislocalised.info.tasks


def test_empty_masks_and_no_positive_case_have_no_number() -> None:
    """A policy that accepts the absence of the probe must not pass for masks that hold nothing."""
    ctx = masked(8)
    empty = ArrayImages(array=np.zeros((8, 1, 16, 16), np.uint8))
    for cohort in (replace(ctx.cohort, masks=empty), replace(ctx.cohort, targets=np.zeros(8, np.int64))):
        given = run(replace(ctx, cohort=cohort))
        assert finding(given).status == "INCONCLUSIVE"
        assert {m.value for m in given} == {None}


def test_a_callable_has_its_section_by_asking(tmp_path: Path) -> None:
    """An audit of a function alone qualifies occlusion and localises it; drawn weights cannot be had."""
    net = Spot()

    def ask(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.sigmoid(net(torch.as_tensor(images))).numpy()

    ctx = masked(32)
    model = audit.load_model(
        ask, task="binary", output="probabilities", classes=("none", "spot"), operating_point=0.5, input=UNIT
    )  # fmt: skip
    where = {"attribution": "occlusion"}
    rules = tuple(
        Rule(id=code, probe=code, metric=metric, where=where, limit=Limit(min=0.0))
        for code, metric in (("XAI001", "deletion_advantage"), ("XAI003", "localisation_advantage"))
    )
    done = audit.run(
        model, ctx.cohort, policy=Policy(name="p", rules=rules), probes="XAI001,XAI002,XAI003", profile="smoke",
        out=tmp_path / "run", explain=ExplainSpec(methods=("occlusion",)),
    )  # fmt: skip
    assert {f.rule: f.status for f in done.findings} == {rule.id: "PASS" for rule in rules}
    assert next(r for r in done.results if r.probe == "XAI002").state == "not_applicable"


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(Mislocalised, {"spots": lambda: masked(16)}) == ("spots",)
