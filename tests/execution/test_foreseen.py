"""What is said of a policy and a cohort before the run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Attribute, AttributeSpec, Ledger
from audit.execution import unattainable, warnings_before
from tests.execution._make import card, cohort
from tests.judge._make import policy, rule


def cases(*, n=400, levels=("a", "b"), role="protected", positive=None):
    """Return n cases of as many patients, half of them positive, with one attribute `site` that alternates."""
    c = cohort(np.zeros(n))
    site = np.array(levels)[(np.arange(n) // 2) % len(levels)]
    attribute = Attribute(spec=AttributeSpec(name="site", role=role), levels=site)
    targets = c.targets if positive is None else positive(np.arange(n), site).astype(int)
    return replace(c, attributes={"site": attribute}, targets=targets, ledger=Ledger(read=n, used=n))


def gap(metric="sensitivity_gap", low=-0.1, **more):
    return rule(probe="FAIR001", metric=metric, low=low, **more)


def said(*rules, of=unattainable, task="binary", **more):
    return of(policy(*rules), cases(**more), card(task=task, classes=("x", "y", "z") if task == "multiclass" else ()))


def test_an_auc_out_of_reach_is_announced_by_the_rarer_class():
    """Twelve positives: even an AUC of 1 has a lower bound of 0.025^(1/12) = 0.74, however many negatives there are."""
    few = {"n": 300, "positive": lambda i, site: i < 12}
    (sentence,) = said(rule(metric="auc", low=0.8), **few)
    assert "12 patients with positives" in sentence
    assert "0.74" in sentence
    assert said(rule(metric="auc", low=0.73), **few) == ()


def test_a_limit_that_a_rule_reaches_only_without_stopping_early_is_announced():
    """Of 30 positives a bound may reach 0.025^(1/30) = 0.884, and 0.866 where it holds whenever the probe stops."""
    few = {"n": 300, "positive": lambda i, site: i < 30}
    asked = {"probe": "ADV001", "metric": "robust_sensitivity", "low": 0.875}
    assert said(rule(**asked), **few) == ()
    (sentence,) = said(rule(**asked, sequential=True), **few)
    assert "0.87" in sentence


def test_min_patients_of_an_auc_counts_both_classes():
    """A rule that asks for 301 patients on an AUC cannot PASS with 300; one that asks for 300 can."""
    assert len(said(rule(metric="auc", low=0.5, min_patients=301), n=300)) == 1
    assert said(rule(metric="auc", low=0.5, min_patients=300), n=300) == ()


def test_min_patients_of_any_metric_is_held_against_the_cohort():
    """Whatever the metric and the task, more patients than the cohort has cannot be had."""
    (sentence,) = said(rule(metric="mae", low=None, high=3.0, min_patients=500), task="regression")
    assert "it has 400 patients, the rule asks for at least 500" in sentence
    (sentence,) = said(gap(low=-0.9, min_patients=150))
    assert "100 patients with positives in site a, the rule asks for at least 150" in sentence


def test_what_can_never_pass_is_not_also_called_unlikely():
    """A rule of which one sentence says that it cannot PASS has no second one."""
    short = policy(gap(min_patients=150), rule(id="floor", probe="FAIR001", low=0.5))
    assert len(warnings_before(short, cases(n=200), card())) == 1
    assert warnings_before(short, cases(n=200), card(), {"r"}) == ()


def test_an_auc_gap_out_of_reach_names_the_level():
    """A level with six positives cannot show a gap of at most 0.1, since six right of six leave 0.54."""
    (sentence,) = said(gap("auc_gap"), positive=lambda i, site: (site == "a") | (i < 24))
    assert "patients with positives in site b" in sentence or "patients with negatives in site a" in sentence


def test_a_floor_for_each_level_is_held_against_the_smallest():
    """A rule of FAIR002 on the AUC is about each level: one with six positives cannot show 0.8, all together could."""
    few = {"positive": lambda i, site: np.where(site == "b", i < 24, i % 2 == 0)}
    (sentence,) = said(rule(probe="FAIR002", metric="auc", low=0.8), **few)
    assert "patients with positives in site b: the lower bound cannot exceed" in sentence
    assert said(rule(metric="auc", low=0.8), **few) == ()


def test_a_class_of_several_is_held_apart():
    """Of three classes the one with eight patients is out of reach for a sensitivity of 0.8, the others are not."""
    rare = {"n": 300, "positive": lambda i, site: np.where(i < 8, 2, i % 2), "task": "multiclass"}
    (sentence,) = said(rule(low=0.8), **rare)
    assert "8 patients with positives of z" in sentence
    assert said(rule(low=0.8, where={"class": "x"}), **rare) == ()


def test_a_probe_that_will_not_measure_is_said_unless_the_policy_accepts_it():
    """A rule on a probe that needs images cannot PASS on saved predictions, and the reason is in the sentence."""
    attack = rule(probe="ADV001", metric="robust_accuracy", low=0.5)
    absent = {"ADV001": "the cohort has no images"}
    (sentence,) = unattainable(policy(attack), cases(), card(), absent)
    assert "ADV001 will not measure here, since the cohort has no images" in sentence
    assert unattainable(policy(attack, allow_not_applicable=("ADV*",)), cases(), card(), absent) == ()


def warned(*rules, **more):
    return said(*rules, of=warnings_before, **more)


def test_a_margin_that_equal_levels_would_hardly_hold_is_announced():
    """50 positives a level hold a margin of 0.1 in hardly any cohort, 1,500 do in nearly every one."""
    floor = rule(id="floor", probe="FAIR001", low=0.5)
    (sentence,) = warned(gap(), floor, n=200)
    assert "Rule 'r' will hardly PASS" in sentence
    assert "50 patients with positives in the smallest level of site" in sentence
    assert "patients with positives in all are needed for 80." in sentence
    assert warned(gap(), floor, n=6000) == ()


def test_margins_on_auc_and_calibration_are_foreseen_too():
    """A margin of 0.02 on AUC and a slope within 0.02 of 1 are beyond some hundred patients; no bound forbids them."""
    floor = rule(id="floor", probe="FAIR002", metric="auc", low=0.5)
    (sentence,) = warned(rule(probe="FAIR002", metric="auc_gap", low=-0.02), floor, n=200)
    assert "a model of AUC 0.85 everywhere would PASS in hardly one of 100" in sentence
    (sentence,) = warned(rule(probe="CAL001", metric="slope", low=0.98, high=1.02))
    assert "perfectly calibrated model" in sentence
    assert warned(rule(probe="CAL001", metric="slope", low=0.5, high=1.6)) == ()


def test_a_blocking_gap_without_a_floor_draws_a_warning():
    """Equally bad is not fair: a gap rule asks for a blocking rule on each level's own value."""
    wide = gap(low=-0.4)
    (sentence,) = warned(wide)
    assert "no blocking rule bounds sensitivity of each level: a model that is equally bad for all" in sentence
    (sentence,) = warned(wide, rule(id="f", probe="PERF001", low=0.6))
    assert "only of all cases together" in sentence
    assert warned(replace(wide, probe="SHIFT001")) == ()
    for other, left in (
        (rule(id="f", probe="FAIR001", low=0.6), 0),
        (rule(id="f", probe="FAIR001", low=0.6, where={"attribute": "site"}), 0),
        (rule(id="f", probe="FAIR001", low=0.6, blocking=False), 1),
        (rule(id="f", probe="PERF001", low=0.6), 1),
        (rule(id="f", probe="FAIR001", metric="specificity", low=0.6), 1),
    ):
        assert len(warned(wide, other)) == left, other
    two = (gap(low=-0.4, id="a", where={"attribute": "sex"}), gap(low=-0.4, id="b", where={"attribute": "site"}))
    assert [s for s in warned(*two) if "by sex and site may block" in s]
    by_site = gap(low=-0.4, where={"attribute": "site"})
    other_attribute = rule(id="f", probe="FAIR001", low=0.1, where={"attribute": "sex"})
    assert any("by site" in s for s in warned(by_site, other_attribute))
    assert len(warned(gap(low=-0.4, blocking=False), rule(id="b", low=0.1))) == 0


