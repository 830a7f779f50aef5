"""CAL002 finds a score that means one thing for one group and another for the next."""

import numpy as np
import pytest
import statsmodels.api as sm

from audit.core import MISSING_LEVEL, NotApplicable, Prevalence
from audit.probes.calibration import MiscalibrationBySubgroup
from audit.testing import attribute, check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by (metric, level) at the declared prevalence or in this sample."""
    return {(m.metric, *m.subgroup.values()): m for m in MiscalibrationBySubgroup().run(ctx)}


def sigmoid(x):
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def groups(n=1200, base=(0.0, 0.0), shift=(0.0, 0.0), factor=(1.0, 1.0), seed=0):
    """Return (logit of the score, labels, group): two groups whose scores are right up to a shift and a factor."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 2
    logit = np.take(base, group) + rng.normal(0, 1.3, n)
    label = (rng.random(n) < sigmoid(logit)).astype(int)
    return np.take(factor, group) * logit + np.take(shift, group), label, np.array(["a", "b"])[group]


def audited(logit, label, group, **more):
    """Return the context of a model that gives these logits."""
    cohort = small_cohort(label, attributes=[attribute("group", group, "protected")])
    return saved_context(logit, cohort, output="logits", **more)


def test_scores_too_low_for_one_group_are_found():
    """A logit 0.8 too low in group b is an intercept gap near +0.8, and a whole that is half as wrong."""
    found = run(audited(*groups(shift=(0.0, -0.8))))
    assert found["intercept_gap", "b"].low > 0.3
    assert found["intercept_gap", "b"].value == pytest.approx(0.8, abs=0.3)
    assert found["intercept", "a"].low < 0 < found["intercept", "a"].high
    assert found["intercept", "b"].low > 0.3


def test_scores_too_extreme_for_one_group_are_found():
    """Thrice the right logit in group b is a slope of a third there, and a slope gap under -0.3."""
    found = run(audited(*groups(factor=(1.0, 3.0))))
    assert found["slope", "b"].low < 1 / 3 < found["slope", "b"].high < 0.6
    assert found["slope_gap", "b"].high < -0.3


def test_the_planted_model_is_caught_and_the_healthy_one_is_not():
    """The model that misses women scores them 1.5 logits too low; the healthy one has 0 inside every contrast."""
    cohort = tiny_cohort(np.random.default_rng(3), n=2000)
    assert run(context(planted("misses-women"), cohort))["intercept_gap", "female"].low > 1
    healthy = run(context(planted(), cohort))
    gaps = [m for key, m in healthy.items() if key[0].endswith("_gap")]
    assert len(gaps) == 8
    assert all(m.low < 0 < m.high for m in gaps)


def test_two_levels_are_mirror_images():
    """The gaps are exact negatives and carry one key."""
    found = run(audited(*groups(n=400)))
    a, b = found["intercept_gap", "a"], found["intercept_gap", "b"]
    assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low), abs=1e-12)
    assert a.contrast == b.contrast
    assert (a.n, a.condition["n_rest"]) == (200, 200)


def test_slope_and_intercept_of_a_level_are_those_of_a_logistic_regression():
    """statsmodels on the level's cases alone gives the same coefficients, to 1e-6."""
    logit, label, group = groups(n=600, shift=(0.0, 0.5))
    found, own = run(audited(logit, label, group)), group == "b"
    slope = sm.GLM(label[own], sm.add_constant(logit[own]), family=sm.families.Binomial()).fit().params[1]
    flat = sm.GLM(label[own], np.ones((own.sum(), 1)), family=sm.families.Binomial(), offset=logit[own]).fit()
    assert found["slope", "b"].value == pytest.approx(slope, abs=1e-6)
    assert found["intercept", "b"].value == pytest.approx(flat.params[0], abs=1e-6)


def test_a_cohort_sampled_by_outcome_is_judged_at_the_declared_prevalence():
    """Right scores, groups of 5 % and 20 %, an enriched sample: both intercepts are 0, and not in the sample."""
    logit, label, group = groups(n=60_000, base=(-3.4, -1.8), seed=5)
    prevalence = float(label.mean())
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.choice(np.flatnonzero(label == y), 1500, replace=False) for y in (0, 1)])
    taken = logit[rows], label[rows], group[rows]
    declared = run(audited(*taken, prevalence=Prevalence(value=prevalence)))
    for level in "ab":
        m = declared["intercept", level]
        assert m.condition["parameter"] == f"prevalence {prevalence:g}"
        assert m.low < 0 < m.high
        assert declared["ece", level].low < 0.03
    assert declared["intercept_gap", "a"].low < 0 < declared["intercept_gap", "a"].high
    plain = run(audited(*taken))
    assert plain["intercept", "a"].low > 0.8
    assert plain["intercept", "a"].condition["stratum"] == "in this sample"


