"""FAIR001 finds who is failed, gives every level a number or a reason, and never calls small groups fair."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from audit.core import BUDGETS, MISSING_LEVEL, NotApplicable
from audit.probes.fairness import OperatingPointGap
from audit.stats import proportion_gap
from audit.testing import attribute, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by (metric, attribute, level)."""
    found = {}
    for m in OperatingPointGap().run(ctx):
        ((name, level),) = m.subgroup.items()
        found[m.metric, name, level] = m
    return found


def rates(**groups):
    """Return a context from level=(tp, fn, tn, fp), one case a patient."""
    label, score, level = [], [], []
    for name, counts in groups.items():
        label += list(np.repeat([1, 1, 0, 0], counts))
        score += list(np.repeat([0.9, 0.1, 0.1, 0.9], counts))
        level += [name] * sum(counts)
    sex = attribute("group", level, "protected")
    return saved_context(np.array(score), small_cohort(np.array(label), attributes=[sex]))


def test_a_gap_is_the_level_minus_the_rest():
    """Sensitivity 0.7 of 100 women and 0.9 of 200 men: a gap of -0.2 with 200 patients in the rest."""
    found = run(rates(female=(70, 30, 80, 20), male=(180, 20, 160, 40)))
    m = found["sensitivity_gap", "group", "female"]
    assert m.value == pytest.approx(-0.2)
    assert (m.n, m.n_patients, m.condition["n_rest"]) == (100, 100, 200)
    assert found["specificity_gap", "group", "female"].value == pytest.approx(0.0)
    assert m.high < 0


def test_two_levels_are_one_contrast():
    """Both mirror images carry one key, are exact negatives and need no correction for each other."""
    found = run(rates(female=(70, 30, 80, 20), male=(180, 20, 160, 40)))
    a, b = found["sensitivity_gap", "group", "female"], found["sensitivity_gap", "group", "male"]
    assert a.contrast == b.contrast
    assert a.contrast != found["specificity_gap", "group", "male"].contrast
    assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low), abs=1e-12)
    assert a.simultaneous == (a.low, a.high)


def test_three_levels_are_three_contrasts():
    """With three levels no contrast mirrors another, and the interval for all together is wider."""
    found = run(rates(a=(80, 20, 80, 20), b=(85, 15, 80, 20), c=(75, 25, 80, 20)))
    m = found["sensitivity_gap", "group", "a"]
    assert m.contrast is None
    assert m.simultaneous[0] < m.low
    assert m.simultaneous[1] > m.high


def test_a_level_without_positives_is_missing_and_never_zero():
    """Its gap and rate say why; the two levels that are left are then mirror images in sensitivity alone."""
    found = run(rates(a=(80, 20, 80, 20), b=(85, 15, 80, 20), c=(0, 0, 80, 20)))
    m = found["sensitivity_gap", "group", "c"]
    assert m.value is None
    assert "no cases" in m.missing
    assert found["sensitivity", "group", "c"].missing == "no positive cases"
    assert found["sensitivity_gap", "group", "a"].contrast == found["sensitivity_gap", "group", "b"].contrast
    assert found["sensitivity_gap", "group", "a"].contrast is not None
    assert m.contrast is None
    assert found["specificity_gap", "group", "a"].contrast is None


def test_a_group_of_four_all_missed_is_never_dropped():
    """Four missed patients carry no interval, so their gap is missing with its counts, and not 0."""
    found = run(rates(small=(0, 4, 50, 10), large=(90, 10, 80, 20)))
    m = found["sensitivity_gap", "group", "small"]
    assert m.value is None
    assert "4 patients" in m.missing
    assert (m.n, m.n_patients) == (4, 4)
    mirror = found["sensitivity_gap", "group", "large"]
    assert mirror.value is None


def test_nineteen_missed_patients_are_found():
    """A group of 19 with every case missed has a gap wholly under 0."""
    assert run(rates(small=(0, 19, 50, 10), large=(90, 10, 80, 20)))["sensitivity_gap", "group", "small"].high < -0.5


