"""SHIFT002 stops when its rules are settled, and what it then says holds whenever it stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Limit, Policy, ProbeResult, Rule
from audit.judge import judge, stops
from audit.probes.shift import AcquisitionSeverity
from tests.judge._make import TODAY
from tests.probes.shift._acquired import asked, by_brightness, healthy, pick, run

PATIENTS = 240
AT = {"parameter": "mr_gain", "severity": 0.1}


def policy(least: float, *, metric: str = "performance", stratum: str = "sensitivity", **where: object) -> Policy:
    rule = Rule(
        id="shift", probe="SHIFT002", metric=metric, where={**AT, "stratum": stratum, **where},  # type: ignore[arg-type]
        limit=Limit(min=least), sequential=True,
    )  # fmt: skip
    return Policy(rules=(rule,))


def measured(answer: object, given: Policy | None, **more: object):
    ctx = asked(answer, n=PATIENTS, **more)
    return run(ctx if given is None else replace(ctx, stop=stops(given)["SHIFT002"]))


def judged(found: object, given: Policy):
    result = ProbeResult(info=AcquisitionSeverity.info, state="completed", measurements=tuple(found))  # type: ignore[arg-type]
    return judge([result], given, today=TODAY)[0]


@pytest.fixture(scope="module")
def settled():
    """Return the healthy model under a limit that is far away, and the one that reads brightness."""
    return {name: measured(answer, policy(0.6)) for name, answer in (("healthy", healthy), ("bright", by_brightness))}


def test_what_lies_far_from_the_limit_is_settled_by_few(settled) -> None:
    """The healthy model PASSes on a part of its patients; positives alone are counted, planned and saved."""
    finding = judged(settled["healthy"], policy(0.6))
    (m,) = pick(settled["healthy"], "performance", **AT, stratum="sensitivity")
    assert finding.status == "PASS"
    assert m.planned == PATIENTS // 2
    assert (finding.patients_spent, finding.patients_saved) == (m.n_patients, m.planned - m.n_patients)
    assert finding.patients_saved > PATIENTS // 8
    assert "betting" in m.method


def test_a_planted_fault_is_never_passed(settled) -> None:
    """A model that reads brightness answers all patients of a brighter scanner alike: specificity fails, and soon."""
    given = policy(0.6, stratum="specificity")
    found = measured(by_brightness, given)
    finding = judged(found, given)
    assert finding.status == "FAIL"
    assert finding.patients_saved > 0


def test_numbers_without_such_a_bound_have_none_before_the_end(settled) -> None:
    """An AUC covers its whole range, a change of one, too; a critical severity rests on the bounds of its changes."""
    for m in pick(settled["healthy"], "performance", stratum="auc"):
        assert (m.low, m.high) == (0.0, 1.0)
        assert m.planned == PATIENTS
    for m in pick(settled["healthy"], "performance_change", stratum="auc"):
        assert (m.low, m.high) == (-1.0, 1.0)
    changes = pick(settled["healthy"], "performance_change", stratum="sensitivity")
    by_itself = [m for m in changes if m.condition["parameter"] != "(combined)"]
    assert by_itself
    assert all("betting" in m.method for m in by_itself)


def test_without_a_stratum_an_auc_is_waited_for_and_all_are_looked_at() -> None:
    """A rule that matches an AUC as well is not settled early; in the end the AUC has a fixed number's interval."""
    given = policy(0.6)
    rule = replace(given.rules[0], where=AT)
    found = measured(healthy, replace(given, rules=(rule,), digest=""))
    fixed = run(asked(healthy, n=PATIENTS))
    for stratum in ("auc", "sensitivity"):
        (one,) = pick(found, "performance", **AT, stratum=stratum)
        (other,) = pick(fixed, "performance", **AT, stratum=stratum)
        assert one.n_patients == other.n_patients
        assert one.value == pytest.approx(other.value, abs=1e-12)
    area = pick(found, "performance", **AT, stratum="auc")[0]
    assert area.low > 0.5


def test_a_paired_change_is_bounded_by_the_differences_of_patients() -> None:
    """The change of the sensitivity is settled as well; its bounds hold that of all patients."""
    given = policy(-0.3, metric="performance_change")
    found = measured(healthy, given)
    assert judged(found, given).status == "PASS"
    (m,) = pick(found, "performance_change", **AT, stratum="sensitivity")
    (every,) = pick(run(asked(healthy, n=PATIENTS)), "performance_change", **AT, stratum="sensitivity")
    assert m.n_patients < every.n_patients
    assert m.low <= every.value <= m.high


def test_values_look_at_all_cases() -> None:
    """A regression has no number of this kind: the probe does as it does without the rule, and says of no plan."""
    given = policy(0.6)
    ctx = asked(healthy, n=40, task="regression", output="value", classes=(), operating_point=None)
    cohort = replace(ctx.cohort, targets=ctx.cohort.targets.astype(np.float64))
    clean = replace(ctx.clean, targets=cohort.targets, card=ctx.card)
    plain = replace(ctx, cohort=cohort, clean=clean)
    one, other = run(replace(plain, stop=stops(given)["SHIFT002"])), run(replace(plain, rng=np.random.default_rng(0)))
    assert [(m.metric, m.value, m.planned) for m in one] == [(m.metric, m.value, None) for m in other]
