"""CONF001 finds leaning on a confounder whatever the mix of the cohort, and stays silent on a healthy model."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from audit.core import BUDGETS, NotApplicable
from audit.probes.confounding import BalancedResampling
from audit.probes.confounding._cells import Cells
from audit.probes.confounding._strata import JOINT, SMALLEST, all_strata, strata_of
from audit.testing import attribute, context, planted, saved_context, small_cohort, tiny_cohort

WITHIN = 0.905
SEPARATION = np.sqrt(2) * norm.ppf(WITHIN)


def run(ctx):
    """Return the measurements by (metric, attribute)."""
    return {(m.metric, m.condition["attribute"]): m for m in BalancedResampling().run(ctx)}


def binormal(n, p_level, *, lean, seed=0):
    """Return scores and a cohort of the binormal model with a confounder of two levels.

    Labels are half and half; level b occurs with probability p_level[label] and adds `lean` standard deviations.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    level = rng.random(n) < np.take(p_level, label)
    latent = SEPARATION * label + lean * level + rng.normal(size=n)
    given = attribute("ward", np.where(level, "b", "a"), "confounder", reason="case mix")
    return 1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[given])


def cells_of(ctx, name):
    """Return one artifact of the context by attribute."""
    return next(a for a in ctx.sink.artifacts if a.meta["attribute"] == name)


@pytest.mark.parametrize("p_level, pooled", [((0.35, 0.85), 0.932), ((0.5, 0.5), 0.816)])
def test_binormal_model_has_its_known_cost_in_either_cohort(p_level, pooled):
    """Within minus balanced is 0.089 on a biased and on a balanced cohort; the drop is 0.116 on one and 0 on the other.

    Standard errors at n = 40,000 are about 0.002, so 0.008 is four of them.
    """
    scores, cohort = binormal(40_000, p_level, lean=2.0)
    ctx = saved_context(scores, cohort)
    list(itertools.islice(BalancedResampling().run(replace(ctx, budget=replace(ctx.budget, resamples=100))), 1))
    facts = cells_of(ctx, "ward")
    assert facts.meta["pooled"] == pytest.approx(pooled, abs=0.008)
    assert facts.meta["within"] == pytest.approx(WITHIN, abs=0.008)
    assert facts.meta["balanced"] == pytest.approx(0.816, abs=0.008)
    assert facts.arrays["auc"][0, 1] == pytest.approx(norm.cdf((SEPARATION - 2) / np.sqrt(2)), abs=0.015)
    assert facts.arrays["auc"][1, 0] == pytest.approx(norm.cdf((SEPARATION + 2) / np.sqrt(2)), abs=0.015)


@pytest.mark.parametrize("p_level", [(0.35, 0.85), (0.5, 0.5)])
def test_leaning_is_caught_on_either_cohort(p_level):
    """A model that adds two standard deviations for the ward has a cost whose interval is far above 0."""
    found = run(saved_context(*binormal(1200, p_level, lean=2.0, seed=1)))
    cost, worst = found["confounder_cost", "ward"], found["worst_cross_auc", "ward"]
    assert cost.low > 0.05
    assert worst.condition["stratum"] == "cases a x controls b"
    assert worst.high < 0.6
    assert found["auc_drop", "ward"].low > 0.08 or p_level == (0.5, 0.5)


@pytest.mark.parametrize("p_level", [(0.35, 0.85), (0.5, 0.5)])
def test_no_leaning_costs_nothing_on_either_cohort(p_level):
    """A model that ignores the ward has a cost within 0.02 of 0, even where the ward predicts the label."""
    cost = run(saved_context(*binormal(4000, p_level, lean=0.0)))["confounder_cost", "ward"]
    assert cost.low < 0 < cost.high < 0.02


