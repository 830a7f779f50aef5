"""SHIFT001 tells a protocol that ranks worse from one that moves the threshold."""

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.shift import ProtocolMatrix
from audit.stats import auc_gap
from audit.testing import attribute, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by (metric, level)."""
    return {(m.metric, *m.subgroup.values()): m for m in ProtocolMatrix().run(ctx)}


def logits(n=1200, seed=1, **by_scanner):
    """Return latent logits, a cohort of two scanners, and the mask of scanner b."""
    rng = np.random.default_rng(seed)
    label, b = np.arange(n) % 2, rng.random(n) < 0.5
    cohort = small_cohort(label, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")], **by_scanner)
    return 2.0 * label - 1 + rng.normal(size=n), cohort, b


def saved(latent, cohort, **more):
    """Return the context of saved logits."""
    return saved_context(latent, cohort, output="logits", **more)


def test_an_added_logit_is_the_score_offset():
    """Scanner b adds 0.8: the offset is 0.8, the ranking within each scanner is as it was, the threshold is not."""
    latent, cohort, b = logits()
    found = run(saved(latent + 0.8 * b, cohort))
    m = found["score_offset", "b"]
    assert m.low < 0.8 < m.high
    assert m.unit == "logit"
    assert found["auc_gap", "b"].low < 0 < found["auc_gap", "b"].high
    assert found["specificity_gap", "b"].high < -0.05
    assert found["sensitivity_gap", "b"].low > 0.05


@pytest.mark.parametrize("fault", ["shift", "noise", "contrast", "none"])
def test_a_shift_a_scatter_and_a_loss_of_contrast_are_told_apart(fault):
    """A shift moves the offset alone, less contrast the separation alone, noise the AUC at the same means."""
    latent, cohort, b = logits(n=2000)
    noise = 3 * np.random.default_rng(2).normal(size=2000)
    moved = {"shift": latent + 1.0, "noise": latent + noise, "contrast": 0.4 * latent, "none": latent}[fault]
    found = run(saved(np.where(b, moved, latent), cohort))
    metrics = ("score_offset", "auc_gap", "score_separation_gap")
    outside = {name for name in metrics if not found[name, "b"].low < 0 < found[name, "b"].high}
    told = {"shift": {"score_offset"}, "noise": {"auc_gap"}, "contrast": {"score_separation_gap"}, "none": set()}
    assert outside == told[fault]


def test_separation_is_the_difference_of_both_labels():
    """The value is that among positives minus that among negatives, to 1e-9."""
    latent, cohort, b = logits(n=200)
    label = cohort.targets == 1
    one, two = (latent[b & rows].mean() - latent[~b & rows].mean() for rows in (label, ~label))
    assert run(saved(latent, cohort))["score_separation_gap", "b"].value == pytest.approx(one - two, abs=1e-9)


def test_offset_is_given_the_label():
    """A scanner for the ill has high scores rightly: given the label there is no offset."""
    rng = np.random.default_rng(1)
    label = np.arange(2000) % 2
    b = rng.random(2000) < np.where(label, 0.8, 0.2)
    latent = 2.0 * label - 1 + rng.normal(size=2000)
    cohort = small_cohort(label, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")])
    m = run(saved(latent, cohort))["score_offset", "b"]
    assert m.low < 0 < m.high < 0.3
    assert latent[b].mean() - latent[~b].mean() > 1


def test_offset_is_the_mean_of_both_labels():
    """The value is the plain mean of the two differences of means, to 1e-9."""
    latent, cohort, b = logits(n=200)
    label = cohort.targets == 1
    each = [latent[b & rows].mean() - latent[~b & rows].mean() for rows in (label, ~label)]
    assert run(saved(latent, cohort))["score_offset", "b"].value == pytest.approx(np.mean(each), abs=1e-9)


def test_deaf_scanner_is_caught_and_the_healthy_model_is_not():
    """The model that sees nothing on scanner B has an AUC gap under -0.2; the healthy one has 0 inside everywhere."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1600)
    rng = np.random.default_rng(0)
    ctx = context(planted("deaf-on-scanner-b"), cohort)
    # Its scores on B are all alike, which has no interval; a breath of noise makes them a ranking by chance.
    noisy = ctx.clean.raw + rng.normal(0, 1e-3, ctx.clean.raw.shape)
    assert run(context(planted("deaf-on-scanner-b"), cohort, raw=noisy))["auc_gap", "B"].high < -0.2
    healthy = run(context(planted(), cohort))
    for key in (("auc_gap", "B"), ("sensitivity_gap", "B"), ("specificity_gap", "B"), ("score_offset", "B")):
        assert healthy[key].low < 0 < healthy[key].high


