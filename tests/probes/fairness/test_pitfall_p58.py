"""P58: equal rates by sex and by age hide that older women and younger men are missed."""

from __future__ import annotations

import numpy as np

from audit.core import Limit, Policy, ProbeResult, Rule, Status
from audit.judge import judge
from audit.probes.fairness import IntersectionalGap, OperatingPointGap, Underdiagnosis
from tests.judge._make import TODAY
from tests.probes.fairness.test_fair003 import crossed

HIDDEN = {("old", "f"): (400, 200), ("old", "m"): (560, 40), ("young", "f"): (560, 40), ("young", "m"): (400, 200)}
PROBES = (OperatingPointGap, IntersectionalGap, Underdiagnosis)


def statuses(cells: dict[tuple[str, str], tuple[int, int]]) -> dict[str, Status]:
    """Return what one rule a probe says: no group may do worse by more than 0.1."""
    ctx = crossed(cells)
    results = [
        ProbeResult(info=probe.info, state="completed", measurements=tuple(probe().run(ctx))) for probe in PROBES
    ]
    low, high = Limit(min=-0.10), Limit(max=0.10)
    rules = (
        Rule(id="one at a time", probe="FAIR001", metric="sensitivity_gap", limit=low),
        Rule(id="where they meet", probe="FAIR003", metric="sensitivity_gap", limit=low),
        Rule(id="sent home", probe="FAIR004", metric="underdiagnosis_gap", limit=high),
        Rule(id="sent home where they meet", probe="FAIR004", metric="underdiagnosis_gap_intersection", limit=high),
    )
    found = judge(results, Policy(name="p", rules=rules), today=TODAY)
    return {f.rule: f.status for f in found}


def test_the_intersection_fails_where_both_marginals_pass() -> None:
    """Sensitivity is 0.8 by sex and by age; 0.67 in older women and in younger men, 0.93 in the others."""
    assert statuses(HIDDEN) == {
        "one at a time": "PASS",
        "where they meet": "FAIL",
        "sent home": "PASS",
        "sent home where they meet": "FAIL",
    }


def test_a_model_without_the_fault_passes_everywhere() -> None:
    """The same cohort with 0.8 in each of the four is no fault."""
    even = dict.fromkeys(HIDDEN, (480, 120))
    assert set(statuses(even).values()) == {"PASS"}


def test_shrinkage_still_shows_what_is_hidden() -> None:
    """With 600 patients each the shrunken rates lie within 0.03 of the crude ones."""
    measured = {
        (m.metric, m.subgroup["age"], m.subgroup["sex"]): m.value for m in IntersectionalGap().run(crossed(HIDDEN))
    }
    for age, sex in HIDDEN:
        assert np.isclose(measured["sensitivity_shrunken", age, sex], measured["sensitivity", age, sex], atol=0.03)