def test_brier_score_of_a_group_keeps_its_own_prevalence():
    """It is weighted by the cohort's odds of sampling: a hand-worked 3/7 of positives where the cohort is at 1/4."""
    # 40 positives of 80; declared 1/4: weights 0.5 and 1.5. Group a has 30 positives of 60 ... of which 30 x 0.5 and
    # 10 x 1.5 make 15 of 30; group b 10 x 0.5 and 30 x 1.5 make 5 of 50.
    label = np.repeat([1, 0, 1, 0], [30, 10, 10, 30])
    group = np.repeat(["a", "b"], [40, 40])
    score = np.where(label == 1, 0.6, 0.3) + 0.02 * np.tile([-1, 1], 40)
    cohort = small_cohort(label, attributes=[attribute("group", group, "protected")])
    found = run(saved_context(score, cohort, prevalence=Prevalence(value=0.25)))
    squares = (score - label) ** 2
    for level, share in (("a", 0.5), ("b", 0.1)):
        own = group == level
        ill, well = squares[own & (label == 1)].mean(), squares[own & (label == 0)].mean()
        assert found["brier", level].value == pytest.approx(share * ill + (1 - share) * well, abs=1e-12)


def test_a_small_level_has_no_calibration_error_and_says_why():
    """Ninety patients have slope and intercept, and a reason in place of the calibration error."""
    logit, label, group = groups(n=600)
    group = np.where(np.arange(600) < 90, "small", "large")
    found = run(audited(logit, label, group))
    assert "fewer than the 100" in found["ece", "small"].missing
    assert found["ece", "small"].n_patients == 90
    assert found["ece", "large"].value is not None
    assert found["intercept", "small"].value is not None


def test_a_level_of_four_patients_of_a_class_is_missing_and_never_zero():
    """Its gaps say which side lacks what; unknown values are a level as any other."""
    logit, label, group = groups(n=400)
    rare = np.flatnonzero(label == 1)[:4]
    group = group.astype("U20")
    group[rare] = "rare"
    group[np.flatnonzero(label == 0)[:30]] = "rare"
    group[100:160] = MISSING_LEVEL
    found = run(audited(logit, label, group))
    assert "4 patients with a positive case" in found["intercept_gap", "rare"].missing
    assert found["slope", "rare"].value is None
    assert found["intercept_gap", MISSING_LEVEL].value is not None


def test_every_level_has_its_bins_with_counts():
    """The figure's rows add up to the cases of each level; a level of 60 patients has three bins."""
    logit, label, group = groups(n=600)
    group = np.where(np.arange(600) < 60, "small", "large")
    ctx = audited(logit, label, group)
    run(ctx)
    arrays = next(a for a in ctx.sink.artifacts if a.name == "reliability_by_level").arrays
    small = arrays["level"] == "small"
    assert small.sum() == 3
    assert arrays["n"][small].sum() == arrays["n_patients"][small].sum() == 60
    assert arrays["n"][~small].sum() == 540
    assert (arrays["low"] <= arrays["observed"]).all()
    assert (arrays["observed"] <= arrays["high"]).all()


def test_contrasts_cover_the_truth():
    """Over 300 cohorts of 80 patients a level the 95 % intervals of both gaps hold 0 in 92 to 99.5 %."""
    inside = {"slope_gap": 0, "intercept_gap": 0}
    for seed in range(300):
        ctx = audited(*groups(n=160, seed=1000 + seed))
        for m in MiscalibrationBySubgroup().run(ctx):
            if m.metric in inside and m.subgroup["group"] == "a":
                inside[m.metric] += m.value is not None and m.low <= 0 <= m.high
    for metric, count in inside.items():
        assert 0.92 <= count / 300 <= 0.995, (metric, count)


def test_without_a_group_to_compare_it_does_not_apply():
    """No attribute, or a value that is no probability, is a reason."""
    logit, label, _ = groups(n=100)
    with pytest.raises(NotApplicable, match="protected or protocol"):
        run(saved_context(logit, small_cohort(label), output="logits"))
    with pytest.raises(NotApplicable, match="no probability"):
        run(saved_context(40 + logit, small_cohort(label), output="value"))


def test_it_keeps_the_protocol_of_probes():
    """It completes in every context with attributes and is deterministic by seed."""
    done = check_probe(MiscalibrationBySubgroup)
    assert {"binary with images", "binary, declared prevalence", "binary, empty cells", "multiclass"} <= set(done)


def test_what_depends_on_prevalence_is_not_for_rules_without_one():
    """The catalogue names intercept and Brier score; the contrasts do not change with how many ill were sampled."""
    assert MiscalibrationBySubgroup.info.at_prevalence == ("intercept", "brier")
    logit, label, group = groups(n=40_000, shift=(0.0, -0.5), seed=2)
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.flatnonzero(label == 1)[:1000], rng.permutation(np.flatnonzero(label == 0))[:9000]])
    everyone, enriched = run(audited(logit, label, group)), run(audited(logit[rows], label[rows], group[rows]))
    assert enriched["intercept", "a"].value < -1.5
    low, high = enriched["intercept_gap", "b"].low, enriched["intercept_gap", "b"].high
    assert low < everyone["intercept_gap", "b"].value < high
    assert high - low < 0.4
