"""An audit in which something did not run is never a PASS."""

from __future__ import annotations

import datetime as dt

import pytest

from audit.core import Estimate, Measurement, Rule, Waiver
from audit.errors import PolicyError
from audit.judge import decide, judge
from tests.judge._make import TODAY, count, info, measurement, policy, result, rule, setup_ok


def verdict(results, p, today=TODAY):
    findings = judge(results, p, today=today)
    return findings, decide(findings, results, p)


def test_a_good_value_passes():
    """The control of this file: where all ran and held, the answer is PASS with exit code 0."""
    findings, v = verdict([setup_ok(), result(measurement(0.9))], policy(rule()))
    assert findings[0].status == "PASS"
    assert (v.outcome, v.exit_code, v.reasons, v.blocking) == ("PASS", 0, (), ())


def test_nothing_ran():
    """Without any result every rule is NOT_RUN and the verdict INCONCLUSIVE."""
    findings, v = verdict([], policy(rule()))
    assert [f.status for f in findings] == ["NOT_RUN"]
    assert (v.outcome, v.exit_code) == ("INCONCLUSIVE", 3)
    assert any("No probe completed" in r for r in v.reasons)


def test_a_probe_crashed():
    """A crash is the state ERROR and bars PASS even where no rule names the probe."""
    crashed = result(code="CAL001", state="error", reason="ZeroDivisionError: x")
    findings, v = verdict([setup_ok(), result(measurement(0.9)), crashed], policy(rule()))
    assert [f.status for f in findings] == ["PASS"]
    assert v.outcome == "INCONCLUSIVE"
    assert any("CAL001 ended in an error" in r for r in v.reasons)


def test_a_rule_on_a_crashed_probe_is_error():
    """A blocking rule whose probe crashed is named as blocking."""
    findings, v = verdict([setup_ok(), result(state="error", reason="boom")], policy(rule()))
    assert findings[0].status == "ERROR"
    assert v.blocking == ("r",)


@pytest.mark.parametrize("where", [{"attribute": "sex"}, {"subgroup": "female"}, {"epsilon": 2.0}, {"class": "mel"}])
def test_a_rule_that_matches_nothing_is_inconclusive(where):
    """No matching measurement is no evidence."""
    findings, v = verdict([setup_ok(), result(measurement(0.9))], policy(rule(where=where)))
    assert findings[0].status == "INCONCLUSIVE"
    assert v.outcome == "INCONCLUSIVE"


def test_a_policy_without_rules_is_inconclusive():
    """An empty policy judges nothing."""
    _, v = verdict([setup_ok(), result(measurement(0.9))], policy())
    assert v.outcome == "INCONCLUSIVE"
    assert "no rule" in v.reasons[0]


def test_a_policy_without_blocking_rules_is_inconclusive():
    """Rules that cannot block cannot clear a release either."""
    findings, v = verdict([setup_ok(), result(measurement(0.9))], policy(rule(blocking=False)))
    assert findings[0].status == "PASS"
    assert v.outcome == "INCONCLUSIVE"


def test_a_rule_that_cannot_block_never_changes_the_outcome():
    """With and without a failing non-blocking rule the verdict is the same."""
    good = result(measurement(0.9), measurement(0.1, metric="specificity"))
    loose = Rule(id="s", probe="PERF001", metric="specificity", limit=rule().limit, blocking=False)
    findings, v = verdict([setup_ok(), good], policy(rule(), loose))
    assert [f.status for f in findings] == ["PASS", "FAIL"]
    assert (v.outcome, v.blocking) == ("PASS", ())


def test_too_few_patients_is_inconclusive():
    """Under min_patients nothing is decided, however good or bad the number."""
    for value in (0.99, 0.1):
        findings, _ = verdict([setup_ok(), result(measurement(value, n=40))], policy(rule(min_patients=50)))
        assert findings[0].status == "INCONCLUSIVE"
        assert findings[0].patients_needed >= 50
        assert "40 patients" in findings[0].lacking


def test_a_missing_value_is_inconclusive_with_its_reason():
    """A measurement without a value blocks PASS and says why."""
    findings, v = verdict([setup_ok(), result(measurement(None, missing="no positives"))], policy(rule()))
    assert (findings[0].status, findings[0].lacking) == ("INCONCLUSIVE", "no positives")
    assert v.outcome == "INCONCLUSIVE"


