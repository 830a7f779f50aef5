"""CONF001 with declared shares, with numbers for confounders, beside covariates, and against a random drop."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from audit.core import BUDGETS
from audit.probes.confounding import BalancedResampling
from audit.probes.confounding._adjusted import Standardising
from audit.probes.confounding._cells import Cells
from audit.probes.confounding._smooth import cubic, inverse_weights
from audit.probes.confounding._strata import JOINT
from audit.testing import attribute, saved_context, small_cohort
from tests.probes.confounding.binormal import BIASED, EVEN, SEPARATION, binormal, number


def run(scores, cohort, **more):
    """Return the measurements by (metric, attribute)."""
    ctx = saved_context(scores, cohort, **more)
    return {(m.metric, m.condition["attribute"]): m for m in BalancedResampling().run(ctx)}


def test_cost_is_within_minus_balanced_and_both_are_given():
    """What is left without the confounder stands beside the cost, with the effective n in its method."""
    found = run(*binormal(1200, BIASED, lean=2.0, seed=1))
    within, balanced = found["auc_within", "ward"], found["auc_balanced", "ward"]
    assert found["confounder_cost", "ward"].value == pytest.approx(within.value - balanced.value, abs=1e-12)
    assert balanced.low < 0.816 < balanced.high
    assert "effective n of the balanced cohort" in balanced.method


def test_dropping_patients_at_random_costs_precision_only():
    """The control of the same model: 0 lies inside its interval, while balancing loses far more than 0."""
    found = run(*binormal(1200, BIASED, lean=2.0, seed=1))
    control = found["random_drop", "ward"]
    assert abs(control.value) < 0.003
    assert control.low < 0 < control.high
    assert found["auc_drop", "ward"].low > control.high


@pytest.mark.parametrize("shares", [{"a": 0.8, "b": 0.2}, {"a": 0.5, "b": 0.5}])
def test_declared_shares_weigh_the_cells(shares):
    """Balanced is the sum of π_a π_b AUC_ab over the matrix, and within that of π_a AUC_aa, to 1e-12."""
    scores, cohort = binormal(400, BIASED, lean=1.0)
    ward = cohort.attributes["ward"]
    cohort = replace(cohort, attributes={"ward": replace(ward, spec=replace(ward.spec, shares=shares))})
    found = run(scores, cohort)
    pi = np.array([shares["a"], shares["b"]])
    level = (ward.levels == "b").astype(int)
    matrix = Cells(scores, cohort.targets == 1, level).areas()
    assert found["auc_balanced", "ward"].value == pytest.approx(pi @ matrix @ pi, abs=1e-12)
    assert found["auc_within", "ward"].value == pytest.approx(pi @ np.diag(matrix), abs=1e-12)
    assert f"declared shares a {shares['a']:g}, b {shares['b']:g}" in found["confounder_cost", "ward"].method


@pytest.mark.parametrize(
    "shares, why", [({"a": 1.0}, "declared for b"), ({"a": 0.5, "b": 0.3, "c": 0.2}, "cases c: 0")]
)
def test_shares_that_do_not_fit_the_levels_leave_no_number(shares, why):
    """A level without a share, and a share without a case, make the cost missing alone and jointly."""
    scores, cohort = binormal(400, BIASED, lean=1.0)
    ward = cohort.attributes["ward"]
    cohort = replace(cohort, attributes={"ward": replace(ward, spec=replace(ward.spec, shares=shares))})
    found = run(scores, cohort)
    for name in ("ward", JOINT):
        assert why in found["confounder_cost", name].missing


def proxy(seed=0, n=3000):
    """Return a model that reads only the film, and a ward that goes with the film."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    film = rng.random(n) < np.where(label, 0.7, 0.3)
    ward = rng.random(n) < np.where(film, 0.8, 0.2)
    latent = 1.5 * label + 1.2 * film + rng.normal(size=n)
    return 1 / (1 + np.exp(-latent)), label, film, ward


