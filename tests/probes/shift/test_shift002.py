"""SHIFT002 names the property of the scanner that breaks a model, and the severity at which it does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from audit.acquisition import KNOBS, Change, apply, describe, frame_of, knobs_of
from audit.core import (
    BUDGETS,
    MODALITIES,
)
from audit.probes.shift import ProtocolMatrix
from audit.probes.shift._simulated import simulate
from audit.testing import (
    ArrayImages,
    attribute,
    context,
    scene,
    small_cohort,
)
from tests.judge._make import rule
from tests.probes.shift._acquired import (
    BUDGET,
    ENVELOPE,
    INPUT,
    KNOBS_USED,
    asked,
    by_brightness,
    by_contrast,
    by_grain,
    findings,
    healthy,
    images,
    model,
    no_loss,
    pick,
    run,
)

FAULTS = {"mr_gain": by_brightness, "mr_noise": by_grain, "mr_contrast": by_contrast}


@pytest.fixture(scope="module")
def measured():
    """Return the measurements of every planted model, and of the healthy one."""
    return {name: run(asked(answer)) for name, answer in {**FAULTS, "healthy": healthy}.items()}


class TestPlanted:
    """Three faults and a healthy model under the same three knobs."""

    @pytest.mark.parametrize("fault", FAULTS)
    def test_the_planted_property_breaks_it_and_no_other_does(self, measured, fault: str) -> None:
        """The critical severity lies within clinical use for the planted knob; up to there no other knob costs 0.1."""
        for knob in KNOBS_USED:
            inside = pick(measured[fault], "critical_severity", parameter=knob)
            lost = [m for m in inside if m.high is not None and m.high <= max(map(abs, KNOBS_USED[knob]))]
            assert bool(lost) == (knob == fault), [(m.value, m.low, m.high, dict(m.condition)) for m in inside]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_the_judge_fails_it_on_its_property_alone(self, measured, fault: str) -> None:
        """FAIL after Holm on the planted knob; on the others, and for the AUC of those, PASS."""
        for knob in KNOBS_USED:
            wanted = "FAIL" if knob == fault else "PASS"
            assert findings(measured[fault], no_loss(parameter=knob)) == [wanted]

    def test_the_healthy_model_passes(self, measured) -> None:
        """No number falls by 0.1 under any knob or all together; nothing critical lies within clinical use."""
        assert findings(measured["healthy"], no_loss()) == ["PASS"]
        limits = [
            rule(k, low=max(map(abs, ends)), probe="SHIFT002", metric="critical_severity", where={"parameter": k})
            for k, ends in KNOBS_USED.items()
        ]  # fmt: skip
        assert findings(measured["healthy"], *limits) == ["PASS"] * 3

    def test_a_shift_of_brightness_fails_in_the_direction_that_crosses_the_threshold(self, measured) -> None:
        """Darker loses sensitivity, brighter loses specificity: the direction says which."""
        gain = {
            (m.condition["protocol"], m.condition["stratum"]): m
            for m in pick(measured["mr_gain"], "critical_severity", parameter="mr_gain")
        }
        assert gain["less", "sensitivity"].high <= 0.1
        assert gain["more", "specificity"].high <= 0.1
        assert gain["more", "sensitivity"].low >= 0.1
        # A gain is the same for all: the ranking survives what the threshold does not.
        assert gain["less", "auc"].low >= 0.1

    def test_combined_is_no_better_than_the_worst_alone(self, measured) -> None:
        """The first corners hold every knob's ends, so the worst of them loses about what the worst knob does."""
        (together,) = pick(measured["mr_gain"], "performance_change", parameter="(combined)", stratum="sensitivity")
        alone = pick(
            measured["mr_gain"], "performance_change", parameter="mr_gain", severity=-0.1, stratum="sensitivity"
        )
        assert together.value <= alone[0].value + 0.05
        assert together.high < -0.1

    @pytest.mark.parametrize(("knob", "severity"), [("mr_gain", -0.08), ("mr_noise", 0.03), ("mr_contrast", -0.06)])
    def test_shift001_finds_the_protocol_and_shift002_says_what_it_is(
        self, measured, knob: str, severity: float
    ) -> None:
        """Half of the patients on a scanner that differs in one property: an offset there, and that property here."""
        labels = np.arange(160) % 2
        planes, b = images(labels), np.arange(160) % 4 < 2
        frame = frame_of(INPUT)
        for i in np.flatnonzero(b):
            change = KNOBS[knob].sample(severity, describe(planes[i], frame), np.random.default_rng(int(i)))
            planes[i] = apply(planes[i], change)
        scanner = attribute("scanner", np.where(b, "b", "a"), "protocol")
        cohort = small_cohort(labels, images=ArrayImages(array=planes), attributes=[scanner])
        offsets = {}
        for answer in (FAULTS[knob], healthy):
            ctx = context(model(answer), cohort, envelope=ENVELOPE, budget=BUDGET)
            (offsets[answer],) = [
                m for m in ProtocolMatrix().run(ctx) if m.metric == "score_offset" and m.subgroup == {"scanner": "b"}
            ]
        planted, sound = offsets[FAULTS[knob]], offsets[healthy]
        assert planted.high < -1 or planted.low > 1
        # A tenth less contrast is a tenth less lesion, for any model.
        assert -1 < sound.low <= sound.high < 1
        failed = [k for k in KNOBS_USED if findings(measured[knob], no_loss(parameter=k)) == ["FAIL"]]
        assert failed == [knob]


