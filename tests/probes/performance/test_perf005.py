"""PERF005 holds the model against what is there already, on the same cases."""

import numpy as np
import pytest
from MLstatkit import Delong_test

from audit.core import NotApplicable
from audit.probes.performance import NoBetterThanComparator
from audit.testing import check_probe, comparator, conforming_contexts, saved_context, small_cohort


def run(ctx):
    """Return the measurements by metric and comparator."""
    return {(m.metric, m.condition["parameter"]): m for m in NoBetterThanComparator().run(ctx)}


def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def paired(rng, *, n=600, model=1.8, other=1.0, **more):
    """Return a context whose model and comparator differ in how far they part the labels."""
    label = (rng.random(n) < 0.4).astype(int)
    shared = rng.normal(size=n)
    scores = [sigmoid(signal * (label - 0.4) + 0.7 * shared + 0.7 * rng.normal(size=n)) for signal in (model, other)]
    rival = comparator("radiologist", scores[1], operating_point=0.5)
    return saved_context(scores[0], small_cohort(label, comparators=[rival], **more))


def regression(rng, *, model, other, n=300):
    """Return a context of a real value whose two errors have these spreads."""
    target = rng.normal(60, 10, n)
    cohort = small_cohort(target, comparators=[comparator("formula", target + rng.normal(0, other, n), output="value")])
    return saved_context(
        target + rng.normal(0, model, n), cohort, task="regression", output="value", operating_point=None
    )


def contexts():
    """Return the usual contexts, in which there is no comparator, and two in which there is."""
    return {
        **conforming_contexts(),
        "binary, comparator": lambda: paired(np.random.default_rng(1)),
        "regression, comparator": lambda: regression(np.random.default_rng(1), model=3, other=5),
    }


def test_keeps_the_protocol():
    """It completes where a comparator is declared."""
    assert {"binary, comparator", "regression, comparator"} <= set(check_probe(NoBetterThanComparator, contexts()))


def test_without_a_comparator_it_has_no_question():
    """Not applicable, and the reason names where to declare one."""
    ctx = saved_context(np.linspace(0, 1, 40), small_cohort(np.arange(40) % 2))
    with pytest.raises(NotApplicable, match=r"cohort\.comparators"):
        list(NoBetterThanComparator().run(ctx))


def test_difference_is_delongs():
    """With one case a patient the value is MLstatkit's to 1e-10, and the interval holds DeLong's at least."""
    ctx = paired(np.random.default_rng(2))
    m = run(ctx)["auc_advantage", "radiologist"]
    rival = ctx.cohort.comparators["radiologist"].values
    *_, of_other, of_model, info = Delong_test(ctx.cohort.targets, rival, ctx.clean.scores)
    assert m.value == pytest.approx(of_model - of_other, abs=1e-10)
    half = 1.959964 * np.sqrt(info["var_diff"])
    assert m.low < m.value - half + 1e-9
    assert m.high > m.value + half - 1e-9
    assert m.high - m.low < 2.4 * half


def test_rates_are_paired_by_hand():
    """Of 100 positives the model finds 88 and the comparator 80, 75 of them both: the difference is 0.08."""
    label = np.repeat([1, 0], 100)
    model, other = np.zeros(200), np.zeros(200)
    model[:88], other[13:93] = 0.9, 1.0
    cohort = small_cohort(label, comparators=[comparator("reader", other, output="decision")])
    found = run(saved_context(model, cohort))
    m = found["sensitivity_advantage", "reader"]
    assert (m.value, m.n) == (pytest.approx(0.08), 100)
    assert -0.05 < m.low < 0.08 < m.high < 0.2
    assert found["specificity_advantage", "reader"].value == 0
    assert "yes or no" in found["auc_advantage", "reader"].missing


def test_a_better_model_is_better():
    """A model that parts the labels better has an AUC advantage wholly above 0."""
    assert run(paired(np.random.default_rng(3)))["auc_advantage", "radiologist"].low > 0.03