def test_a_proxy_is_cleared_once_the_other_is_equal():
    """The ward costs by itself because it goes with the film; adjusted for the film it costs nothing.

    The film, adjusted for the ward, keeps its cost: adjusting takes nothing from the attribute that is read.
    """
    scores, label, film, ward = proxy()
    given = [
        attribute("film", np.where(film, "x", "y"), "confounder", reason="portable"),
        attribute("ward", np.where(ward, "a", "b"), "confounder", reason="case mix"),
    ]
    found = run(scores, small_cohort(label, attributes=given))
    assert found["confounder_cost", "ward"].low > 0.005
    assert found["confounder_cost_adjusted", "ward"].low < 0 < found["confounder_cost_adjusted", "ward"].high < 0.02
    assert found["confounder_cost_adjusted", "film"].low > 0.01
    assert "adjusted for film" in found["confounder_cost_adjusted", "ward"].method
    assert ("confounder_cost_adjusted", JOINT) not in found


def test_a_covariate_is_adjusted_for_and_never_measured():
    """Age rightly used makes the ward look costly; adjusted for age it is cleared, and age has no row."""
    scores, label, old, ward = proxy(seed=3)
    age = np.where(old, 70.0, 40.0) + np.random.default_rng(0).uniform(-9, 9, len(label))
    given = [attribute("ward", np.where(ward, "a", "b"), "confounder"), number("age", age, "covariate")]
    found = run(scores, small_cohort(label, attributes=given))
    assert found["confounder_cost", "ward"].low > 0.005
    assert found["confounder_cost_adjusted", "ward"].low < 0
    assert {name for _, name in found} == {"ward", JOINT}


def test_standardised_weights_make_strata_equally_frequent():
    """In every level of a class each stratum has the class's own share of the weight, and each level keeps its own."""
    rng = np.random.default_rng(2)
    y, a, s = (rng.integers(0, k, 900) for k in (2, 3, 2))
    weights = rng.integers(1, 4, (2, 900)).astype(float)
    found = Standardising(y * 3 + a, y, s).weights(weights)
    for row, kind, level in itertools.product(range(2), range(2), range(3)):
        own, whole = (y == kind) & (a == level), y == kind
        share = found[row, own & (s == 1)].sum() / found[row, own].sum()
        assert share == pytest.approx(weights[row, whole & (s == 1)].sum() / weights[row, whole].sum(), abs=1e-12)
        assert found[row, own].sum() == pytest.approx(weights[row, own].sum(), abs=1e-9)


def test_strata_without_a_counterpart_leave_no_adjusted_cost():
    """Where each ward has its own film nothing can be adjusted; the reason has the counts, and the plain cost stays."""
    scores, cohort = binormal(800, EVEN, lean=1.0)
    film = attribute("film", np.where(cohort.attributes["ward"].levels == "a", "x", "y"), "covariate")
    found = run(scores, replace(cohort, attributes={**cohort.attributes, "film": film}))
    assert "only 0 of" in found["confounder_cost_adjusted", "ward"].missing
    assert found["confounder_cost", "ward"].low > 0


def aged(n, lean, seed=0):
    """Return scores and a cohort whose cases are older, with a model that adds `lean` a standard deviation of age."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    age = 60 + 10 * (rng.normal(size=n) + 0.8 * label)
    latent = SEPARATION * label + lean * (age - 60) / 10 + rng.normal(size=n)
    return 1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[number("age", age, "confounder")])


def test_a_number_is_cut_and_checked_without_bins():
    """A model that adds for age costs in fifths, and the weights without bins agree on what is left within 0.03."""
    found = run(*aged(3000, 1.2))
    assert found["confounder_cost", "age"].low > 0.02
    smooth, exact = found["auc_balanced_weighted", "age"], found["auc_balanced", "age"]
    assert smooth.value == pytest.approx(exact.value, abs=0.03)
    assert "effective n" in smooth.method
    healthy = run(*aged(3000, 0.0))["confounder_cost", "age"]
    assert healthy.low < 0 < healthy.high < 0.03


def test_fewer_pieces_where_fifths_are_too_small():
    """With 150 patients a number is cut into as many pieces as hold 20 cases and 20 controls each."""
    ctx = saved_context(*aged(150, 1.0))
    list(BalancedResampling().run(ctx))
    (drawn,) = ctx.sink.artifacts
    assert 2 <= len(drawn.meta["levels"].split("|")) <= 3
    assert min(*drawn.arrays["n_cases"], *drawn.arrays["n_controls"]) >= 20


def test_weights_of_a_level_are_those_of_the_exact_pairs():
    """On two levels p(class) / p(class given level), fitted, gives the exact pair weights with the cohort's shares."""
    scores, cohort = binormal(2000, BIASED, lean=1.0)
    labels, b = cohort.targets == 1, cohort.attributes["ward"].levels == "b"
    basis = np.stack([np.ones(2000), b.astype(float)], axis=1)
    weights = inverse_weights(basis, labels, np.ones((1, 2000)))[0]
    from audit.stats import Ranking

    area = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels)).area(weights[None])[0]
    shares = np.array([(~b).mean(), b.mean()])
    exact = Cells(scores, labels, b.astype(int), shares).balanced(np.ones((1, 2000)))[0]
    assert area == pytest.approx(exact, abs=1e-5)


