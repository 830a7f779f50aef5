"""FAIR006 tells a shifted score from a worse ranking, and a gap within protocols from one between them."""

import numpy as np
import pytest
from scipy.stats import norm

from audit.core import NotApplicable
from audit.probes.fairness import GapDecomposition, OperatingPointGap
from audit.testing import attribute, check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by (metric, level) or (metric, level, stratum)."""
    return {
        (m.metric, *m.subgroup.values(), *(m.condition[k] for k in ("class", "stratum") if k in m.condition)): m
        for m in GapDecomposition().run(ctx)
    }


def audited(score, label, sex, scanner=None, **more):
    """Return the context of scores on the logit scale, with sex and perhaps a scanner."""
    given = [attribute("sex", np.where(sex, "female", "male"), "protected")]
    if scanner is not None:
        given.append(attribute("scanner", np.where(scanner, "B", "A"), "protocol"))
    return saved_context(score, small_cohort(label, attributes=given), output="logits", **more)


def binormal(n=4000, seed=0):
    """Return scores, labels and who is female; the operating point of 0.5 lies in the middle."""
    rng = np.random.default_rng(seed)
    label, female = np.arange(n) % 2, np.arange(n) % 4 < 2
    return 2.0 * (label - 0.5) + rng.normal(size=n), label, female


def test_scores_too_low_are_all_threshold():
    """Women's scores are 0.8 lower: the gap of -0.26 is the threshold part, and no ranking part is left."""
    score, label, female = binormal()
    found = run(audited(score - 0.8 * female, label, female))
    part = found["threshold_part", "female"]
    assert part.low < norm.cdf(0.2) - norm.cdf(1) < part.high < -0.15
    ranking = found["ranking_part", "female"]
    assert ranking.low < 0 < ranking.high
    assert max(-ranking.low, ranking.high) < 0.1


def test_positives_missed_by_chance_are_all_ranking():
    """A third of ill women score as if they were well: the gap is the ranking part, whatever the threshold."""
    score, label, female = binormal()
    lost = female & (label == 1) & (np.random.default_rng(1).random(4000) < 1 / 3)
    found = run(audited(score - 2.0 * lost, label, female))
    assert found["ranking_part", "female"].high < -0.12
    threshold = found["threshold_part", "female"]
    assert threshold.low < 0 < threshold.high


def test_the_parts_add_up_to_the_gap_of_fair001():
    """Threshold and ranking part add up to FAIR001's sensitivity gap, to 1e-12, over the same patients."""
    ctx = context(planted("misses-women"), tiny_cohort(np.random.default_rng(1), n=800))
    found = run(ctx)
    gap = next(
        m for m in OperatingPointGap().run(ctx) if m.metric == "sensitivity_gap" and m.subgroup == {"sex": "female"}
    )
    parts = found["threshold_part", "female"], found["ranking_part", "female"]
    assert sum(m.value for m in parts) == pytest.approx(gap.value, abs=1e-12)
    assert all((m.n, m.n_patients, m.condition["n_rest"]) == (gap.n, gap.n_patients, gap.condition["n_rest"])
               for m in parts)  # fmt: skip


def test_the_model_that_misses_women_is_a_matter_of_the_threshold():
    """It takes 1.5 logits off women's scores: the threshold part is far below 0, the ranking part holds 0."""
    found = run(context(planted("misses-women"), tiny_cohort(np.random.default_rng(1), n=1600)))
    assert found["threshold_part", "female"].high < -0.2
    assert found["ranking_part", "female"].low < 0 < found["ranking_part", "female"].high
    assert found["gap_within_strata", "female", "within scanner"].high < -0.2


def test_a_healthy_model_has_neither_part():
    """All intervals of the healthy model hold 0."""
    found = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=1600)))
    assert len(found) == 6
    assert all(m.low < 0 < m.high for m in found.values())


def test_two_levels_are_mirror_images():
    """The parts of women and men are exact negatives and carry one key each."""
    score, label, female = binormal(n=800)
    found = run(audited(score - 0.5 * female, label, female, np.arange(800) % 8 < 4))
    for key in (("threshold_part",), ("ranking_part",), ("gap_within_strata",)):
        rest = ("within scanner",) if key == ("gap_within_strata",) else ()
        a, b = found[(*key, "female", *rest)], found[(*key, "male", *rest)]
        assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low), abs=1e-12)
        assert a.contrast == b.contrast is not None