def test_unknown_sex_is_a_level():
    """Empty cells are compared like any level."""
    found = run(rates(female=(70, 30, 80, 20), male=(90, 10, 80, 20), **{MISSING_LEVEL: (20, 20, 30, 10)}))
    assert found["sensitivity_gap", "group", MISSING_LEVEL].high < 0


def test_equal_rates_leave_zero_inside_but_prove_nothing_when_small():
    """With 20 positives a level the interval of a gap of 0 reaches beyond any sensible margin."""
    m = run(rates(female=(17, 3, 17, 3), male=(17, 3, 17, 3)))["sensitivity_gap", "group", "female"]
    assert m.value == 0
    assert m.low < -0.2


def test_planted_fault_is_caught_and_the_healthy_model_is_not():
    """The model that misses women has a gap under -0.1; the healthy one has 0 inside for sex."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1600)
    assert run(context(planted("misses-women"), cohort))["sensitivity_gap", "sex", "female"].high < -0.1
    healthy = run(context(planted(), cohort))["sensitivity_gap", "sex", "female"]
    assert healthy.low < 0 < healthy.high


def test_images_of_one_patient_do_not_narrow_the_gap():
    """Ten alike images a patient leave the interval about as wide as one image a patient."""
    one = rates(female=(28, 12, 30, 10), male=(36, 4, 30, 10))
    label, level = one.cohort.targets, one.cohort.attributes["group"].levels
    many = saved_context(
        np.repeat(one.clean.scores, 10),
        small_cohort(
            np.repeat(label, 10), attributes=[attribute("group", np.repeat(level, 10), "protected")],
            patients=np.repeat(np.arange(len(label)), 10),
        ),
    )  # fmt: skip
    key = ("sensitivity_gap", "group", "female")
    narrow, wide = run(many)[key], run(one)[key]
    assert narrow.n == 400
    assert narrow.n_patients == 40
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=0.05)


def test_site_example_of_small_groups_is_no_finding():
    """A body site with 2 of 2 found has no number, and one with 5 of 13 no gap that the others do not allow for."""
    groups = {"ear": (5, 8, 30, 5), "genital": (10, 0, 30, 5), "trunk": (2, 0, 200, 64), "back": (36, 53, 200, 50)}
    found = run(rates(**groups))
    assert found["sensitivity_gap", "group", "trunk"].value is None
    ear = found["sensitivity_gap", "group", "ear"]
    assert ear.simultaneous[0] < 0 < ear.simultaneous[1]


def test_equality_test_is_kept_beside_the_gaps():
    """The permutation p of two levels is near that of Fisher's test, 0.0002, and is no measurement."""
    ctx = rates(female=(70, 30, 80, 20), male=(90, 10, 80, 20))
    ctx = replace(ctx, budget=replace(BUDGETS["smoke"], resamples=20_000))
    found = run(ctx)
    tests = {a.meta["metric"]: a for a in ctx.sink.artifacts}
    expected = fisher_exact([[70, 30], [90, 10]]).pvalue
    assert tests["sensitivity"].meta["p"] == pytest.approx(expected, abs=5e-4)
    assert tests["specificity"].meta["p"] > 0.5
    assert not [key for key in found if "p" in key[0].split("_")]


def test_no_operating_point_is_a_reason():
    """Without a threshold there is no rate and no gap; what was answered is counted all the same."""
    rng = np.random.default_rng(0)
    cohort = small_cohort(np.arange(100) % 2, attributes=[attribute("group", ["a", "b"] * 50, "protected")])
    found = run(saved_context(rng.random(100), cohort, operating_point=None))
    told = {key[0] for key, m in found.items() if m.missing and "operating point" in m.missing}
    assert told == {key[0] for key in found} - {"share_not_answered"}


def test_an_attribute_of_one_level_says_so_beside_another():
    """With a second attribute that varies it is a missing measurement; alone the probe does not apply."""
    one = attribute("sex", ["female"] * 100, "protected")
    two = attribute("age", ["old", "young"] * 50, "protected")
    label = np.repeat([0, 1], 50)
    found = run(saved_context(np.linspace(0, 1, 100), small_cohort(label, attributes=[one, two])))
    assert "nothing to compare" in found["sensitivity_gap", "sex", "female"].missing
    assert found["sensitivity_gap", "age", "old"].value is not None
    with pytest.raises(NotApplicable, match="one level only"):
        run(saved_context(np.linspace(0, 1, 100), small_cohort(label, attributes=[one])))


