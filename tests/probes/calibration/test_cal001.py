"""CAL001 tells what a score means from how well it ranks."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from audit.core import NotApplicable, Prevalence
from audit.probes.calibration import Miscalibration
from audit.testing import context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by metric, with class and parameter where they have one."""
    return {(m.metric, *(m.condition[k] for k in sorted(m.condition))): m for m in Miscalibration().run(ctx)}


def sigmoid(x):
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def calibrated(n, base, seed=0, factor=1.0, shift=0.0):
    """Return scores on the logit scale and labels drawn from them; `base` is the mean logit."""
    rng = np.random.default_rng(seed)
    logit = base + rng.normal(0, 1.3, n)
    label = (rng.random(n) < sigmoid(logit)).astype(int)
    return factor * logit + shift, label


def test_overconfident_model_is_caught_and_the_healthy_one_is_not():
    """Four times the logit has the AUC of the healthy model and a slope of 0.25, wholly under 0.4."""
    cohort = tiny_cohort(np.random.default_rng(1), n=2000)
    over, healthy = context(planted("overconfident"), cohort), context(planted(), cohort)
    assert roc_auc_score(cohort.targets, over.clean.scores) == pytest.approx(
        roc_auc_score(cohort.targets, healthy.clean.scores), abs=1e-3
    )
    assert run(over)["slope",].low < 0.25 < run(over)["slope",].high < 0.4
    found = run(healthy)
    assert found["slope",].low < 1 < found["slope",].high
    assert found["intercept", "in this sample"].low < 0 < found["intercept", "in this sample"].high
    assert found["ece",].low < 0.02
    assert run(over)["ece",].low > found["ece",].high


def test_shifted_logits_move_the_intercept_alone():
    """Half a logit too high is an intercept of -0.5 at slope 1."""
    logit, label = calibrated(3000, 0.0, shift=0.5)
    found = run(saved_context(logit, small_cohort(label), output="logits"))
    assert found["intercept", "in this sample"].low < -0.5 < found["intercept", "in this sample"].high
    assert found["slope",].low < 1 < found["slope",].high


def test_without_a_prevalence_the_intercept_is_of_this_sample():
    """Intercept and Brier score then stand under a stratum that says so, and without one they are missing."""
    logit, label = calibrated(300, 0.0)
    found = run(saved_context(logit, small_cohort(label), output="logits"))
    assert {key[1:] for key, m in found.items() if key[0] in ("intercept", "brier") and m.value is not None} == {
        ("in this sample",)
    }
    rows = list(Miscalibration().run(saved_context(logit, small_cohort(label), output="logits")))
    assert [m.metric for m in rows if m.value is None] == ["intercept", "brier"]
    expected = brier_score_loss(label, sigmoid(logit))
    assert found["brier", "in this sample"].value == pytest.approx(expected, abs=1e-12)


def enriched(seed=0):
    """Return scores that are right at about 9 % and labels of a sample in which half are ill."""
    logit, label = calibrated(40_000, -2.9, seed=seed)
    prevalence = label.mean()
    rng = np.random.default_rng(seed)
    ill, well = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    rows = np.concatenate([rng.choice(ill, 1500, replace=False), rng.choice(well, 1500, replace=False)])
    return logit[rows], label[rows], float(prevalence)


def test_an_enriched_sample_is_judged_at_the_declared_prevalence():
    """Right at the declared prevalence, the model has an intercept of 0 there and of more than 1 in the sample."""
    logit, label, prevalence = enriched()
    cohort = small_cohort(label)
    declared = run(saved_context(logit, cohort, output="logits", prevalence=Prevalence(value=prevalence)))
    name = f"prevalence {prevalence:g}"
    assert declared["intercept", name].low < 0 < declared["intercept", name].high
    assert declared["ece", name].low < 0.02
    assert run(saved_context(logit, cohort, output="logits"))["intercept", "in this sample"].low > 1


def test_brier_score_is_weighted_to_the_declared_prevalence():
    """It is the weighted mean of the mean squares of both classes, to 1e-12, with an interval around it."""
    logit, label, _ = enriched()
    score = sigmoid(logit)
    m = run(saved_context(logit, small_cohort(label), output="logits", prevalence=Prevalence(value=0.1)))
    ill, well = ((score[label == 1] - 1) ** 2).mean(), (score[label == 0] ** 2).mean()
    found = m["brier", "prevalence 0.1"]
    assert found.value == pytest.approx(0.1 * ill + 0.9 * well, abs=1e-12)
    assert found.low < found.value < found.high
    assert found.n == 3000