def test_a_gap_that_turns_round_within_scanners():
    """Women are mostly on the harder scanner: worse off on the whole, better off on either scanner."""
    cells = [(True, False, 38, 2), (False, False, 255, 45), (True, True, 180, 120), (False, True, 15, 25)]
    sex, scanner, hit = [], [], []
    for female, second, k, m in cells:
        sex += [female] * (k + m)
        scanner += [second] * (k + m)
        hit += [True] * k + [False] * m
    # Each positive has a negative beside it that is called rightly.
    n = len(hit)
    label = np.repeat([1, 0], n)
    score = np.concatenate([np.where(hit, 2.0, -2.0), np.full(n, -2.0)])
    ctx = audited(score, label, np.tile(sex, 2), np.tile(scanner, 2))
    found = run(ctx)
    pooled = found["threshold_part", "female"].value + found["ranking_part", "female"].value
    assert pooled < -0.1
    assert found["gap_within_strata", "female", "within scanner"].low > 0
    table = next(a for a in ctx.sink.artifacts if a.name == "gap_by_stratum").arrays
    women = table["level"] == "female"
    assert list(table["stratum"][women]) == ["all", "A", "B"]
    assert table["gap"][women] == pytest.approx([218 / 340 - 270 / 340, 0.95 - 0.85, 0.6 - 0.375], abs=1e-12)
    assert list(table["n_patients"][women]) == [340, 40, 300]


def test_the_figure_holds_both_parts_and_what_they_add_up_to():
    """A row a level, with bounds, counts and the threshold at the common specificity."""
    score, label, female = binormal(n=800)
    ctx = audited(score - 0.8 * female, label, female)
    run(ctx)
    table = next(a for a in ctx.sink.artifacts if a.name == "gap_decomposition")
    arrays = table.arrays
    assert arrays["gap"] == pytest.approx(arrays["threshold_part"] + arrays["ranking_part"], abs=1e-12)
    women, men = arrays["matched_threshold"]
    assert women < men
    assert table.meta["specificity"] == pytest.approx((ctx.clean.scores < 0.5)[label == 0].mean(), abs=1e-12)
    assert list(arrays["n_patients"]) == [200, 200]


def test_a_small_level_is_missing_and_never_left_out():
    """Four ill patients of unknown sex have a reason in every metric, with their count."""
    score, label, female = binormal(n=800)
    sex = np.where(female, "female", "male").astype("U20")
    sex[np.flatnonzero(label == 1)[:4]] = "(missing)"
    sex[np.flatnonzero(label == 0)[:30]] = "(missing)"
    cohort = small_cohort(label, attributes=[attribute("sex", sex, "protected")])
    found = run(saved_context(score, cohort, output="logits"))
    for metric in ("threshold_part", "ranking_part"):
        m = found[metric, "(missing)"]
        assert m.value is None
        assert "4 patients with a positive case" in m.missing
        assert m.n_patients == 4
        assert found[metric, "female"].value is not None


def test_decisions_without_a_threshold_say_so():
    """The largest of several scores has no threshold; no operating point is no gap at all."""
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    sex = attribute("sex", ["f", "m"] * 150, "protected")
    cohort = small_cohort(target, classes=("a", "b", "c"), attributes=[sex])
    raw = rng.normal(size=(300, 3)) + np.eye(3)[target]
    found = run(saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None))
    assert "largest score" in found["ranking_part", "f", "a"].missing
    score, label, female = binormal(n=200)
    found = run(audited(score, label, female, operating_point=None))
    assert "operating point" in found["ranking_part", "female"].missing
    assert ("gap_within_strata", "female", "within scanner") not in found


def test_without_a_protected_attribute_it_does_not_apply():
    """There is no group whose gap could be split."""
    score, label, _ = binormal(n=100)
    with pytest.raises(NotApplicable, match="protected"):
        run(saved_context(score, small_cohort(label), output="logits"))


def test_it_keeps_the_protocol_of_probes():
    """It completes in every context with a protected attribute and is deterministic by seed."""
    done = check_probe(GapDecomposition)
    assert {"binary with images", "binary, one class", "binary, empty cells", "multilabel"} <= set(done)
