"""Rules that let their probe stop early: the level of each is fixed beforehand, and a stop is a verdict."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from scipy import stats

from audit.core import Measurement, canonical_json
from audit.evidence._codec import policy_from_plain, policy_to_plain
from audit.judge import declare, fail_levels, family_values, judge, stops
from tests.judge._make import TODAY, measurement, policy, result, rule

Z = float(stats.norm.isf(0.025))


def stopping(id: str = "s", **more: object):
    return rule(id, sequential=True, **more)


def at(sigmas: float, **more: object) -> Measurement:
    """Return a measurement so many standard errors from the limit 0.8."""
    return measurement(0.8 + sigmas * 0.01, **more)


def test_a_policy_without_such_rules_is_judged_and_written_as_ever():
    """No key, no digest and no level is another one where no rule is sequential."""
    plain = policy(rule("a"), rule("b"))
    assert plain.digest == policy(rule("a", sequential=False), rule("b")).digest
    assert "sequential" not in canonical_json(policy_to_plain(plain))
    assert "sequential" not in family_values(declare(plain, {}), plain)
    assert stops(plain) == {}


def test_a_sequential_rule_changes_the_digest_and_comes_back():
    """The flag is part of the policy, in its digest and in its stored form."""
    asked = policy(stopping("a"), rule("b"))
    assert asked.digest != policy(rule("a"), rule("b")).digest
    assert policy_from_plain(policy_to_plain(asked)) == asked


def test_the_level_of_a_fail_is_parted_beforehand():
    """Of five sides of limits, a sequential rule with two has two fifths of 0.025; the evidence says so."""
    asked = policy(stopping("two", high=0.9), rule("a"), rule("b", high=1.0))
    assert fail_levels(asked) == {"two": pytest.approx(0.025 * 2 / 5, rel=1e-12)}
    assert family_values(declare(asked, {}), asked)["sequential"] == fail_levels(asked)


def test_a_sequential_rule_fails_at_its_own_level_whatever_the_others_do():
    """Of ten rules one is sequential: its part is 0.0025, however many hypotheses the others have."""
    others = [rule(f"r{i}", where={"class": f"c{i}"}) for i in range(9)]
    asked = policy(stopping(where={"class": "s"}), *others)
    within = float(stats.norm.isf(0.0025))
    for sigmas, status in ((within + 0.01, "FAIL"), (within - 0.05, "INCONCLUSIVE")):
        ms = [at(-sigmas, condition={"class": "s"}), *(at(4, condition={"class": f"c{i}"}) for i in range(9))]
        finding = judge([result(*ms)], asked, today=TODAY)[0]
        assert finding.status == status, sigmas
    assert judge([result(at(Z + 0.01, condition={"class": "s"}))], asked, today=TODAY)[0].status == "PASS"


def test_the_others_share_what_is_left():
    """With one of two rules sequential the other FAILs at 0.0125, not at 0.025; without, at Holm's second step."""
    ms = [at(-9, condition={"class": "s"}), at(-2.1, condition={"class": "c"})]
    where = ({"class": "s"}, {"class": "c"})
    alone = policy(stopping(where=where[0]), rule("c", where=where[1]))
    both = policy(rule("s", where=where[0]), rule("c", where=where[1]))
    assert [f.status for f in judge([result(*ms)], alone, today=TODAY)] == ["FAIL", "INCONCLUSIVE"]
    assert [f.status for f in judge([result(*ms)], both, today=TODAY)] == ["FAIL", "FAIL"]
    ms[1] = at(-2.4, condition={"class": "c"})
    assert [f.status for f in judge([result(*ms)], alone, today=TODAY)] == ["FAIL", "FAIL"]


@pytest.mark.parametrize("sigmas", [-6.0, -3.2, -2.9, -2.0, 0.0, 1.9, 2.0, 6.0])
@pytest.mark.parametrize("rules", [1, 4, 30])
def test_a_stop_is_a_verdict_and_no_stop_is_none(sigmas, rules):
    """The probe stops at just the measurements at which the judge then says PASS or FAIL."""
    others = [rule(f"r{i}", probe="FAIR001") for i in range(rules - 1)]
    asked, m = policy(stopping(), *others), at(sigmas)
    status = judge([result(m)], asked, today=TODAY)[0].status
    assert stops(asked)["PERF001"].settled([m]) == (status != "INCONCLUSIVE")


