"""CONF001 with a training recipe: what biased data do to it, and what balanced data leave."""

from dataclasses import replace

import numpy as np
import pytest

from audit.errors import ModelError
from audit.probes.confounding import BalancedResampling
from audit.probes.confounding._halves import Halves, leading_level
from audit.probes.confounding._retrained import BALANCED, BIASED, _Retrained
from audit.testing import attribute, check_probe, planted, region_recipe, tiny_cohort, trained_context

METRICS = ("auc_by_training", "balancing_gain", "shift_by_training", "auc_by_share")


class Centre:
    """A model that reads the lesion alone; what it was trained on hardly matters."""

    def __init__(self, targets):
        self.off = 1e-3 * np.random.default_rng(int(targets @ np.arange(len(targets)))).normal(size=3)

    def predict(self, images):
        return (images[:, 0, 3:6, 3:6].mean(axis=(1, 2)) + images[:, 0, 3:6, 2] @ self.off)[:, None]


def given(n=800, audited=600, p_male=(0.35, 0.65), **more):
    cohorts = (tiny_cohort(np.random.default_rng(s), n=k, p_male=p_male) for s, k in ((1, n), (2, audited)))
    return trained_context(*cohorts, **{"recipe": region_recipe, **more})


def run(ctx):
    """Return the retrained rows of sex by (metric, parameter, level)."""
    found = [m for m in BalancedResampling().run(ctx) if m.metric in METRICS and m.condition["attribute"] == "sex"]
    return {(m.metric, m.condition.get("parameter"), m.subgroup.get("sex")): m for m in found}


@pytest.fixture(scope="module")
def leaning():
    """A recipe that leans on what goes with the label."""
    ctx = given()
    return run(ctx), ctx


def test_the_four_cells_of_a_recipe_that_leans(leaning):
    """Biased data flatter the biased model; on balanced data it falls, and the balanced one does not."""
    found, _ = leaning
    auc = {
        (a, b): found["auc_by_training", f"trained {a}, tested {b}", None]
        for a in ("biased", "balanced")
        for b in ("biased", "balanced")
    }
    assert auc["biased", "biased"].value > auc["balanced", "biased"].value + 0.03
    assert auc["biased", "balanced"].high < auc["balanced", "balanced"].low + 0.02
    assert auc["balanced", "balanced"].value == pytest.approx(auc["balanced", "biased"].value, abs=0.02)
    gain = found["balancing_gain", "trained balanced minus biased, tested balanced", None]
    difference = auc["balanced", "balanced"].value - auc["biased", "balanced"].value
    assert gain.value == pytest.approx(difference, abs=1e-9)
    assert gain.low > 0.02


def test_the_score_follows_sex_after_biased_training_alone(leaning):
    """Among controls the biased model's score tells men from women, the balanced one's does not."""
    found, _ = leaning
    biased = found["shift_by_training", "trained biased", "male"]
    balanced = found["shift_by_training", "trained balanced", "male"]
    assert biased.low > 0.7
    assert balanced.low < 0.5 < balanced.high
    assert biased.condition["stratum"] == "controls"


def test_a_recipe_that_ignores_sex_is_left_alone():
    """A model that reads the lesion alone gains nothing by balance; its score follows nobody's sex."""
    found = run(given(recipe=lambda i, t, s: Centre(t)))
    gain = found["balancing_gain", "trained balanced minus biased, tested balanced", None]
    assert gain.value is None or gain.high < 0.02
    for trained in ("biased", "balanced"):
        shift = found["shift_by_training", f"trained {trained}", "male"]
        assert shift.low < 0.5 < shift.high
        one = found["auc_by_training", f"trained {trained}, tested balanced", None]
        other = found["auc_by_training", f"trained {trained}, tested biased", None]
        assert abs(one.value - other.value) < 0.02


def test_a_level_that_is_not_in_training_is_served_worse():
    """Where women need another reading, a model that was trained on men alone fails them, and the reverse."""

    def recipe(images, targets, seed):
        # The lesion is learnt for each sex that is there.
        male = images[:, 0, 0:2, 0:2].mean(axis=(1, 2)) > 0
        return BySex({s: bool((male == s).any()) for s in (True, False)}, seed, targets)

    class BySex:
        def __init__(self, knows, seed, targets):
            self.knows, self.seed, self.targets = knows, seed, targets

        def predict(self, images):
            male = images[:, 0, 0:2, 0:2].mean(axis=(1, 2)) > 0
            noise = images[:, 0, 2, 7] * 50 * (1 + 0.1 * np.random.default_rng(self.seed).random())
            known = np.where(male, self.knows[True], self.knows[False])
            return np.where(known, Centre(self.targets).predict(images)[:, 0], noise)[:, None]

    found = run(given(recipe=recipe))
    assert found["auc_by_share", "0 % male in training", "male"].high < 0.65
    assert found["auc_by_share", "0 % male in training", "female"].low > 0.75
    assert found["auc_by_share", "100 % male in training", "female"].high < 0.65
    for share in (25, 50, 75):
        assert found["auc_by_share", f"{share} % male in training", "female"].low > 0.75


def test_every_set_is_trained_five_times_and_the_balanced_one_once(leaning):
    """Six compositions of two confounders, five seeds each; half of either is the balanced set of the four cells."""
    found, ctx = leaning
    assert ctx.training.meter.done == 60
    half = found["auc_by_share", "50 % male in training", "male"]
    assert half.value is not None