def test_not_applicable_needs_permission():
    """NOT_APPLICABLE counts as PASS only where the policy allows it for that probe."""
    gone = result(code="SHIFT004", state="not_applicable", reason="cannot be retrained")
    r = rule("s", probe="SHIFT004")
    good = [setup_ok(), result(measurement(0.9)), gone]
    assert verdict(good, policy(rule(), r))[1].outcome == "INCONCLUSIVE"
    assert verdict(good, policy(rule(), r, allow_not_applicable=("SHIFT*",)))[1].outcome == "PASS"
    assert verdict(good, policy(rule(), r, allow_not_applicable=("XAI*",)))[1].outcome == "INCONCLUSIVE"


def test_allowed_absences_alone_are_no_pass():
    """At least one blocking rule must PASS."""
    gone = result(code="SHIFT004", state="not_applicable", reason="x")
    p = policy(rule("s", probe="SHIFT004"), allow_not_applicable=("SHIFT*",))
    assert verdict([setup_ok(), gone], p)[1].outcome == "INCONCLUSIVE"


def test_a_fault_of_the_set_up_bars_pass():
    """A SETUP fault bars PASS though no rule names it."""
    bad = result(count(1, condition={"parameter": "probabilities where logits were declared"}), code="SETUP001")
    _, v = verdict([bad, result(measurement(0.9))], policy(rule()))
    assert v.outcome == "INCONCLUSIVE"
    assert "SETUP001 found 1 fault" in v.reasons[0]


def test_an_audit_without_set_up_checks_is_no_pass():
    """Where no check of the set-up completed, the outputs are not known to be what was declared."""
    assert verdict([result(measurement(0.9))], policy(rule()))[1].outcome == "INCONCLUSIVE"


def test_a_selected_probe_that_was_not_run_bars_pass():
    """A budget that ran out is not silent."""
    skipped = result(code="XAI001", state="not_run", reason="the budget was spent")
    _, v = verdict([setup_ok(), result(measurement(0.9)), skipped], policy(rule()))
    assert v.outcome == "INCONCLUSIVE"


def waiver(expires):
    return Waiver(rule="r", owner="Dr A", reason="known", expires=expires)


def test_a_waiver_takes_a_failing_rule_out_of_blocking():
    """The status stays FAIL, the verdict says "PASS with 1 waiver"."""
    both = result(measurement(0.5), measurement(0.95, metric="specificity"))
    p = policy(rule(), rule("s", metric="specificity"), waivers=(waiver(TODAY),))
    findings, v = verdict([setup_ok(), both], p)
    assert (findings[0].status, v.outcome, v.label, v.blocking) == ("FAIL", "PASS", "PASS with 1 waiver", ())


def test_an_expired_waiver_counts_as_absent_and_is_named():
    """The day after its last day a waiver no longer counts."""
    both = result(measurement(0.5), measurement(0.95, metric="specificity"))
    p = policy(rule(), rule("s", metric="specificity"), waivers=(waiver(TODAY - dt.timedelta(days=1)),))
    findings, v = verdict([setup_ok(), both], p)
    assert (v.outcome, v.blocking) == ("FAIL", ("r",))
    assert findings[0].waiver_expired is not None
    assert any("expired" in r for r in v.reasons)


def test_a_waived_rule_alone_is_no_pass():
    """Waiving the only rule leaves nothing that was shown to hold."""
    assert (
        verdict([setup_ok(), result(measurement(0.5))], policy(rule(), waivers=(waiver(TODAY),)))[1].outcome
        == "INCONCLUSIVE"
    )


def test_a_metric_that_the_probe_lacks_is_an_input_error():
    """A typing error in a policy is not an empty match."""
    with pytest.raises(PolicyError, match="does not have"):
        judge([result(measurement(0.9))], policy(rule(metric="sensitivty")), today=TODAY)


def test_a_count_over_its_limit_fails():
    """A fact of this cohort needs no interval."""
    r = Rule(id="d", probe="DATA003", metric="share_set_aside", limit=rule(low=None, high=0.05).limit)
    aside = result(count(0.2, metric="share_set_aside"), code="DATA003")
    assert info("DATA003").family == "DATA"
    assert verdict([setup_ok(), aside], policy(r))[0][0].status == "FAIL"


