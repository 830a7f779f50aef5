"""FAIR004 finds whose disease is called healthy, for every way in which a classifier says "healthy"."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.fairness import OperatingPointGap, Underdiagnosis
from audit.stats import proportion
from audit.testing import attribute, context, planted, saved_context, small_cohort, tiny_cohort, with_aside
from tests.probes.fairness.test_fair001 import rates
from tests.probes.fairness.test_fair001_unanswered import unread

SEX = np.array(["f", "m"])


def run(ctx):
    """Return the measurements by metric and levels."""
    return {(m.metric, *(m.subgroup[k] for k in sorted(m.subgroup))): m for m in Underdiagnosis().run(ctx)}


def test_of_two_classes_it_is_the_miss_rate():
    """92 of 400 ill women and 90 of 600 ill men called healthy: 0.23, 0.15, and a gap of +0.08."""
    ctx = rates(f=(308, 92, 400, 100), m=(510, 90, 400, 100))
    found = run(ctx)
    m = found["underdiagnosis", "f"]
    assert (m.value, m.k, m.n, m.direction) == (pytest.approx(0.23), 92, 400, "lower")
    assert m.curve == proportion(np.arange(400) < 92, np.arange(400), ctx.levels).curve
    assert found["underdiagnosis_gap", "f"].value == pytest.approx(0.08)
    assert found["underdiagnosis_gap", "f"].low > 0


def test_it_mirrors_the_sensitivity_gap_of_two_classes():
    """Value and bounds are those of FAIR001 with the other sign, to 1e-9."""
    ctx = rates(f=(308, 92, 400, 100), m=(510, 90, 400, 100))
    other = next(
        m for m in OperatingPointGap().run(ctx) if m.metric == "sensitivity_gap" and m.subgroup["group"] == "f"
    )
    m = run(ctx)["underdiagnosis_gap", "f"]
    assert (m.value, m.low, m.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-9)


def test_planted_fault_is_caught_and_the_healthy_model_is_not():
    """The model that misses women calls them healthy more often by over 0.1; the healthy one has 0 inside."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1600)
    assert run(context(planted("misses-women"), cohort))["underdiagnosis_gap", "female"].low > 0.1
    healthy = run(context(planted(), cohort))["underdiagnosis_gap", "female"]
    assert healthy.low < 0 < healthy.high


def several(names, targets, raw, **more):
    """Return a context of several classes or findings, women and men in turn."""
    sex = attribute("sex", SEX[np.arange(len(targets)) % 2], "protected")
    return saved_context(np.asarray(raw), small_cohort(np.asarray(targets), attributes=[sex], classes=names), **more)


def test_of_several_classes_the_healthy_one_is_known_by_its_name():
    """The third class is "normal": women with a glioma are called so in half the cases, a wrong tumour is no miss."""
    target = np.repeat([0, 1, 2], 80)
    female = np.arange(240) % 2 == 0
    named = np.where(target == 0, 1, target)
    named = np.where((target == 0) & female & (np.arange(240) % 4 == 0), 2, named)
    found = run(several(("glioma", "metastasis", "normal"), target, np.eye(3)[named] * 4, task="multiclass",
                        output="logits", operating_point=None))  # fmt: skip
    m = found["underdiagnosis", "f"]
    assert (m.k, m.n) == (20, 80)
    assert m.condition["stratum"] == "called normal"
    assert found["underdiagnosis", "m"].k == 0


def test_of_grades_the_first_is_the_healthy_one():
    """Without a telling name the first class stands for no disease."""
    target = np.repeat([0, 1, 2], 40)
    found = run(several(("grade 0", "grade 1", "grade 2"), target, np.eye(3)[np.where(target == 2, 0, target)],
                        task="ordinal", output="probabilities", operating_point=None))  # fmt: skip
    assert (found["underdiagnosis", "f"].k, found["underdiagnosis", "f"].n) == (20, 40)


