"""PERF009 finds answers that no patient has, and one answer for too many."""

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.performance import ImplausibleOutput
from audit.testing import check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by metric, with the class where there is one."""
    return {(m.metric, *(m.condition.get(k) for k in ("class",) if k in m.condition)): m for m in
            ImplausibleOutput().run(ctx)}  # fmt: skip


def regression(read, n=300, seed=1):
    """Return the measurements of what `read` makes of ages."""
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 12, n)
    ctx = saved_context(
        read(age, rng), small_cohort(age, classes=()), task="regression", output="value", operating_point=None
    )
    return run(ctx)


def healthy(age, rng):
    """Return ages with an error."""
    return age + rng.normal(0, 2, len(age))


def test_keeps_the_protocol():
    """It completes for every task."""
    completed = set(check_probe(ImplausibleOutput))
    assert {"binary, saved", "multiclass", "multilabel", "regression", "segmentation"} <= completed


def test_shares_and_ratio_by_hand():
    """References 0 to 9, answers twice as spread: half as many inside as there are, ratio 2, nothing shared."""
    reference = np.tile(np.arange(10.0), 3)
    answers = 2 * reference - 4.5 + np.arange(30) / 1e6
    ctx = saved_context(
        answers, small_cohort(reference, classes=()), task="regression", output="value", operating_point=None
    )
    found = run(ctx)
    outside = (answers < 0) | (answers > 9)
    assert (found["share_outside_range",].k, found["share_outside_range",].n) == (outside.sum(), 30)
    assert found["spread_ratio",].value == pytest.approx(answers.std() / reference.std(), abs=1e-9)
    assert found["share_commonest",].value == 0


def test_a_model_that_keeps_to_the_mean_is_caught():
    """Answers drawn to the mean differ half as much as patients do; noise alone does not."""
    found = regression(lambda age, rng: 60 + 0.5 * (age - 60) + rng.normal(0, 1, len(age)))
    assert found["spread_ratio",].high < 0.7
    assert found["share_outside_range",].value == 0


def test_impossible_ages_are_caught():
    """A tenth of the answers is 140 years."""
    found = regression(lambda age, rng: np.where(np.arange(len(age)) % 10 == 0, 140.0, healthy(age, rng)))
    assert found["share_outside_range",].low > 0.05
    assert found["share_commonest",].value == pytest.approx(0.1)
    assert found["spread_ratio",].low > 1.5


def test_silent_on_a_healthy_value():
    """A right value with noise: hardly an answer outside, a spread that holds 1 nearly, no answer shared."""
    found = regression(healthy)
    assert found["share_outside_range",].high < 0.05
    assert 0.95 < found["spread_ratio",].low < found["spread_ratio",].high < 1.1
    assert found["share_commonest",].value == 0


def test_a_saturated_classifier_is_caught():
    """Logits of fifty give probabilities of 0 and 1 only; the healthy model has none of them."""
    label = np.arange(200) % 2
    saturated = saved_context(np.where(label, 50.0, -50.0) + np.arange(200) / 100, small_cohort(label), output="logits")
    assert run(saturated)["share_saturated",].low > 0.95
    fine = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=400)))
    assert fine["share_saturated",].value == 0
    assert fine["share_commonest",].value == 0


def test_a_constant_answer_is_caught():
    """Every case has the commonest answer, by class."""
    found = run(context(planted("constant"), tiny_cohort(np.random.default_rng(1), n=100)))
    assert found["share_commonest",].value == 1
    label = np.arange(90) % 3
    raw = np.tile([0.2, 0.5, 0.3], (90, 1))
    raw[:45] = np.random.default_rng(2).dirichlet([1, 1, 1], 45)
    by_class = run(saved_context(raw, small_cohort(label, classes=("a", "b", "c")), task="multiclass"))
    assert by_class["share_commonest", "b"].value == pytest.approx(0.5)


def test_a_value_of_its_own_scale_is_not_called_saturated():
    """A binary score that claims to be no probability has no share near 0 and 1."""
    found = run(saved_context(np.arange(40.0), small_cohort(np.arange(40) % 2), output="value"))
    assert ("share_saturated",) not in found


def masks(columns):
    """Return the measurements of a segmentation from columns a case."""
    n = len(next(iter(columns.values())))
    return run(
        saved_context(
            np.stack(list(columns.values()), axis=1), small_cohort(np.zeros(n)), task="segmentation",
            output="mask_probabilities", operating_point=None, columns=tuple(columns),
        )
    )  # fmt: skip


def test_empty_and_shattered_masks_are_caught():
    """A fifth of the masks is empty, and the others fall into two parts more than there are."""
    rng = np.random.default_rng(3)
    reference = rng.uniform(10, 30, 100)
    predicted = np.where(np.arange(100) % 5 == 0, 0.0, reference * rng.normal(1, 0.05, 100))
    parts = {"lesions_reference": np.full(100, 1), "lesions_predicted": 2 + np.arange(100) % 3}
    found = masks({"volume_predicted": predicted, "volume_reference": reference, **parts})
    assert (found["share_empty",].k, found["share_empty",].n) == (20, 100)
    assert found["extra_lesions",].low > 1.5
    assert found["share_outside_range",].low > 0.1


def test_masks_without_reference_or_parts_say_so():
    """Where nothing is to be found no mask is wrongly empty; where parts were not counted there is no surplus."""
    found = masks({"volume_predicted": np.arange(20.0), "volume_reference": np.zeros(20)})
    assert found["share_empty",].missing == "no reference mask holds anything"
    assert found["spread_ratio",].missing == "the reference does not vary"
    assert found["extra_lesions",].missing == "it was not measured on these cases"
    with pytest.raises(NotApplicable, match="volumes were not measured"):
        masks({"dice": np.ones(20)})


def test_figure_holds_both_spreads():
    """Every answer and every reference is in one of the bins, and the reference's ends are named."""
    age = np.random.default_rng(4).normal(60, 12, 120)
    ctx = saved_context(
        age + 30, small_cohort(age, classes=()), task="regression", output="value", operating_point=None
    )
    run(ctx)
    drawn = next(a for a in ctx.sink.artifacts if a.name == "output_spread")
    assert drawn.arrays["model"].sum() == drawn.arrays["reference"].sum() == 120
    assert (drawn.meta["reference_low"], drawn.meta["reference_high"]) == (age.min(), age.max())
