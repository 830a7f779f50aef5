"""P87: a class of three cases has no number, and no mean over classes hides it."""

from __future__ import annotations

import numpy as np

from audit.probes.performance import HeadlinePerformance
from audit.testing import saved_context, small_cohort


def test_a_class_of_three_is_missing_by_name() -> None:
    """Its sensitivity and AUC say how many patients there are; the mean over classes is missing and names it."""
    labels = np.r_[np.repeat([0, 1], 100), [2] * 3]
    raw = np.eye(3)[labels] * 0.7 + 0.1
    cohort = small_cohort(labels, patients=np.arange(203), classes=("a", "b", "c"))
    given = list(HeadlinePerformance().run(saved_context(raw, cohort, task="multiclass")))
    rates = {(m.metric, m.condition.get("class")): m for m in given if m.metric in ("sensitivity", "auc")}
    assert set(rates) == {(m, c) for m in ("sensitivity", "auc") for c in "abc"}
    assert [rates["sensitivity", c].value for c in "abc"] == [1.0, 1.0, None]
    assert rates["sensitivity", "c"].missing == "3 patients, fewer than the 5 that an interval needs"
    assert rates["auc", "c"].missing is not None
    macro = next(m for m in given if m.metric == "auc_macro")
    assert macro.value is None
    assert "c (3 patients with a positive case" in macro.missing