def test_of_several_findings_it_is_that_none_is_called():
    """Ill by either finding; called healthy where neither reaches its own operating point."""
    target = np.tile([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [1, 1], [0, 0], [0, 0]], (25, 1))
    # Women: the second finding is never called. Men: one finding is always called, if the wrong one.
    raw = np.where((np.arange(200) % 2 == 0)[:, None], target * [0.9, 0.3], [0.8, 0.1])
    found = run(several(("effusion", "nodule"), target, raw, task="multilabel", output="probabilities",
                        operating_point={"effusion": 0.5, "nodule": 0.4}))  # fmt: skip
    m = found["underdiagnosis", "f"]
    assert (m.k, m.n) == (25, 75)
    assert m.condition["stratum"] == "no finding called"
    assert found["underdiagnosis", "m"].k == 0
    assert found["underdiagnosis_gap", "f"].value == pytest.approx(1 / 3)


def test_a_finding_named_no_finding_is_the_healthy_call():
    """As on chest radiographs: what counts is that "No Finding" is called, whatever else is."""
    target = np.tile([[1, 0], [1, 0], [0, 1], [0, 1]], (50, 1))
    raw = np.where((np.arange(200) % 2 == 0)[:, None], [0.9, 0.9], [0.9, 0.1])
    found = run(several(("effusion", "No Finding"), target, raw, task="multilabel", output="probabilities"))
    assert (found["underdiagnosis", "f"].k, found["underdiagnosis", "f"].n) == (50, 50)
    assert found["underdiagnosis", "m"].k == 0


def test_a_finding_without_an_operating_point_leaves_it_open():
    """Nothing is known of "no finding" where one of the findings has no threshold."""
    target = np.tile([[1, 0], [0, 1]], (100, 1))
    found = run(several(("effusion", "nodule"), target, np.full((200, 2), 0.5), task="multilabel",
                        output="probabilities", operating_point={"effusion": 0.5}))  # fmt: skip
    assert "operating point" in found["underdiagnosis_gap", "f"].missing


def test_unanswered_ill_cases_count_as_underdiagnosed():
    """Forty ill women unread: the value is of those read, the upper bound holds with all forty sent home."""
    plain = rates(f=(270, 30, 400, 100), m=(270, 30, 400, 100))
    found = run(unread(plain, f=(40, 25)))
    m = found["underdiagnosis_gap", "f"]
    assert m.value == pytest.approx(0)
    assert found["underdiagnosis_gap_with_failures", "f"].value == pytest.approx(70 / 340 - 0.1)
    assert m.high == found["underdiagnosis_gap_with_failures", "f"].high
    assert m.low == run(plain)["underdiagnosis_gap", "f"].low


def test_a_set_aside_case_is_ill_by_any_of_its_findings():
    """A hundred ill women all called ill; of thirty unread the twenty with either finding count: 20 of 120."""
    target = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (50, 1))
    ctx = several(("effusion", "nodule"), target, 0.8 * target + 0.1, task="multilabel", output="probabilities")
    lost = np.repeat([[1, 0], [0, 1], [0, 0]], 10, axis=0)
    cohort = with_aside(ctx.cohort, reasons=["unreadable"] * 30, targets=lost, attributes={"sex": ["f"] * 30})
    found = run(replace(ctx, cohort=cohort))
    assert found["underdiagnosis_gap_with_failures", "f"].value == pytest.approx(20 / 120)


def test_intersections_have_a_metric_of_their_own():
    """A rule on sex alone is not open for a combination of four patients; both kinds are there."""
    ctx = rates(f=(308, 92, 400, 100), m=(510, 90, 400, 100))
    age = attribute("age", ["old", "young"] * (len(ctx.cohort) // 2), "protected")
    cohort = replace(ctx.cohort, attributes={**ctx.cohort.attributes, "age": age})
    found = run(replace(ctx, cohort=cohort))
    assert len([key for key in found if key[0] == "underdiagnosis_gap"]) == 4
    assert {len(key) for key in found if key[0] == "underdiagnosis_gap"} == {2}
    assert {len(key) for key in found if key[0] == "underdiagnosis_gap_intersection"} == {3}
    assert found["underdiagnosis_gap_intersection", "old", "f"].value is not None


def test_no_operating_point_and_no_attribute_are_reasons():
    """Neither gives a number."""
    ctx = rates(f=(308, 92, 400, 100), m=(510, 90, 400, 100))
    found = run(saved_context(ctx.clean.scores, ctx.cohort, operating_point=None))
    assert all("operating point" in m.missing for m in found.values())
    with pytest.raises(NotApplicable, match="protected"):
        run(saved_context(ctx.clean.scores, replace(ctx.cohort, attributes={})))
