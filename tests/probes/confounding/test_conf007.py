"""CONF007 exposes a model that knows no more than the file, and lets one that reads the image pass."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes import _newton
from audit.probes._metadata import columns_of, known_before
from audit.probes._out_of_fold import folds_of, log_odds_out_of_fold, logistic_fit
from audit.probes.confounding import MetadataComparator
from audit.stats import stratified_auc, stratified_auc_difference
from audit.testing import attribute, check_probe, conforming_contexts, saved_context, small_cohort
from tests.probes.confounding.binormal import number


def run(ctx):
    """Return the measurements by (metric, comparator)."""
    return {(m.metric, m.condition["parameter"]): m for m in MetadataComparator().run(ctx)}


def filed(n=800, *, image=0.0, seed=0):
    """Return a context whose label follows age and ward, and a model that reads them and as much image as said."""
    rng = np.random.default_rng(seed)
    age, ward = rng.uniform(30, 90, n), rng.integers(0, 2, n)
    risk = (age - 60) / 15 + 1.2 * ward - 0.6
    label = (rng.random(n) < 1 / (1 + np.exp(-risk))).astype(int)
    latent = risk + image * (label + rng.normal(0, 0.5, n))
    given = [number("age", age, "covariate"), attribute("ward", np.array(["a", "b"])[ward], "confounder")]
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=given))


def test_a_metadata_only_model_has_no_advantage():
    """A model that reads age and ward is no better than the logistic regression on both, and the interval says so."""
    found = run(filed())
    for learner in ("logistic regression", "boosted trees"):
        assert found["metadata_auc", learner].low > 0.7
    advantage = found["auc_advantage", "logistic regression"]
    assert advantage.low < 0.01
    assert advantage.high < 0.05
    assert "out of fold" in advantage.method


def test_a_model_that_reads_the_image_beats_the_file():
    """The same file, and a model that sees the disease, too: both comparators are beaten by more than 0.05."""
    found = run(filed(image=3.0))
    for learner in ("logistic regression", "boosted trees"):
        assert found["auc_advantage", learner].low > 0.05


def test_a_file_that_says_nothing_reaches_chance():
    """Attributes without relation to the label: the comparator's interval holds 0.5."""
    rng = np.random.default_rng(4)
    label = np.arange(600) % 2
    given = [number("age", rng.uniform(30, 90, 600), "covariate"), attribute("ward", ["a", "b", "b"] * 200, "protocol")]
    found = run(saved_context(label + rng.normal(size=600), small_cohort(label, attributes=given), output="value"))
    for learner in ("logistic regression", "boosted trees"):
        assert found["metadata_auc", learner].low < 0.5 < found["metadata_auc", learner].high + 0.03
        assert found["auc_advantage", learner].low > 0.1


def test_a_patient_is_never_learned_from_its_own_images():
    """A column that only names the patient tells nothing: with ten images a patient trees stay at chance."""
    rng = np.random.default_rng(6)
    owner = np.repeat(np.arange(60), 10)
    label = (rng.random(60) < 0.5)[owner].astype(int)
    key = number("height", rng.uniform(150, 200, 60)[owner], "covariate")
    cohort = small_cohort(label, attributes=[key, attribute("x", ["a", "b"] * 300, "covariate")], patients=owner)
    found = run(saved_context(rng.random(600), cohort))
    assert found["metadata_auc", "boosted trees"].low < 0.5
    assert found["metadata_auc", "boosted trees"].n_patients == 60


def test_folds_hold_whole_patients_of_every_kind():
    """No patient is in two folds, and each fold has its share of positives to one patient."""
    rng = np.random.default_rng(0)
    owner = rng.integers(0, 100, 500)
    label = owner % 3 == 0
    fold = folds_of(owner, label, 5, rng)
    assert all(np.unique(fold[owner == p]).size == 1 for p in np.unique(owner))
    ill = [np.unique(owner[(fold == f) & label]).size for f in range(5)]
    assert max(ill) - min(ill) <= 1