class TestCost:
    """Forward passes of the cases and severities that are asked for, and no more."""

    @pytest.mark.parametrize("profile", ["smoke", "standard"])
    def test_no_more_than_the_cases_and_severities_are_asked(self, profile: str) -> None:
        """One answer a case and acquisition, and one batch of unchanged images: within 1.15 of the least there is."""
        seen = []

        def answer(x: np.ndarray) -> np.ndarray:
            seen.append(len(x))
            return healthy(x)

        budget = replace(BUDGETS[profile], severity_cases=80, batch_size=16)
        ctx = asked(answer, budget=budget)
        seen.clear()
        found = run(ctx)
        acquisitions = {
            (m.condition["parameter"], m.condition["severity"])
            for m in found
            if m.metric.startswith("performance") and "severity" in m.condition
        }
        trials = len(next(a for a in ctx.sink.artifacts if a.name == "combined_severity").arrays["similarity"])
        assert max(seen) <= 16
        assert sum(seen) <= 1.15 * 80 * (len(acquisitions) + trials)
        assert sum(seen) == 80 * (len(acquisitions) + trials) + 16

    def test_a_sample_takes_patients_and_counts_itself(self) -> None:
        """Half of the patients with all of their cases; n_patients is the sample's."""
        labels = np.arange(160) % 2
        patients = np.arange(160) // 4
        cohort = small_cohort(labels, images=ArrayImages(array=images(labels)), patients=patients)
        ctx = context(model(healthy), cohort, envelope=ENVELOPE, budget=replace(BUDGET, severity_cases=80))
        for m in pick(run(ctx), "performance_change", stratum="auc", parameter="mr_gain"):
            assert (m.n, m.n_patients) == (80, 20)

    def test_the_seed_alone_decides(self) -> None:
        """Two runs give the same numbers and the same parameters; the next acquisition is made in another thread."""
        first, second = asked(healthy), asked(healthy)
        assert run(first) == run(second)
        told = [next(a for a in c.sink.artifacts if a.name == "acquisition_parameters") for c in (first, second)]
        np.testing.assert_array_equal(told[0].arrays["seeds"], told[1].arrays["seeds"])
        assert told[0].arrays["first_case"].tolist() == told[1].arrays["first_case"].tolist()

    def test_stored_parameters_replay_the_image(self) -> None:
        """What the evidence holds of the first case makes the image that the model was shown, bit for bit."""
        shown = {}

        def answer(x: np.ndarray) -> np.ndarray:
            shown.setdefault("first", []).append(x[0].copy())
            return healthy(x)

        ctx = asked(answer, n=64)
        shown.clear()
        run(ctx)
        told = next(a for a in ctx.sink.artifacts if a.name == "acquisition_parameters")
        changes = [Change.from_json(c) for c in json.loads(str(told.arrays["first_case"][0]))]
        # The first image is asked unchanged before the first acquisition.
        np.testing.assert_array_equal(apply(ctx.cohort.images.load(0), changes), shown["first"][1])


@pytest.mark.parametrize(("modality", "planes"), [*((m, 0) for m in MODALITIES), ("ct", 4), ("mr", 4)])
def test_every_modality_is_turned_by_default(modality: str, planes: int) -> None:
    """Grey and colour, planes and volumes: every standard knob that fits has exploratory numbers."""
    shown = [scene(modality, size=24, seed=i, planes=planes) for i in range(12)]
    stack = np.stack([s.image for s in shown])
    cohort = small_cohort(np.arange(12) % 2, images=ArrayImages(array=stack))
    whole = model(lambda x: x.reshape(len(x), -1).mean(axis=1) / 1000, input=shown[0].input)
    found = run(context(whole, cohort, budget=replace(BUDGETS["smoke"], severity_cases=None)))
    spec = describe(stack[0], frame_of(shown[0].input))
    wanted = {k.name for k in knobs_of(modality, standard=True) if k.fits(spec)}
    assert {m.condition["parameter"] for m in pick(found, "performance_exploratory")} == wanted
    assert all(m.value is not None for m in pick(found, "performance_exploratory", stratum="auc"))


def test_simulated_answers_are_those_of_the_whole_images() -> None:
    """Every acquisition is answered for every case in order, batches or not: against a loop by hand."""
    from audit.probes.shift._severities import Tried
    from audit.probes.shift._simulated import draw

    ctx = asked(healthy, n=20)
    tried = [Tried(turned=((KNOBS["mr_noise"], 0.05),), standing="in use")]
    made = simulate(replace(ctx, budget=replace(BUDGET, batch_size=7)), np.arange(20), tried)
    for i in range(20):
        image = ctx.cohort.images.load(i).astype(np.float32)
        changes = draw(tried[0], describe(image, frame_of(INPUT)), int(made.seeds[i]))
        assert made.raw[0, i, 0] == healthy(apply(image, changes)[None])[0]
    assert made.repeated == 0
