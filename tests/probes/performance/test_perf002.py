"""PERF002 shows what the model does at the threshold that it is deployed with."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from statsmodels.stats.proportion import proportion_confint

from audit.core import NotApplicable, Prevalence
from audit.probes._prevalence import IN_SAMPLE
from audit.probes.performance import OperatingPoint
from audit.probes.performance.perf002_operating_point import OPTIMISTIC
from audit.testing import check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by metric, with class, parameter and stratum where they have one."""
    found = {}
    for m in OperatingPoint().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("class", "parameter", "stratum") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def table(tp, fn, tn, fp):
    """Return scores and a cohort with these counts at an operating point of 0.5, one case a patient."""
    label = np.repeat([1, 1, 0, 0], [tp, fn, tn, fp])
    return np.repeat([0.9, 0.1, 0.1, 0.9], [tp, fn, tn, fp]), small_cohort(label)


def declared(**card):
    """Return a card that says where the operating point comes from."""
    return {"operating_point_source": "validation split", **card}


def test_keeps_the_protocol():
    """It completes where an operating point is declared and is not applicable elsewhere."""
    completed = check_probe(OperatingPoint)
    assert "binary, saved" in completed
    assert "multilabel" in completed
    assert "binary, no operating point" not in completed


def test_rates_and_ratios_by_hand():
    """90 of 100 found, 160 of 200 spared: 0.9 and 0.8, ratios 4.5 and 0.125."""
    found = run(saved_context(*table(90, 10, 160, 40)))
    assert (found["sensitivity",].k, found["sensitivity",].n) == (90, 100)
    assert (found["specificity",].k, found["specificity",].n) == (160, 200)
    assert found["positive_likelihood_ratio",].value == pytest.approx(4.5, abs=1e-9)
    assert found["negative_likelihood_ratio",].value == pytest.approx(0.125, abs=1e-9)
    assert found["ppv", IN_SAMPLE].value == pytest.approx(90 / 130)


def test_interval_of_the_ratio_is_near_the_textbook_one():
    """For 90/100 and 160/200 it agrees with the log interval of Simel 1991 to 8 % of its ends."""
    m = run(saved_context(*table(90, 10, 160, 40)))["positive_likelihood_ratio",]
    se = np.sqrt(1 / 90 - 1 / 100 + 1 / 40 - 1 / 200)
    assert m.low == pytest.approx(4.5 * np.exp(-1.96 * se), rel=0.08)
    assert m.high == pytest.approx(4.5 * np.exp(1.96 * se), rel=0.08)
    low, high = proportion_confint(90, 100, 0.05, "beta")
    assert low / 0.2 > m.low
    assert high / 0.2 < m.high


def test_no_false_alarm_has_no_ratio():
    """An infinite ratio is missing with the reason; the other one is a number, and 0 where nothing is missed."""
    found = run(saved_context(*table(80, 20, 200, 0)))
    assert "no false alarm" in found["positive_likelihood_ratio",].missing
    assert found["negative_likelihood_ratio",].value == pytest.approx(0.2)
    flawless = run(saved_context(*table(100, 0, 180, 20)))["negative_likelihood_ratio",]
    assert flawless.value == 0
    assert flawless.high > 0


def test_shared_patients_leave_every_bound_finite():
    """Where both rates share patients the strictest rungs know nothing, and say so with a finite bound."""
    score, cohort = table(80, 20, 70, 30)
    paired = small_cohort(cohort.targets, patients=np.concatenate([np.arange(100), np.arange(100)]))
    found = run(saved_context(score, paired))
    assert found["positive_likelihood_ratio",].curve[-1][2] == 1e9
    assert found["positive_likelihood_ratio",].high < 10


def test_predictive_values_are_given_over_the_declared_range():
    """With a declared prevalence there are three of each and none of this sample."""
    found = run(saved_context(*table(90, 10, 160, 40), prevalence=Prevalence(value=0.04, low=0.02, high=0.08)))
    assert found["ppv", "prevalence 0.04"].value == pytest.approx(0.036 / (0.036 + 0.192))
    assert len([k for k in found if k[0] == "ppv"]) == 3
    assert not [k for k in found if IN_SAMPLE in k]


def scored(rng, n=600, shift=0.0):
    """Return calibrated scores whose logit is moved by a shift, and their cohort."""
    label = (np.arange(n) % 3 == 0).astype(int)
    logit = rng.normal(0, 1.2, n) + 2.0 * label - 1.3 + shift
    return 1 / (1 + np.exp(-logit)), small_cohort(label)


def test_points_of_this_cohort_are_those_of_scikit_learn():
    """Youden's point and the highest threshold that finds nine of ten are those of sklearn's ROC curve, exactly."""
    score, cohort = scored(np.random.default_rng(1))
    ctx = saved_context(score, cohort, operating_point=0.3)
    found = run(ctx)
    fpr, tpr, thresholds = roc_curve(cohort.targets, score, drop_intermediate=False)
    best = thresholds[np.argmax(tpr - fpr)]
    nine = thresholds[np.argmax(tpr >= 0.9)]
    spared = thresholds[np.flatnonzero(fpr <= 0.1)[-1]]
    for choice, at in (("Youden", best), ("sensitivity 0.9", nine), ("specificity 0.9", spared)):
        m = found["threshold_offset", choice, OPTIMISTIC]
        assert m.value == pytest.approx(0.3 - at, abs=1e-12)
        assert m.low <= m.value <= m.high
    here = (tpr - fpr)[np.flatnonzero(thresholds >= 0.3)[-1]]
    assert found["youden_loss", OPTIMISTIC].value == pytest.approx((tpr - fpr).max() - here, abs=1e-12)
    points = next(a for a in ctx.sink.artifacts if a.name == "operating_points").arrays
    assert points["point"].tolist() == ["declared", "Youden", "sensitivity 0.9", "specificity 0.9"]
    assert points["sensitivity"][2] == pytest.approx(tpr[np.argmax(tpr >= 0.9)])


