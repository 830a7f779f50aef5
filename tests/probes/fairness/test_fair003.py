"""FAIR003 looks where attributes meet, leaves no combination out, and lets no shrunken rate decide."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from audit.config import check_policy
from audit.core import BUDGETS, Limit, NotApplicable, Policy, Rule
from audit.errors import FaultsError
from audit.probes.fairness import IntersectionalGap
from audit.stats import proportion_gap
from audit.testing import attribute, saved_context, small_cohort, with_aside


def run(ctx):
    """Return the measurements by metric and by the levels in the order of the attributes' names."""
    return {(m.metric, *(m.subgroup[k] for k in sorted(m.subgroup))): m for m in IntersectionalGap().run(ctx)}


def crossed(cells, **more):
    """Return a context from (age, sex): (found, missed) ill cases, and a tenth as many false alarms as well cases."""
    age, sex, score, label = [], [], [], []
    for (a, s), (found, missed) in cells.items():
        n = found + missed
        age += [a] * 2 * n
        sex += [s] * 2 * n
        label += [1] * n + [0] * n
        score += [0.9] * found + [0.1] * missed + [0.9] * (n // 10) + [0.1] * (n - n // 10)
    given = [attribute("sex", sex, "protected"), attribute("age", age, "protected")]
    return saved_context(np.array(score), small_cohort(np.array(label), attributes=given), **more)


EVEN = {(a, s): (160, 40) for a in ("old", "young") for s in ("f", "m")}


def test_a_gap_is_the_combination_minus_all_other_cases():
    """0.60 in 100 old women against 0.80 in 450 others: -0.2, with the interval of the statistic."""
    ctx = crossed(
        {("old", "f"): (60, 40), ("old", "m"): (120, 30), ("young", "f"): (80, 20), ("young", "m"): (160, 40)}
    )
    m = run(ctx)["sensitivity_gap", "old", "f"]
    rows = ctx.cohort.targets == 1
    levels = [ctx.cohort.attributes[k].levels for k in ("age", "sex")]
    members = (levels[0] == "old") & (levels[1] == "f")
    expected = proportion_gap(ctx.clean.scores[rows] > 0.5, members[rows], ctx.cohort.patients[rows], ctx.levels)
    assert (m.value, m.n, m.condition["n_rest"]) == (pytest.approx(-0.2), 100, 450)
    assert m.curve == expected.curve
    assert dict(m.subgroup) == {"age": "old", "sex": "f"}
    assert m.simultaneous == expected.bounds(0.025 / 4)


def test_simultaneous_intervals_are_over_all_pairs():
    """Three attributes of two levels are three pairs of four: the interval is that at a twelfth of the level."""
    ctx = crossed(EVEN)
    third = attribute("ward", ["x", "y"] * (len(ctx.cohort) // 2), "protected")
    cohort = replace(ctx.cohort, attributes={**ctx.cohort.attributes, "ward": third})
    gaps = [m for m in IntersectionalGap().run(replace(ctx, cohort=cohort)) if m.metric == "sensitivity_gap"]
    assert len(gaps) == 12
    assert all(m.simultaneous == m.estimate().bounds(0.025 / 12) for m in gaps)


def test_three_attributes_are_crossed_in_the_full_profile_alone():
    """The eight combinations of three levels come on top of the twelve of two."""
    ctx = crossed(EVEN)
    third = attribute("ward", ["x", "y"] * (len(ctx.cohort) // 2), "protected")
    cohort = replace(ctx.cohort, attributes={**ctx.cohort.attributes, "ward": third})
    full = replace(ctx, cohort=cohort, budget=BUDGETS["full"])
    sizes = [len(m.subgroup) for m in IntersectionalGap().run(full) if m.metric == "sensitivity_gap"]
    assert (sizes.count(2), sizes.count(3)) == (12, 8)


def test_a_healthy_model_is_rarely_accused():
    """Equal rates, 200 cohorts: all four simultaneous intervals hold 0 in at least 94 % of them."""
    rng = np.random.default_rng(11)
    silent = 0
    for _ in range(200):
        found = {cell: int(k) for cell, k in zip(EVEN, rng.binomial([60, 90, 120, 150], 0.85), strict=True)}
        cells = {c: (k, n - k) for (c, k), n in zip(found.items(), (60, 90, 120, 150), strict=True)}
        # The gaps of sensitivity come first; nothing else is made.
        gaps = list(islice(IntersectionalGap().run(crossed(cells)), 4))
        assert {m.metric for m in gaps} == {"sensitivity_gap"}
        silent += all(m.simultaneous[0] <= 0 <= m.simultaneous[1] for m in gaps)
    assert silent >= 0.94 * 200


def test_a_small_combination_has_a_reason_and_one_that_nobody_has_is_not_there():
    """Four old women carry no interval; young women who do not exist are no subgroup."""
    found = run(crossed({("old", "f"): (1, 3), ("old", "m"): (80, 20), ("young", "m"): (80, 20)}))
    assert "4 patients" in found["sensitivity_gap", "old", "f"].missing
    assert found["sensitivity", "old", "f"].missing
    assert ("sensitivity_gap", "young", "f") not in found


def test_a_combination_that_was_set_aside_as_a_whole_says_so():
    """No image of a young woman could be read: her combination is missing with the reason."""
    ctx = crossed({("old", "f"): (80, 20), ("old", "m"): (80, 20), ("young", "m"): (80, 20)})
    lost = {"age": ["young"] * 30, "sex": ["f"] * 30}
    cohort = with_aside(ctx.cohort, reasons=["unreadable"] * 30, targets=np.ones(30), attributes=lost)
    m = run(replace(ctx, cohort=cohort))["sensitivity_gap", "young", "f"]
    assert (m.value, m.missing) == (None, "all cases of this level were set aside")


def test_unanswered_cases_widen_the_combination():
    """Forty ill old women unread count as misses in the lower bound of old women alone, and not in their value."""
    ctx = crossed(EVEN)
    lost = {"age": ["old"] * 40, "sex": ["f"] * 40}
    cohort = with_aside(ctx.cohort, reasons=["unreadable"] * 40, targets=np.ones(40), attributes=lost)
    before, after = run(ctx), run(replace(ctx, cohort=cohort))
    key = ("sensitivity_gap", "old", "f")
    assert after[key].value == before[key].value
    assert after[key].low < before[key].low - 0.05
    assert after["sensitivity", "young", "m"].curve == before["sensitivity", "young", "m"].curve


def test_shrunken_rates_lie_between_the_rate_and_the_others():
    """A combination of ten with 4 found is drawn towards the 0.8 of the others, further than one of 200 with 0.7."""
    found = run(
        crossed({("old", "f"): (4, 6), ("old", "m"): (140, 60), ("young", "f"): (160, 40), ("young", "m"): (160, 40)})
    )
    small, large = found["sensitivity_shrunken", "old", "f"], found["sensitivity_shrunken", "old", "m"]
    assert 0.55 < small.value < 0.8
    assert 0.69 < large.value < 0.73
    assert small.n == 10


def test_no_blocking_rule_rests_on_a_shrunken_rate():
    """It could clear a subgroup that is failed, so the policy is refused; a rule that only reports is taken."""
    infos = {"FAIR003": IntersectionalGap.info}
    rule = Rule(id="r", probe="FAIR003", metric="sensitivity_shrunken", limit=Limit(min=0.5))
    with pytest.raises(FaultsError, match="sensitivity_shrunken of FAIR003 describes"):
        check_policy(Policy(name="p", rules=(rule,)), infos)
    check_policy(Policy(name="p", rules=(replace(rule, blocking=False),)), infos)


def test_one_attribute_crosses_nothing():
    """A single protected attribute, or a second of one level, is a reason and no number."""
    ctx = crossed(EVEN)
    one = {"sex": ctx.cohort.attributes["sex"]}
    with pytest.raises(NotApplicable, match="nothing to cross"):
        run(replace(ctx, cohort=replace(ctx.cohort, attributes=one)))
    flat = attribute("ward", ["x"] * len(ctx.cohort), "protected")
    with pytest.raises(NotApplicable, match="nothing to cross"):
        run(replace(ctx, cohort=replace(ctx.cohort, attributes={**one, "ward": flat})))


def test_a_real_value_has_gaps_where_attributes_meet():
    """Ages of old women read 5 years too low: their bias gap is negative, that of young men is not."""
    rng = np.random.default_rng(3)
    old, female = np.arange(400) % 2 == 0, np.arange(400) // 2 % 2 == 0
    target = rng.normal(60, 10, 400)
    given = [
        attribute("sex", np.where(female, "f", "m"), "protected"),
        attribute("age", np.where(old, "old", "young"), "protected"),
    ]
    raw = target + rng.normal(0, 2, 400) - 5 * (old & female)
    cohort = small_cohort(target, attributes=given, classes=())
    found = run(saved_context(raw, cohort, task="regression", output="value", operating_point=None))
    assert found["bias_gap", "old", "f"].high < -4
    assert found["bias_gap", "young", "m"].low > 0
