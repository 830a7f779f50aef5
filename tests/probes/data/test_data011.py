"""DATA011 tells a recipe that learns its labels by heart from one that forgives errors in them."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from audit.core import Attribute, AttributeSpec, NotApplicable
from audit.errors import ModelError
from audit.probes.data import LabelNoise
from audit.probes.data._noise import coarser, flipped, overlooked
from audit.testing import (
    check_probe,
    context,
    pixel_recipe,
    planted,
    region_recipe,
    tiny_cohort,
    trained_context,
)


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """A model that has learnt its cases by heart: the label of the nearest lesion."""

    known: np.ndarray
    targets: np.ndarray

    def predict(self, images):
        centre = images[:, 0, 3:6, 3:6].mean(axis=(1, 2))
        nearest = np.abs(centre[:, None] - self.known[None]).argmin(axis=1)
        return (2.0 * self.targets[nearest] - 1 + 0.01 * centre)[:, None]


def by_heart(images, targets, seed):
    kept = np.random.default_rng(seed).random(len(images)) < 0.9
    return Nearest(known=images[kept, 0, 3:6, 3:6].mean(axis=(1, 2)), targets=targets[kept])


def given(n=400, audited=400, **more):
    cohorts = [tiny_cohort(np.random.default_rng(s), n=k, signal=2.5) for s, k in ((1, n), (2, audited))]
    return trained_context(*cohorts, **{"recipe": region_recipe, **more})


def run(ctx):
    """Return the rows by (metric, parameter)."""
    return {(m.metric, m.condition["parameter"]): m for m in LabelNoise().run(ctx)}


def test_a_recipe_that_learns_by_heart_pays_for_every_flip():
    """40 % of the labels wrong cost it more than 0.1 of AUC, and 10 % are shown to cost something."""
    found = run(given(recipe=by_heart))
    costs = [found["noise_cost", f"flips of {share} %"] for share in (10, 20, 30, 40)]
    assert costs[0].low > 0
    assert costs[3].low > 0.1
    assert all(a.value < b.value for a, b in pairwise(costs))
    clean, noisy = found["performance", "labels as they are"], found["performance", "flips of 40 %"]
    assert costs[3].value == pytest.approx(clean.value - noisy.value, abs=1e-9)


def test_a_recipe_that_forgives_is_left_alone():
    """A discriminant of one bright region ranks as before with 30 % wrong at random or overlooked: under 0.05."""
    found = run(given(n=1200))
    for name in ("flips of 10 %", "flips of 30 %", "overlooked 20 % by score", "overlooked 40 % by score"):
        assert found["noise_cost", name].high < 0.05


def test_mild_disease_that_was_overlooked_is_not_learnt():
    """Mild disease shows in the corner: the recipe loses it when the mildest are called healthy, not by flips."""
    cohorts = []
    for s, n in ((1, 600), (2, 500)):
        cohort = tiny_cohort(np.random.default_rng(s), n=n, signal=0.0)
        rng = np.random.default_rng(s + 10)
        ill = cohort.targets == 1
        mild = ill & (rng.random(n) < 0.5)
        images = np.array(cohort.images.array)
        images[:, 0, 3:6, 3:6] = (2.5 * (ill & ~mild) + rng.normal(0, 1, n))[:, None, None]
        images[:, 0, 0:2, 0:2] = (2.5 * mild + rng.normal(0, 1, n))[:, None, None]
        severity = np.where(mild, 1.0, 2.0)
        spec = AttributeSpec(name="grade", role="severity")
        given_ = {"grade": Attribute(spec=spec, levels=severity.astype(str), numbers=severity)}
        cohorts.append(replace(cohort, images=replace(cohort.images, array=images), attributes=given_))
    found = run(trained_context(*cohorts, recipe=region_recipe))
    assert found["noise_cost", "overlooked 60 % by severity"].low > 0.05
    assert found["noise_cost", "flips of 30 %"].high < 0.05


def test_grades_can_be_coarser():
    """Four grades become two; a real value in three groups costs more than in six; nobody overlooks a value."""
    cohorts = [tiny_cohort(np.random.default_rng(s), n=120, signal=2.0) for s in (1, 2)]
    bright = [c.images.array[:, 0, 3:6, 3:6].mean((1, 2)) for c in cohorts]
    classes = ("a", "b", "c", "d")
    card = replace(planted().card, task="ordinal", classes=classes, operating_point=None)
    model = replace(planted(), card=card, answer=lambda x: np.repeat(x[:, 0, 4, 4:5], 4, axis=1))
    graded = [
        replace(c, targets=np.digitize(b, np.quantile(b, [0.25, 0.5, 0.75])), classes=classes)
        for c, b in zip(cohorts, bright, strict=True)
    ]
    found = run(trained_context(*graded, recipe=pixel_recipe("ordinal", 4), model=model, trainings=6))
    assert "coarser: 2 groups" in {name for _, name in found}
    assert "allows 6 a probe" in found["noise_cost", "coarser: 2 groups"].missing
    card = replace(planted().card, task="regression", output="value", classes=(), operating_point=None)
    model = replace(planted(), card=card, answer=lambda x: x[:, 0, 4, 4:5])
    values = [replace(c, targets=b, classes=()) for c, b in zip(cohorts, bright, strict=True)]
    found = run(trained_context(*values, recipe=pixel_recipe("regression"), model=model))
    assert found["noise_cost", "coarser: 3 groups"].value > found["noise_cost", "coarser: 6 groups"].value
    assert found["noise_cost", "flips of 40 %"].low > 0
    assert "not known which cases" in found["noise_cost", "overlooked"].missing


def test_two_findings_learnt_by_heart_pay_for_their_flips():
    """Of two findings each is learnt from the nearest case; 40 % wrong cost more than 0.1 of their mean AUC."""
    cohorts = [tiny_cohort(np.random.default_rng(s), n=300, signal=2.5) for s in (1, 2)]
    both = [
        replace(c, targets=np.stack([c.targets, c.images.array[:, 0, 6:8, 6:8].mean((1, 2)) > 0], 1).astype(int))
        for c in cohorts
    ]
    card = replace(planted().card, task="multilabel", classes=("lesion", "edge"), operating_point=None)
    shown = lambda x: np.stack([x[:, 0, 3:6, 3:6].mean((1, 2)), x[:, 0, 6:8, 6:8].mean((1, 2))], axis=1)  # noqa: E731

    class Neighbour:
        def __init__(self, images, targets, seed):
            kept = np.random.default_rng(seed).random(len(images)) < 0.9
            self.known, self.targets = shown(images)[kept], targets[kept]

        def predict(self, images):
            said = shown(images)
            near = np.abs(said[:, None] - self.known[None]).argmin(axis=1)
            return 2.0 * np.take_along_axis(self.targets, near, axis=0) - 1 + 0.01 * said

    model = replace(planted(), card=card, answer=shown)
    found = run(trained_context(*both, recipe=Neighbour, model=model))
    assert found["noise_cost", "flips of 40 %"].low > 0.1
    assert found["performance", "labels as they are"].value > 0.8


def test_two_classes_have_no_coarser_form():
    """The row says so, and the budget that ends is named."""
    found = run(given(n=200, audited=200, trainings=12))
    assert found["noise_cost", "coarser"].missing == "only grades and real values can be coarser"
    assert found["performance", "flips of 10 %"].value is not None
    assert "allows 12 a probe" in found["noise_cost", "flips of 20 %"].missing
    assert "allows 12 a probe" in found["noise_cost", "overlooked"].missing


def test_the_figures_have_every_step():
    """One curve a kind, from the labels as they are to the most errors."""
    ctx = given(n=200, audited=200)
    run(ctx)
    drawn = {a.meta["kind"]: a for a in ctx.sink.artifacts if a.name == "noise_curve"}
    assert set(drawn) == {"flips", "overlooked"}
    np.testing.assert_allclose(drawn["flips"].arrays["place"], [0, 0.1, 0.2, 0.3, 0.4])
    assert drawn["overlooked"].meta["names"].startswith("as they are|overlooked 20 % by score")


def test_flips_are_as_many_as_asked_for_and_nested():
    """Of 200 labels 20 and 60 are wrong, the first among the second; no class becomes itself, no value stays."""
    targets = np.random.default_rng(0).integers(0, 3, 200)
    few, many = (flipped(targets, share, 3, np.random.default_rng(1)) for share in (0.1, 0.3))
    assert (few != targets).sum() == 20
    assert (many != targets).sum() == 60
    assert (many[few != targets] == few[few != targets]).all()
    assert set(many.tolist()) == {0, 1, 2}
    values = np.random.default_rng(2).normal(size=100)
    wrong = flipped(values, 0.4, 0, np.random.default_rng(3))
    assert (wrong != values).sum() == 40
    np.testing.assert_allclose(np.sort(wrong), np.sort(values))
    table = np.random.default_rng(4).integers(0, 2, (500, 2))
    assert (flipped(table, 0.2, 0, np.random.default_rng(5)) != table).mean() == pytest.approx(0.2, abs=0.04)


def test_the_subtlest_are_overlooked_first():
    """Of four ill the two with the lowest value become healthy; the healthy stay; findings one by one."""
    targets, subtle = np.array([0, 1, 1, 2, 1]), np.array([0.0, 0.9, 0.1, 0.2, 0.8])
    assert overlooked(targets, 0.5, subtle).tolist() == [0, 1, 0, 0, 1]
    table = np.array([[1, 1], [1, 0], [0, 1]])
    assert overlooked(table, 0.5, np.array([[1, 0], [0, 0], [0, 1]])).tolist() == [[1, 0], [0, 0], [0, 1]]


def test_coarser_grades_are_the_lowest_of_their_group():
    """Five grades in three groups are 0, 0, 2, 2, 4; values become the mean of their group."""
    assert coarser(np.arange(5), 3, 5).tolist() == [0, 0, 2, 2, 4]
    assert coarser(np.arange(4), 2, 4).tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(coarser(np.array([1.0, 2, 3, 4, 5, 6]), 3, 0), [1.5, 1.5, 3.5, 3.5, 5.5, 5.5])


def test_without_a_recipe_it_does_not_apply():
    """And a recipe that fails is the probe's error."""
    with pytest.raises(NotApplicable, match="recipe"):
        list(LabelNoise().run(context(planted(), tiny_cohort(np.random.default_rng(0), n=60))))
    with pytest.raises(ModelError, match="recipe fails"):
        run(given(recipe=lambda *_: 1 / 0))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(LabelNoise, {"trainable": lambda: given(n=120, audited=120)}) == ("trainable",)
