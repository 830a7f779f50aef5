"""What stands beside FAIR001's gaps: predictive values, selection, and the gap at equal severity."""

from dataclasses import replace

import numpy as np
import pytest
from fairlearn.metrics import false_positive_rate, selection_rate

from audit.core import Attribute, AttributeSpec, Prevalence
from audit.probes.fairness import OperatingPointGap
from audit.testing import attribute, saved_context, small_cohort
from tests.probes.fairness.test_fair001 import rates, run


def bayes(sensitivity, specificity, share):
    """Return the positive predictive value."""
    return share * sensitivity / (share * sensitivity + (1 - share) * (1 - specificity))


def severe(numbers, found, levels, **declared):
    """Return the measurements of ill cases of given severity, found or not, with as many well ones."""
    n = len(numbers)
    both = np.concatenate([numbers, np.full(n, np.nan)])
    spec = AttributeSpec(name="stage", role="severity", **declared)
    names = np.array(["(missing)" if np.isnan(v) else f"{v:g}" for v in both])
    group = attribute("group", [*levels, *levels], "protected")
    cohort = small_cohort(np.repeat([1, 0], n), attributes=[group, Attribute(spec=spec, levels=names, numbers=both)])
    score = np.concatenate([np.where(found, 0.9, 0.1), np.full(n, 0.1)])
    return run(saved_context(score, cohort))


def test_predictive_value_gap_at_the_declared_prevalence():
    """Sensitivity 0.7 and 0.9, specificity 0.8 in both: the gap is Bayes' theorem at 4 %, by hand, to 1e-12."""
    ctx = rates(female=(70, 30, 80, 20), male=(180, 20, 160, 40))
    declared = Prevalence(value=0.04, low=0.02, high=0.08)
    ctx = replace(ctx, intended_use=replace(ctx.intended_use, prevalence=declared))
    rows = [m for m in OperatingPointGap().run(ctx) if m.metric == "ppv_gap" and m.subgroup == {"group": "female"}]
    values = {m.condition["parameter"]: m.value for m in rows}
    expected = {f"prevalence {p:g}": bayes(0.7, 0.8, p) - bayes(0.9, 0.8, p) for p in (0.04, 0.02, 0.08)}
    assert values == pytest.approx(expected, abs=1e-12)
    assert all(m.low < m.value < m.high for m in rows)
    assert (rows[0].n, rows[0].condition["n_rest"]) == (200, 400)


def test_prevalence_alone_is_a_crude_gap_of_predictive_values_and_no_other():
    """Nine in ten are ill in A and one in ten in B, equally well told: crude 0.67 apart, else not at all."""
    found = run(rates(a=(720, 180, 80, 20), b=(80, 20, 720, 180)))
    crude, fair = found["ppv_gap_crude", "group", "a"], found["ppv_gap", "group", "a"]
    assert crude.value == pytest.approx(720 / 740 - 80 / 260)
    assert fair.value == pytest.approx(0)
    assert fair.condition["parameter"] == "pooled prevalence 0.5"
    assert fair.condition["stratum"] == "in this sample"
    assert crude.low > 0.5


def test_predictive_value_gap_holds_its_level():
    """Equal rates in both groups, 300 cohorts: 0 is inside the 95 % interval in at least 94 % of them."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        tp, tn = rng.binomial(60, 0.8, 2), rng.binomial(120, 0.85, 2)
        counts = {name: (tp[i], 60 - tp[i], tn[i], 120 - tn[i]) for i, name in enumerate("ab")}
        ctx = rates(**counts)
        gap = next(m for m in OperatingPointGap().run(ctx) if m.metric == "ppv_gap")
        inside += gap.low <= 0 <= gap.high
    assert inside >= 0.94 * 300


def test_selection_and_false_alarms_equal_fairlearn():
    """The values are those of fairlearn's functions by group, to 1e-12."""
    ctx = rates(a=(70, 30, 80, 20), b=(180, 20, 150, 50), c=(9, 3, 40, 2))
    found, labels, called = run(ctx), ctx.cohort.targets, (ctx.clean.scores >= 0.5).astype(int)
    for level in "abc":
        inside = ctx.cohort.attributes["group"].levels == level
        for metric, of in (("selection_rate_gap", selection_rate), ("fpr_gap", false_positive_rate)):
            expected = of(labels[inside], called[inside]) - of(labels[~inside], called[~inside])
            assert found[metric, "group", level].value == pytest.approx(expected, abs=1e-12)