def test_planted_models_are_told_apart():
    """The model that reads the marker of sex pays for sex and not for the scanner; the healthy one pays for neither."""
    cohort = tiny_cohort(np.random.default_rng(3), n=1600, p_male=(0.35, 0.65))
    leaning, healthy = run(context(planted("leans-on-sex"), cohort)), run(context(planted(), cohort))
    assert leaning["confounder_cost", "sex"].low > 0.05
    assert leaning["confounder_cost", JOINT].low > 0.05
    for name in ("sex", "scanner", JOINT):
        assert healthy["confounder_cost", name].low < 0 < healthy["confounder_cost", name].high < 0.05
    assert leaning["confounder_cost", "scanner"].high < 0.05
    assert healthy["worst_cross_auc", JOINT].low > 0.6 > leaning["worst_cross_auc", JOINT].high


def test_two_causes_cost_more_jointly_than_each_alone():
    """Within a level of one cause the other still works, so the joint cost exceeds either."""
    rng = np.random.default_rng(5)
    label = np.arange(2400) % 2
    first, second = rng.random(2400) < 0.5, rng.random(2400) < 0.5
    latent = 1.5 * label + 1.2 * first + 1.2 * second + rng.normal(size=2400)
    given = [
        attribute("ward", np.where(first, "a", "b"), "confounder"),
        attribute("film", np.where(second, "x", "y"), "confounder"),
    ]
    found = run(saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=given)))
    assert found["confounder_cost", JOINT].value > found["confounder_cost", "ward"].value + 0.01
    assert found["confounder_cost", JOINT].value > found["confounder_cost", "film"].value + 0.01
    assert found["worst_cross_auc", JOINT].condition["stratum"] == "cases b y x controls a x"


def brute_force(scores, labels, codes, weights, count):
    """Return the AUC of every pair of levels by counting pairs one by one."""
    wins, pairs = np.zeros((count, count)), np.zeros((count, count))
    for i, j in itertools.product(np.flatnonzero(labels), np.flatnonzero(~labels)):
        both = weights[i] * weights[j]
        pairs[codes[i], codes[j]] += both
        wins[codes[i], codes[j]] += both * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    return wins, pairs


def test_pair_weights_are_exact():
    """Weighted areas equal those counted pair by pair, ties and unequal weights included, to 1e-12."""
    rng = np.random.default_rng(8)
    labels, codes = rng.random(60) < 0.5, rng.integers(0, 3, 60)
    scores = rng.integers(0, 6, 60) / 6
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    cells = Cells(scores, labels, codes)
    for row in range(5):
        wins, pairs = brute_force(scores, labels, codes, weights[row], 3)
        assert cells.pooled(weights)[row] == pytest.approx(wins.sum() / pairs.sum(), abs=1e-12)
        assert cells.balanced(weights)[row] == pytest.approx((wins / pairs).mean(), abs=1e-12)
        assert cells.within(weights)[row] == pytest.approx(np.diag(wins / pairs).mean(), abs=1e-12)
    wins, pairs = brute_force(scores, labels, codes, np.ones(60), 3)
    np.testing.assert_allclose(cells.areas(), wins / pairs, atol=1e-12)


def test_weights_are_repeated_rows():
    """A weight of two is the same as the case twice."""
    rng = np.random.default_rng(9)
    labels, codes, scores = rng.random(80) < 0.5, rng.integers(0, 2, 80), rng.normal(size=80)
    times = rng.integers(1, 4, 80)
    weighted = Cells(scores, labels, codes)
    repeated = Cells(np.repeat(scores, times), np.repeat(labels, times), np.repeat(codes, times))
    weights, one = times[None].astype(float), np.ones((1, times.sum()))
    for statistic in ("pooled", "within", "balanced"):
        assert getattr(weighted, statistic)(weights) == pytest.approx(getattr(repeated, statistic)(one), abs=1e-12)


