"""FAIR002 finds a group that is ranked worse, and is silent on one whose scores are only shifted."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit.core import NotApplicable
from audit.probes.fairness import RankingGap
from audit.probes.shift import ProtocolMatrix
from audit.stats import auc_gap
from audit.testing import attribute, context, planted, saved_context, small_cohort, tiny_cohort, with_aside

CASES, CONTROLS = "cases of the level, controls of the rest", "controls of the level, cases of the rest"


def run(ctx):
    """Return the measurements by (metric, level), those of crossed ranking by (stratum, level)."""
    found = {}
    for m in RankingGap().run(ctx):
        ((_, level),) = m.subgroup.items()
        found[m.condition.get("stratum", m.metric), level] = m
    return found


def drawn(seed, n=1200, *, noise=1.0, shift=0.0, **more):
    """Return a context: women's logits have their own noise and shift; labels and everything else are alike."""
    rng = np.random.default_rng(seed)
    female, label = np.arange(n) % 2 == 0, rng.integers(0, 2, n)
    logit = 2.0 * label - 1 + rng.normal(size=n) * np.where(female, noise, 1.0) + shift * female
    cohort = small_cohort(label, attributes=[attribute("sex", np.where(female, "f", "m"), "protected")], **more)
    return saved_context(1 / (1 + np.exp(-logit)), cohort)


def test_values_equal_scikit_learn():
    """AUC by level, its gap and both crossed AUC are roc_auc_score on the same cases, to 1e-12."""
    ctx = drawn(1)
    found, scores, labels = run(ctx), ctx.clean.scores, ctx.cohort.targets == 1
    women = ctx.cohort.attributes["sex"].levels == "f"
    of = roc_auc_score(labels[women], scores[women]), roc_auc_score(labels[~women], scores[~women])
    assert found["auc", "f"].value == pytest.approx(of[0], abs=1e-12)
    assert found["auc_gap", "f"].value == pytest.approx(of[0] - of[1], abs=1e-12)
    for stratum, rows in ((CASES, women == labels), (CONTROLS, women != labels)):
        expected = roc_auc_score(labels[rows], scores[rows])
        assert found[stratum, "f"].value == pytest.approx(expected, abs=1e-12)


def test_interval_is_that_of_the_statistic():
    """Value and curve are those of `auc_gap` on all cases."""
    ctx = drawn(2)
    members = ctx.cohort.attributes["sex"].levels == "m"
    expected = auc_gap(ctx.clean.scores, ctx.cohort.targets == 1, members, ctx.cohort.patients, ctx.levels)
    assert run(ctx)["auc_gap", "m"].curve == expected.curve


def test_a_noisier_group_is_caught():
    """Women's logits carry 2.5 times the noise: their AUC is lower by more than 0.1."""
    m = run(drawn(3, noise=2.5))["auc_gap", "f"]
    assert m.high < -0.05
    assert m.value < -0.1


def test_a_healthy_model_is_left_alone():
    """The model that reads the lesion alone has no gap, and one that misses women by a shift has none in ranking."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1600)
    for fault in ("healthy", "misses-women"):
        m = run(context(planted(fault), cohort))["auc_gap", "female"]
        assert m.low < 0 < m.high
        assert abs(m.value) < 0.03


def test_a_shift_shows_in_the_crossed_rankings():
    """Women's logits are lower by 1.5: their ill rank low against well men, their well low against ill men."""
    found = run(drawn(4, shift=-1.5))
    assert found["auc_gap", "f"].low < 0 < found["auc_gap", "f"].high
    assert found[CASES, "f"].high < 0.75
    assert found[CONTROLS, "f"].low > 0.95
    assert found[CASES, "f"].value == pytest.approx(found[CONTROLS, "m"].value)