def test_false_alarms_mirror_specificity():
    """Value and bounds are those of the specificity gap with the other sign."""
    found = run(rates(a=(70, 30, 80, 20), b=(180, 20, 150, 50)))
    alarm, spared = found["fpr_gap", "group", "a"], found["specificity_gap", "group", "a"]
    assert (alarm.value, alarm.low, alarm.high) == pytest.approx((-spared.value, -spared.high, -spared.low), abs=1e-9)


def test_a_gap_of_case_mix_is_gone_at_equal_severity_and_stands_in_the_crude_gap():
    """Early disease is found in half, late in nine of ten; B comes early. By hand: crude -0.24, standardised 0."""
    stage = np.repeat([1.0, 2.0, 1.0, 2.0], [40, 160, 160, 40])
    level = np.repeat(["a", "a", "b", "b"], [40, 160, 160, 40])
    found = np.concatenate([np.arange(40) < 20, np.arange(160) < 144, np.arange(160) < 80, np.arange(40) < 36])
    rows = severe(stage, found, level)
    assert rows["sensitivity_gap", "group", "b"].value == pytest.approx((80 + 36) / 200 - (20 + 144) / 200)
    assert rows["sensitivity_gap", "group", "b"].high < 0
    m = rows["sensitivity_gap_standardised", "group", "b"]
    assert m.value == pytest.approx(0, abs=1e-12)
    assert m.low < 0 < m.high
    assert m.condition["stratum"] == "at equal stage"
    assert "sensitivity_gap_standardised" in OperatingPointGap.info.descriptive


def test_standardised_weights_are_those_of_all_cases():
    """Gaps of 0.2 early and 0.1 late, 60 % early: 0.6 x 0.2 + 0.4 x 0.1 = 0.16, and what is left out is told."""
    stage = np.repeat([1.0, 2.0, 1.0, 2.0, 3.0], [100, 50, 200, 150, 50])
    level = np.repeat(["a", "a", "b", "b", "b"], [100, 50, 200, 150, 50])
    found = np.concatenate([np.arange(n) < k for n, k in ((100, 80), (50, 45), (200, 120), (150, 120), (50, 50))])
    m = severe(stage, found, level)["sensitivity_gap_standardised", "group", "a"]
    assert m.value == pytest.approx(0.16)
    assert "2 strata that hold 91% of the cases" in m.method
    assert (m.n, m.n_patients) == (150, 150)


def test_a_number_without_bins_is_cut_into_fifths():
    """A severity of 400 distinct values: B has milder disease, and the gap shrinks to a third or less."""
    rng = np.random.default_rng(8)
    level = np.repeat(["a", "b"], 400)
    size = rng.uniform(0, 10, 800) * np.where(level == "a", 1.0, 0.6)
    found = rng.random(800) < 0.2 + 0.07 * size
    rows = severe(size, found, level)
    crude, at_equal = (rows[name, "group", "b"].value for name in ("sensitivity_gap", "sensitivity_gap_standardised"))
    assert crude < -0.1
    assert abs(at_equal) < abs(crude) / 2


def test_no_common_stratum_is_a_reason():
    """Where all of A come early and all of B late nothing can be compared at equal severity."""
    rows = severe(np.repeat([1.0, 2.0], 50), np.arange(100) % 2 == 0, np.repeat(["a", "b"], 50))
    assert "no stratum" in rows["sensitivity_gap_standardised", "group", "a"].missing
