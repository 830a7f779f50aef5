"""P16 and P56: prevalence is no gap, and equal ranking is no proof of equal treatment."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Measurement
from audit.probes.fairness import OperatingPointGap
from audit.probes.shift import ProtocolMatrix
from audit.testing import attribute, saved_context, small_cohort

N = 4000


def gaps(logit: np.ndarray, labels: np.ndarray, group: np.ndarray) -> dict[str, Measurement]:
    """Return the gaps of group B by metric, of a probe of subgroups and of one of protocols."""
    cohort = small_cohort(
        labels, attributes=[attribute("group", group, "protected", also=("protocol",))], patients=np.arange(N)
    )
    ctx = saved_context(1 / (1 + np.exp(-logit)), cohort)
    found = [*OperatingPointGap().run(ctx), *ProtocolMatrix().run(ctx)]
    return {m.metric: m for m in found if m.subgroup == {"group": "B"} and m.metric.endswith("gap")}


def test_another_prevalence_alone_is_no_gap() -> None:
    """One in ten is ill in A and six in ten in B; given the label nothing differs, and no gap of errors reaches 0.1."""
    rng = np.random.default_rng(1)
    group = np.repeat(["A", "B"], N // 2)
    labels = (rng.random(N) < np.where(group == "A", 0.1, 0.6)).astype(int)
    found = gaps(2.0 * (labels - 0.5) + rng.normal(0, 1, N), labels, group)
    # Who is called ill more often differs as it must: that gap is of selection, not of errors.
    assert found.pop("selection_rate_gap").value == pytest.approx(0.34, abs=0.05)
    # On the logit scale, whose unit is no share of patients.
    separation = found.pop("score_separation_gap")
    assert separation.low is not None
    assert separation.low < 0 < separation.high
    assert "ppv_gap" in found
    for metric, m in found.items():
        bounds = m.estimate().bounds(0.025)
        assert bounds is not None
        assert -0.1 < bounds[0] < 0 < bounds[1] < 0.1, metric


def test_equal_ranking_hides_no_gap_at_the_operating_point() -> None:
    """B's scores are lower by one logit for every case: the AUC are equal, and a third more of B's ill are missed."""
    rng = np.random.default_rng(1)
    group, labels = rng.choice(["A", "B"], N), rng.integers(0, 2, N)
    found = gaps(2.0 * (labels - 0.5) + rng.normal(0, 1, N) - (group == "B"), labels, group)
    assert found["auc_gap"].value == pytest.approx(0, abs=0.02)
    assert found["sensitivity_gap"].high is not None
    assert found["sensitivity_gap"].high < -0.25