def test_a_resample_without_a_level_has_no_area():
    """A level whose weights are all 0 gives NaN, never 0.5; the cohort as it is still has an area."""
    labels, codes = np.array([True, True, False, False]), np.array([0, 1, 0, 1])
    cells = Cells(np.array([0.9, 0.8, 0.1, 0.2]), labels, codes)
    weights = np.array([[1.0, 0.0, 1.0, 1.0]])
    assert np.isnan(cells.balanced(weights)[0])
    assert np.isnan(cells.within(weights)[0])
    assert cells.pooled(weights)[0] == 1.0


def test_worst_cell_allows_for_having_been_chosen():
    """The lower bound is the smallest plain one; the upper bound is the smallest at the level over the cells."""
    from audit.stats import auc

    scores, cohort = binormal(600, (0.35, 0.85), lean=1.0, seed=4)
    ctx = saved_context(scores, cohort)
    worst = run(ctx)["worst_cross_auc", "ward"]
    level, label = cohort.attributes["ward"].levels, cohort.targets == 1
    each = []
    for a, b in (("a", "b"), ("b", "a")):
        rows = (label & (level == a)) | (~label & (level == b))
        each.append(auc(scores[rows], label[rows], cohort.patients[rows], ctx.levels))
    assert worst.value == min(e.value for e in each)
    assert worst.low == min(e.bounds(0.025)[0] for e in each)
    assert worst.high == min(e.bounds(0.0125)[1] for e in each)
    assert worst.n_patients == min(each, key=lambda e: e.value).n_patients


def test_a_small_level_makes_the_number_missing_with_its_counts():
    """Nineteen cases of a level are one too few; the reason names level and count, and nothing is left out quietly."""
    label = np.repeat([0, 1], 100)
    level = np.where(np.arange(200) % 100 < SMALLEST - 1, "rare", "common")
    given = attribute("ward", level, "confounder")
    found = run(saved_context(np.linspace(0, 1, 200), small_cohort(label, attributes=[given])))
    for metric in ("confounder_cost", "worst_cross_auc", "auc_drop"):
        assert found[metric, "ward"].value is None
        assert "cases rare: 19" in found[metric, "ward"].missing
        assert found[metric, "ward"].n == 200


def test_patients_are_counted_not_images():
    """Forty images of four patients are four, however many images there are."""
    label = np.repeat([0, 1], 200)
    level = np.tile(np.repeat(["a", "b"], 100), 2)
    patients = np.arange(400) // 10
    given = attribute("ward", level, "confounder")
    found = run(saved_context(np.linspace(0, 1, 400), small_cohort(label, attributes=[given], patients=patients)))
    assert "cases a: 10" in found["confounder_cost", "ward"].missing


def test_cases_without_a_level_are_left_out_and_counted():
    """Empty cells are no level of a confounder; the method says how many were left out."""
    scores, cohort = binormal(800, (0.5, 0.5), lean=0.0)
    levels = cohort.attributes["ward"].levels.astype("U9")
    levels[::27] = "(missing)"
    cohort = small_cohort(cohort.targets, attributes=[attribute("ward", levels, "confounder")])
    found = run(saved_context(scores, cohort))["confounder_cost", "ward"]
    assert found.n == 770
    assert "30 cases without a level left out" in found.method


def test_joint_levels_are_the_combinations_that_occur():
    """A site that has one scanner only gives no empty combination."""
    site = attribute("site", ["n", "n", "s", "s", "(missing)"], "confounder")
    film = attribute("film", ["x", "y", "x", "x", "x"], "confounder")
    both = list(all_strata([site, film]))[-1]
    assert both.attribute == JOINT
    assert both.names == ("n x", "n y", "s x")
    assert both.codes.tolist() == [0, 1, 2, 2, -1]


def test_a_level_that_was_set_aside_whole_bars_the_joint_number_too():
    """With every case of one ward set aside neither that confounder nor all of them together have a number."""
    scores, cohort = binormal(400, (0.5, 0.5), lean=0.0)
    ward = replace(cohort.attributes["ward"], lost=("c",))
    found = run(saved_context(scores, replace(cohort, attributes={"ward": ward})))
    for name in ("ward", JOINT):
        assert "c: 0" in found["confounder_cost", name].missing