def test_no_protected_attribute_is_not_applicable():
    """A cohort without attributes is no proof of fairness."""
    with pytest.raises(NotApplicable, match="protected"):
        run(saved_context(np.linspace(0, 1, 100), small_cohort(np.arange(100) % 2)))


def test_class_is_part_of_the_contrast():
    """Gaps of two findings between the same levels are two contrasts."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, (200, 2))
    cohort = small_cohort(
        target, attributes=[attribute("sex", ["f", "m"] * 100, "protected")], classes=("effusion", "nodule")
    )
    ctx = saved_context(2.0 * target - 1 + rng.normal(size=(200, 2)), cohort, task="multilabel", output="logits")
    keys = {m.contrast for m in OperatingPointGap().run(ctx) if m.metric == "sensitivity_gap"}
    assert len(keys) == 2


def test_gap_equals_the_statistic_on_the_positives():
    """The interval is that of proportion_gap on the positives alone."""
    cohort = tiny_cohort(np.random.default_rng(4), n=300)
    ctx = context(planted(), cohort)
    m = run(ctx)["sensitivity_gap", "sex", "male"]
    rows = cohort.targets == 1
    expected = proportion_gap(
        (ctx.clean.scores >= 0.5)[rows], (cohort.attributes["sex"].levels == "male")[rows], cohort.patients[rows],
        ctx.levels,
    )  # fmt: skip
    assert m.curve == expected.curve


def test_a_biased_real_value_is_caught():
    """Ages that are 3 years too high in women give a bias gap of 3 and no gap of the same size in men alone."""
    rng = np.random.default_rng(5)
    target, female = rng.normal(60, 12, 300), np.arange(300) % 2 == 0
    cohort = small_cohort(target, attributes=[attribute("sex", np.where(female, "f", "m"), "protected")], classes=())
    predicted = target + rng.normal(0, 3, 300) + 3 * female
    found = run(saved_context(predicted, cohort, task="regression", output="value", operating_point=None))
    assert found["bias_gap", "sex", "f"].low > 2
    assert found["mae_gap", "sex", "f"].low > 0


def test_dice_gap_allows_for_the_size_of_the_lesion():
    """Small lesions have a lower Dice in everybody: women with smaller ones have no gap for that alone."""
    rng = np.random.default_rng(6)
    female = np.arange(600) % 2 == 0
    volume = np.where(female, rng.uniform(1, 12, 600), rng.uniform(6, 20, 600))
    dice = np.clip(0.6 + 0.015 * volume + rng.normal(0, 0.03, 600), 0, 1)
    raw = np.stack([dice, volume * rng.normal(1, 0.05, 600), volume], axis=1)
    cohort = small_cohort(np.zeros(600), attributes=[attribute("sex", np.where(female, "f", "m"), "protected")])
    found = run(
        saved_context(
            raw, cohort, task="segmentation", output="mask_probabilities", operating_point=None,
            columns=("dice", "volume_predicted", "volume_reference"),
        )
    )  # fmt: skip
    assert dice[female].mean() - dice[~female].mean() < -0.08
    assert abs(found["dice_gap", "sex", "f"].value) < 0.02
    assert found["volume_bias_gap", "sex", "f"].low < 0 < found["volume_bias_gap", "sex", "f"].high


def test_a_level_whose_cases_were_all_set_aside_has_no_number():
    """A scanner group none of whose images could be read is missing with the reason; the others do not speak for it."""
    ctx = rates(a=(80, 20, 80, 20), b=(80, 20, 80, 20))
    group = replace(ctx.cohort.attributes["group"], lost=("c",))
    found = run(replace(ctx, cohort=replace(ctx.cohort, attributes={"group": group})))
    m = found["sensitivity_gap", "group", "c"]
    assert (m.value, m.missing, m.n) == (None, "all cases of this level were set aside", 0)
    assert found["sensitivity_gap", "group", "a"].value == pytest.approx(0)