def test_the_ends_of_the_range_have_an_intercept_of_another_name():
    """No scores are right at two prevalences; at an end the intercept is off by the distance of the prior logits."""
    logit, label = calibrated(4000, 0.0)
    declared = Prevalence(value=0.4, low=0.3, high=0.5)
    found = run(saved_context(logit, small_cohort(label), output="logits", prevalence=declared))
    assert [key for key in found if key[0] == "intercept"] == [("intercept", "prevalence 0.4")]
    ends = {key[1] for key in found if key[0] == "intercept_over_range"}
    assert ends == {"prevalence 0.3", "prevalence 0.5"}
    apart = (
        found["intercept_over_range", "prevalence 0.5"].value - found["intercept_over_range", "prevalence 0.3"].value
    )
    # A shift of the prior moves the logit of a right score by that of the odds; the intercept at slope 1 follows.
    assert apart == pytest.approx(np.log(1) - np.log(3 / 7), abs=0.02)


def test_brier_score_is_given_over_the_whole_range():
    """At each end it is the weighted mean of the classes' mean squares, to 1e-12."""
    logit, label = calibrated(400, 0.0)
    score = sigmoid(logit)
    declared = Prevalence(value=0.4, low=0.3, high=0.5)
    found = run(saved_context(logit, small_cohort(label), output="logits", prevalence=declared))
    ill, well = ((score[label == 1] - 1) ** 2).mean(), (score[label == 0] ** 2).mean()
    for share in (0.3, 0.4, 0.5):
        assert found["brier", f"prevalence {share:g}"].value == pytest.approx(
            share * ill + (1 - share) * well, abs=1e-12
        )


def test_probabilities_of_zero_and_one_are_inside_the_bins():
    """A model wrong on every case at 0 and 1 has a calibration error of 1, not 0, and every case is in a bin."""
    label = np.repeat([0, 1], 100)
    ctx = saved_context(1.0 - label, small_cohort(label))
    found = run(ctx)
    assert found["brier", "in this sample"].value == 1
    curve = next(a for a in ctx.sink.artifacts if a.name == "reliability_curve")
    assert curve.arrays["n"].sum() == 200
    assert found["ece",].value is None or found["ece",].value > 0.9


def test_perfect_separation_has_no_slope():
    """Scores that separate the classes have no slope, and the reason is given."""
    label = np.repeat([0, 1], 50)
    found = run(saved_context(np.linspace(0.01, 0.99, 100), small_cohort(label)))
    assert found["slope",].value is None
    assert "separate" in found["slope",].missing


def test_one_class_is_missing():
    """Without positives there is neither slope nor intercept; a declared prevalence does not change that."""
    score = np.linspace(0.01, 0.99, 60)
    for more in ({}, {"prevalence": Prevalence(value=0.1)}):
        found = run(saved_context(score, small_cohort(np.zeros(60, dtype=int)), **more))
        assert found["slope",].value is None
        assert found["slope",].missing


def test_reliability_curve_has_an_interval_a_bin():
    """Ten bins of equal mass, each with its observed share inside its interval."""
    logit, label = calibrated(500, 0.0)
    ctx = saved_context(logit, small_cohort(label), output="logits")
    run(ctx)
    arrays = ctx.sink.artifacts[0].arrays
    assert len(arrays["n"]) == 10
    assert (arrays["low"] <= arrays["observed"]).all()
    assert (arrays["observed"] <= arrays["high"]).all()
    assert (np.diff(arrays["predicted"]) > 0).all()
    assert arrays["n"].sum() == 500
    assert (arrays["n_patients"] == arrays["n"]).all()


def test_the_bins_of_the_figure_count_patients():
    """Four alike images a patient leave intervals of the observed share as wide as those of one image."""
    logit, label = calibrated(400, 0.0)
    one = saved_context(logit, small_cohort(label), output="logits")
    cohort = small_cohort(np.repeat(label, 4), patients=np.repeat(np.arange(400), 4))
    four = saved_context(np.repeat(logit, 4), cohort, output="logits")
    run(one), run(four)
    narrow, wide = four.sink.artifacts[0].arrays, one.sink.artifacts[0].arrays
    assert (narrow["n_patients"] == wide["n_patients"]).all()
    assert (narrow["n"] == 4 * narrow["n_patients"]).all()
    assert (narrow["high"] - narrow["low"]) == pytest.approx(wide["high"] - wide["low"], rel=0.15)


def test_each_class_is_calibrated_by_itself():
    """A multiclass model has a slope a class."""
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    cohort = small_cohort(target, classes=("a", "b", "c"))
    raw = rng.normal(size=(300, 3)) + np.eye(3)[target]
    found = run(saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None))
    assert all(found["slope", name].value is not None for name in "abc")


def test_a_value_on_its_own_scale_is_no_probability():
    """A risk score from 0 to 100 has no calibration; clipped to [0, 1] it would have a wrong one."""
    label = np.arange(60) % 2
    with pytest.raises(NotApplicable, match="no probability"):
        run(saved_context(40.0 + 20 * label, small_cohort(label), output="value"))
