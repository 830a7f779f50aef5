"""P59: more misses and fewer false alarms cancel in every mean of the two, and in no rule on its own."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Limit, Policy, ProbeContext, ProbeResult, Rule, Status
from audit.judge import judge
from audit.probes.fairness import OperatingPointGap
from audit.testing import attribute, saved_context, small_cohort
from tests.judge._make import TODAY

SIDE = 600
FAULT = {"A": (0.90, 0.70), "B": (0.70, 0.90)}
NONE = {"A": (0.80, 0.80), "B": (0.80, 0.80)}


def audited(rates: dict[str, tuple[float, float]], **more: object) -> ProbeContext:
    """Return a context with 600 ill and 600 well patients a group, at these sensitivities and specificities."""
    label, positive, group = [], [], []
    for name, (sensitivity, specificity) in rates.items():
        hits, alarms = round(SIDE * sensitivity), round(SIDE * (1 - specificity))
        label += [1] * SIDE + [0] * SIDE
        positive += [1] * hits + [0] * (SIDE - hits) + [1] * alarms + [0] * (SIDE - alarms)
        group += [name] * 2 * SIDE
    cohort = small_cohort(np.array(label), attributes=[attribute("group", np.array(group), "protected")])
    return saved_context(np.where(positive, 0.9, 0.1), cohort, **more)


def statuses(ctx: ProbeContext) -> dict[str, Status]:
    """Return what the rules say: neither rate of a group may be lower by more than 0.1."""
    result = ProbeResult(
        info=OperatingPointGap.info, state="completed", measurements=tuple(OperatingPointGap().run(ctx))
    )
    rules = tuple(
        Rule(id=metric, probe="FAIR001", metric=metric, limit=Limit(min=-0.10))
        for metric in ("sensitivity_gap", "specificity_gap")
    )
    return {f.rule: f.status for f in judge([result], Policy(name="p", rules=rules), today=TODAY)}


def test_gaps_that_cancel_in_the_mean_fail_one_by_one() -> None:
    """B loses 0.2 in sensitivity and gains 0.2 in specificity: its balanced accuracy is A's, and both rules fail."""
    ctx = audited(FAULT, fairlearn_metrics=("balanced_accuracy_score",))
    found = {m.metric: m for m in OperatingPointGap().run(ctx) if m.subgroup == {"group": "B"}}
    assert found["fairlearn:balanced_accuracy_score"].value == pytest.approx(0, abs=1e-12)
    assert found["sensitivity_gap"].value == pytest.approx(-0.2, abs=1e-12)
    assert found["specificity_gap"].value == pytest.approx(0.2, abs=1e-12)
    # A is worse by as much in specificity: a rule on all levels holds for either of them.
    assert statuses(ctx) == {"sensitivity_gap": "FAIL", "specificity_gap": "FAIL"}


def test_equal_rates_pass_both_rules() -> None:
    """The same cohort with 0.8 and 0.8 in either group is no fault."""
    assert statuses(audited(NONE)) == {"sensitivity_gap": "PASS", "specificity_gap": "PASS"}