def test_log_odds_are_those_of_the_library():
    """Out of fold, the one column's logistic regression equals a fit by hand on the other folds up to its penalty."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 1))
    label = rng.random(400) < 1 / (1 + np.exp(-2 * x[:, 0]))
    patients = np.arange(400)
    found = log_odds_out_of_fold(x, label, patients, np.random.default_rng(7), learner="logistic regression")
    fold = folds_of(patients, label, 5, np.random.default_rng(7))
    expected = np.zeros(400)
    for f in range(5):
        train = fold != f
        model = LogisticRegression(C=1e6).fit(x[train], label[train])
        expected[~train] = model.decision_function(x[~train])
    np.testing.assert_array_equal(found.fold, fold)
    np.testing.assert_allclose(found.values, expected, atol=0.35)
    np.testing.assert_allclose(np.argsort(found.values[fold == 0]), np.argsort(expected[fold == 0]))


@pytest.mark.parametrize("penalty", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("shift", [1.0, 50.0])
def test_the_small_regression_is_that_of_the_library(penalty, shift):
    """Coefficients equal scikit-learn's to 1e-4, also where indicators add up to 1 and where a column separates."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    kind = rng.integers(0, 3, 200)
    x = np.concatenate([np.eye(3)[kind], rng.normal(size=(200, 1))], axis=1)
    y = (rng.random(200) < 1 / (1 + np.exp(-shift * x[:, 3]))).astype(float)
    found = logistic_fit(x, y, penalty)
    model = LogisticRegression(C=penalty, tol=1e-10, max_iter=5000).fit(x, y)
    np.testing.assert_allclose(found[1:], model.coef_[0], atol=1e-4)
    assert found[0] == pytest.approx(model.intercept_[0], abs=1e-4)


def test_columns_are_what_is_declared():
    """A number stays a number, levels become indicators, rare ones share one, empty cells have their own."""
    ages = np.array([40.0, np.nan] * 10)
    levels = np.array(["a"] * 9 + ["b"] * 9 + ["c", "d"])
    cells = np.where(np.isfinite(ages), "40", "(missing)")
    age = replace(number("age", ages, "covariate"), levels=cells)
    given = [age, attribute("ward", levels, "confounder")]
    table = np.asarray(columns_of(given, np.arange(20)))
    assert table.shape == (20, 5)
    np.testing.assert_array_equal(table[:, 1], np.tile([0.0, 1.0], 10))
    np.testing.assert_array_equal(table[:, 4], np.isin(levels, ["c", "d"]))


def test_severities_and_readings_are_not_in_the_file():
    """Who knows the severity has seen the disease; such a column would make any comparator strong."""
    label = np.arange(40) % 2
    given = [
        attribute("sex", ["f", "m"] * 20, "protected"), attribute("grade", ["x", "y"] * 20, "severity"),
        attribute("reader", ["0", "1"] * 20, "rater"),
    ]  # fmt: skip
    assert [a.name for a in known_before(small_cohort(label, attributes=given))] == ["sex"]
    given.append(attribute("how", ["histology", "follow-up"] * 20, "confounder"))
    cohort = small_cohort(label, attributes=given, reference_method="how")
    assert [a.name for a in known_before(cohort)] == ["sex"]


def ages(image, seed=2):
    """Return a context of predicted age, the file saying a little and the model as much more as said."""
    rng = np.random.default_rng(seed)
    ward = rng.integers(0, 2, 600)
    age = 50 + 10 * ward + rng.normal(0, 8, 600)
    known = 55 + (10 * (ward - 0.5)) * (1 - image) + image * (age - 55)
    cohort = small_cohort(age, attributes=[attribute("ward", np.array(["a", "b"])[ward], "confounder")], classes=())
    return saved_context(known + rng.normal(0, 2, 600), cohort, task="regression", output="value", operating_point=None)


def test_a_real_value_is_held_against_the_file_by_its_error():
    """Knowing the ward alone wins nothing; reading the age from the image wins four years."""
    assert run(ages(0.0))["mae_advantage", "ridge regression"].high < 0.5
    assert run(ages(1.0))["mae_advantage", "ridge regression"].low > 3


def test_few_patients_leave_no_number():
    """Nineteen positives are one too few to learn from out of fold."""
    label = (np.arange(200) < 19).astype(int)
    found = run(
        saved_context(
            np.linspace(0, 1, 200), small_cohort(label, attributes=[attribute("w", ["a", "b"] * 100, "protocol")])
        )
    )
    assert "19 patients among positives" in found["auc_advantage", "boosted trees"].missing