def test_all_rules_on_the_probe_are_waited_for():
    """One rule settled and one open: go on. Measurements that no rule is about settle nothing."""
    both = policy(stopping("a"), stopping("b", metric="specificity"))
    stop = stops(both)["PERF001"]
    good, still_open = at(5), at(0.5, metric="specificity")
    assert stop.metrics == {"sensitivity", "specificity"}
    assert not stop.settled([good, still_open])
    assert stop.settled([good, at(5, metric="specificity")])
    assert stop.settled([good, at(-5, metric="specificity")])
    assert not stop.settled([])
    assert not stop.settled([at(5, metric="accuracy")])


def test_patients_that_a_rule_asks_for_are_waited_for():
    """A rule that asks for 300 patients is not settled by 200, however far from the limit."""
    stop = stops(policy(stopping(min_patients=300)))["PERF001"]
    assert not stop.settled([at(20, n=200)])
    assert stop.settled([at(20, n=300)])


def test_a_pass_needs_every_measurement_and_a_fail_one():
    """Of two classes, two PASSes settle and one does not; one FAIL settles."""
    stop = stops(policy(stopping()))["PERF001"]
    one, two = ({"class": c} for c in "ab")
    assert not stop.settled([at(5, condition=one), at(0, condition=two)])
    assert stop.settled([at(5, condition=one), at(5, condition=two)])
    assert stop.settled([at(-5, condition=one), at(0, condition=two)])


def test_questions_like_this_one_are_counted():
    """Of four findings that one rule is about, each is stopped at a quarter of the level, which the judge grants."""
    asked = policy(stopping())
    stop, m = stops(asked)["PERF001"], at(-2.3, condition={"class": "a"})
    assert stop.settled([m])
    assert not stop.settled([m], among=4)
    worse = at(-2.6, condition={"class": "a"})
    assert stop.settled([worse], among=4)
    others = [at(1.0, condition={"class": c}) for c in "bcd"]
    assert judge([result(worse, *others)], asked, today=TODAY)[0].status == "FAIL"


def test_what_was_spent_and_saved_is_in_the_finding_and_its_words():
    """96 patients of 400: 304 saved, in the finding, its headline and its JSON; without a plan no such key."""
    m = replace(at(5, n=96), planned=400)
    finding = judge([result(m)], policy(stopping()), today=TODAY)[0]
    assert (finding.patients_spent, finding.patients_saved) == (96, 304)
    assert "96 of 400 patients, after which it stopped" in finding.headline
    assert '"patients_saved":304' in canonical_json(finding)
    assert '"planned":400' in canonical_json(m)
    ended = judge([result(replace(m, planned=96))], policy(stopping()), today=TODAY)[0]
    assert (ended.patients_saved, "all 96 patients" in ended.headline) == (0, True)
    fixed = judge([result(at(5))], policy(rule()), today=TODAY)[0]
    assert "patients_spent" not in canonical_json(fixed)
    assert "planned" not in canonical_json(at(5))


def test_more_patients_than_planned_are_an_error():
    """A measurement of 96 patients out of 95 was not made as it says."""
    with pytest.raises(ValueError, match="at most 95 patients"):
        replace(at(5, n=96), planned=95)


def test_what_tells_a_probe_to_stop_can_be_sent_to_another_process():
    """It is the same after a round trip, and its key is another one where limit, level or share differ."""
    stop = stops(policy(stopping()))["PERF001"]
    assert pickle.loads(pickle.dumps(stop)).key == stop.key
    keys = {
        stops(p)["PERF001"].key
        for p in (policy(stopping()), policy(stopping(low=0.81)), policy(stopping(), rule("r")),
                  policy(stopping(min_patients=9)), policy(stopping(), confidence=0.9))
    }  # fmt: skip
    assert len(keys) == 5
