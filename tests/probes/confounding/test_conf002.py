"""CONF002 finds a score that follows a confounder among patients of equal label, and stays silent on a healthy one."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm, spearmanr

from audit.core import Limit, Measurement
from audit.probes.confounding import ScoreFollowsConfounder
from audit.probes.confounding._strata import JOINT
from audit.stats import auc
from audit.testing import attribute, check_probe, context, planted, saved_context, small_cohort, tiny_cohort
from tests.probes.confounding.binormal import BIASED, EVEN, SEPARATION, binormal, number


def run(ctx, metric="score_shift_auc"):
    """Return the measurements of one metric by (attribute, stratum, level)."""
    return {
        (m.condition["attribute"], m.condition.get("stratum"), *m.subgroup.values()): m
        for m in ScoreFollowsConfounder().run(ctx)
        if m.metric == metric
    }


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_shift_has_its_known_size_in_either_cohort(p_level):
    """Two standard deviations are an AUC of Φ(2 / √2) = 0.921 in controls and in cases, biased cohort or not."""
    found = run(saved_context(*binormal(6000, p_level, lean=2.0)))
    for side in ("controls", "cases"):
        assert found["ward", side, "b"].value == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.015)
        assert found["ward", side, "b"].low > 0.9


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_no_leaning_is_no_shift_in_either_cohort(p_level):
    """A model that ignores the ward stays within 0.44 and 0.56 with its whole interval."""
    found = run(saved_context(*binormal(4000, p_level, lean=0.0)))
    assert all(m.low > 0.44 and m.high < 0.56 for m in found.values())


def test_planted_models_are_told_apart():
    """The model that reads the marker of sex gives sex away and not the scanner; the healthy one neither."""
    cohort = tiny_cohort(np.random.default_rng(3), n=1200, p_male=(0.35, 0.65))
    leaning, healthy = run(context(planted("leans-on-sex"), cohort)), run(context(planted(), cohort))
    for side in ("controls", "cases"):
        assert leaning["sex", side, "male"].low > 0.8
        assert leaning["scanner", side, "A"].high < 0.6
        assert all(healthy[name, side, level].low > 0.4 and healthy[name, side, level].high < 0.6
                   for name, level in (("sex", "male"), ("scanner", "A")))  # fmt: skip


def test_two_levels_are_one_comparison():
    """Both measurements mirror each other about 0.5 with all bounds and carry one key."""
    found = run(saved_context(*binormal(400, EVEN, lean=0.5)))
    a, b = found["ward", "controls", "a"], found["ward", "controls", "b"]
    assert a.contrast == b.contrast
    assert a.contrast != found["ward", "cases", "a"].contrast
    assert a.value == pytest.approx(1 - b.value)
    assert (a.low, a.high) == (pytest.approx(1 - b.high), pytest.approx(1 - b.low))


def test_each_level_is_held_against_the_rest_of_its_label():
    """With three wards the number is that of the plain AUC on controls alone, with its patients."""
    rng = np.random.default_rng(1)
    label, ward, scores = np.arange(300) % 2, np.array(list("abc"))[rng.integers(0, 3, 300)], rng.random(300)
    ctx = saved_context(scores, small_cohort(label, attributes=[attribute("ward", ward, "confounder")]))
    m = run(ctx)["ward", "controls", "b"]
    rows = label == 0
    assert m.value == auc(scores[rows], (ward == "b")[rows], np.flatnonzero(rows), ctx.levels).value
    own = int((rows & (ward == "b")).sum())
    assert (m.n, m.n_patients, m.condition["n_rest"]) == (own, own, 150 - own)
    assert m.simultaneous[0] < m.low < m.high < m.simultaneous[1]


def severe(seed=0, n=2400):
    """Return a healthy model on two wards of which one has the severe cases."""
    rng = np.random.default_rng(seed)
    label, ward = np.arange(n) % 2, rng.random(n) < 0.5
    severity = label * (rng.random(n) < np.where(ward, 0.8, 0.2))
    latent = 1.2 * label + 1.5 * severity + rng.normal(size=n)
    given = [
        attribute("ward", np.where(ward, "b", "a"), "confounder"),
        attribute("grade", np.where(label == 0, "(missing)", np.where(severity == 1, "severe", "mild")), "severity"),
    ]
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=given))


def test_severity_explains_a_shift_among_cases_and_controls_never_had_one():
    """Cases of the ward with severe disease score higher; at equal severity they do not, and controls are silent."""
    ctx = severe()
    crude, equal = run(ctx), run(ctx, "score_shift_auc_adjusted")
    assert crude["ward", "cases", "b"].low > 0.6
    assert equal["ward", "cases", "b"].low < 0.5 < equal["ward", "cases", "b"].high < 0.56
    assert crude["ward", "controls", "b"].low < 0.5 < crude["ward", "controls", "b"].high < 0.56
    assert ("ward", "controls", "b") not in equal


def test_leaning_at_equal_severity_is_still_found():
    """Adjusting for severity takes nothing from a model that reads the ward."""
    ctx = severe(seed=2)
    ward = ctx.cohort.attributes["ward"].levels == "b"
    scores = 1 / (1 + np.exp(-(np.log(ctx.clean.scores / (1 - ctx.clean.scores)) + 1.0 * ward)))
    equal = run(saved_context(scores, ctx.cohort), "score_shift_auc_adjusted")
    assert equal["ward", "cases", "b"].low > 0.65


def test_a_covariate_has_no_row_and_explains_a_proxy():
    """Controls of the ward are older and score higher for it; within quarters of age nothing is left but a little."""
    rng = np.random.default_rng(4)
    label, old = np.arange(3000) % 2, rng.random(3000) < 0.5
    ward = rng.random(3000) < np.where(old, 0.85, 0.15)
    age = np.where(old, 75, 45) + rng.uniform(-5, 5, 3000)
    latent = label + 1.2 * old + rng.normal(size=3000)
    given = [attribute("ward", np.where(ward, "b", "a"), "confounder"), number("age", age, "covariate")]
    ctx = saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=given))
    crude, equal = run(ctx), run(ctx, "score_shift_auc_adjusted")
    assert crude["ward", "controls", "b"].low > 0.6
    assert equal["ward", "controls", "b"].high < 0.6
    assert {key[0] for key in crude} == {"ward", JOINT}


def test_controls_of_several_classes_are_compared_within_their_class():
    """A healthy model of three classes, with wards that differ in the mix of the other two, is not accused."""
    rng = np.random.default_rng(5)
    target = np.arange(3000) % 3
    ward = rng.random(3000) < np.array([0.5, 0.9, 0.1])[target]
    # Class 1 looks a little like class 0, class 2 not at all.
    raw = 2.0 * np.eye(3)[target] + 1.5 * np.outer(target == 1, [1, 0, 0]) + rng.normal(size=(3000, 3))
    given = attribute("ward", np.where(ward, "b", "a"), "confounder")
    ctx = saved_context(
        raw, small_cohort(target, attributes=[given], classes=("x", "y", "z")), task="multiclass", output="logits",
        operating_point=None,
    )  # fmt: skip
    found = {
        (m.condition["class"], m.condition["stratum"]): m
        for m in ScoreFollowsConfounder().run(ctx)
        if m.metric == "score_shift_auc" and m.subgroup == {"ward": "b"}
    }
    assert all(m.low < 0.5 < m.high or abs(m.value - 0.5) < 0.03 for m in found.values())
    mixed = auc(ctx.clean.views[0].scores[target != 0], ward[target != 0], np.flatnonzero(target != 0), ctx.levels)
    assert mixed.bounds(0.025)[0] > 0.6, "the classes taken together would accuse it"


def aged(lean, seed=0, n=1500):
    """Return a context in which the score adds for age among patients of equal label."""
    rng = np.random.default_rng(seed)
    label, age = np.arange(n) % 2, rng.uniform(20, 90, n)
    latent = SEPARATION * label + lean * (age - 55) / 20 + rng.normal(size=n)
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[number("age", age, "confounder")]))


def test_a_number_has_its_rank_correlation():
    """It equals Spearman's of scipy on controls to 1e-12, lies above 0 with leaning, and holds 0 without."""
    leaning, healthy = aged(0.8), aged(0.0, seed=1)
    m = run(leaning, "score_correlation")["age", "controls"]
    rows = leaning.cohort.targets == 0
    expected = spearmanr(leaning.clean.scores[rows], leaning.cohort.attributes["age"].numbers[rows]).statistic
    assert m.value == pytest.approx(expected, abs=1e-12)
    assert m.low > 0.3
    silent = run(healthy, "score_correlation")["age", "controls"]
    assert silent.low < 0 < silent.high
    assert run(leaning)["age", "controls", list(leaning_levels(leaning))[-1]].low > 0.6