def test_weights_equal_those_of_a_library():
    """The fitted p(class given number) equals scikit-learn's unpenalised logistic regression to 1e-4."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=500)
    labels = rng.random(500) < 1 / (1 + np.exp(-x))
    basis = cubic(x)
    fitted = LogisticRegression(C=1e6, max_iter=1000, tol=1e-10).fit(basis[:, 1:], labels).predict_proba(basis[:, 1:])
    share = labels.mean()
    expected = np.where(labels, share / fitted[:, 1], (1 - share) / fitted[:, 0])
    np.testing.assert_allclose(inverse_weights(basis, labels, np.ones((1, 500)))[0], expected, rtol=1e-3)


def test_the_only_confounder_has_the_same_numbers_jointly():
    """One confounder that varies is all of them: every bound is the same under both names."""
    found = run(*binormal(400, EVEN, lean=1.0))
    for metric in ("confounder_cost", "worst_cross_auc", "auc_balanced"):
        assert found[metric, JOINT].curve == found[metric, "ward"].curve


def test_grades_are_balanced_at_each_grade():
    """An ordinal model that adds a grade on scanner b, where the high grades are, errs more once scanners are even."""
    rng = np.random.default_rng(4)
    grade = np.arange(1200) % 3
    b = rng.random(1200) < np.array([0.2, 0.5, 0.8])[grade]
    wrong = np.where(b, 2, 0)
    answer = np.where((grade == 2) == b, grade, np.where(rng.random(1200) < 0.7, wrong, grade))
    given = attribute("scanner", np.where(b, "b", "a"), "confounder")
    cohort = small_cohort(grade, attributes=[given], classes=("none", "mild", "severe"))
    ctx = saved_context(np.eye(3)[answer] * 4.0, cohort, task="ordinal", output="logits", operating_point=None)
    (change,) = [
        m for m in BalancedResampling().run(ctx) if m.metric == "mae_change" and m.condition["attribute"] != JOINT
    ]
    off, cells = np.abs(answer - grade), itertools.product(range(3), (False, True))
    means = np.array([off[(grade == g) & (b == s)].mean() for g, s in cells]).reshape(3, 2).mean(axis=1)
    assert change.value == pytest.approx(means.mean() - off.mean(), abs=1e-12)
    assert change.low > 0
    assert change.unit == "grades"


def rates(runs, n, p_level, lean):
    """Return the shares of cohorts in which the 95 % interval of the cost lies wholly above 0 and below 0."""
    budget = replace(BUDGETS["smoke"], resamples=400)
    above = below = 0
    for seed in range(runs):
        cost = run(*binormal(n, p_level, lean=lean, seed=500 + seed), budget=budget)["confounder_cost", "ward"]
        above, below = above + (cost.low > 0), below + (cost.high < 0)
    return above / runs, below / runs


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_no_leaning_is_seldom_called_leaning(p_level):
    """Nominal 2.5 % a side; at most 4 of 40 cohorts of 500 a side (beyond 4 by chance: 0.3 %)."""
    assert max(rates(40, 500, p_level, 0.0)) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_error_rates_hold_in_many_cohorts(p_level):
    """A false bound of the cost in at most 3.5 % of 2,000 cohorts of 500 a side; leaning of 1 SD found in 90 %."""
    assert max(rates(2000, 500, p_level, 0.0)) <= 0.035
    assert rates(200, 600, p_level, 1.0)[0] >= 0.9