def test_planted_fault_is_caught():
    """A model that is worse than the clinical score it is to replace has an advantage wholly below 0."""
    found = run(paired(np.random.default_rng(4), model=0.8, other=1.8))
    assert found["auc_advantage", "radiologist"].high < -0.05
    assert found["sensitivity_advantage", "radiologist"].high < 0
    errors = run(regression(np.random.default_rng(4), model=6, other=3))
    assert errors["mae_advantage", "formula"].high < -1


def test_silent_where_both_are_alike():
    """Two equally good answers: no advantage is claimed on either side, and equality to 0.1 is shown."""
    found = run(paired(np.random.default_rng(5), model=1.5, other=1.5, n=1500))
    for m in found.values():
        assert m.low < 0 < m.high
    assert found["auc_advantage", "radiologist"].low > -0.05
    errors = run(regression(np.random.default_rng(5), model=4, other=4))
    assert errors["mae_advantage", "formula"].low < 0 < errors["mae_advantage", "formula"].high


def test_mean_absolute_errors_by_hand():
    """Errors of 1 against errors of 1, 2 and 3 in turn: the advantage is 1."""
    target = np.arange(30, dtype=float)
    other = target + 1 + np.arange(30) % 3
    cohort = small_cohort(target, comparators=[comparator("formula", other, output="value")])
    m = run(saved_context(target - 1, cohort, task="regression", output="value", operating_point=None))
    assert m["mae_advantage", "formula"].value == pytest.approx(1.0)
    assert m["mae_advantage", "formula"].low > 0.5


def test_images_of_one_patient_are_one_piece_of_evidence():
    """Five copies of every case leave the AUC advantage as it is."""
    one = paired(np.random.default_rng(6), n=150)
    copies = small_cohort(
        np.repeat(one.cohort.targets, 5), patients=np.repeat(np.arange(150), 5),
        comparators=[comparator("radiologist", np.repeat(one.cohort.comparators["radiologist"].values, 5))],
    )  # fmt: skip
    first = run(one)["auc_advantage", "radiologist"]
    fifth = run(saved_context(np.repeat(one.clean.scores, 5), copies))["auc_advantage", "radiologist"]
    np.testing.assert_allclose(fifth.curve, first.curve, atol=1e-12)


def test_cases_without_an_answer_are_left_out_and_counted():
    """Where the comparator is silent there is no pair: the rest is measured, and the number left out is stated."""
    full = paired(np.random.default_rng(7), n=300)
    values = full.cohort.comparators["radiologist"].values.copy()
    values[:50] = np.nan
    cohort = small_cohort(full.cohort.targets, comparators=[comparator("radiologist", values, operating_point=0.5)])
    found = run(saved_context(full.clean.scores, cohort))
    m = found["auc_advantage", "radiologist"]
    assert m.n == 250
    assert "50 left out where the comparator is silent" in m.method
    rest = small_cohort(full.cohort.targets[50:], comparators=[comparator("radiologist", values[50:])])
    alone = run(saved_context(full.clean.scores[50:], rest))["auc_advantage", "radiologist"]
    assert m.value == pytest.approx(alone.value, abs=1e-12)
    silent = int(full.cohort.targets[:50].sum())
    assert f"; {silent} left out" in found["sensitivity_advantage", "radiologist"].method


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"values": np.full(40, np.nan)}, ("answered none", "answered none", "answered none")),
        ({"values": np.linspace(0, 1, 40)}, (None, "declared for the comparator", "declared for the comparator")),
        ({"values": np.zeros(40), "operating_point": 0.5}, ("do not vary", None, None)),
    ],
)
def test_every_absence_has_its_reason(given, reasons):
    """Silence, a comparator without a point and one that says the same of all: no number, and why."""
    point = {"operating_point": 0.5} if np.isnan(given["values"]).all() else {}
    cohort = small_cohort(np.arange(40) % 2, comparators=[comparator("c", **given, **point)])
    found = run(saved_context(np.random.default_rng(8).random(40), cohort))
    for metric, reason in zip(("auc", "sensitivity", "specificity"), reasons, strict=True):
        m = found[f"{metric}_advantage", "c"]
        assert (m.missing is None) if reason is None else (reason in m.missing)


