"""P54: a gap of 0 between few patients is no evidence that there is none."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Finding, Limit, Policy, ProbeResult, Rule
from audit.judge import judge
from audit.probes.fairness import OperatingPointGap
from audit.testing import attribute, saved_context, small_cohort
from tests.judge._make import TODAY


def judged(ill: int) -> Finding:
    """Return what a rule with a margin of 0.1 says where both groups have so many ill patients and find 0.8."""
    hits = round(0.8 * ill)
    label = np.tile(np.repeat([1, 0], ill), 2)
    score = np.tile(np.concatenate([np.full(hits, 0.9), np.full(2 * ill - hits, 0.1)]), 2)
    group = attribute("group", np.repeat(["A", "B"], 2 * ill), "protected")
    found = tuple(OperatingPointGap().run(saved_context(score, small_cohort(label, attributes=[group]))))
    gap = next(m for m in found if m.metric == "sensitivity_gap")
    assert gap.value == pytest.approx(0, abs=1e-12)
    assert gap.low < 0 < gap.high
    rule = Rule(id="gap", probe="FAIR001", metric="sensitivity_gap", limit=Limit(min=-0.10))
    result = ProbeResult(info=OperatingPointGap.info, state="completed", measurements=found)
    return judge([result], Policy(name="p", rules=(rule,)), today=TODAY)[0]


def test_no_gap_among_few_is_inconclusive() -> None:
    """30 ill patients a group with equal rates: 0 is inside, so is a gap of 0.1, and the number needed is said."""
    finding = judged(30)
    assert finding.status == "INCONCLUSIVE"
    assert finding.patients_needed > 60


def test_no_gap_among_many_passes() -> None:
    """With 600 ill patients a group the same rates show that the gap is within 0.1."""
    assert judged(600).status == "PASS"