def test_the_figures_have_what_they_need(leaning):
    """The four cells with bounds, the shift of either training, and the curve of shares for both levels."""
    _, ctx = leaning
    cells = next(a for a in ctx.sink.artifacts if a.name == "four_cells" and a.meta["attribute"] == "sex")
    assert cells.arrays["auc"].shape == (2, 2)
    assert (cells.arrays["low"] < cells.arrays["auc"]).all()
    assert cells.arrays["shift"].shape == (2,)
    assert cells.meta["level"] == "male"
    curve = next(a for a in ctx.sink.artifacts if a.name == "share_curve" and a.meta["attribute"] == "sex")
    assert curve.arrays["auc"].shape == (2, 5)
    assert curve.arrays["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_weighted_cells_are_those_of_a_cohort_with_these_shares():
    """The AUC by pair weights is that of a cohort in which cases and controls are repeated to the shares; to 1e-12.

    Of 20 cases 17 are of the level, of 20 controls 7: repeated from 2 and 2 of each cell.
    """
    rng = np.random.default_rng(0)
    label = np.repeat([1, 1, 0, 0], 10)
    level = np.tile(np.repeat(["a", "b"], 10), 2)
    cohort = replace(tiny_cohort(rng, n=40), targets=label, attributes={"ward": attribute("ward", level, "confounder")})
    ctx = trained_context(cohort, cohort, recipe=region_recipe)
    one = _Retrained(ctx=ctx, attribute=cohort.attributes["ward"])
    assert one.level == "a"
    scores = rng.normal(size=40)
    found = one._area(scores, (0.85, 0.35))(np.ones((1, 40)))[0]
    times = {("a", 1): 17, ("b", 1): 3, ("a", 0): 7, ("b", 0): 13}
    repeated = np.repeat(np.arange(40), [times[level[i], label[i]] for i in range(40)])
    s, y = scores[repeated], label[repeated] == 1
    assert found == pytest.approx((s[y][:, None] > s[~y][None]).mean(), abs=1e-12)


@pytest.mark.parametrize("shares", [BIASED, BALANCED, (0, 0), (1, 1)])
def test_training_sets_have_one_size_and_the_shares_that_were_asked_for(shares):
    """As many cases and controls whatever the composition, each once, with the shares to half a case."""
    cohort = tiny_cohort(np.random.default_rng(1), n=400, p_male=(0.4, 0.7))
    halves = Halves.of(cohort, "sex", "male")
    rows = halves.drawn(shares, np.random.default_rng(0))
    assert len(set(rows.tolist())) == len(rows) == sum(halves.size)
    male, label = cohort.attributes["sex"].levels[rows] == "male", cohort.targets[rows] == 1
    assert abs(male[label].sum() - shares[0] * halves.size[0]) <= 0.5
    assert abs(male[~label].sum() - shares[1] * halves.size[1]) <= 0.5


def test_the_level_is_the_one_that_goes_with_the_disease():
    """Men are more frequent among cases here, women there."""
    for p_male, level in (((0.3, 0.7), "male"), ((0.7, 0.3), "female")):
        assert leading_level(tiny_cohort(np.random.default_rng(0), n=200, p_male=p_male), "sex") == level


def test_what_cannot_be_trained_has_no_number():
    """Too few patients in a cell are named with their counts, and what the budget ends has the cap."""
    few = run(given(n=60))
    assert all(m.value is None and "development cohort among" in m.missing for m in few.values())
    spent = run(given(trainings=10))
    assert spent["auc_by_training", "trained balanced, tested balanced", None].value is not None
    assert "allows 10 a probe" in spent["auc_by_share", "0 % male in training", "male"].missing


def test_other_tasks_say_so():
    """Three classes have no four cells, and the reason says why."""
    cohort = tiny_cohort(np.random.default_rng(1), n=240)
    three = replace(cohort, targets=np.arange(240) % 3)
    card = replace(planted().card, task="multiclass", classes=("a", "b", "c"), operating_point=None)
    model = replace(planted(), card=card, answer=lambda x: np.zeros((len(x), 3)) + x[:, 0, :1, :3].mean(axis=1))
    found = run(trained_context(three, three, recipe=region_recipe, model=model))
    assert {m.missing for m in found.values()} == {
        "models are trained again on biased and on balanced data for two classes only"
    }


def test_without_a_recipe_nothing_is_said_of_training():
    """The other numbers are the same with a recipe as without."""
    with_recipe = given(n=240, audited=240)
    without = replace(given(n=240, audited=240), training=None)
    rows = [[m for m in BalancedResampling().run(c) if m.metric not in METRICS] for c in (with_recipe, without)]
    assert rows[0] == rows[1]
    assert not [m for m in BalancedResampling().run(replace(without, training=None)) if m.metric in METRICS]


def test_a_recipe_that_fails_is_an_error():
    """It is the probe's error, never silence."""
    with pytest.raises(ModelError, match="recipe fails"):
        list(BalancedResampling().run(given(recipe=lambda *_: 1 / 0)))


def test_it_conforms_with_a_recipe():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(BalancedResampling, {"trainable": lambda: given(n=200, audited=200)}) == ("trainable",)
