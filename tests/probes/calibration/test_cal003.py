"""CAL003 sees whether doubts lie where the errors are, and what declined cases cost."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable, Prevalence
from audit.probes.calibration import Abstention
from audit.stats import proportion
from audit.testing import (
    attribute,
    check_probe,
    context,
    planted,
    saved_context,
    small_cohort,
    tiny_cohort,
    with_aside,
)

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)


def run(ctx):
    """Return the measurements by (metric, subgroup level or class or coverage if any), in the first stratum if any."""
    found = {}
    for m in sorted(Abstention().run(ctx), key=lambda m: m.value is None and "stratum" not in m.condition):
        parts = [*m.subgroup.values(), *(m.condition[k] for k in ("class", "parameter") if k in m.condition)]
        found.setdefault((m.metric, *parts), m)
    return found


def risks(found):
    """Return the risks by falling coverage."""
    return [found["risk_at_coverage", f"coverage {c:g}"] for c in COVERAGES]


def test_doubts_of_the_healthy_model_lie_where_its_errors_are():
    """Its risk falls at every step, and the interval at half of the cases lies below that at all of them."""
    found = risks(run(context(planted(), tiny_cohort(np.random.default_rng(1), n=1600))))
    values = [m.value for m in found]
    assert values == sorted(values, reverse=True)
    assert found[-1].high < found[0].low


def test_a_model_that_is_sure_where_it_errs_is_caught():
    """Its wrong answers are its most confident ones: risk rises as coverage falls, wholly above that of all cases."""
    ctx = context(planted(), tiny_cohort(np.random.default_rng(1), n=1600))
    score, label = ctx.clean.scores, ctx.cohort.targets == 1
    wrong = (score >= 0.5) != label
    # Logits of wrong answers times 5: same decisions, other confidence.
    logit = np.log(score) - np.log1p(-score)
    found = risks(run(saved_context(np.where(wrong, 5 * logit, logit), ctx.cohort, output="logits")))
    assert found[0].value == pytest.approx(wrong.mean(), abs=1e-12)
    assert found[-1].low > found[0].high


def test_at_full_coverage_risk_is_one_minus_accuracy():
    """And its n and patients are all of them; at 0.8 they are 80 %."""
    ctx = context(planted(), tiny_cohort(np.random.default_rng(2), n=400))
    found = risks(run(ctx))
    assert found[0].value == pytest.approx(1 - ((ctx.clean.scores >= 0.5) == ctx.cohort.targets).mean(), abs=1e-12)
    assert [m.n for m in found] == [400, 360, 320, 280, 200]
    assert all(m.n_patients == m.n for m in found)


def test_confidence_is_the_distance_on_the_logit_scale():
    """At a threshold of 0.05 a score of 0.001 is kept before one of 0.12, though the latter is farther away."""
    label = np.repeat([0, 1], 50)
    score = np.where(label == 0, np.where(np.arange(100) % 2, 0.001, 0.12), 0.9)
    found = run(saved_context(score, small_cohort(label), operating_point=0.05))
    # Half of the negatives are at 0.12 and wrong; a quarter of all, and the least confident quarter.
    assert found["risk_at_coverage", "coverage 1"].value == pytest.approx(0.25)
    assert found["risk_at_coverage", "coverage 0.7"].value == 0


def test_risk_is_weighted_to_the_declared_prevalence():
    """Over the range, risk of all cases is prevalence x miss rate + rest x false alarms, to 1e-12."""
    ctx = context(
        planted(), tiny_cohort(np.random.default_rng(2), n=800), prevalence=Prevalence(value=0.1, low=0.05, high=0.2)
    )
    label, called = ctx.cohort.targets == 1, ctx.clean.scores >= 0.5
    found = {
        m.condition["stratum"]: m
        for m in Abstention().run(ctx)
        if m.metric == "risk_at_coverage" and m.condition["parameter"] == "coverage 1"
    }
    for share in (0.1, 0.05, 0.2):
        expected = share * (~called[label]).mean() + (1 - share) * called[~label].mean()
        assert found[f"prevalence {share:g}"].value == pytest.approx(expected, abs=1e-12)
    assert len(found) == 3


def test_a_model_that_doubts_women_only_is_caught():
    """Women's logits are five times nearer to the threshold: their share kept at 80 % is far below men's."""
    ctx = context(planted(), tiny_cohort(np.random.default_rng(1), n=1000))
    female = ctx.cohort.attributes["sex"].levels == "female"
    logit = np.log(ctx.clean.scores) - np.log1p(-ctx.clean.scores)
    timid = saved_context(np.where(female, logit / 5, logit), ctx.cohort, output="logits")
    gap = run(timid)["coverage_gap", "female", "coverage 0.8"]
    distance = np.abs(np.where(female, logit / 5, logit))
    kept = distance >= np.sort(distance)[200]
    assert kept.sum() == 800
    assert gap.value == pytest.approx(kept[female].mean() - kept[~female].mean(), abs=1e-12)
    assert gap.high < -0.2
    healthy = run(ctx)["coverage_gap", "female", "coverage 0.8"]
    assert healthy.low < 0 < healthy.high


def declining(n=400, seed=0):
    """Return a context whose model declines 30 % of women and 5 % of men, half of them without a score."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    female = rng.random(n) < 0.5
    declined = rng.random(n) < np.where(female, 0.3, 0.05)
    score = np.clip(np.where(label == 1, 0.7, 0.3) + 0.25 * rng.normal(size=n), 0.01, 0.99)
    gone = declined & (np.arange(n) % 4 < 2)
    sex = np.where(female, "female", "male")
    cohort = small_cohort(
        label[~gone], attributes=[attribute("sex", sex[~gone], "protected")], ungradable=declined[~gone]
    )
    cohort = with_aside(
        cohort, reasons=["ungradable"] * int(gone.sum()), targets=label[gone], attributes={"sex": sex[gone]},
        ungradable=np.ones(int(gone.sum()), dtype=bool),
    )  # fmt: skip
    right = (score >= 0.5) == (label == 1)
    return saved_context(score[~gone], cohort, seed=seed), label, declined, right, female


