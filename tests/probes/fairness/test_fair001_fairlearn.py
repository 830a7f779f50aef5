"""FAIR001 gives any metric of fairlearn by name, with the library's value and with patients as the unit."""

import inspect
import warnings
from dataclasses import replace

import fairlearn.metrics
import numpy as np
import pytest
import sklearn.metrics

from audit.config import load_audit, policy_from
from audit.core import BUDGETS
from audit.errors import FaultsError, InputError
from audit.metrics import DISPARITIES, FAIRLEARN, VALUED, base_of
from audit.metrics._fairlearn import DECIDED, SCORED
from audit.probes.fairness import OperatingPointGap
from audit.probes.fairness._fairlearn import named_metrics
from audit.session._open import known_metrics
from audit.stats import proportion_gap
from audit.testing import attribute, saved_context, small_cohort
from tests.probes.fairness.test_fair001 import rates, run

LITTLE = replace(BUDGETS["smoke"], resamples=100)


def asking(ctx, *names):
    """Return the measurements of named metrics, by name and level."""
    ctx = replace(ctx, budget=LITTLE, fairlearn_metrics=names)
    named = [m for a in ctx.cohort.by_role("protected") for m in named_metrics(ctx, a)]
    return {(m.metric.removeprefix("fairlearn:"), *m.subgroup.values()): m for m in named}


def drawn(n=360):
    """Return a context of three levels with overlapping scores."""
    rng = np.random.default_rng(7)
    label, level = rng.integers(0, 2, n), rng.choice(["a", "b", "c"], n)
    score = 1 / (1 + np.exp(-(1.5 * label - 0.7 + rng.normal(size=n) - 0.5 * (level == "b"))))
    return saved_context(score, small_cohort(label, attributes=[attribute("group", level, "protected")]))


def library(name):
    """Return the library's function."""
    return getattr(fairlearn.metrics, name, None) or getattr(sklearn.metrics, name)


def test_every_metric_of_fairlearn_can_be_asked_for():
    """Nothing that the library exports as a metric is left out, but for `count` and its helpers."""
    helpers = {"MetricFrame", "count", "make_derived_metric", "plot_model_comparison", "plot_roc_curve_by_group"}
    public = {n for n, v in inspect.getmembers(fairlearn.metrics, callable) if not n.startswith("_")}
    assert public - helpers <= set(FAIRLEARN)
    assert all(callable(library(name)) for name in FAIRLEARN)


@pytest.mark.parametrize("name", [*DECIDED, *SCORED])
def test_a_gap_is_that_of_the_library(name):
    """The level's value minus the rest's, both from the library on the same cases, to 1e-9."""
    ctx = drawn()
    m = asking(ctx, name)[name, "b"]
    inside, labels = ctx.cohort.attributes["group"].levels == "b", ctx.cohort.targets
    answers = (ctx.clean.scores >= 0.5).astype(int) if name in DECIDED else ctx.clean.scores
    of = library(name)
    assert m.value == pytest.approx(
        of(labels[inside], answers[inside]) - of(labels[~inside], answers[~inside]), abs=1e-9
    )
    assert m.low <= m.value <= m.high
    assert m.n == m.n_patients <= inside.sum()


@pytest.mark.parametrize("name", [n for n in DISPARITIES if base_of(n)[0][0] not in VALUED])
def test_a_number_for_all_levels_is_that_of_the_library(name):
    """fairlearn's own function with the levels as sensitive features, to 1e-9; it may not block."""
    ctx = drawn()
    m = asking(ctx, name)[name, "(all levels)"]
    answers = ctx.clean.scores if base_of(name)[0][0] in SCORED else (ctx.clean.scores >= 0.5).astype(int)
    levels = ctx.cohort.attributes["group"].levels
    expected = library(name)(ctx.cohort.targets, answers, sensitive_features=levels)
    assert m.value == pytest.approx(expected, abs=1e-9)
    assert m.low < m.high
    assert m.metric in OperatingPointGap.info.descriptive


def test_metrics_of_a_real_value():
    """Mean absolute error, mean squared error and R2 by level, and their worst level, to 1e-9."""
    rng = np.random.default_rng(3)
    target, level = rng.normal(60, 10, 200), np.array(["a", "b"])[np.arange(200) % 2]
    cohort = small_cohort(target, attributes=[attribute("group", level, "protected")], classes=())
    raw = target + rng.normal(0, 3, 200)
    ctx = saved_context(raw, cohort, task="regression", output="value", operating_point=None)
    of_all = [n for n in DISPARITIES if base_of(n)[0][0] in VALUED]
    found, a = asking(ctx, *VALUED, *of_all), level == "a"
    for name in VALUED:
        expected = library(name)(target[a], raw[a]) - library(name)(target[~a], raw[~a])
        assert found[name, "a"].value == pytest.approx(expected, abs=1e-9)
    for name in of_all:
        expected = library(name)(target, raw, sensitive_features=level)
        assert found[name, "(all levels)"].value == pytest.approx(expected, abs=1e-9)


