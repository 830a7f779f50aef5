"""Pooled numbers hold with and without the cases that got no answer."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Prevalence
from audit.probes._unanswered import unanswered
from audit.probes.calibration import Abstention
from audit.probes.fairness import GapDecomposition, OperatingPointGap, RankingGap, WeakSubgroupDiscovery
from audit.probes.performance import HeadlinePerformance, OperatingPoint, OperationalLoad
from audit.stats import auc, mean, proportion
from audit.testing import attribute, saved_context, small_cohort, with_aside

CLASSIFIED = (
    HeadlinePerformance, OperatingPoint, OperationalLoad, Abstention, RankingGap, WeakSubgroupDiscovery,
    GapDecomposition,
)  # fmt: skip


def binary(seed=0, n=1200, **more):
    """Return a context of n patients, half of them ill, with sites and sexes that nothing depends on."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    score = 1 / (1 + np.exp(-rng.normal(3.0 * label - 1.5, 1.0)))
    given = (
        attribute("sex", np.where(rng.random(n) < 0.5, "f", "m"), "protected"),
        attribute("scanner", np.where(rng.random(n) < 0.5, "A", "B"), "protocol"),
    )
    return saved_context(score, small_cohort(label, attributes=given), seed=seed, **more)


def unread(ctx, ill, well):
    """Return the context after so many further cases of new patients were set aside."""
    target = np.repeat([1, 0], [ill, well])
    levels = {"sex": ["f"] * len(target), "scanner": ["A"] * len(target)}
    cohort = with_aside(ctx.cohort, reasons=["unreadable"] * len(target), targets=target, attributes=levels)
    return replace(ctx, cohort=cohort)


def measured(probe, ctx, **condition):
    """Return the measurements of the whole cohort by metric, of those with these conditions."""
    return {
        m.metric: m
        for m in probe().run(ctx)
        if not m.subgroup and all(m.condition.get(k) == v for k, v in condition.items())
    }


@pytest.mark.parametrize("probe", CLASSIFIED, ids=lambda probe: probe.info.code)
def test_nothing_changes_where_every_case_was_answered(probe):
    """No case declined, or none aside whose target is known: the same numbers, methods and intervals to the bit."""
    plain = list(probe().run(binary()))
    ctx = binary()
    none = replace(ctx, cohort=replace(ctx.cohort, ungradable=np.zeros(len(ctx.cohort), dtype=bool)))
    levels = {"sex": ["f"] * 5, "scanner": ["A"] * 5}
    ctx = binary()
    unknown = replace(ctx, cohort=with_aside(ctx.cohort, reasons=["no target"] * 5, attributes=levels))
    assert list(probe().run(unknown)) == plain
    declared = {"share_declined", "share_declined_gap", "risk_where_answered"}
    assert [m for m in probe().run(none) if m.metric not in declared and "ungradable" not in m.metric] == [
        m for m in plain if m.metric not in declared and "ungradable" not in m.metric
    ]


@pytest.mark.parametrize("probe", (HeadlinePerformance, OperatingPoint), ids=lambda probe: probe.info.code)
def test_a_rate_holds_with_and_without_the_unread(probe):
    """Sixty ill cases unread: sensitivity keeps its value and its upper end; its low end is that with 60 misses."""
    ctx = unread(binary(), 60, 0)
    view, patients = ctx.clean.views[0], ctx.cohort.patients
    hits = view.decisions[view.labels]
    plain = proportion(hits, patients[view.labels], ctx.levels)
    failed = proportion(np.append(hits, np.zeros(60, bool)), np.arange(660), ctx.levels)
    found = measured(probe, ctx)
    m = found["sensitivity"]
    assert (m.value, m.n) == (plain.value, 600)
    assert (m.low, m.high) == (failed.bounds(0.025)[0], plain.bounds(0.025)[1])
    assert "60 unanswered cases" in m.method
    assert found["specificity"] == measured(probe, binary())["specificity"]