def test_declined_cases_without_a_score_are_counted():
    """The share is declined over all answered or declined, those set aside as ungradable included."""
    ctx, _, declined, _, female = declining()
    found = run(ctx)
    m = found["share_declined",]
    assert (m.k, m.n, m.n_patients) == (declined.sum(), 400, 400)
    assert found["share_declined", "female"].value == pytest.approx(declined[female].mean(), abs=1e-12)
    assert found["share_declined", "male"].n == (~female).sum()


def test_a_model_that_declines_women_is_caught():
    """The gap is that of the shares, is wholly above 0.1, and women and men are one contrast."""
    ctx, _, declined, _, female = declining()
    found = run(ctx)
    gap = found["share_declined_gap", "female"]
    assert gap.value == pytest.approx(declined[female].mean() - declined[~female].mean(), abs=1e-12)
    assert gap.low > 0.1
    assert gap.condition["n_rest"] == (~female).sum()
    assert gap.contrast == found["share_declined_gap", "male"].contrast


def test_declined_cases_as_failures_are_worked_by_hand():
    """Risk counts wrong or declined over all, sensitivity right and answered over all positives."""
    ctx, label, declined, right, _ = declining()
    found = run(ctx)
    done = right & ~declined
    assert found["risk_with_ungradable_as_failures",].value == pytest.approx(1 - done.mean(), abs=1e-12)
    for name, ill in (("sensitivity", 1), ("specificity", 0)):
        m = found[f"{name}_with_ungradable_as_failures",]
        assert (m.k, m.n) == (done[label == ill].sum(), (label == ill).sum())
    answered = found["risk_where_answered",]
    assert (answered.k, answered.n) == ((~right & ~declined).sum(), (~declined).sum())
    assert answered.high < found["risk_with_ungradable_as_failures",].low


def test_at_a_prevalence_declined_cases_are_weighted_by_class():
    """The share declined is that of each class, weighted; a declined case of unknown target is left out of it."""
    label = np.repeat([1, 0], 100)
    declined = np.arange(200) % 100 < np.where(label == 1, 30, 10)
    cohort = small_cohort(label, ungradable=declined)
    cohort = with_aside(cohort, reasons=["ungradable"] * 7, ungradable=np.ones(7, dtype=bool))
    ctx = saved_context(np.where(label == 1, 0.8, 0.2), cohort, prevalence=Prevalence(value=0.2))
    found = run(ctx)
    assert found["share_declined",].value == pytest.approx(0.2 * 0.3 + 0.8 * 0.1, abs=1e-12)
    assert found["risk_with_ungradable_as_failures",].value == pytest.approx(0.14, abs=1e-12)
    assert found["risk_with_ungradable_as_failures",].condition["stratum"] == "prevalence 0.2"


def test_a_declined_case_of_unknown_target_is_in_the_share_alone():
    """Seven more are declined; risk and sensitivity have the denominators that they had."""
    label = np.repeat([1, 0], 100)
    cohort = with_aside(
        small_cohort(label, ungradable=np.arange(200) < 10), reasons=["ungradable"] * 7,
        ungradable=np.ones(7, dtype=bool),
    )  # fmt: skip
    found = run(saved_context(np.where(label == 1, 0.8, 0.2), cohort))
    assert (found["share_declined",].k, found["share_declined",].n) == (17, 207)
    assert found["risk_with_ungradable_as_failures",].n == 200
    assert found["sensitivity_with_ungradable_as_failures",].k == 90


def test_cases_set_aside_for_another_reason_were_not_declined():
    """An image that cannot be read is in no denominator here."""
    label = np.repeat([1, 0], 100)
    cohort = with_aside(
        small_cohort(label, ungradable=np.arange(200) < 10), reasons=["image cannot be read"] * 5,
        targets=np.ones(5, dtype=int), ungradable=np.zeros(5, dtype=bool),
    )  # fmt: skip
    found = run(saved_context(np.where(label == 1, 0.8, 0.2), cohort))
    assert found["share_declined",].n == 200
    assert found["sensitivity_with_ungradable_as_failures",].n == 100