def test_model_that_leans_on_the_scanner_has_an_offset():
    """Two logits between scanners are found as such."""
    cohort = tiny_cohort(np.random.default_rng(1), n=1600)
    m = run(context(planted("leans-on-scanner"), cohort))["score_offset", "A"]
    assert m.low < 2 < m.high


def test_auc_gap_is_that_of_the_statistics():
    """The interval is that of auc_gap, and the rest is counted in patients of both classes."""
    latent, cohort, b = logits(n=300)
    ctx = saved(latent, cohort)
    m = run(ctx)["auc_gap", "b"]
    assert m.curve == auc_gap(ctx.clean.scores, cohort.targets == 1, b, cohort.patients, ctx.levels).curve
    assert m.condition["n_rest"] == int((~b).sum())


def test_both_scanners_are_one_contrast():
    """Two protocols give mirror images with one key a metric."""
    latent, cohort, _ = logits(n=300)
    found = run(saved(latent, cohort))
    keys = {found[metric, level].contrast for metric in ("auc_gap", "score_offset") for level in "ab"}
    assert len(keys) == 2


def test_scores_of_zero_and_one_have_a_logit():
    """Probabilities of exactly 0 and 1 are inside; the offset is finite."""
    label = np.repeat([0, 1], 100)
    score = np.where(np.arange(200) % 7 == 0, 1.0 - label, label).astype(float)
    cohort = small_cohort(label, attributes=[attribute("scanner", ["a", "b"] * 100, "protocol")])
    m = run(saved_context(score, cohort))["score_offset", "a"]
    assert -5 < m.low < m.value < m.high < 5


def test_a_protocol_of_one_label_is_missing_with_its_reason():
    """A scanner that saw ill patients only has no AUC and no offset."""
    label = np.repeat([0, 1], 100)
    scanner = np.where(np.arange(200) >= 150, "b", "a")
    cohort = small_cohort(label, attributes=[attribute("scanner", scanner, "protocol")])
    found = run(saved_context(np.linspace(0.01, 0.99, 200), cohort))
    assert "no negative cases" in found["auc_gap", "b"].missing
    assert "negatives" in found["score_offset", "b"].missing
    assert found["specificity_gap", "b"].value is None
    assert found["sensitivity_gap", "b"].value is not None


def test_patients_seen_by_both_scanners_keep_an_interval():
    """Where every patient was imaged on both scanners the offset is still found."""
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(100) % 2, 2)
    latent = np.repeat(2.0 * (np.arange(100) % 2) - 1 + rng.normal(size=100), 2) + rng.normal(0, 0.1, 200)
    scanner = np.tile(["a", "b"], 100)
    cohort = small_cohort(
        label, attributes=[attribute("scanner", scanner, "protocol")], patients=np.repeat(np.arange(100), 2)
    )
    m = run(saved(latent + 0.5 * (scanner == "b"), cohort))["score_offset", "b"]
    assert m.low < 0.5 < m.high
    assert m.n_patients == 100


def test_no_protocol_is_not_applicable():
    """A cohort without protocol attributes says nothing about protocols."""
    with pytest.raises(NotApplicable, match="protocol"):
        run(saved_context(np.linspace(0, 1, 40), small_cohort(np.arange(40) % 2)))


def test_a_biased_scanner_of_a_real_value_is_caught():
    """Volumes that are 5 ml higher on scanner b give that bias gap."""
    rng = np.random.default_rng(5)
    target, b = rng.normal(60, 12, 300), np.arange(300) % 2 == 0
    cohort = small_cohort(target, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")], classes=())
    predicted = target + rng.normal(0, 3, 300) + 5 * b
    m = run(saved_context(predicted, cohort, task="regression", output="value", operating_point=None))["bias_gap", "b"]
    assert m.low < 5 < m.high
    assert m.low > 3


def test_a_value_on_its_own_scale_has_no_score_offset():
    """Ranks and decisions of a risk score from 0 to 100 are compared; its logit does not exist."""
    latent, cohort, b = logits()
    found = run(saved_context(50 + 10 * latent + 8 * b, cohort, output="value", operating_point=50.0))
    assert "no logit" in found["score_offset", "b"].missing
    assert found["auc_gap", "b"].value is not None
    assert found["specificity_gap", "b"].high < 0