def test_protocols_are_compared_in_the_same_way():
    """SHIFT001 on a protocol gives the very numbers of FAIR002 on a protected attribute."""
    ctx = drawn(5)
    levels = ctx.cohort.attributes["sex"].levels
    twin = small_cohort(ctx.cohort.targets, attributes=[attribute("sex", levels, "protocol")])
    shift = [m for m in ProtocolMatrix().run(saved_context(ctx.clean.scores, twin)) if m.metric == "auc_gap"]
    assert shift == [m for m in RankingGap().run(ctx) if m.metric == "auc_gap"]


def test_unanswered_cases_widen_the_gap():
    """Sixty ill women unread: the value stays, the lower bound is that with these ranked under every score."""
    plain = drawn(6)
    cohort = with_aside(plain.cohort, reasons=["unreadable"] * 60, targets=np.ones(60), attributes={"sex": ["f"] * 60})
    ctx = saved_context(plain.clean.scores, cohort)
    found, before = run(ctx)["auc_gap", "f"], run(plain)["auc_gap", "f"]
    scores = np.concatenate([plain.clean.scores, np.full(60, -1.0)])
    women = np.concatenate([plain.cohort.attributes["sex"].levels == "f", np.ones(60, dtype=bool)])
    labels = np.concatenate([plain.cohort.targets == 1, np.ones(60, dtype=bool)])
    failed = auc_gap(scores, labels, women, np.arange(len(women)), plain.levels)
    assert (found.value, found.high) == (before.value, before.high)
    assert found.low == failed.bounds(0.025)[0]
    assert found.low < before.low - 0.05


def test_a_level_without_ill_patients_is_missing():
    """Its AUC and gap say what is lacking."""
    label = np.concatenate([np.arange(100) % 2, np.zeros(40, dtype=int)])
    group = attribute("group", ["a"] * 50 + ["b"] * 50 + ["c"] * 40, "protected")
    found = run(saved_context(np.linspace(0.1, 0.9, 140), small_cohort(label, attributes=[group])))
    assert found["auc", "c"].missing == "no positive cases"
    assert "no positive cases" in found["auc_gap", "c"].missing
    assert found["auc_gap", "a"].value is not None


def test_curves_are_kept_for_levels_that_show_no_single_patient():
    """The figure has the two large levels and not that of four patients; its ends are (0, 0) and (1, 1)."""
    rng = np.random.default_rng(7)
    label = rng.integers(0, 2, 204)
    group = attribute("group", ["a"] * 100 + ["b"] * 100 + ["c"] * 4, "protected")
    ctx = saved_context(rng.random(204), small_cohort(label, attributes=[group]))
    run(ctx)
    (kept,) = ctx.sink.artifacts
    assert (kept.name, kept.meta["levels"], kept.meta["attribute"]) == ("roc_by_level", "a|b", "group")
    for level in (0, 1):
        rows = kept.arrays["level"] == level
        for axis in ("fpr", "tpr"):
            assert (kept.arrays[axis][rows][0], kept.arrays[axis][rows][-1]) == (0, 1)


def test_a_real_value_has_the_gap_of_its_error():
    """Readings that scatter twice as much in women: the mean absolute error is larger, and nothing else is given."""
    rng = np.random.default_rng(8)
    target, female = rng.normal(60, 12, 400), np.arange(400) % 2 == 0
    cohort = small_cohort(target, attributes=[attribute("sex", np.where(female, "f", "m"), "protected")], classes=())
    raw = target + rng.normal(0, 3, 400) * np.where(female, 2, 1)
    found = run(saved_context(raw, cohort, task="regression", output="value", operating_point=None))
    assert {metric for metric, _ in found} == {"mae_gap"}
    assert found["mae_gap", "f"].low > 0


def test_no_protected_attribute_is_not_applicable():
    """Nothing to compare is no proof of fairness."""
    with pytest.raises(NotApplicable, match="protected"):
        run(saved_context(np.linspace(0, 1, 100), small_cohort(np.arange(100) % 2)))