def leaning_levels(ctx):
    """Return the names of the pieces that a number was cut into, in order."""
    (kept,) = {a.meta["attribute"]: a for a in ctx.sink.artifacts if a.meta["attribute"] == "age"}.values()
    return dict.fromkeys(kept.arrays["level"].tolist())


@pytest.mark.parametrize("lean", [6.0, 0.0])
def test_a_real_value_is_judged_by_its_residual(lean):
    """Six years more on scanner b at every age: the residual gap is 6, and the error gives the scanner away."""
    rng = np.random.default_rng(6)
    age = rng.uniform(20, 80, 900)
    b = rng.random(900) < np.where(age > 50, 0.8, 0.2)
    predicted = age + lean * b + rng.normal(0, 4, 900)
    cohort = small_cohort(age, attributes=[attribute("scanner", np.where(b, "b", "a"), "confounder")], classes=())
    ctx = saved_context(predicted, cohort, task="regression", output="value", operating_point=None)
    gap = run(ctx, "residual_gap")["scanner", "at equal reference", "b"]
    shifted = run(ctx)["scanner", "at equal reference", "b"]
    assert gap.low < lean < gap.high
    assert (gap.low > 4, shifted.low > 0.7) == (lean > 0, lean > 0)


def test_residual_gap_is_the_weighted_mean_over_fifths():
    """It equals the Mantel-Haenszel mean of the gaps in fifths of the reference, counted by hand, to 1e-12."""
    rng = np.random.default_rng(7)
    age, b = rng.uniform(20, 80, 400), rng.random(400) < 0.4
    error = rng.normal(size=400) + b
    cohort = small_cohort(age, attributes=[attribute("scanner", np.where(b, "b", "a"), "confounder")], classes=())
    ctx = saved_context(age + error, cohort, task="regression", output="value", operating_point=None)
    fifth = np.searchsorted(np.quantile(age, [0.2, 0.4, 0.6, 0.8]), age, side="right")
    inside = [(fifth == i) for i in range(5)]
    gaps = [error[f & b].mean() - error[f & ~b].mean() for f in inside]
    weights = [(f & b).sum() * (f & ~b).sum() / f.sum() for f in inside]
    expected = np.average(gaps, weights=weights)
    assert run(ctx, "residual_gap")["scanner", "at equal reference", "b"].value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "levels, why",
    [
        (np.array((["a", "b", "(missing)", "a"]) * 50), "have no level"),
        (np.array(["a"] * 194 + ["b"] * 6), "fewer than the 5"),
    ],
)
def test_what_cannot_be_compared_says_why(levels, why):
    """Many cases without a level, and a level of three patients, leave no number."""
    given = [attribute("ward", levels, "confounder")]
    found = run(saved_context(np.linspace(0, 1, 200), small_cohort(np.arange(200) % 2, attributes=given)))
    for level in ("a", "b"):
        assert found["ward", "controls", level].value is None
        assert why in found["ward", "controls", level].missing


