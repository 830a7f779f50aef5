"""PERF010 turns rates into alerts, misses and benefit."""

import numpy as np
import pytest

from audit.core import IntendedUse, NotApplicable, Prevalence
from audit.probes._prevalence import IN_SAMPLE
from audit.probes.performance import OperationalLoad
from audit.testing import check_probe, context, planted, saved_context, small_cohort, tiny_cohort

AT = "prevalence 0.04"
USE = IntendedUse(prevalence=Prevalence(value=0.04, low=0.02, high=0.08), cases_per_year=20_000)


def run(ctx):
    """Return the measurements by metric, with class, parameter and stratum where they have one."""
    found = {}
    for m in OperationalLoad().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("class", "parameter", "stratum") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def table(tp, fn, tn, fp):
    """Return scores and a cohort with these counts at an operating point of 0.2, one case a patient."""
    label = np.repeat([1, 1, 0, 0], [tp, fn, tn, fp])
    return np.repeat([0.9, 0.1, 0.1, 0.9], [tp, fn, tn, fp]), small_cohort(label)


def loaded(*counts, use=USE, **more):
    """Return the measurements at an operating point of 0.2."""
    return run(saved_context(*table(*counts), operating_point=0.2, intended_use=use, **more))


def test_keeps_the_protocol():
    """It completes with and without a declared prevalence, and not without an operating point."""
    completed = check_probe(OperationalLoad)
    assert {"binary, declared prevalence", "binary, saved", "multilabel"} <= set(completed)
    assert "binary, no operating point" not in completed


def test_numbers_by_hand():
    """Sensitivity 0.9, specificity 0.8, 4 % ill: 228 alerts, 192 false, 4 misses, 196 errors in 1,000; 6.33 reads."""
    found = loaded(180, 20, 160, 40)
    for metric, value in (("alerts", 228), ("false_alarms", 192), ("misses", 4), ("errors", 196)):
        m = found[metric, AT]
        assert m.value == pytest.approx(value)
        assert m.unit == "per 1,000 cases"
        assert m.low < value < m.high
        assert found[f"{metric}_per_year", AT].value == pytest.approx(20 * value)
        assert found[f"{metric}_per_year", AT].high == pytest.approx(20 * m.high)
    assert found["reads_per_true_positive", AT].value == pytest.approx(228 / 36)


def test_net_benefit_by_hand():
    """At 0.2 a false alarm weighs a quarter: 0.036 - 0.192/4 = -0.012, against acting on all -0.2."""
    found = loaded(180, 20, 160, 40)
    assert found["net_benefit", AT].value == pytest.approx(-0.012)
    assert found["net_benefit_over_all", AT].value == pytest.approx(-0.012 + 0.2)
    half = found["net_benefit", AT].high - found["net_benefit", AT].low
    assert found["net_benefit_over_all", AT].high - found["net_benefit_over_all", AT].low == pytest.approx(half)


def test_interval_is_that_of_the_rates():
    """The variance of the alerts is that of both rates: the interval is near the normal one, to 15 % of its width."""
    m = loaded(180, 20, 160, 40)["alerts", AT]
    se = 1000 * np.sqrt(0.04**2 * 0.9 * 0.1 / 200 + 0.96**2 * 0.8 * 0.2 / 200)
    assert m.high - m.low == pytest.approx(2 * 1.96 * se, rel=0.15)


def test_every_end_of_the_range_is_given():
    """Three prevalences, three of each metric, and misses rise with the share of the ill."""
    found = loaded(180, 20, 160, 40)
    at = [found["misses", f"prevalence {p}"].value for p in ("0.02", "0.04", "0.08")]
    assert at == pytest.approx([2, 4, 8])
    assert len([k for k in found if k[0] == "net_benefit"]) == 3


def test_without_a_prevalence_they_are_of_this_sample():
    """220 of 400 are called: 550 alerts in 1,000 under a stratum of their own, and the metric itself is missing."""
    found = loaded(180, 20, 160, 40, use=IntendedUse(cases_per_year=20_000))
    assert found["alerts", IN_SAMPLE].value == pytest.approx(550)
    assert found["errors", IN_SAMPLE].value == pytest.approx(150)
    assert found["net_benefit", IN_SAMPLE].value == pytest.approx((180 - 40 / 4) / 400)
    assert found["net_benefit_over_all", IN_SAMPLE].value == pytest.approx((160 / 4 - 20) / 400)
    assert found["reads_per_true_positive", IN_SAMPLE].value == pytest.approx(220 / 180)
    assert "prevalence" in found["alerts",].missing
    assert "prevalence" in found["alerts_per_year",].missing


