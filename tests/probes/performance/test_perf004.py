"""PERF004 measures what repeated examinations of an unchanged patient differ by."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.core import MISSING_LEVEL, NotApplicable
from audit.probes.performance import Repeatability
from audit.testing import attribute, saved_context, small_cohort, with_aside


def run(ctx):
    """Return the measurements by metric, class and parameter."""
    found = {}
    for m in Repeatability().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("class", "parameter") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def pairs(values, *, names=None, task="regression", patients=None, **more):
    """Return a context of values (2 n,), cases 2 i and 2 i + 1 being repeats of patient i."""
    who = np.repeat(np.arange(len(values) // 2), 2) if patients is None else patients
    names = np.full(len(values), "baseline") if names is None else names
    cohort = small_cohort(
        np.zeros(len(values), int if task == "binary" else float), attributes=(attribute("visit", names, "repeat"),),
        patients=who, classes=("no", "yes") if task == "binary" else (),
    )  # fmt: skip
    if task == "binary":
        return saved_context(values, cohort, **more)
    return saved_context(values, cohort, task=task, output="value", operating_point=None, **more)


def volumes(n=60, *, noise=0.02, seed=0):
    """Return pairs of values about 3000, 10 % apart between patients and `noise` between repeats."""
    rng = np.random.default_rng(seed)
    true = np.repeat(rng.normal(3000, 300, n), 2)
    return true * (1 + noise * rng.normal(size=2 * n))


def test_five_pairs_by_hand():
    """Differences 2, 4, 0, 2 and 4: SD 2, coefficient 5.54, in any order of the rows."""
    values = np.array([10, 12, 10, 14, 10, 10, 10, 12, 10, 14], dtype=float)
    order = np.random.default_rng(0).permutation(10)
    m = run(pairs(values[order], patients=np.repeat(np.arange(5), 2)[order]))["repeatability_coefficient",]
    assert m.value == pytest.approx(1.959964 * np.sqrt(2) * 2, abs=1e-5)
    assert (m.n, m.n_patients, m.direction) == (10, 5, "lower")


def test_noise_is_caught_and_a_steady_model_is_not():
    """A noise of 10 % has a CV wholly above 5 %; one of 2 % wholly below 3 %, its coefficient near 2.77 * 60."""
    assert run(pairs(volumes(noise=0.1)))["within_patient_cv",].low > 0.05
    found = run(pairs(volumes()))
    assert found["within_patient_cv",].high < 0.03
    assert found["repeatability_coefficient",].low < 2.77 * 60 < found["repeatability_coefficient",].high
    assert found["between_patient_sd",].low < 300 < found["between_patient_sd",].high
    assert found["icc",].value > 0.9


def test_an_icc_does_not_hide_a_poor_repeat():
    """The same noise among patients ten times as different has a higher ICC and the same coefficient, to 1e-9."""
    rng = np.random.default_rng(3)
    noise, apart = rng.normal(0, 50, 120), np.repeat(rng.normal(0, 100, 60), 2)
    near, far = run(pairs(3000 + apart + noise)), run(pairs(3000 + 10 * apart + noise))
    assert far["icc",].value > near["icc",].value + 0.1
    coefficients = [found["repeatability_coefficient",].value for found in (near, far)]
    assert coefficients[0] == pytest.approx(coefficients[1], abs=1e-9)


def test_flips_are_counted_by_pair():
    """6 of 50 pairs fall on both sides of the threshold: k, n and the exact interval of a proportion."""
    scores = np.tile([0.7, 0.8], 50)
    scores[:12:2] = 0.4
    found = run(pairs(scores, task="binary"))
    m = found["flip_rate",]
    assert (m.k, m.n, m.n_patients) == (6, 50, 50)
    assert (m.low, m.high) == pytest.approx(proportion_confint(6, 50, 0.05, "beta"), abs=4e-3)
    assert ("within_patient_cv",) not in found
    assert run(pairs(np.tile([0.7, 0.8, 0.2, 0.3], 25), task="binary"))["flip_rate",].value == 0


def test_flips_of_three_examinations_are_shares_of_pairs():
    """One of three decided differently is two of three pairs; four patients of eight so give a third."""
    scores = np.tile([0.9, 0.9, 0.9], 8)
    scores[0:12:3] = 0.1
    m = run(pairs(scores, task="binary", patients=np.repeat(np.arange(8), 3)))["flip_rate",]
    assert m.value == pytest.approx(1 / 3)
    assert m.n == 8


def test_no_operating_point_is_a_reason():
    """Without a threshold there is no flip rate, and the scores still have their repeatability."""
    found = run(pairs(np.tile([0.7, 0.8, 0.6, 0.9], 20), task="binary", operating_point=None))
    assert "operating point" in found["flip_rate",].missing
    assert found["repeatability_coefficient",].value is not None


def test_only_cases_that_share_a_value_are_repeats():
    """Cases without a value, alone with theirs, or of other patients with the same value are left out."""
    values = np.concatenate([volumes(20), [9e9, 8e9, 7e9]])
    who = np.concatenate([np.repeat(np.arange(20), 2), [0, 0, 1]])
    names = np.array(["a", "a"] * 20 + [MISSING_LEVEL, "alone", "alone"])
    m = run(pairs(values, names=names, patients=who))["repeatability_coefficient",]
    assert (m.n, m.n_patients) == (40, 20)
    with pytest.raises(NotApplicable, match="two cases"):
        run(pairs(values, names=np.arange(43).astype(str), patients=who))


def test_no_role_is_not_applicable():
    """Without an attribute of role repeat there is nothing to compare."""
    with pytest.raises(NotApplicable, match="role repeat"):
        run(saved_context(np.linspace(0, 1, 9), small_cohort(np.arange(9) % 2)))


def test_two_kinds_of_repeats_are_told_apart():
    """With two attributes each has its numbers, named by the condition `parameter`."""
    rng, who = np.random.default_rng(0), np.repeat(np.arange(20), 4)
    day = np.tile(["1", "1", "2", "2"], 20)
    cohort = small_cohort(
        np.zeros(80), classes=(), patients=who,
        attributes=(attribute("day", day, "repeat"), attribute("year", np.full(80, "0"), "repeat")),
    )  # fmt: skip
    values = 50 + rng.normal(size=20)[who] + (day == "2") * 3 + 0.1 * rng.normal(size=80)
    found = run(saved_context(values, cohort, task="regression", output="value", operating_point=None))
    within_a_day = found["repeatability_coefficient", "day"]
    assert within_a_day.value < found["repeatability_coefficient", "year"].value / 5
    assert (within_a_day.n, within_a_day.n_patients) == (80, 20)


def test_volumes_of_a_segmentation_have_their_unit():
    """Predicted volumes are in voxels where no spacing is known."""
    cohort = small_cohort(
        np.zeros(120), classes=("background", "lesion"), patients=np.repeat(np.arange(60), 2),
        attributes=(attribute("visit", np.full(120, "a"), "repeat"),),
    )  # fmt: skip
    raw = np.stack([np.full(120, 0.9), volumes(), volumes()], axis=1)
    found = run(
        saved_context(
            raw, cohort, task="segmentation", output="mask_probabilities", operating_point=None,
            columns=("dice", "volume_predicted", "volume_reference"),
        )
    )  # fmt: skip
    assert found["repeatability_coefficient",].unit == "voxels"
    assert found["within_patient_cv",].unit == ""


def test_each_class_has_its_scores_and_the_name_flips_once():
    """For three classes the scores are measured by class, and the class that is named flips as one number."""
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(30), 2)
    raw = 2 * np.eye(3)[who % 3] + rng.normal(size=(60, 3))
    cohort = small_cohort(
        who % 3, classes=("a", "b", "c"), patients=who, attributes=(attribute("visit", np.full(60, "x"), "repeat"),)
    )
    ctx = saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None)
    found = run(ctx)
    named = raw.argmax(axis=1).reshape(30, 2)
    assert found["flip_rate",].k == np.count_nonzero(named[:, 0] != named[:, 1])
    assert {k[1] for k in found if k[0] == "repeatability_coefficient"} == {"a", "b", "c"}
    assert [a.meta["class"] for a in ctx.sink.artifacts] == ["a", "b", "c"]


def test_the_figure_holds_the_pairs_and_what_was_lost():
    """Differences are second minus first; a set that lost a case to what was set aside is counted."""
    values, names = volumes(20), np.full(40, "baseline")
    ctx = pairs(values[:39], names=names[:39], patients=np.repeat(np.arange(20), 2)[:39])
    lost = with_aside(
        ctx.cohort, reasons=["image file not found"], attributes={"visit": ["baseline"]}, patients=np.array([19])
    )
    ctx = saved_context(values[:39], lost, task="regression", output="value", operating_point=None)
    m = run(ctx)["share_sets_lost",]
    assert (m.k, m.n, m.n_patients, m.method) == (1, 20, 20, "count")
    shown = ctx.sink.artifacts[0]
    assert shown.name == "bland_altman"
    assert sorted(shown.arrays["difference"]) == pytest.approx(sorted(values[1:38:2] - values[0:38:2]))
    assert (shown.meta["sets"], shown.meta["lost_sets"]) == (19, 1)
    assert shown.meta["low_from"] < shown.meta["low"] < shown.meta["mean"] < shown.meta["high"]


def test_repeats_that_were_all_lost_are_not_absent():
    """Where every rescan was set aside the share lost is 1 and the numbers are missing, which no policy may allow away.

    A set that loses one of three examinations still counts.
    """
    who = np.arange(20)
    cohort = small_cohort(who * 1.0, classes=(), attributes=(attribute("visit", np.full(20, "a"), "repeat"),))
    lost = with_aside(
        cohort, reasons=["blurred"] * 20, attributes={"visit": np.full(20, "a")}, patients=cohort.patients
    )
    found = run(saved_context(who * 1.0, lost, task="regression", output="value", operating_point=None))
    assert found["share_sets_lost",].value == 1
    assert "0 patients" in found["repeatability_coefficient",].missing
    three = small_cohort(
        np.zeros(40),
        classes=(),
        patients=np.repeat(who, 2),
        attributes=(attribute("visit", np.full(40, "a"), "repeat"),),
    )
    kept = with_aside(three, reasons=["blurred"] * 2, attributes={"visit": ["a", "a"]}, patients=np.array([3, 3]))
    found = run(saved_context(volumes(20), kept, task="regression", output="value", operating_point=None))
    assert found["share_sets_lost",].value == 0


def test_a_model_with_one_answer_for_all_has_no_flip_rate():
    """A constant repeats itself without a flip, and that is no merit: there is no number, so a rule cannot PASS."""
    n = 40
    cohort = small_cohort(
        np.repeat(np.arange(n) % 2, 2), patients=np.repeat(np.arange(n), 2),
        attributes=[attribute("visit", np.repeat([f"s{i}" for i in range(n)], 2), "repeat")],
    )  # fmt: skip
    (m,) = [m for m in Repeatability().run(saved_context(np.full(2 * n, 0.9), cohort)) if m.metric == "flip_rate"]
    assert m.value is None
    assert "same answer" in m.missing
