"""SHIFT001 tells a protocol from its patients: equal case mix, the same patients, protocols of the training."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import MISSING_LEVEL
from audit.probes.shift import ProtocolMatrix
from audit.testing import attribute, saved_context, small_cohort


def run(ctx):
    """Return the measurements by (metric, level)."""
    return {(m.metric, *m.subgroup.values()): m for m in ProtocolMatrix().run(ctx)}


def milder_at_b(n=2400, seed=0):
    """Return latent logits that follow severity alone, and a cohort whose scanner b sees milder disease."""
    rng = np.random.default_rng(seed)
    label, severe = np.arange(n) % 2, rng.random(n) < 0.5
    b = rng.random(n) < np.where(severe, 0.25, 0.75)
    latent = np.where(label == 1, np.where(severe, 2.0, 0.0), -1.5) + rng.normal(size=n)
    grade = attribute("grade", np.where(severe, "severe", "mild"), "severity")
    cohort = small_cohort(label, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol"), grade])
    return latent, cohort, b, severe


def test_milder_disease_alone_is_no_gap_at_equal_severity():
    """Scanner b misses more because its patients are milder: the crude gap says so, the standardised one does not."""
    latent, cohort, _, _ = milder_at_b()
    found = run(saved_context(latent, cohort, output="logits"))
    for metric in ("auc_gap", "sensitivity_gap", "score_offset"):
        assert found[metric, "b"].high < 0
        standard = found[f"{metric}_standardised", "b"]
        assert standard.low < 0 < standard.high
        assert standard.condition["stratum"] == "at equal grade"


def test_a_worse_scanner_is_found_at_equal_severity_too():
    """A logit less for every patient of scanner b remains when severity is equal."""
    latent, cohort, b, _ = milder_at_b()
    found = run(saved_context(latent - 1.0 * b, cohort, output="logits"))
    assert found["sensitivity_gap_standardised", "b"].high < -0.05
    offset = found["score_offset_standardised", "b"]
    assert offset.low < -1 < offset.high


def test_standardisation_is_the_weighted_sum_of_the_strata():
    """The gap is the mean of the gaps of both grades with the share of positives of the grade as weight, to 1e-12."""
    latent, cohort, b, severe = milder_at_b(n=400)
    hit, ill = latent >= 0, cohort.targets == 1
    gaps = [hit[ill & b & rows].mean() - hit[ill & ~b & rows].mean() for rows in (severe, ~severe)]
    weights = [(ill & rows).sum() / ill.sum() for rows in (severe, ~severe)]
    m = run(saved_context(latent, cohort, output="logits"))["sensitivity_gap_standardised", "b"]
    assert m.value == pytest.approx(np.dot(gaps, weights), abs=1e-12)


def test_protocols_without_patients_in_common_strata_have_no_standardised_number():
    """Scanner b sees the severe alone: nothing is equal, and the reason says how little is."""
    latent, cohort, _, severe = milder_at_b()
    scanner = attribute("scanner", np.where(severe, "b", "a"), "protocol")
    cohort = replace(cohort, attributes={**cohort.attributes, "scanner": scanner})
    found = run(saved_context(latent, cohort, output="logits"))
    assert "no stratum of grade" in found["sensitivity_gap_standardised", "b"].missing
    assert found["sensitivity_gap", "b"].value is not None


def twice(shift, n=80, seed=2):
    """Return scores and a cohort whose patients were all imaged on both scanners, the second `shift` logits higher."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(n) % 2, 2)
    latent = np.repeat(1.6 * (np.arange(n) % 2) - 0.8 + rng.normal(size=n), 2) + rng.normal(0, 0.05, 2 * n)
    scanner = np.tile(["a", "b"], n)
    cohort = small_cohort(
        label, attributes=[attribute("scanner", scanner, "protocol")], patients=np.repeat(np.arange(n), 2)
    )
    return latent + shift * (scanner == "b"), cohort