def test_no_file_is_not_applicable():
    """Without an attribute that is known before the image there is nothing to compare with."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[attribute("grade", ["x", "y"] * 20, "severity")])
    with pytest.raises(NotApplicable, match="before the image"):
        MetadataComparator().run(saved_context(np.linspace(0, 1, 40), cohort))


def test_it_keeps_the_protocol():
    """The conformance kit completes in classification and in regression."""
    names = ("binary, twelve cases", "multilabel", "regression", "segmentation")
    some = {name: make for name, make in conforming_contexts().items() if name in names}
    assert {"binary, twelve cases", "multilabel", "regression"} == set(check_probe(MetadataComparator, some))


@pytest.mark.slow
def test_it_keeps_the_protocol_everywhere():
    """In all contexts of the conformance kit."""
    assert {"binary, saved", "multiclass", "ordinal, raters"} <= set(check_probe(MetadataComparator))


@pytest.mark.slow
def test_an_equal_file_is_seldom_beaten():
    """A model that reads the file alone is called better by the logistic regression's interval in at most 5 %."""
    lows = []
    for seed in range(200):
        ctx = filed(400, seed=30 + seed)
        labels, patients = ctx.clean.targets == 1, ctx.cohort.patients
        table = columns_of(known_before(ctx.cohort), patients)
        other = log_odds_out_of_fold(table, labels, patients, ctx.rng, learner="logistic regression")
        found = stratified_auc_difference(ctx.clean.scores, other.values, labels, other.fold, patients, ctx.levels)
        lows.append(found.bounds(0.025)[0])
    assert np.mean(np.array(lows) > 0.0) <= 0.05


def test_the_comparators_auc_is_that_of_its_log_odds():
    """`metadata_auc` is the AUC of the log odds within folds, and the advantage that of the model there minus it."""
    ctx = filed(300)
    table = columns_of(known_before(ctx.cohort), ctx.cohort.patients)
    labels = ctx.clean.targets == 1
    other = log_odds_out_of_fold(
        table, labels, ctx.cohort.patients, np.random.default_rng(0), learner="logistic regression"
    )
    theirs = stratified_auc(other.values, labels, other.fold, ctx.cohort.patients, ctx.levels, folds=5)
    own = stratified_auc(ctx.clean.scores, labels, other.fold, ctx.cohort.patients, ctx.levels)
    found = run(ctx)
    assert found["metadata_auc", "logistic regression"].curve == theirs.curve
    assert found["auc_advantage", "logistic regression"].value == pytest.approx(own.value - theirs.value, abs=1e-12)


def test_large_tables_are_gone_through_in_blocks(monkeypatch):
    """Blocks of 100 rows that are made again at every step give the log odds of the whole table to 1e-10."""
    rng = np.random.default_rng(3)
    table = np.stack([rng.normal(60, 9, 700), *((rng.integers(0, 4, 700) == i) for i in range(5))], axis=1)
    table[::9, 0] = np.nan
    label = rng.random(700) < 1 / (1 + np.exp(-(np.nan_to_num(table[:, 0], nan=60) - 60) / 9))

    def fitted():
        found = log_odds_out_of_fold(
            table, label, np.arange(700), np.random.default_rng(0), learner="logistic regression"
        )
        return found.values

    whole = fitted()
    monkeypatch.setattr(_newton, "BLOCK", 100)
    monkeypatch.setattr(_newton, "HELD", 0)
    np.testing.assert_allclose(fitted(), whole, atol=1e-10)


def test_columns_are_kept_small_and_read_as_a_table():
    """Ten indicators take a byte a case each; rows of them and the full table are those of an array."""
    levels = np.array(list("abcdefghij"))[np.random.default_rng(0).integers(0, 10, 500)]
    columns = columns_of([attribute("ward", levels, "confounder")], np.arange(500))
    full = (levels[:, None] == np.array(list("abcdefghij"))).astype(float)
    rows = np.array([3, 9, 400])
    np.testing.assert_array_equal(np.asarray(columns), full)
    np.testing.assert_array_equal(np.asarray(columns[rows]), full[rows])
    np.testing.assert_array_equal(np.asarray(columns[10:12]), full[10:12])
    assert columns[rows].shape == (3, 10)
    assert sum(part.nbytes for part in columns.parts) == 5000