def test_at_the_sample_prevalence_both_ways_agree():
    """Declaring the sample's own share of positives gives the sample's own numbers, to 1e-9."""
    declared = loaded(180, 20, 160, 40, use=IntendedUse(prevalence=Prevalence(value=0.5)))
    sample = loaded(180, 20, 160, 40, use=IntendedUse())
    for metric in ("alerts", "misses", "errors", "net_benefit", "net_benefit_over_all", "reads_per_true_positive"):
        one, other = declared[metric, "prevalence 0.5"], sample[metric, IN_SAMPLE]
        assert one.value == pytest.approx(other.value, abs=1e-9)


def test_planted_fault_is_caught():
    """A model with many false alarms does wholly worse than acting on nobody, and drowns its readers."""
    found = loaded(190, 10, 80, 120)
    assert found["net_benefit", AT].high < 0
    assert found["reads_per_true_positive", AT].low > 10
    assert found["false_alarms", AT].low > 400


def test_silent_on_a_healthy_model():
    """A calibrated model does wholly better than acting on nobody and on everybody."""
    found = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=1200), prevalence=Prevalence(value=0.4)))
    assert found["net_benefit", "prevalence 0.4"].low > 0.05
    assert found["net_benefit_over_all", "prevalence 0.4"].low > 0.05


def test_years_that_nobody_declared_are_missing():
    """Without cases a year there is no number a year, and the reason says what to declare."""
    found = loaded(180, 20, 160, 40, use=IntendedUse(prevalence=Prevalence(value=0.04)))
    assert "cases a year are not declared" in found["alerts_per_year", AT].missing


def test_an_operating_point_on_another_scale_weighs_nothing():
    """A threshold of 40 on a value says nothing of harms: load is given, net benefit is missing."""
    score, cohort = table(180, 20, 160, 40)
    ctx = saved_context(100 * score, cohort, output="value", operating_point=40.0, intended_use=USE)
    found = run(ctx)
    assert found["alerts", AT].value == pytest.approx(228)
    assert "no probability" in found["net_benefit", AT].missing
    assert "decision_curve" not in [a.name for a in ctx.sink.artifacts]


def test_nobody_found_needs_endless_reading():
    """A model without a true positive has no number of reads, and says that it is unbounded."""
    assert "unbounded" in loaded(0, 100, 160, 40)["reads_per_true_positive", AT].missing


def test_one_class_is_missing():
    """Without positives there are no misses to expect; false alarms are known all the same."""
    found = loaded(0, 0, 160, 40)
    assert found["misses", AT].missing == "no positive cases"
    assert found["false_alarms", AT].value == pytest.approx(192)


def test_without_an_operating_point_it_has_no_question():
    """Not applicable, with the reason."""
    with pytest.raises(NotApplicable, match="no operating point is declared"):
        list(run(saved_context(*table(90, 10, 160, 40), operating_point=None)))


def test_decision_curve_holds_the_measured_point():
    """At the operating point the curve is the measured net benefit; acting on all is prevalence less its cost."""
    rng = np.random.default_rng(3)
    label = (np.arange(600) % 4 == 0).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(0, 1, 600) + 2 * label - 1.6)))
    ctx = saved_context(score, small_cohort(label), operating_point=0.23, intended_use=USE)
    found = run(ctx)
    drawn = {a.name: a for a in ctx.sink.artifacts}
    curve = drawn["decision_curve"].arrays
    at = int(np.flatnonzero(curve["threshold"] == 0.23)[0])
    m = found["net_benefit", AT]
    assert [curve[k][at] for k in ("model", "low", "high")] == pytest.approx([m.value, m.low, m.high], abs=1e-12)
    assert curve["treat_all"] == pytest.approx(0.04 - 0.96 * curve["threshold"] / (1 - curve["threshold"]))
    assert drawn["operational_load"].arrays["kind"].tolist() == ["alerts", "false_alarms", "misses", "errors"]
    assert drawn["operational_load"].meta["cases_per_year"] == 20_000