def test_the_same_patients_on_two_scanners_give_a_paired_offset():
    """The paired offset is the mean difference within patients, much narrower than the one between patients."""
    latent, cohort = twice(0.5)
    found = run(saved_context(latent, cohort, output="logits"))
    m = found["paired_score_offset", "b"]
    assert m.value == pytest.approx(np.mean(latent[1::2] - latent[::2]), abs=1e-9)
    assert m.low < 0.5 < m.high
    assert m.high - m.low < 0.3 * (found["score_offset", "b"].high - found["score_offset", "b"].low)
    assert found["paired_flip_rate", "b"].k == int(((latent[1::2] >= 0) != (latent[::2] >= 0)).sum())
    assert m.n_patients == 80


def test_a_scanner_that_changes_nothing_has_no_paired_offset():
    """The healthy model: zero inside, and hardly a flip."""
    latent, cohort = twice(0.0)
    found = run(saved_context(latent, cohort, output="logits"))
    assert found["paired_score_offset", "b"].low < 0 < found["paired_score_offset", "b"].high
    assert found["paired_flip_rate", "b"].value < 0.05


def test_a_model_with_one_answer_for_all_turns_none_and_shows_nothing():
    """A constant has no flips, and that is no merit: there is no number, so a rule on it cannot PASS."""
    latent, cohort = twice(0.0)
    found = run(saved_context(0 * latent, cohort, output="logits"))
    for metric in ("paired_flip_rate", "paired_score_offset"):
        assert found[metric, "b"].value is None
    assert "same answer" in found["paired_flip_rate", "b"].missing


def test_different_patients_have_no_paired_number():
    """Nobody was examined twice, so nothing is put down to the scanner."""
    latent, cohort, _, _ = milder_at_b(n=400)
    assert not any(m.startswith("paired") for m, *_ in run(saved_context(latent, cohort, output="logits")))


def test_protocols_outside_the_training_are_named_where_the_training_is_declared():
    """Scanners b and c together against a, which the model learned from; without the declaration there is no row."""
    rng = np.random.default_rng(4)
    label, scanner = np.arange(1500) % 2, rng.choice(np.array(["a", "b", "c"]), 1500)
    latent = np.where(scanner == "a", 2.0, 0.4) * (2 * label - 1) + rng.normal(size=1500)
    plain = attribute("scanner", scanner, "protocol")
    assert not any("cross" in m for m, *_ in run(saved_context(latent, small_cohort(label, attributes=[plain]))))
    declared = replace(plain, spec=replace(plain.spec, trained_on=("a",)))
    found = run(saved_context(latent, small_cohort(label, attributes=[declared]), output="logits"))
    m = found["cross_protocol_auc_gap", "not in training"]
    outside = scanner != "a"
    assert m.high < -0.1
    assert m.condition["n_rest"] == int((~outside).sum())
    assert ("cross_protocol_auc_gap", "in training") not in found
    assert found["auc", "a"].value > found["auc", "b"].value


def test_cases_of_an_unknown_protocol_are_on_neither_side_of_the_training():
    """Where nobody knows the scanner of the worst cases, they do not make the training's scanner look worse."""
    rng = np.random.default_rng(4)
    label, scanner = np.arange(1500) % 2, rng.choice(np.array(["a", "b", MISSING_LEVEL]), 1500)
    latent = np.where(scanner == "a", 2.0, np.where(scanner == "b", 0.8, 0.0)) * (2 * label - 1) + rng.normal(size=1500)
    plain = attribute("scanner", scanner, "protocol")
    declared = replace(plain, spec=replace(plain.spec, trained_on=("a",)))
    found = run(saved_context(latent, small_cohort(label, attributes=[declared]), output="logits"))
    m = found["cross_protocol_auc_gap", "not in training"]
    assert m.value == pytest.approx(found["auc", "b"].value - found["auc", "a"].value, abs=1e-9)
    assert m.condition["n_rest"] == int((scanner == "a").sum())