def test_a_policy_that_cannot_pass_for_want_of_a_blocking_rule_is_announced():
    """Without a blocking rule the verdict cannot be PASS; an empty policy is said elsewhere."""
    (sentence,) = warned(rule(blocking=False))
    assert "has no blocking rule" in sentence
    assert warned() == ()


@pytest.mark.parametrize("role", ["protected", "protocol", "confounder", "covariate"])
def test_levels_of_one_class_are_named(role):
    """A level in which no case is positive is named with its n, where levels are compared."""
    none = warned(levels=("a", "b", "c"), role=role, positive=lambda i, site: (site != "c") & (i % 2 == 0))
    assert none == (() if role == "covariate" else (
        "site c: none of its 132 cases is positive, so its sensitivity and its AUC are not assessed.",
    ))  # fmt: skip


def test_many_levels_of_one_class_are_counted():
    """Twenty levels without a positive case are not twenty sentences."""
    names = tuple(f"s{k:02d}" for k in range(20))
    sentences = warned(levels=names, positive=lambda i, site: site == "s00")
    assert len(sentences) == 9
    assert sentences[-1].startswith("12 more levels")


@pytest.mark.parametrize(
    ("metric", "limits", "levels", "announced"),
    [
        ("sensitivity_gap", (None, 0.1), "abc", True), ("sensitivity_gap", (None, 0.1), "ab", False),
        ("sensitivity_gap", (-0.1, None), "abc", False), ("fpr_gap", (-0.1, None), "abc", True),
        ("fpr_gap", (None, 0.1), "abc", False), ("selection_rate_gap", (-0.1, None), "abc", True),
        ("selection_rate_gap", (-0.1, 0.1), "abc", False),
    ],
)  # fmt: skip
def test_a_gap_bounded_where_nobody_is_harmed_is_announced(metric, limits, levels, announced):
    """With three levels one may be far worse than its rest and none much better; with two, one mirrors the other."""
    sentences = warned(gap(metric, low=limits[0], high=limits[1]), levels=tuple(levels))
    assert any("on one side only" in s for s in sentences) is announced


def test_the_other_side_may_stand_in_another_rule():
    """Two rules, one a side, leave nothing open; one that does not block leaves it."""
    up, down = gap(low=None, high=0.1, id="up"), gap(low=-0.1, id="down")
    assert not any("one side" in s for s in warned(up, down, levels=("a", "b", "c")))
    assert any("one side" in s for s in warned(up, replace(down, blocking=False), levels=("a", "b", "c")))


def test_a_gap_of_one_level_alone_is_announced():
    """A rule on one level says nothing of the third; a rule on all of them beside it does."""
    one = gap(where={"subgroup": "a"}, id="one")
    assert any("about the level a alone" in s for s in warned(one, levels=("a", "b", "c")))
    assert not any("alone" in s for s in warned(one, gap(id="all"), levels=("a", "b", "c")))