def test_constant_scores_have_no_number():
    """A model that says the same of everybody has no shift, which is missing with a reason and never 0.5."""
    cohort = tiny_cohort(np.random.default_rng(3), n=400)
    assert all(m.value is None and m.missing for m in run(context(planted("constant"), cohort)).values())


def test_a_large_p_comes_with_an_open_interval():
    """Few patients, a true shift: the p is large, and the interval still holds values that no rule would pass."""
    ctx = saved_context(*binormal(60, EVEN, lean=0.5, seed=3))
    m = run(ctx)["ward", "controls", "b"]
    kept = next(a for a in ctx.sink.artifacts if a.meta["attribute"] == "ward")
    assert kept.meta["p_controls"] > 0.05
    assert m.high > 0.6
    limit = Limit(max=0.58)
    assert not m.high <= limit.max


def test_the_permutation_keeps_patients_together():
    """Four images a patient give no smaller p than one: nothing is learned from copies."""
    scores, cohort = binormal(200, EVEN, lean=0.6, seed=5)
    once = saved_context(scores, cohort)
    label, ward = np.tile(cohort.targets, 4), np.tile(cohort.attributes["ward"].levels, 4)
    given = [attribute("ward", ward, "confounder")]
    four = saved_context(np.tile(scores, 4), small_cohort(label, attributes=given, patients=np.tile(np.arange(200), 4)))
    p = []
    for ctx in (once, four):
        run(ctx)
        p.append(next(a for a in ctx.sink.artifacts).meta["p_controls"])
    assert p[1] == pytest.approx(p[0], abs=0.03)


def test_it_keeps_the_protocol():
    """The conformance kit completes in classification, ordinal, regression and segmentation."""
    done = check_probe(ScoreFollowsConfounder)
    assert {"binary, saved", "multiclass", "ordinal, raters", "regression", "segmentation"} <= set(done)


def false_bounds(runs, n, p_level):
    """Return the larger share of cohorts without leaning whose 95 % interval lies wholly on one side of 0.5."""
    above = below = 0
    for seed in range(runs):
        m: Measurement = run(saved_context(*binormal(n, p_level, lean=0.0, seed=900 + seed)))["ward", "controls", "b"]
        above, below = above + (m.low > 0.5), below + (m.high < 0.5)
    return max(above, below) / runs


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_no_leaning_is_seldom_called_a_shift(p_level):
    """Nominal 2.5 % a side; at most 4 of 40 cohorts of 120."""
    assert false_bounds(40, 120, p_level) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("p_level, n", list(itertools.product([BIASED, EVEN], [120, 400])))
def test_error_rates_hold_in_many_cohorts(p_level, n):
    """A false bound in at most 3.5 % of 2,000 cohorts on either side."""
    assert false_bounds(2000, n, p_level) <= 0.035