def test_one_level_is_no_confounder():
    """Where each confounder has a single level the probe does not apply."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[attribute("ward", ["a"] * 40, "confounder")])
    with pytest.raises(NotApplicable, match="one level only"):
        run(saved_context(np.linspace(0, 1, 40), cohort))


def test_no_confounder_is_not_applicable():
    """Only declared confounders are examined; a protected attribute alone is none."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[attribute("sex", ["f", "m"] * 20, "protected")])
    with pytest.raises(NotApplicable, match="confounder"):
        run(saved_context(np.linspace(0, 1, 40), cohort))


def test_constant_scores_have_no_number():
    """A constant score has an AUC of 0.5 everywhere, which is missing with a reason and not a cost of 0."""
    cohort = tiny_cohort(np.random.default_rng(3), n=400)
    found = run(context(planted("constant"), cohort))
    assert all(m.value is None and m.missing for m in found.values())


def test_every_class_is_a_question_of_its_own():
    """Findings of a multilabel task have their own measurements, told apart by the class."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, (600, 2))
    ward = rng.integers(0, 2, 600)
    raw = 2.0 * target - 1 + rng.normal(size=(600, 2))
    raw[:, 1] += 2 * ward
    given = attribute("ward", np.array(["a", "b"])[ward], "confounder")
    cohort = small_cohort(target, attributes=[given], classes=("effusion", "nodule"))
    ctx = saved_context(raw, cohort, task="multilabel", output="logits")
    cost = {
        m.condition["class"]: m
        for m in BalancedResampling().run(ctx)
        if m.metric == "confounder_cost" and m.condition["attribute"] == "ward"
    }
    assert cost["nodule"].low > 0.03 > cost["effusion"].high


def ages(n, lean, seed=0):
    """Return predicted ages and a cohort in which the old were mostly imaged on scanner b, which adds `lean` years."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, n)
    b = rng.random(n) < np.where(age > 50, 0.85, 0.15)
    # The model learned that scanner b means old: right for the old on b and for the young on a, wrong for the others.
    predicted = age + rng.normal(0, 3, n) + lean * np.where(b, 1, -1) * np.where((age > 50) == b, 0, 1)
    given = attribute("scanner", np.where(b, "b", "a"), "confounder")
    return predicted, small_cohort(age, attributes=[given], classes=())


def changes(predicted, cohort, **more):
    """Return mae_change by attribute."""
    ctx = saved_context(predicted, cohort, operating_point=None, **more)
    return {m.condition["attribute"]: m for m in BalancedResampling().run(ctx)}


def test_a_real_value_that_leans_loses_in_the_balanced_cohort():
    """Ten years of error where scanner and age disagree: the error grows by about 2; without leaning by 0."""
    leaning = changes(*ages(800, 10.0), task="regression", output="value")["scanner"]
    healthy = changes(*ages(800, 0.0), task="regression", output="value")["scanner"]
    assert leaning.low > 1
    assert healthy.low < 0 < healthy.high < 0.5
    assert "effective n" in leaning.method


def test_balanced_error_is_the_mean_over_cells():
    """It equals the mean over fifths of the mean over levels, computed cell by cell, to 1e-12."""
    predicted, cohort = ages(600, 5.0, seed=2)
    found = changes(predicted, cohort, task="regression", output="value")["scanner"]
    age, level = cohort.targets, cohort.attributes["scanner"].levels
    error = np.abs(predicted - age)
    fifth = np.searchsorted(np.quantile(age, [0.2, 0.4, 0.6, 0.8]), age, side="right")
    cells = [[error[(fifth == i) & (level == name)].mean() for name in ("a", "b")] for i in range(5)]
    sizes = np.bincount(fifth)
    expected = np.average(np.mean(cells, axis=1), weights=sizes) - error.mean()
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_a_level_absent_from_a_fifth_is_missing_with_its_counts():
    """Where no old patient was imaged on scanner a nothing can be balanced."""
    age = np.linspace(20, 80, 200)
    given = attribute("scanner", np.where(age > 60, "b", "a"), "confounder")
    found = changes(age + 1.0, small_cohort(age, attributes=[given], classes=()), task="regression", output="value")
    assert "a in fifth 5: 0" in found["scanner"].missing