def test_planted_fault_is_caught():
    """Scores that are lower at this hospital: the declared point is wholly above the cohort's own and costs much."""
    score, cohort = scored(np.random.default_rng(2), shift=-2.0)
    found = run(saved_context(score, cohort, operating_point=0.5, card=declared()))
    assert found["threshold_offset", "Youden", OPTIMISTIC].low > 0.1
    assert found["threshold_offset", "sensitivity 0.9", OPTIMISTIC].low > 0.1
    assert found["youden_loss", OPTIMISTIC].low > 0.2
    assert found["sensitivity",].high < 0.5


def test_silent_on_a_healthy_model():
    """At a well-chosen point Youden's is inside the interval, little is given away and the provenance has no fault."""
    ctx = context(planted(), tiny_cohort(np.random.default_rng(1), n=1200))
    found = run(ctx)
    offset = found["threshold_offset", "Youden", OPTIMISTIC]
    assert offset.low < 0 < offset.high
    assert found["youden_loss", OPTIMISTIC].low < 0.02
    assert found["sensitivity",].low > 0.65
    assert found["faults",].value == 0
    assert "faults" not in [a.name for a in ctx.sink.artifacts]


@pytest.mark.parametrize(
    ("card", "faults"),
    [({}, 1), (declared(), 0), ({"operating_point_chosen_on": "validation"}, 0),
     ({"operating_point_chosen_on": "training"}, 1), (declared(operating_point_chosen_on="training"), 1)],
)  # fmt: skip
def test_provenance_of_the_point_is_counted(card, faults):
    """A point from nowhere and a point from the training cases are faults, each named."""
    ctx = saved_context(*table(90, 10, 160, 40), card=card)
    assert run(ctx)["faults",].value == faults
    named = [a for a in ctx.sink.artifacts if a.name == "faults"]
    assert len(named) == faults


def test_a_point_outside_all_scores_is_measured():
    """At 0.99 nothing is called: sensitivity 0, no PPV, and the loss is the whole of what the cohort could have."""
    score, cohort = table(90, 10, 160, 40)
    ctx = saved_context(score, cohort, operating_point=0.99)
    found = run(ctx)
    assert found["sensitivity",].value == 0
    assert found["ppv", IN_SAMPLE].missing == "no case is decided this way"
    assert found["youden_loss", OPTIMISTIC].value == pytest.approx(0.7)
    assert found["threshold_offset", "Youden", OPTIMISTIC].missing.startswith("no interval")


def test_one_class_has_no_points_of_its_own():
    """Without positives there is nothing to choose by, and the reason says so."""
    found = run(saved_context(*table(0, 0, 40, 10)))
    assert found["threshold_offset", "Youden", OPTIMISTIC].missing == "there are cases of one class only"
    assert found["specificity",].value == 0.8


def test_without_an_operating_point_it_has_no_question():
    """Not applicable, with the reason."""
    with pytest.raises(NotApplicable, match="no operating point is declared"):
        list(run(saved_context(*table(90, 10, 160, 40), operating_point=None)))


def test_a_finding_without_a_point_is_missing():
    """Of two findings one has a point: the other has no rates, and says why."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, (200, 2))
    cohort = small_cohort(label, classes=("effusion", "nodule"))
    raw = np.clip(0.5 + 0.3 * (label - 0.5) + rng.normal(0, 0.1, (200, 2)), 0, 1)
    found = run(saved_context(raw, cohort, task="multilabel", operating_point={"effusion": 0.5}))
    assert found["sensitivity", "effusion"].value > 0.8
    assert found["sensitivity", "nodule"].missing == "no operating point is declared"
    assert found["youden_loss", "nodule", OPTIMISTIC].value is None


def test_curve_holds_the_declared_point_with_its_interval():
    """The declared threshold is on the curve, its rates are the measured ones, and sensitivity falls along it."""
    score, cohort = scored(np.random.default_rng(4))
    ctx = saved_context(score, cohort, operating_point=0.31, card=declared(operating_point_chosen_on="external"))
    found = run(ctx)
    drawn = next(a for a in ctx.sink.artifacts if a.name == "operating_curve")
    at = int(np.flatnonzero(drawn.arrays["threshold"] == 0.31)[0])
    for name in ("sensitivity", "specificity"):
        m = found[name,]
        ends = [drawn.arrays[f"{name}{end}"][at] for end in ("", "_low", "_high")]
        assert ends == pytest.approx([m.value, m.low, m.high], abs=1e-12)
    assert (np.diff(drawn.arrays["sensitivity"]) <= 0).all()
    assert drawn.meta["chosen_on"] == "external"
    assert drawn.meta["source"] == "validation split"