def test_a_level_with_too_few_pairs_says_so_where_another_has_enough():
    """A rule on every level must not pass over the one that three patients saw."""
    latent, cohort = twice(0.0)
    scanner = np.where(np.arange(160) < 6, np.tile(["a", "c"], 80), np.tile(["a", "b"], 80))
    cohort = replace(cohort, attributes={"scanner": attribute("scanner", scanner, "protocol")})
    found = run(saved_context(latent, cohort, output="logits"))
    assert found["paired_flip_rate", "b"].value is not None
    for metric in ("paired_flip_rate", "paired_score_offset"):
        assert found[metric, "c"].missing.startswith("3 patients")
        assert found[metric, "c"].n_patients == 3


def often(turned, n=40, each=10):
    """Return saved scores of patients with ten images a scanner; scanner b turns the first `turned` answers of each."""
    label = np.repeat(np.arange(n) % 2, 2 * each)
    scanner = np.tile(np.repeat(["a", "b"], each), n)
    wrong = (scanner == "b") & (np.tile(np.arange(each), 2 * n) < turned)
    cohort = small_cohort(
        label, attributes=[attribute("scanner", scanner, "protocol")], patients=np.repeat(np.arange(n), 2 * each)
    )
    return np.where((label == 1) != wrong, 0.9, 0.1), cohort


def test_answers_turn_though_no_majority_does():
    """Scanner b turns four of ten answers of every patient: a patient gets another answer four times of ten."""
    found = run(saved_context(*often(4)))
    m = found["paired_flip_rate", "b"]
    assert m.value == pytest.approx(0.4, abs=1e-12)
    assert m.low > 0.3
    assert m.n_patients == 40


def test_many_images_of_a_patient_without_a_turned_answer_are_no_flip():
    """The healthy model stays silent with ten images a scanner, too."""
    assert run(saved_context(*often(0)))["paired_flip_rate", "b"].value == 0


def tissues(share, n=30, each=12, seed=0):
    """Return probabilities of three classes; under b each case of the second is called the first with a chance."""
    rng = np.random.default_rng(seed)
    tissue, b = np.tile(np.repeat(np.arange(3), each), 2 * n), np.tile(np.repeat([False, True], 3 * each), n)
    called = np.where(b & (tissue == 1) & (rng.random(len(b)) < share), 0, tissue)
    cohort = small_cohort(
        tissue, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")],
        patients=np.repeat(np.arange(n), 6 * each), classes=("one", "two", "three"),
    )  # fmt: skip
    return np.full((len(b), 3), 0.1) + 0.7 * np.eye(3)[called], cohort, called, b


def test_a_class_that_another_wins_is_seen_in_every_patient():
    """A second class half lost under b turns a quarter of its answers, an eighth of those of the first class."""
    raw, cohort, called, b = tissues(0.5)
    ctx = saved_context(raw, cohort, task="multiclass", operating_point=None)
    found = {(m.metric, m.condition["class"]): m for m in ProtocolMatrix().run(ctx) if m.subgroup == {"scanner": "b"}}
    lost = (called == 0)[b & (cohort.targets == 1)].mean()
    assert found["paired_flip_rate", "two"].value == pytest.approx(lost / 2, abs=1e-12)
    assert found["paired_flip_rate", "one"].value == pytest.approx(lost / 4, abs=1e-12)
    assert found["paired_flip_rate", "three"].value == 0


def test_other_classes_in_another_mix_are_no_offset():
    """Fewer cases of the second class under b leave the offset of the first at 0: a class is held against itself."""
    raw, cohort, _, b = tissues(0.0)
    raw[cohort.targets == 1] = [0.3, 0.6, 0.1]
    fewer = ~(b & (cohort.targets == 1) & (np.arange(len(b)) % 12 > 2))
    kept = cohort.subset(np.flatnonzero(fewer))
    # Scores must vary between patients for a mean to have an interval.
    wobble = np.random.default_rng(1).normal(0, 0.005, fewer.sum())
    scores = raw[fewer] + np.stack([wobble, -wobble, 0 * wobble], axis=1)
    ctx = saved_context(scores, kept, task="multiclass", operating_point=None)
    (m,) = [
        m for m in ProtocolMatrix().run(ctx)
        if m.metric == "paired_score_offset" and m.condition["class"] == "one" and m.subgroup == {"scanner": "b"}
    ]  # fmt: skip
    assert abs(m.value) < 0.02