@pytest.mark.parametrize(
    "age, levels, why",
    [
        (np.linspace(20, 80, 200), ["a"] * 200, "nothing to compare"),
        (np.where(np.arange(200) < 190, 50.0, 60.0), ["a", "b"] * 100, "no fifths"),
    ],
)
def test_an_error_that_cannot_be_balanced_says_why(age, levels, why):
    """One level, or reference values that repeat too often, give a reason."""
    given = [attribute("scanner", levels, "confounder"), attribute("other", ["x", "y"] * 100, "confounder")]
    found = changes(age + 1.0, small_cohort(age, attributes=given, classes=()), task="regression", output="value")
    assert why in found["scanner"].missing


def test_a_segmentation_without_volumes_has_no_error_to_balance():
    """Dice alone is no volume error."""
    given = attribute("scanner", ["a", "b"] * 50, "confounder")
    cohort = small_cohort(np.zeros(100), attributes=[given])
    m = changes(np.full((100, 1), 0.9), cohort, task="segmentation", output="mask_probabilities", columns=("dice",))
    assert "not measured" in m["scanner"].missing


def test_one_level_beside_another_confounder_says_so():
    """A confounder without a second level is missing with its reason, the other one is measured."""
    scores, cohort = binormal(400, (0.5, 0.5), lean=0.0)
    ward, one = cohort.attributes["ward"], attribute("film", ["x"] * 400, "confounder")
    found = run(saved_context(scores, small_cohort(cohort.targets, attributes=[ward, one])))
    assert "nothing to compare" in found["confounder_cost", "film"].missing
    assert found["confounder_cost", JOINT].value == found["confounder_cost", "ward"].value


def test_volume_errors_of_a_segmentation_are_balanced_alike():
    """Relative volume errors take the place of the errors of a real value."""
    rng = np.random.default_rng(3)
    volume = rng.uniform(5, 50, 600)
    b = rng.random(600) < np.where(volume > 25, 0.8, 0.2)
    wrong = (volume > 25) != b
    raw = np.stack([volume * (1 + 0.3 * wrong + rng.normal(0, 0.03, 600)), volume], axis=1)
    given = attribute("scanner", np.where(b, "b", "a"), "confounder")
    cohort = small_cohort(np.zeros(600), attributes=[given])
    columns = ("volume_predicted", "volume_reference")
    m = changes(raw, cohort, task="segmentation", output="mask_probabilities", columns=columns)["scanner"]
    assert m.low > 0.03


@pytest.mark.slow
def test_bootstrap_of_the_cost_covers_zero_at_its_rate():
    """A model without leaning has 0 within its 95 % interval in at least 93 % of 300 cohorts of 300 patients."""
    covered = 0
    for seed in range(300):
        ctx = saved_context(*binormal(300, (0.35, 0.65), lean=0.0, seed=100 + seed), seed=seed)
        cost = run(replace(ctx, budget=replace(BUDGETS["smoke"], resamples=400)))["confounder_cost", "ward"]
        covered += cost.low <= 0 <= cost.high
    assert covered / 300 >= 0.93


def test_strata_keep_the_declared_order():
    """Levels come in the order of the attribute, the missing level not among them."""
    found = strata_of(attribute("age", ["[60, 120]", "[0, 40)", "(missing)", "[40, 60)"], "confounder"))
    assert found.names == ("[0, 40)", "[40, 60)", "[60, 120]")
    assert found.codes.tolist() == [2, 0, -1, 1]