def test_an_area_holds_with_the_unread_ranked_worst():
    """The low end is that of the area with ten ill cases last and twenty well ones first."""
    ctx = unread(binary(), 10, 20)
    view = ctx.clean.views[0]
    scores = np.concatenate([view.scores, np.full(10, -9.0), np.full(20, 9.0)])
    labels = np.concatenate([view.labels, np.repeat([True, False], [10, 20])])
    failed = auc(scores, labels, np.arange(1230), ctx.levels)
    m, plain = measured(HeadlinePerformance, ctx)["auc"], measured(HeadlinePerformance, binary())["auc"]
    assert (m.value, m.high) == (plain.value, plain.high)
    assert m.low == pytest.approx(failed.bounds(0.025)[0], abs=1e-12)


def test_predictive_values_and_load_are_those_of_both_readings():
    """Sixty ill cases unread, prevalence 0.1: the bounds are the outer ones of without them, and with them missed."""
    use = Prevalence(value=0.1)

    def at(ctx):
        return replace(ctx, intended_use=replace(ctx.intended_use, prevalence=use))

    plain, lost = at(binary()), at(unread(binary(), 60, 0))
    # As if the sixty had been answered, and missed.
    label = np.concatenate([plain.cohort.targets, np.ones(60, dtype=int)])
    missed = at(saved_context(np.concatenate([plain.clean.scores, np.zeros(60)]), small_cohort(label)))
    for probe, metric in ((HeadlinePerformance, "npv"), (HeadlinePerformance, "accuracy"), (OperationalLoad, "misses"),
                          (OperationalLoad, "errors"), (OperationalLoad, "net_benefit"),
                          (OperatingPoint, "negative_likelihood_ratio")):  # fmt: skip
        m, a, b = (measured(probe, ctx)[metric] for ctx in (lost, plain, missed))
        assert m.value == a.value
        assert (m.low, m.high) == pytest.approx((min(a.low, b.low), max(a.high, b.high)), abs=1e-12), metric


def test_declined_cases_with_a_score_count_as_failures():
    """Forty ill cases are declined, whatever their score: the low end of sensitivity has them as misses."""
    ctx = binary()
    declined = (np.arange(1200) < 80) & (ctx.cohort.targets == 1)
    ctx = replace(ctx, cohort=replace(ctx.cohort, ungradable=declined))
    view = ctx.clean.views[0]
    failed = proportion((view.decisions & ~declined)[view.labels], np.arange(600), ctx.levels)
    assert measured(HeadlinePerformance, ctx)["sensitivity"].low == failed.bounds(0.025)[0]
    assert unanswered(ctx).failures == 40


def test_a_risk_at_coverage_allows_for_confident_errors_of_the_unread():
    """Of 1,200 cases 60 more are unread: half of the cases may hold all sixty as errors; declined ones go first."""
    about = {"parameter": "coverage 0.5", "stratum": "in this sample"}
    plain = measured(Abstention, binary(), **about)["risk_at_coverage"]
    lost = measured(Abstention, unread(binary(), 30, 30), **about)["risk_at_coverage"]
    assert (lost.value, lost.low) == (plain.value, plain.low)
    assert lost.high > 60 / 630
    ctx = binary()
    cohort = with_aside(
        ctx.cohort, reasons=["ungradable"] * 60, targets=np.arange(60) % 2, ungradable=np.ones(60, bool),
        attributes={"sex": ["f"] * 60, "scanner": ["A"] * 60},
    )  # fmt: skip
    declined = measured(Abstention, replace(ctx, cohort=cohort), **about)["risk_at_coverage"]
    assert declined.high < 60 / 630