def test_a_rate_has_the_interval_of_this_suite():
    """Rows are patients and small groups hold their level: recall's gap has the curve of `proportion_gap`."""
    ctx = rates(a=(19, 1, 50, 10), b=(80, 20, 80, 20))
    rows = ctx.cohort.targets == 1
    members = ctx.cohort.attributes["group"].levels == "a"
    hits = ctx.clean.scores >= 0.5
    expected = proportion_gap(hits[rows], members[rows], ctx.cohort.patients[rows], ctx.levels)
    assert asking(ctx, "recall_score")["recall_score", "a"].curve == expected.curve


def test_resampling_says_nothing_of_a_group_without_an_error():
    """Eight of eight found leave no error to resample, so an F1 gap has a reason and no narrow interval."""
    m = asking(rates(a=(8, 0, 50, 10), b=(80, 20, 80, 20)), "f1_score")["f1_score", "a"]
    assert "decided alike" in m.missing
    few = asking(rates(a=(2, 1, 50, 10), b=(80, 20, 80, 20)), "f1_score", "equalized_odds_difference")
    assert "fewer than 5 patients" in few["f1_score", "a"].missing
    assert "fewer than 5 patients" in few["equalized_odds_difference", "(all levels)"].missing


def test_patients_are_resampled_whole():
    """Ten alike images a patient leave the interval of an F1 gap about as wide as one image."""
    one = drawn(120)
    label, level = one.cohort.targets, one.cohort.attributes["group"].levels
    cohort = small_cohort(
        np.repeat(label, 10), attributes=[attribute("group", np.repeat(level, 10), "protected")],
        patients=np.repeat(np.arange(120), 10),
    )  # fmt: skip
    wide = asking(one, "f1_score")["f1_score", "a"]
    many = asking(saved_context(np.repeat(one.clean.scores, 10), cohort), "f1_score")["f1_score", "a"]
    assert many.value == pytest.approx(wide.value)
    assert many.high - many.low == pytest.approx(wide.high - wide.low, rel=0.25)


def test_the_largest_difference_accuses_a_fair_model():
    """Why none of them may block: three equal groups, and the interval of the largest difference lies above 0."""
    m = asking(rates(a=(70, 30, 80, 20), b=(75, 25, 78, 22), c=(66, 34, 83, 17)), "equalized_odds_difference")
    assert m["equalized_odds_difference", "(all levels)"].value > 0.05


def test_asking_changes_no_other_number():
    """Every other measurement and the permutation tests stay as they are."""
    plain = drawn()
    plain = replace(plain, rng=np.random.default_rng(0), budget=LITTLE)
    asked = replace(plain, fairlearn_metrics=("f1_score",), sink=type(plain.sink)(), rng=np.random.default_rng(0))
    before, after = run(plain), run(asked)
    assert {k: v for k, v in after.items() if not k[0].startswith("fairlearn:")} == before
    assert len(after) == len(before) + 3
    assert [a.meta["p"] for a in asked.sink.artifacts] == [a.meta["p"] for a in plain.sink.artifacts]


def test_names_are_checked_before_the_run(tmp_path):
    """A misspelt name, or one of another task, is exit 2 with the nearest name; a right one reaches the run."""
    from tests.session._make import write

    path = write(tmp_path)
    text = path.read_text()

    def named(value):
        path.write_text(text.replace("[audit]", f"[audit]\nfairlearn_metrics = {value}"))
        return load_audit(path)

    assert named('["f1_score", "equalized_odds_difference"]').fairlearn_metrics == (
        "f1_score", "equalized_odds_difference",
    )  # fmt: skip
    assert named('"f1_score"').digest != load_audit(write(tmp_path / "plain")).digest
    with pytest.raises(FaultsError, match="did you mean 'f1_score'"):
        named('["f1_scor"]')
    with pytest.raises(FaultsError, match="r2_score does not go with the task"):
        named('["r2_score"]')
    with pytest.raises(InputError, match="unknown metric 'f1'"):
        known_metrics(["f1"])


def test_no_warning_of_a_library_reaches_the_run():
    """A level that is never called positive has no F1, silently for the console and with a reason in the evidence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = asking(rates(a=(0, 20, 40, 0), b=(80, 20, 80, 20)), "f1_score", "precision_score")
    assert found["f1_score", "a"].value is None
    assert found["precision_score", "a"].value is None


def test_a_rule_can_name_them():
    """The policy's file takes the name with its prefix."""
    rule = {"id": "f1", "probe": "FAIR001", "metric": "fairlearn:f1_score", "limit": {"min": -0.1}}
    assert policy_from({"name": "p", "rule": [rule]}).rules[0].metric in OperatingPointGap.info.metrics