@pytest.mark.parametrize(
    ("share", "named", "outcome"), [(0.04, False, "PASS"), (0.06, False, "INCONCLUSIVE"), (0.06, True, "PASS")]
)
def test_many_lost_cases_need_a_rule(share, named, outcome):
    """More than 5 % of the cases set aside bar PASS unless the policy itself says how many may be."""
    lost = result(count(share, metric="share_set_aside"), count(0, metric="unreconciled"), code="DATA003")
    rules = [rule()] + [rule("lost", probe="DATA003", metric="share_set_aside", low=None, high=0.1)] * named
    assert verdict([setup_ok(), result(measurement(0.9)), lost], policy(*rules))[1].outcome == outcome


@pytest.mark.parametrize("more", [{"blocking": False}, {"where": {"parameter": "no target"}}])
def test_a_rule_that_cannot_stop_lost_cases_does_not_excuse_them(more):
    """A rule that never blocks, or that is about one reason alone, sets no limit for the whole."""
    lost = result(count(0.06, metric="share_set_aside"), code="DATA003")
    own = rule("lost", probe="DATA003", metric="share_set_aside", low=None, high=0.1, **more)
    assert verdict([setup_ok(), result(measurement(0.9)), lost], policy(rule(), own))[1].outcome == "INCONCLUSIVE"


def test_tables_that_do_not_add_up_bar_pass():
    """Denominators that are not the cohort make every number doubtful."""
    lost = result(count(0.0, metric="share_set_aside"), count(1, metric="unreconciled"), code="DATA003")
    _, v = verdict([setup_ok(), result(measurement(0.9)), lost], policy(rule()))
    assert v.outcome == "INCONCLUSIVE"
    assert "do not add up" in v.reasons[0]


EITHER = "share_set_aside_or_declined"


def by_group(k, n, **where):
    """Return the share of a class or level that got no answer, one case a patient."""
    share = Estimate.counted(k / n, n=n, n_patients=n, k=k)
    return Measurement.of(share, metric=EITHER, level=0.95, **where)


@pytest.mark.parametrize(
    ("lost", "outcome"),
    [
        (by_group(127, 218, condition={"class": "ill"}), "INCONCLUSIVE"),
        (by_group(10, 218, condition={"class": "ill"}), "PASS"),
        (by_group(30, 300, subgroup={"sex": "female"}), "INCONCLUSIVE"),
        (by_group(1, 12, subgroup={"site": "D"}), "PASS"),
        (by_group(2, 12, subgroup={"site": "D"}), "INCONCLUSIVE"),
        (by_group(300, 4000), "INCONCLUSIVE"),
        (by_group(7, 138, condition={"class": "ill"}, subgroup={"site": "A"}), "PASS"),
        (by_group(15, 138, condition={"class": "ill"}, subgroup={"site": "A"}), "INCONCLUSIVE"),
        (by_group(1, 9, condition={"class": "ill"}, subgroup={"site": "A"}), "PASS"),
    ],
)
def test_a_class_or_level_that_lost_many_bars_pass(lost, outcome):
    """3 % of all cases may be most of the ill: each class and level counts, from two lost cases or 20 patients on."""
    ledger = result(count(0.032, metric="share_set_aside"), lost, code="DATA003")
    v = verdict([setup_ok(), result(measurement(0.9)), ledger], policy(rule()))[1]
    assert v.outcome == outcome
    assert any(EITHER in reason for reason in v.reasons) == (outcome != "PASS")


@pytest.mark.parametrize(("metric", "high", "outcome"), [
    (EITHER, 0.6, "PASS"), ("share_set_aside", 0.04, "INCONCLUSIVE"), ("share_set_aside", 0.6, "PASS"),
])  # fmt: skip
def test_the_policy_may_say_how_many_of_a_class_may_be_lost(metric, high, outcome):
    """By a rule on the share by group, or by one on the whole whose number then holds for every group."""
    ledger = result(
        count(0.032, metric="share_set_aside"), by_group(127, 218, condition={"class": "ill"}), code="DATA003"
    )  # fmt: skip
    own = rule("lost", probe="DATA003", metric=metric, low=None, high=high)
    assert verdict([setup_ok(), result(measurement(0.9)), ledger], policy(rule(), own))[1].outcome == outcome