def regression(lost):
    """Return a regression of 200 patients, of whom further ones were set aside with their reference value."""
    rng = np.random.default_rng(2)
    target = rng.normal(50.0, 10.0, 200)
    sex = attribute("sex", ["f", "m"] * 100, "protected")
    cohort = small_cohort(target, classes=(), attributes=[sex])
    if lost:
        aside = {"reasons": ["unreadable"] * lost, "targets": np.full(lost, 50.0), "attributes": {"sex": ["f"] * lost}}
        cohort = with_aside(cohort, **aside)
    return saved_context(target + rng.normal(size=200), cohort, task="regression", output="value", operating_point=None)


def test_an_error_that_nothing_bounds_has_no_number():
    """Three unread cases of known reference: no mean error, and the reason names them and the answered ones' number."""
    plain = measured(HeadlinePerformance, regression(0))
    found = measured(HeadlinePerformance, regression(3))
    assert all(m.value is None and "3 unanswered cases" in m.missing for m in found.values())
    assert f"{plain['mae'].value:.4g}" in found["mae"].missing
    gaps = [m for m in OperatingPointGap().run(regression(3)) if m.metric in ("mae_gap", "bias_gap")]
    assert len(gaps) == 4
    assert all(m.value is None and "3 unanswered cases" in m.missing for m in gaps)
    assert all(m.value is not None for m in OperatingPointGap().run(regression(0)) if m.metric == "mae_gap")


COLUMNS = (
    "dice", "surface_dice", "hd95", "volume_predicted", "volume_reference", "lesions_reference", "lesions_found",
    "lesions_predicted", "lesions_false",
)  # fmt: skip


def masks(lost=0, declined=0):
    """Return 100 segmentations with a Dice near 0.9, of which the first were declined, and further ones set aside."""
    rng = np.random.default_rng(0)
    dice, volume = rng.uniform(0.85, 0.95, 100), rng.uniform(8, 12, 100)
    one = np.ones(100)
    raw = np.column_stack(
        [
            dice,
            dice,
            rng.uniform(1, 2, 100),
            volume * rng.uniform(0.98, 1.02, 100),
            volume,
            one,
            one,
            one,
            np.arange(100) % 5 == 0,
        ]
    )
    sex = attribute("sex", ["f", "m"] * 50, "protected")
    cohort = small_cohort(np.zeros(100), classes=(), attributes=[sex])
    if lost:
        aside = {"reasons": ["unreadable"] * lost, "targets": np.zeros(lost), "attributes": {"sex": ["f"] * lost}}
        cohort = with_aside(cohort, **aside)
    if declined:
        cohort = replace(cohort, ungradable=np.arange(100) < declined)
    return saved_context(raw, cohort, task="segmentation", output="mask_logits", operating_point=None, columns=COLUMNS)


def test_an_unanswered_mask_is_an_empty_one():
    """Four masks short: Dice of 0 and a volume error of -1 in the bounds, distance and false lesions as they must."""
    plain, lost = measured(HeadlinePerformance, masks()), measured(HeadlinePerformance, masks(lost=4))
    dice = masks().clean.column("dice")
    failed = mean(np.append(dice, np.zeros(4)), np.arange(104), masks().levels, support=(0.0, 1.0))
    assert (lost["dice"].value, lost["dice"].high) == (plain["dice"].value, plain["dice"].high)
    assert lost["dice"].low == pytest.approx(failed.bounds(0.025)[0], abs=1e-12)
    assert lost["relative_volume_error"].low < -4 / 104 < plain["relative_volume_error"].low
    assert "unknown number of lesions" in lost["lesion_sensitivity"].missing
    assert "4 unanswered cases" in lost["false_lesions_per_case"].missing
    # 4 of 104 are under 5 %, as it is for masks that were predicted empty; 8 of 108 are not.
    assert lost["hd95"].value == plain["hd95"].value
    assert "8 of 108" in measured(HeadlinePerformance, masks(lost=8))["hd95"].missing