def test_a_probability_is_no_value():
    """A comparator in other terms than the target has no absolute error, and the reason says so."""
    cohort = small_cohort(np.arange(40.0), comparators=[comparator("c", np.full(40, 0.5))])
    found = run(saved_context(np.arange(40.0) + 1, cohort, task="regression", output="value", operating_point=None))
    assert "unit of the target" in found["mae_advantage", "c"].missing


def test_no_operating_point_of_the_model_is_a_reason():
    """Without the model's own point there are no rates to compare."""
    label = np.arange(40) % 2
    cohort = small_cohort(label, comparators=[comparator("c", label, output="decision")])
    found = run(saved_context(np.linspace(0, 1, 40), cohort, operating_point=None))
    assert found["sensitivity_advantage", "c"].missing == "no operating point is declared"


def test_figures_have_both_curves_and_their_points():
    """The ROC arrays name model and comparator, and the points that both are used at stand beside them."""
    ctx = paired(np.random.default_rng(9))
    found = run(ctx)
    drawn = {a.name: a for a in ctx.sink.artifacts}
    assert set(drawn["roc_curve"].arrays["class"]) == {"the model", "radiologist"}
    about = drawn["roc_curve"].meta
    gap = about["model_tpr"] - about["comparator_tpr"]
    assert gap == pytest.approx(found["sensitivity_advantage", "radiologist"].value)
    rows = drawn["comparator_advantages"].arrays
    assert rows["value"].tolist() == [m.value for m in found.values()]
    errors = regression(np.random.default_rng(9), model=3, other=5)
    run(errors)
    quantiles = next(a for a in errors.sink.artifacts if a.name == "paired_errors").arrays
    assert quantiles["model"][50] < quantiles["comparator"][50]


def survival(rng, *, other, n=500, horizon=5.0, **more):
    """Return a context of risks at a horizon, and of a comparator with this much of the risk in it."""
    linear = rng.normal(size=n)
    failure, censored = 8 * np.exp(-linear) * rng.exponential(size=n), rng.exponential(12, n)
    rival = comparator("densitometry", other * linear + rng.normal(size=n), output="value")
    cohort = small_cohort(
        np.minimum(failure, censored), event=failure <= censored, classes=(), comparators=[rival], **more
    )
    card = {"horizon": horizon}
    return saved_context(sigmoid(linear), cohort, task="survival", operating_point=None, card=card)


def test_a_risk_is_better_than_a_comparator_that_knows_nothing():
    """Paired at the horizon, the advantage over noise is that of the model's area over one half: proved above 0.1."""
    ctx = survival(np.random.default_rng(3), other=0.0)
    m = run(ctx)["auc_advantage", "densitometry"]
    assert m.low > 0.1
    assert m.n_patients == 500


def test_a_risk_is_no_better_than_one_that_knows_the_same():
    """A comparator that ranks nearly alike leaves an interval with 0 within 0.05 of its value."""
    m = run(survival(np.random.default_rng(3), other=30.0))["auc_advantage", "densitometry"]
    assert m.low <= 0 <= m.high
    assert abs(m.value) < 0.05


def test_a_comparator_that_is_silent_on_a_patient_leaves_that_pair_out():
    """The method counts whom the comparator did not answer."""
    ctx = survival(np.random.default_rng(3), other=1.0, n=200)
    ctx.cohort.comparators["densitometry"].values[:20] = np.nan
    m = run(ctx)["auc_advantage", "densitometry"]
    assert m.n == 180
    assert "20 left out" in m.method
