"""PERF003 holds the model against readers, each facing the others."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from audit.core import NotApplicable
from audit.probes.performance import ObserverAgreement
from audit.testing import saved_context, small_cohort

GRADES = ("none", "mild", "moderate", "severe")


def run(ctx):
    """Return the measurements by metric and condition."""
    found = {}
    for m in ObserverAgreement().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("parameter", "stratum") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def graded(n=400, readers=3, *, noise=0.5, seed=0, trained="", copies=""):
    """Return a context of grades: readers with noise 0.5, the model with its own, or a copy of one reader."""
    rng = np.random.default_rng(seed)
    latent, cuts = rng.normal(size=n), [-0.7, 0, 0.7]
    raters = {f"reader_{k}": np.digitize(latent + 0.5 * rng.normal(size=n), cuts).astype(float) for k in range(readers)}
    named = np.digitize(latent + noise * rng.normal(size=n), cuts)
    if copies:
        named = np.where(rng.random(n) < 0.95, raters[copies], named).astype(int)
    cohort = small_cohort(np.digitize(latent, cuts), classes=GRADES, raters=raters)
    return saved_context(
        4.0 * np.eye(4)[named], cohort, task="ordinal", output="logits", card={"training_rater": trained}
    )


def test_a_worse_model_is_caught_and_one_like_the_readers_is_not():
    """A model with three times the readers' noise is wholly below; one with theirs has 0 inside, bounds within 0.1."""
    assert run(graded(noise=1.5))["agreement_difference", "readers fixed"].high < -0.1
    m = run(graded())["agreement_difference", "readers fixed"]
    assert -0.1 < m.low < 0 < m.high < 0.1


def test_two_readers_by_scikit_learn():
    """With two readers each faces the other: the mean of the model's kappas minus theirs, to 1e-12."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 200)
    a, b, model = (np.where(rng.random(200) < 0.15, 1 - label, label) for _ in range(3))
    cohort = small_cohort(label, raters={"a": a.astype(float), "b": b.astype(float)})
    m = run(saved_context(np.where(model == 1, 0.9, 0.1), cohort))["agreement_difference", "readers fixed"]
    wanted = (cohen_kappa_score(model, a) + cohen_kappa_score(model, b)) / 2 - cohen_kappa_score(a, b)
    assert m.value == pytest.approx(wanted, abs=1e-12)
    assert (m.n, m.n_patients) == (200, 200)


def test_a_model_is_not_scored_on_the_rater_that_trained_it():
    """A model that copies reader 0 looks like a reader on him; he is left out of the comparison and shown apart."""
    blind = run(graded(copies="reader_0", noise=1.5))
    told = run(graded(copies="reader_0", noise=1.5, trained="reader_0"))
    assert told["agreement", "reader_0", "trained on this rater"].value > 0.9
    assert ("agreement", "reader_0", "reader") not in told
    assert set(blind) != set(told)
    alone = graded(readers=2, trained="reader_0")
    m = run(alone)["agreement_difference", "readers fixed"]
    assert m.value is None
    assert "1 reader" in m.missing
    assert "without the reader who trained" in m.missing


def test_five_readers_are_a_sample():
    """From five readers on the condition and the method say so."""
    m = run(graded(readers=5))["agreement_difference", "readers random"]
    assert "a sample of readers" in m.method


def test_each_reader_is_shown_beside_the_model():
    """Every reader has two rows over the same cases, and the figure holds them with the difference."""
    ctx = graded()
    found = run(ctx)
    for name in ("reader_0", "reader_1", "reader_2"):
        assert found["agreement", name, "reader"].n == found["agreement", name, "model"].n == 400
    shown = ctx.sink.artifacts[-1]
    assert shown.name == "agreement_by_reader"
    assert shown.arrays["name"].tolist() == ["reader_0", "reader_1", "reader_2"]
    assert shown.arrays["reader"][0] == found["agreement", "reader_0", "reader"].value
    assert shown.meta["difference"] == found["agreement_difference", "readers fixed"].value
    assert "equal parts" in shown.meta["consensus"]


def measured(shift=0.0, noise=3.0, n=300):
    """Return a context of a real value read by three readers, 3 units apart, and a model with a shift."""
    rng = np.random.default_rng(2)
    truth = rng.normal(70, 10, n)
    raters = {k: truth + rng.normal(0, 3, n) for k in "abc"}
    cohort = small_cohort(truth, classes=(), raters=raters)
    model = truth + shift + rng.normal(0, noise, n)
    return saved_context(model, cohort, task="regression", output="value", operating_point=None)


def test_a_real_value_is_compared_by_icc_and_by_distance():
    """A model 5 units off is wholly below in both; one like the readers has 0 inside in both."""
    for metric in ("agreement_difference", "distance_advantage"):
        assert run(measured(shift=5))[metric, "readers fixed"].high < 0
        m = run(measured())[metric, "readers fixed"]
        assert m.low < 0 < m.high


def test_no_number_has_its_reason():
    """Without readers it is not applicable; 59 patients and no operating point are missing with the reason."""
    with pytest.raises(NotApplicable, match="role rater"):
        ObserverAgreement().run(saved_context(np.linspace(0, 1, 9), small_cohort(np.arange(9) % 2)))
    assert "59 patients" in run(graded(59))["agreement_difference", "readers fixed"].missing
    label = np.arange(100) % 2
    cohort = small_cohort(label, raters={"a": label.astype(float), "b": label.astype(float)})
    m = run(saved_context(label * 0.8, cohort, operating_point=None))["agreement_difference", "readers fixed"]
    assert "operating point" in m.missing


def marked(noise, n=200):
    """Return a context of volumes: readers within a fifth of the truth, the model with its own error."""
    rng = np.random.default_rng(3)
    true = rng.lognormal(4, 0.8, n)
    raters = {f"reader_{k}": true * np.exp(rng.normal(0, 0.2, n)) for k in range(3)}
    volumes = true * np.exp(rng.normal(0, noise, n))
    return saved_context(
        np.stack([volumes, true], axis=1), small_cohort(np.zeros(n), raters=raters), task="segmentation",
        output="mask_probabilities", operating_point=None, columns=("volume_predicted", "volume_reference"),
    )  # fmt: skip


def test_a_segmentation_is_held_against_readers_by_its_volume():
    """Four times the readers' scatter is wholly below, in agreement and in mm³; as much as theirs is not."""
    wild, alike = run(marked(0.8)), run(marked(0.2))
    for metric in ("agreement_difference", "distance_advantage"):
        assert wild[metric, "readers fixed"].high < 0
        assert alike[metric, "readers fixed"].low < 0 < alike[metric, "readers fixed"].high


def test_a_segmentation_without_volumes_has_no_question():
    """Saved overlap alone says nothing of volumes."""
    cohort = small_cohort(np.zeros(20), raters={"reader": np.ones(20)})
    ctx = saved_context(
        np.ones((20, 1)), cohort, task="segmentation", output="mask_probabilities", operating_point=None,
        columns=("dice",),
    )  # fmt: skip
    with pytest.raises(NotApplicable, match="volumes were not measured"):
        run(ctx)