def test_a_declined_mask_loses_its_lesions():
    """Ten of a hundred declined: the low end of lesion sensitivity is that of 90 of 100 found."""
    ctx = masks(declined=10)
    m = measured(HeadlinePerformance, ctx)["lesion_sensitivity"]
    assert m.value == 1
    assert m.low == proportion(np.arange(100) >= 10, np.arange(100), ctx.levels).bounds(0.025)[0]


def test_a_gap_of_dice_allows_for_masks_that_women_did_not_get():
    """Twelve women without a mask, volume unknown: the gap may be lower by 0.9 times 12 of 62 of them, no less."""
    gaps = {
        lost: next(
            m for m in OperatingPointGap().run(masks(lost)) if m.metric == "dice_gap" and m.subgroup == {"sex": "f"}
        )
        for lost in (0, 12)
    }
    assert gaps[12].value == gaps[0].value
    assert gaps[12].low < -0.9 * 12 / 62 < gaps[0].low


def named(ctx, probe, metric):
    """Return the measurements of a metric by subgroup, those of FAIR005 by their order."""
    return [m for m in probe().run(ctx) if m.metric == metric]


def test_a_search_finds_a_subgroup_that_got_no_answer():
    """All ill women on scanner A that were declined look well served; as failures they are the weakest subgroup."""
    ctx = binary(n=2400)
    sex, scanner = ctx.cohort.attributes["sex"].levels, ctx.cohort.attributes["scanner"].levels
    group = (sex == "f") & (scanner == "A") & (ctx.cohort.targets == 1)
    declined = group & (np.random.default_rng(4).random(2400) < 0.6)
    ctx = replace(ctx, cohort=replace(ctx.cohort, ungradable=declined))
    found = named(ctx, WeakSubgroupDiscovery, "sensitivity_gap")
    (m,) = [m for m in found if dict(m.subgroup) == {"sex": "f", "scanner": "A"}]
    assert "unanswered case" in m.method
    assert m.low < -0.5


def test_cases_that_were_set_aside_widen_what_a_search_confirms():
    """Two hundred ill women on scanner A are unread: a confirmed gap reaches far below those without them."""
    plain, lost = (named(ctx, WeakSubgroupDiscovery, "sensitivity_gap") for ctx in (binary(), unread(binary(), 200, 0)))
    assert min(m.low for m in lost) < -0.3 < min(m.low for m in plain)


def test_levels_too_small_to_search_are_given_without_a_number():
    """Six patients of a site, all missed: one row says that they are too few, and the others keep their numbers."""
    label = np.arange(800) % 2
    site = np.where(np.arange(800) < 12, "D", np.where(np.arange(800) % 3 == 0, "A", "B"))
    score = np.where((site == "D") & (label == 1), 0.1, np.where(label == 1, 0.9, 0.1))
    ctx = saved_context(score, small_cohort(label, attributes=[attribute("site", site, "protected")]))
    rows = named(ctx, WeakSubgroupDiscovery, "sensitivity_gap")
    (small,) = [m for m in rows if dict(m.subgroup) == {"site": "D"}]
    assert small.value is None
    assert (small.n, small.n_patients) == (6, 6)
    assert "6 patients of this class are too few to be searched" in small.missing
    assert any(m.value is not None for m in rows)


@pytest.mark.parametrize("metric", ["threshold_part", "ranking_part", "gap_within_strata"])
def test_parts_of_a_gap_allow_for_the_unread(metric):
    """A hundred ill women unread: the parts keep their values, and at least one of the bounds moves out."""

    def women(ctx):
        return next(m for m in GapDecomposition().run(ctx) if m.metric == metric and m.subgroup == {"sex": "f"})

    plain, lost = women(binary()), women(unread(binary(), 100, 100))
    assert lost.value == plain.value
    assert lost.low <= plain.low
    assert lost.high >= plain.high
    assert lost.low < plain.low - 0.05 or lost.high > plain.high + 0.05
    assert "unanswered case" in lost.method
