"""What lacks a reference standard, or has one that follows the model, bars PASS unless a rule is about it."""

import pytest

from audit.core import Limit, Measurement, Policy, ProbeInfo, ProbeResult, Rule
from audit.judge._reference import reference_reasons, verdict_notes

METRICS = (
    "share_unverified", "share_unverified_of_class", "source_association", "sensitivity", "sensitivity_corrected"
)  # fmt: skip


def measured(metric, value, *, subgroup=None, condition=None, n=500):
    """Return one number of DATA010."""
    return Measurement(
        metric=metric, value=value, low=value, high=value, level=0.95, method="count", n=n, n_patients=n,
        subgroup=subgroup or {}, condition=condition or {},
    )  # fmt: skip


def result(*measurements, state="completed"):
    """Return DATA010 with these numbers."""
    info = ProbeInfo(
        code="DATA010", name="x", family="DATA", tasks=("binary",), metrics=METRICS, title="t", question="q?",
        method="m", limits="l",
    )  # fmt: skip
    return ProbeResult(info=info, state=state, reason="" if state == "completed" else "r", measurements=measurements)


def policy(probe="PERF001", metric="sensitivity", **more):
    """Return a policy of one rule."""
    rule = Rule(**{"id": "one", "probe": probe, "metric": metric, "limit": Limit(max=0.5), **more})
    return Policy(name="p", rules=(rule,))


def of_class(share, **more):
    """Return how much of the class of the ill may lack its reference standard."""
    return result(measured("share_unverified_of_class", share, condition={"class": "ill"}, **more))


@pytest.mark.parametrize(
    ("share", "subgroup", "n", "barred"),
    [
        (0.051, {}, 500, True), (0.05, {}, 500, False), (0.4, {"sex": "F"}, 20, True), (0.4, {"sex": "F"}, 19, False),
        (0.4, {}, 10, True),
    ],
)  # fmt: skip
def test_more_than_a_twentieth_of_a_class_bars(share, subgroup, n, barred):
    """In all, and in levels of 20 cases or more."""
    found = reference_reasons([of_class(share, subgroup=subgroup, n=n)], policy())
    assert bool(found) is barred
    assert all("'ill'" in text and "DATA010" in text for text in found)


@pytest.mark.parametrize(
    ("more", "barred"),
    [
        ({"probe": "DATA010", "metric": "share_unverified_of_class"}, False),
        ({"probe": "DATA010", "metric": "sensitivity_corrected", "where": {"parameter": "given the score"}}, False),
        ({"probe": "DATA003", "metric": "share_set_aside", "where": {"parameter": "no target"}}, False),
        ({"probe": "DATA003", "metric": "share_set_aside"}, True),
        ({"probe": "DATA010", "metric": "share_unverified_of_class", "where": {"class": "well"}}, True),
        ({"probe": "DATA010", "metric": "share_unverified_of_class", "blocking": False}, True),
        ({"probe": "DATA010", "metric": "sensitivity"}, True),
    ],
)
def test_a_blocking_rule_about_them_says_how_many_may_be(more, barred):
    """One that cannot block, or is about another number or one class alone, does not."""
    assert bool(reference_reasons([of_class(0.3)], policy(**more))) is barred


@pytest.mark.parametrize(("value", "barred"), [(0.11, True), (0.1, False), (None, False)])
def test_a_source_that_follows_the_decision_bars_and_is_noted(value, barred):
    """A rule on the rates by source lifts the bar, and the note stays."""
    row = measured("source_association", 0.0, condition={"parameter": "decision"})
    if value is None:
        row = Measurement(metric="source_association", value=None, level=0.95, method="none", n=0, n_patients=0,
                          missing="all cases have one level")  # fmt: skip
    else:
        row = measured("source_association", value, condition={"parameter": "decision"})
    found = [result(row)]
    assert bool(reference_reasons(found, policy())) is barred
    assert bool(verdict_notes(found, {})) is barred
    assert not reference_reasons(found, policy(probe="DATA010", metric="sensitivity"))
    assert not reference_reasons(found, policy(probe="DATA005", metric="association"))


def test_what_did_not_run_says_nothing():
    """A probe that is not applicable has found no such case; one in error bars PASS by itself."""
    assert reference_reasons([result(state="not_applicable")], policy()) == []


@pytest.mark.parametrize(
    ("model", "noted"),
    [
        ({"operating_point": 0.5}, True), ({"operating_point": 0.5, "operating_point_source": "Not declared"}, True),
        ({"operating_point": 0.5, "operating_point_source": "validation split of 2023"}, False),
        ({"operating_point": 0.5, "operating_point_chosen_on": "training"}, False), ({"operating_point": None}, False),
    ],
)  # fmt: skip
def test_a_threshold_of_unknown_origin_is_noted(model, noted):
    """Where there is one, and nothing says where it comes from."""
    assert bool(verdict_notes([], model)) is noted