def test_without_a_declaration_the_shares_say_so():
    """Risk by coverage has numbers all the same; what needs the declaration names the key."""
    found = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=300)))
    assert "cohort.ungradable" in found["share_declined",].missing
    assert "cohort.ungradable" in found["sensitivity_with_ungradable_as_failures",].missing
    assert found["aurc",].value is not None


def test_findings_of_a_multilabel_model_stand_apart():
    """Each finding has its own confidence, errors and declined targets."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, (300, 2))
    cohort = small_cohort(target, classes=("effusion", "nodule"), ungradable=np.arange(300) < 30)
    cohort = with_aside(
        cohort, reasons=["ungradable"] * 4, targets=np.array([[1, -1], [1, 0], [0, 1], [-1, 1]]),
        ungradable=np.ones(4, dtype=bool), known=np.ones(4, dtype=bool),
    )  # fmt: skip
    raw = rng.normal(size=(300, 2)) + 2.0 * target - 1
    found = run(saved_context(raw, cohort, task="multilabel", output="logits"))
    assert found["risk_with_ungradable_as_failures", "effusion"].n == 303
    assert found["sensitivity_with_ungradable_as_failures", "effusion"].n == target[:, 0].sum() + 2
    wrong = ((raw[:, 1] >= 0) != (target[:, 1] == 1)).mean()
    assert found["risk_at_coverage", "nodule", "coverage 1"].value == pytest.approx(wrong, abs=1e-12)


def test_the_largest_score_is_the_confidence_of_several_classes():
    """One question for all classes: risk of all cases is one minus accuracy."""
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    raw = rng.normal(size=(300, 3)) + 1.5 * np.eye(3)[target]
    ctx = saved_context(
        raw, small_cohort(target, classes=("a", "b", "c")), task="multiclass", output="logits", operating_point=None
    )
    found = run(ctx)
    share = proportion(raw.argmax(axis=1) != target, np.arange(300), ctx.levels).value
    assert found["risk_at_coverage", "coverage 1"].value == pytest.approx(share, abs=1e-12)
    assert found["risk_at_coverage", "coverage 0.5"].high < found["risk_at_coverage", "coverage 1"].low


def test_the_figure_has_the_curve_with_counts():
    """Twenty coverages with bounds around the risk, falling confidence and rising counts."""
    ctx = context(planted(), tiny_cohort(np.random.default_rng(1), n=400))
    run(ctx)
    arrays = next(a for a in ctx.sink.artifacts if a.name == "risk_coverage").arrays
    assert len(arrays["coverage"]) == 20
    assert (arrays["low"] <= arrays["risk"]).all()
    assert (arrays["risk"] <= arrays["high"]).all()
    assert (np.diff(arrays["confidence"]) <= 0).all()
    assert list(arrays["n"]) == [20 * i for i in range(1, 21)]


def test_regression_has_declined_cases_and_no_confidence():
    """A real value has no decision; with nothing declared the probe does not apply and says both."""
    rng = np.random.default_rng(0)
    target = rng.normal(60, 12, 100)
    more = {"task": "regression", "output": "value", "operating_point": None}
    found = run(saved_context(target + 1, small_cohort(target, classes=(), ungradable=np.arange(100) < 20), **more))
    assert set(found) == {("share_declined",)}
    assert found["share_declined",].k == 20
    with pytest.raises(NotApplicable, match="no decisions"):
        run(saved_context(target + 1, small_cohort(target, classes=()), **more))


def test_it_keeps_the_protocol_of_probes():
    """It completes with and without images, declares what it gives and is deterministic by seed."""
    done = check_probe(Abstention)
    assert {"binary with images", "binary, declared prevalence", "multiclass", "binary, one class"} <= set(done)
    assert check_probe(Abstention, {"declined": lambda: declining()[0]}) == ("declined",)


def test_a_risk_in_an_undeclared_mix_is_missing_beside_that_of_this_sample():
    """A rule that does not ask for the stratum finds no number, unless patients were taken as they came."""
    label = np.repeat([0, 1], 100)
    score = np.where(np.arange(200) % 10, 0.2 + 0.6 * label, 0.8 - 0.6 * label)
    cohort = small_cohort(label, ungradable=np.arange(200) < 20)
    metrics = Abstention.info.at_prevalence
    plain = [m for m in Abstention().run(saved_context(score, cohort)) if m.metric in metrics]
    assert {m.metric for m in plain if m.value is None} == set(metrics)
    assert {m.condition.get("stratum") for m in plain} == {None, "in this sample"}
    assert all((m.value is None) == ("stratum" not in m.condition) for m in plain)
    assert sum(m.metric == "risk_at_coverage" and m.value is None for m in plain) == len(COVERAGES)
    taken = replace(cohort, design="consecutive")
    rows = [m for m in Abstention().run(saved_context(score, taken)) if m.metric in metrics]
    assert {m.condition.get("stratum") for m in rows} == {"consecutive sample"}
    assert all(m.value is not None for m in rows)
