"""PERF007 tells a recipe that still learns from one that has learnt, and says how many cases were enough."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from audit.core import Access, Estimate, Levels, NotApplicable
from audit.errors import ModelError
from audit.probes._draws import draw
from audit.probes.performance import TrainingSize
from audit.probes.performance._learning import BEYOND, _isotonic, cases_needed, crossing
from audit.probes.performance.perf007_training_size import sizes_of
from audit.testing import check_probe, context, pixel_recipe, planted, tiny_cohort, trained_context

TARGET = 0.75


class Centre:
    """A model that needs no training: the brightness of the lesion."""

    def predict(self, images):
        return images[:, 0, 3:6, 3:6].mean(axis=(1, 2))[:, None]


class Learns:
    """The brightness of the lesion, and an error that falls with the square root of the cases: noise beside it."""

    def __init__(self, n, seed):
        self.off = np.random.default_rng(seed).choice([-1, 1], 5) * 320 / n**0.5

    def predict(self, images):
        return Centre().predict(images) + (images[:, 0, 2:7, 2] @ self.off)[:, None]


def learns(images, targets, seed):
    return Learns(len(images), seed)


def given(n=480, audited=300, **more):
    cohorts = (tiny_cohort(np.random.default_rng(s), n=k, signal=2.0) for s, k in ((1, n), (2, audited)))
    return trained_context(*cohorts, **more)


@pytest.fixture(scope="module")
def learning():
    """A model that learns from 30 to 480 cases, and how often it was trained."""
    ctx = given(recipe=learns, target=TARGET)
    found = list(TrainingSize().run(ctx))
    return {(m.metric, m.condition.get("parameter")): m for m in found}, ctx


def test_a_recipe_that_still_learns_is_caught(learning):
    """Its AUC rises with the cases, and the last doubling is shown to have gained."""
    found, _ = learning
    values = [found["performance", f"{n} cases"].value for n in (30, 60, 120, 240, 480)]
    assert values[-1] - values[0] > 0.1
    gain = found["gain_of_doubling", "240 to 480 cases"]
    assert gain.value == pytest.approx(values[-1] - values[-2], abs=1e-9)
    assert gain.low > 0


def test_the_target_is_reached_between_the_sizes_that_bracket_it(learning):
    """The curve passes 0.75 where a straight line in the log of cases does; the interval holds that number."""
    found, _ = learning
    m = found["cases_to_target", "AUC 0.75"]
    sizes = (30, 60, 120, 240, 480)
    values = [found["performance", f"{n} cases"].value for n in sizes]
    at = next(i for i, v in enumerate(values) if v >= TARGET)
    assert sizes[at - 1] <= m.value <= sizes[at]
    assert m.low < m.value < m.high < 480
    assert m.unit == "cases"


def test_the_recipe_is_held_against_the_model(learning):
    """The recipe falls short of the planted model, which reads the lesion alone."""
    found, ctx = learning
    m = found["recipe_minus_model", None]
    scores = ctx.clean.scores
    labels = ctx.cohort.targets == 1
    own = (scores[labels][:, None] > scores[~labels][None]).mean()
    assert m.value == pytest.approx(found["performance", "480 cases"].value - own, abs=1e-9)
    assert m.high < 0
    assert ctx.training.meter.done == 25


def test_the_figure_has_every_size(learning):
    """Sizes, values and bounds of the curve, the target and the audited model are kept for the figure."""
    _, ctx = learning
    (drawn,) = [a for a in ctx.sink.artifacts if a.name == "learning_curve"]
    assert drawn.arrays["cases"].tolist() == [30, 60, 120, 240, 480]
    assert (drawn.arrays["low"] < drawn.arrays["value"]).all()
    assert (drawn.arrays["value"] < drawn.arrays["high"]).all()
    assert drawn.meta["target"] == TARGET


def test_a_recipe_that_has_learnt_is_left_alone():
    """A model that is nearly the same for any cases gains nothing and needs the fewest cases tried."""

    class Settled:
        def __init__(self, targets):
            self.off = 0.01 * np.random.default_rng(int(targets @ np.arange(len(targets)))).normal(size=5)

        def predict(self, images):
            return Centre().predict(images) + (images[:, 0, 2:7, 2] @ self.off)[:, None]

    found = {m.metric: m for m in TrainingSize().run(given(recipe=lambda i, t, s: Settled(t), target=0.7))}
    for metric in ("gain_of_doubling", "recipe_minus_model"):
        assert found[metric].value is None or found[metric].high < 0.02
    assert found["cases_to_target"].value == 30
    assert (found["cases_to_target"].low, found["cases_to_target"].high) == (1, 30)


def test_a_recipe_that_learns_nothing_has_no_number_of_cases():
    """A model that was made before would reach any target with the fewest cases tried: an error, never a PASS."""
    with pytest.raises(ModelError, match="does not learn"):
        list(TrainingSize().run(given(recipe=lambda *_: Centre(), target=0.7)))


def test_a_target_that_is_not_shown_to_be_reached_has_no_number():
    """A recipe that guesses never reaches 0.8: the rule on it stays open, and the reason says how far it came."""

    class Guess:
        def __init__(self, targets, seed):
            self.seed = [seed, int(targets @ np.arange(len(targets)))]

        def predict(self, images):
            return np.random.default_rng([*self.seed, len(images)]).normal(size=(len(images), 1))

    found = {m.metric: m for m in TrainingSize().run(given(recipe=lambda i, t, s: Guess(t, s), target=0.8))}
    assert found["cases_to_target"].value is None
    assert "0.8 is not shown to be reached: with all 480 cases the AUC is 0." in found["cases_to_target"].missing


def test_without_a_target_there_is_no_number_of_cases():
    """The curve is there all the same."""
    found = list(TrainingSize().run(given(n=60)))
    assert [m.missing for m in found if m.metric == "cases_to_target"] == ["no target is declared under [training]"]
    assert any(m.metric == "performance" and m.value is not None for m in found)


def test_what_the_budget_does_not_allow_is_named():
    """With 12 trainings the two largest sizes have numbers and the others the cap; there is no crossing."""
    found = {(m.metric, m.condition.get("parameter")): m for m in TrainingSize().run(given(trainings=12, target=0.8))}
    assert found["performance", "480 cases"].value is not None
    assert found["performance", "240 cases"].value is not None
    assert "the budget allows 12 a probe" in found["performance", "30 cases"].missing
    assert "no performance with 30 cases" in found["cases_to_target", "AUC 0.8"].missing


def test_a_recipe_that_fails_is_an_error():
    """What the recipe raises is not swallowed."""
    with pytest.raises(ModelError, match="the training recipe fails"):
        list(TrainingSize().run(given(recipe=lambda *_: 1 / 0)))


def test_without_a_recipe_it_does_not_apply():
    """It asks for access TRAINABLE, and a context without a recipe is refused."""
    assert TrainingSize.info.access is Access.TRAINABLE
    with pytest.raises(NotApplicable, match="recipe"):
        list(TrainingSize().run(context(planted(), tiny_cohort(np.random.default_rng(0), n=60))))


def test_grades_classes_and_values_have_their_own_performance():
    """Three classes and grades have a mean AUC, a real value its mean absolute error, and less is better."""
    rng = np.random.default_rng(5)
    cohort, fresh = (tiny_cohort(np.random.default_rng(s), n=120) for s in (1, 2))
    brightness = [
        np.stack([c.images.load(i) for i in range(120)])[:, 0, 3:6, 3:6].mean(axis=(1, 2)) for c in (cohort, fresh)
    ]
    grades = [np.digitize(b + rng.normal(0, 0.3, 120), [0.0, 1.0]) for b in brightness]
    for task, classes, said in (("ordinal", 3, "mean AUC over cut points"), ("multiclass", 3, "mean AUC over classes")):
        card = replace(planted().card, task=task, classes=("a", "b", "c"), operating_point=None)
        model = replace(planted(), card=card, answer=lambda x: np.stack([-x[:, 0, 3:6, 3:6].mean((1, 2))] * 3, axis=1))
        ctx = trained_context(
            replace(cohort, targets=grades[0]), replace(fresh, targets=grades[1]), recipe=pixel_recipe(task, classes),
            model=model, target=0.6,
        )  # fmt: skip
        found = list(TrainingSize().run(ctx))
        assert [m.value > 0.7 for m in found if m.metric == "performance"][-1]
        assert any(m.condition.get("parameter") == f"{said} 0.6" for m in found)
    card = replace(planted().card, task="regression", output="value", classes=(), operating_point=None)
    model = replace(planted(), card=card, answer=lambda x: x[:, 0, 3:6, 3:6].mean((1, 2))[:, None])
    ctx = trained_context(
        replace(cohort, targets=brightness[0]), replace(fresh, targets=brightness[1]), model=model,
        recipe=pixel_recipe("regression"), target=0.4,
    )  # fmt: skip
    found = [m for m in TrainingSize().run(ctx) if m.metric == "performance"]
    assert found[0].value > found[-1].value
    assert found[0].direction == "lower"


def test_two_findings_have_their_mean_and_a_few_patients_of_one_have_none():
    """A finding that is learnt and one that is noise have a mean AUC between; a finding of six patients bars it."""
    cohorts = [tiny_cohort(np.random.default_rng(s), n=120, signal=2.0) for s in (1, 2)]
    noise = np.random.default_rng(3).integers(0, 2, 120)
    card = replace(planted().card, task="multilabel", classes=("lesion", "other"), operating_point=None)
    model = replace(planted(), card=card, answer=lambda x: np.stack([x[:, 0, 3, 3], x[:, 0, 7, 7]], axis=1))

    class Columns:
        """The difference of the mean images of the ill and the healthy, for each finding."""

        def __init__(self, images, targets, seed):
            flat = images.reshape(len(images), -1)
            self.apart = np.stack([flat[y == 1].mean(axis=0) - flat[y == 0].mean(axis=0) for y in targets.T], axis=1)

        def predict(self, images):
            return images.reshape(len(images), -1) @ self.apart

    for other, learnt in ((noise, True), (np.arange(120) < 6, False)):
        both = [replace(c, targets=np.stack([c.targets, other], axis=1).astype(np.int64)) for c in cohorts]
        found = {
            (m.metric, m.condition.get("parameter")): m
            for m in TrainingSize().run(trained_context(*both, recipe=Columns, model=model, target=0.95))
        }
        if learnt:
            assert 0.6 < found["performance", "120 cases"].value < 0.85
            assert "mean AUC over classes" in found["cases_to_target", "mean AUC over classes 0.95"].missing
        else:
            assert "fewer than 20 development patients of a class: 6" in found["cases_to_target", None].missing


def test_the_crossing_is_straight_in_the_log():
    """0.7 lies halfway between 0.6 with 100 and 0.8 with 400 cases: 200 of them, to 1e-9; a fall is smoothed first."""
    assert crossing([100, 400], np.array([0.6, 0.8]), 0.7) == pytest.approx(200, abs=1e-9)
    assert crossing([100, 400], np.array([0.6, 0.8]), 0.81) is None
    assert crossing([100, 400], np.array([0.6, 0.8]), 0.5) == 100
    values = np.array([0.5, 0.7, 0.6, 0.8])
    np.testing.assert_allclose(_isotonic(values), IsotonicRegression().fit_transform(np.arange(4), values), atol=1e-12)


def test_the_interval_is_where_the_bounds_cross():
    """Normal bounds of standard error 0.05 around 0.6, 0.7 and 0.8: low and high cross 0.65 by hand; to 1e-6."""
    ctx = given(n=40, audited=40)
    values = {100: 0.6, 200: 0.7, 400: 0.9}

    def normal(value):
        curve = tuple((a, value - norm.isf(a) * 0.01, value + norm.isf(a) * 0.01) for a in Levels().rungs)
        return Estimate(value=value, curve=curve, method="normal", n=40, n_patients=40)

    from audit.probes._retraining import performance

    counted = performance(ctx)
    found = cases_needed(ctx, {k: normal(v) for k, v in values.items()}, 0.65, counted)
    z = norm.isf(0.025) * 0.01
    low, high = found.bounds(0.025)
    assert found.value == pytest.approx(100 * 2**0.5, abs=1e-6)
    assert low == pytest.approx(100 * 2 ** ((0.05 - z) / 0.1), abs=1e-6)
    assert high == pytest.approx(100 * 2 ** ((0.05 + z) / 0.1), abs=1e-6)
    barely = cases_needed(ctx, {k: normal(v) for k, v in values.items()}, 0.875, counted)
    assert barely.bounds(0.025)[1] < 400
    assert barely.bounds(1e-6)[1] == BEYOND


def test_sizes_are_halved_four_times_and_never_tiny():
    """1,600 cases give 100 to 1,600; 50 give 25 and 50; 10 give themselves alone."""
    assert sizes_of(1600) == (100, 200, 400, 800, 1600)
    assert sizes_of(50) == (25, 50)
    assert sizes_of(10) == (10,)


def test_a_draw_keeps_the_mix():
    """Of 100 cases with 30 of a class 50 are drawn with 15 of it, give or take one, each case once."""
    strata = (np.arange(100) < 30).astype(int)
    rows = draw(strata, 50, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 50
    assert abs(int(strata[rows].sum()) - 15) <= 1
    assert draw(strata, 100, np.random.default_rng(0)).tolist() == list(range(100))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    contexts = {
        "trainable": lambda: given(n=80, audited=80, target=0.7, recipe=learns),
        "bounded": lambda: given(n=80, audited=60, trainings=3, recipe=learns),
    }
    assert check_probe(TrainingSize, contexts) == ("trainable", "bounded")
