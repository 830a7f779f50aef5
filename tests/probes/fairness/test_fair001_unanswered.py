"""FAIR001 counts cases without an answer by subgroup, and lets no verdict rest on leaving them out."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Ledger, Limit, Policy, ProbeResult, Rule
from audit.judge import judge
from audit.probes.fairness import OperatingPointGap
from audit.stats import proportion, proportion_gap
from audit.testing import attribute, saved_context, small_cohort, with_aside
from tests.judge._make import TODAY
from tests.probes.fairness.test_fair001 import rates, run

EVEN = {"female": (270, 30, 400, 100), "male": (270, 30, 400, 100)}


def unread(ctx, **lost):
    """Return the context after level=(ill, well) further cases of new patients were set aside."""
    target = np.concatenate([np.repeat([1, 0], counts) for counts in lost.values()])
    level = np.concatenate([np.repeat(name, sum(counts)) for name, counts in lost.items()])
    cohort = with_aside(ctx.cohort, reasons=["unreadable"] * len(target), targets=target, attributes={"group": level})
    return replace(ctx, cohort=cohort)


def verdict(ctx, limit, metric="sensitivity_gap", **where):
    """Return the status of one rule on the gaps."""
    probe = ProbeResult(
        info=OperatingPointGap.info, state="completed", measurements=tuple(OperatingPointGap().run(ctx))
    )
    rule = Rule(id="gap", probe="FAIR001", metric=metric, limit=limit, where={"attribute": "group", **where})
    return judge([probe], Policy(name="p", rules=(rule,)), today=TODAY)[0].status


def test_nothing_changes_where_every_case_was_answered():
    """No case set aside, or none whose target is known: every number is the same, but for the shares themselves."""
    plain = rates(**EVEN)
    unknown = replace(
        plain, cohort=with_aside(plain.cohort, reasons=["no target"] * 5, attributes={"group": ["female"] * 5})
    )
    declined = replace(plain, cohort=replace(plain.cohort, ungradable=np.zeros(len(plain.cohort), dtype=bool)))
    assert run(unknown) == run(plain)
    assert run(declined) == run(plain)
    assert run(plain)["share_not_answered", "group", "female"].value == 0


def test_the_curve_holds_with_and_without_the_unanswered_cases():
    """Forty ill women unread: the value is of the others; each rung holds with them as misses, too."""
    plain = rates(**EVEN)
    m = run(unread(plain, female=(40, 0)))["sensitivity_gap", "group", "female"]
    hits = np.concatenate([np.arange(300) < 270, np.arange(300) < 270, np.zeros(40, dtype=bool)])
    women = np.concatenate([np.arange(600) < 300, np.ones(40, dtype=bool)])
    failed = proportion_gap(hits, women, np.arange(640), plain.levels)
    answered = run(plain)["sensitivity_gap", "group", "female"]
    assert (m.value, m.n, m.n_patients) == (answered.value, 300, 300)
    assert "40 unanswered cases" in m.method
    for (level, low, high), (_, a, b), (_, c, d) in zip(m.curve, answered.curve, failed.curve, strict=True):
        assert (low, high) == (min(a, c), max(b, d)), level


def test_a_verdict_that_flips_is_open():
    """Equal among the answered is a PASS at a margin of 0.1; with 60 unread ill women as misses it would be a FAIL."""
    margin = Limit(min=-0.10)
    assert verdict(rates(**EVEN), margin) == "PASS"
    assert verdict(unread(rates(**EVEN), female=(60, 0)), margin) == "INCONCLUSIVE"
    assert verdict(unread(rates(**EVEN), female=(2, 0)), margin) == "PASS"


def test_a_fault_among_the_answered_is_no_fail_where_the_others_could_close_it():
    """Women are missed by 0.2 more; 100 unread men would make up for it, so a FAIL turns open."""
    unequal = rates(female=(210, 90, 400, 100), male=(270, 30, 400, 100))
    assert verdict(unequal, Limit(min=-0.05)) == "FAIL"
    assert verdict(unread(unequal, male=(100, 0)), Limit(min=-0.05), subgroup="female") == "INCONCLUSIVE"


def test_a_floor_counts_the_unanswered_as_well():
    """Sensitivity in women is 0.9 of those read; with 60 misses of unread ones its low end is that of 270 of 360."""
    plain = rates(**EVEN)
    m = run(unread(plain, female=(60, 0)))["sensitivity", "group", "female"]
    failed = proportion(np.arange(360) < 270, np.arange(360), plain.levels)
    assert m.value == pytest.approx(0.9)
    assert m.low == failed.bounds(0.025)[0]
    assert m.high == run(plain)["sensitivity", "group", "female"].high


def test_unread_well_cases_are_false_alarms():
    """Fifty well women unread: specificity falls and false alarms rise in the rows that count them, mirrored."""
    found = run(unread(rates(**EVEN), female=(0, 50)))
    wrong = 400 / 550 - 400 / 500
    assert found["specificity_gap_with_failures", "group", "female"].value == pytest.approx(wrong)
    assert found["fpr_gap_with_failures", "group", "female"].value == pytest.approx(-wrong)
    assert found["specificity_gap_with_failures", "group", "female"].condition["n_rest"] == 500
    assert ("sensitivity_gap_with_failures", "group", "female") not in found


def test_shares_by_level():
    """Thirty of 330 women without an answer, no man: 1/11 with the exact interval, and 0 of 800."""
    plain = rates(female=(135, 15, 120, 30), male=(270, 30, 400, 100))
    found = run(unread(plain, female=(20, 10)))
    m = found["share_not_answered", "group", "female"]
    assert (m.value, m.k, m.n) == (pytest.approx(30 / 330), 30, 330)
    assert m.curve == proportion(np.arange(330) < 30, np.arange(330), plain.levels).curve
    assert (found["share_not_answered", "group", "male"].value, m.direction) == (0, "lower")


def test_declined_cases_with_a_score_count_as_failures():
    """The quality gate declines fifty women whom the score would have found: the value has them, not the bound."""
    plain = rates(**EVEN)
    declined = np.arange(len(plain.cohort)) < 50
    found = run(replace(plain, cohort=replace(plain.cohort, ungradable=declined)))
    m = found["sensitivity_gap", "group", "female"]
    assert m.value == pytest.approx(0)
    assert found["sensitivity_gap_with_failures", "group", "female"].value == pytest.approx(220 / 300 - 0.9)
    assert m.low == found["sensitivity_gap_with_failures", "group", "female"].low
    assert found["share_not_answered", "group", "female"].k == 50


def test_a_declined_case_counts_though_its_target_is_unknown():
    """It has no place in a sensitivity, but the patient got no answer."""
    plain = rates(**EVEN)
    cohort = with_aside(
        plain.cohort, reasons=["ungradable"] * 10, attributes={"group": ["female"] * 10}, ungradable=np.ones(10, bool)
    )
    found = run(replace(plain, cohort=cohort))
    assert found["share_not_answered", "group", "female"].k == 10
    assert "sensitivity_gap_with_failures" not in {key[0] for key in found}


def test_cases_lost_track_of_have_no_share():
    """Where the ledger counts lost cases that nobody can place, the share is missing and not 0."""
    plain = rates(**EVEN)
    n = len(plain.cohort)
    cohort = replace(plain.cohort, ledger=Ledger(read=n + 9, used=n, set_aside={"unreadable": 9}))
    m = run(replace(plain, cohort=cohort))["share_not_answered", "group", "female"]
    assert m.value is None
    assert "not known" in m.missing


def test_set_aside_findings_are_placed_by_class():
    """Of a multilabel case that was set aside each finding counts with its own label."""
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, (400, 2))
    sex = attribute("sex", ["f", "m"] * 200, "protected")
    cohort = with_aside(
        small_cohort(target, attributes=[sex], classes=("effusion", "nodule")), reasons=["unreadable"] * 20,
        targets=np.tile([1, 0], (20, 1)), attributes={"sex": ["f"] * 20},
    )  # fmt: skip
    ctx = saved_context(4.0 * target - 2 + rng.normal(size=(400, 2)), cohort, task="multilabel", output="logits")
    widened = {(m.metric, m.condition["class"]) for m in OperatingPointGap().run(ctx) if "with_failures" in m.metric}
    assert widened == {
        ("sensitivity_gap_with_failures", "effusion"),
        ("specificity_gap_with_failures", "nodule"),
        ("fpr_gap_with_failures", "nodule"),
    }
