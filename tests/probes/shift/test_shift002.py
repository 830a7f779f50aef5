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
    Access,
    Envelope,
    InputSpec,
    KnobRange,
    ModelCard,
    NotApplicable,
    ProbeResult,
    digest,
)
from audit.judge import judge
from audit.probes.shift import AcquisitionSeverity, ProtocolMatrix
from audit.probes.shift._simulated import simulate
from audit.testing import (
    ArrayImages,
    FunctionModel,
    attribute,
    check_probe,
    context,
    planted,
    scene,
    small_cohort,
    tiny_cohort,
    with_aside,
)
from tests.judge._make import TODAY, policy, rule

SIZE = 16
LESION = (slice(4, 9), slice(4, 9))
BRIGHT = (slice(12, 16), slice(0, 16))
KNOBS_USED = {"mr_gain": (-0.1, 0.1), "mr_noise": (0.0, 0.05), "mr_contrast": (-0.2, 0.2)}
RANGES = {k: KnobRange(low=a, high=b, source="a test") for k, (a, b) in KNOBS_USED.items()}
ENVELOPE = Envelope(knobs=RANGES, tolerated_drop=0.1)
BUDGET = replace(BUDGETS["standard"], severity_cases=None, batch_size=64)
INPUT = InputSpec(modality="mr", unit="grey level", range=(0.0, 4095.0), size=(SIZE, SIZE), spacing_mm=(1.0, 1.0))


def images(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return planes with a bright strip, a lesion that is brighter in cases, and a grain that is finer in cases."""
    rng = np.random.default_rng(seed)
    n = len(labels)
    grain = np.where(labels == 1, 0.012, 0.036)[:, None, None]
    signal = 1000 * (1 + grain * rng.standard_normal((n, SIZE, SIZE)))
    lesion = np.where(labels == 1, 1.3, 1.1)
    signal[:, *LESION] *= lesion[:, None, None]
    signal[:, *BRIGHT] *= np.where(labels == 1, 1.48, 1.38)[:, None, None]
    return np.round(signal)[:, None].astype(np.float32)


def _lesion(x: np.ndarray) -> np.ndarray:
    return x[:, 0, *LESION].mean(axis=(1, 2))


def _background(x: np.ndarray) -> np.ndarray:
    return x[:, 0, 9:12].mean(axis=(1, 2))


def healthy(x: np.ndarray) -> np.ndarray:
    """Read how much brighter the lesion is than what is beside it."""
    return 40 * (_lesion(x) / _background(x) - 1.2)


def by_brightness(x: np.ndarray) -> np.ndarray:
    """Read how bright the lesion is, in stored units."""
    return 0.05 * (_lesion(x) - 1200)


def by_grain(x: np.ndarray) -> np.ndarray:
    """Read how fine the grain is."""
    rough = np.diff(x[:, 0, 9:12], axis=2).std(axis=(1, 2)) / np.sqrt(2) / _background(x)
    return 300 * (0.022 - rough)


def by_contrast(x: np.ndarray) -> np.ndarray:
    """Read the contrast of normal tissue, of which cases have a little more."""
    return 200 * (x[:, 0, *BRIGHT].mean(axis=(1, 2)) / _background(x) - 1.43)


def model(answer: object, **more: object) -> FunctionModel:
    card = ModelCard(
        name="m", kind="callable", task="binary", output="logits", access=Access.QUERY, digest=digest("m"),
        classes=("a", "b"), operating_point=0.5, input=INPUT, phantom=True,
    )  # fmt: skip
    return FunctionModel(card=replace(card, **more), answer=lambda x: answer(x)[:, None])  # type: ignore[arg-type, operator]


def asked(answer: object, *, n: int = 160, envelope: Envelope = ENVELOPE, budget: object = BUDGET, **more: object):
    """Return the context of a planted model on planes of which half are cases."""
    labels = np.arange(n) % 2
    cohort = small_cohort(labels, images=ArrayImages(array=images(labels)))
    return context(model(answer, **more), cohort, envelope=envelope, budget=budget)


def run(ctx):
    """Return all measurements."""
    return list(AcquisitionSeverity().run(ctx))


def pick(found, metric: str, **where: object):
    """Return the measurements of a metric whose condition holds these."""
    return [m for m in found if m.metric == metric and all(m.condition.get(k) == v for k, v in where.items())]


def findings(found, *rules):
    """Return the status of each rule, as the judge gives it."""
    result = ProbeResult(info=AcquisitionSeverity.info, state="completed", measurements=tuple(found))
    return [f.status for f in judge([result], policy(*rules), today=TODAY)]


def no_loss(**where: object):
    """Return a rule that no number falls by more than 0.1."""
    return rule("no-loss", low=-0.1, probe="SHIFT002", metric="performance_change", where=where)


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

    def test_shift001_finds_the_protocol_and_shift002_says_what_it_is(self) -> None:
        """Half of the patients on a scanner with 8 % less gain: an offset there, and gain breaks the model here."""
        labels = np.arange(160) % 2
        planes, b = images(labels), np.arange(160) % 4 < 2
        frame = frame_of(INPUT)
        for i in np.flatnonzero(b):
            change = KNOBS["mr_gain"].sample(-0.08, describe(planes[i], frame), np.random.default_rng(int(i)))
            planes[i] = apply(planes[i], change)
        scanner = attribute("scanner", np.where(b, "b", "a"), "protocol")
        cohort = small_cohort(labels, images=ArrayImages(array=planes), attributes=[scanner])
        for answer, offset in ((by_brightness, True), (healthy, False)):
            ctx = context(model(answer), cohort, envelope=ENVELOPE, budget=BUDGET)
            (m,) = [
                m for m in ProtocolMatrix().run(ctx) if m.metric == "score_offset" and m.subgroup == {"scanner": "b"}
            ]
            assert (m.high < 0) == offset


class TestFailsClosed:
    """Nothing passes because nothing could be lost, or because nobody said what is in use."""

    def test_a_constant_model_has_nothing_to_lose(self) -> None:
        """Its changes are exactly 0 and have no value: the rule is INCONCLUSIVE."""
        found = run(asked(lambda x: np.zeros(len(x))))
        assert findings(found, no_loss()) == ["INCONCLUSIVE"]
        assert all(m.value is None for m in pick(found, "performance_change") + pick(found, "critical_severity"))

    def test_a_random_model_has_nothing_to_lose(self) -> None:
        """Scores of noise that never change are no better than chance to begin with."""
        rng = np.random.default_rng(1)
        table: dict[int, float] = {}

        def answer(x: np.ndarray) -> np.ndarray:
            # One number a case, whatever is done to its image.
            return np.array([table.setdefault(i % 160, rng.normal()) for i in range(len(x))])

        ctx = asked(answer, budget=replace(BUDGET, batch_size=160))
        found = run(ctx)
        assert findings(found, no_loss()) == ["INCONCLUSIVE"]

    def test_a_saturated_threshold_has_no_rate_to_lose(self) -> None:
        """A model that ranks well and calls everyone positive: specificity 0 cannot fall, and does not pass."""
        found = run(asked(lambda x: healthy(x) + 8))
        assert findings(found, no_loss(stratum="auc")) == ["PASS"]
        for stratum in ("sensitivity", "specificity"):
            assert findings(found, no_loss(stratum=stratum)) == ["INCONCLUSIVE"]

    def test_a_model_that_answers_otherwise_the_second_time_is_not_compared(self) -> None:
        """Unchanged images are answered once more: a model in training mode has no change that means anything."""
        rng = np.random.default_rng(0)
        found = run(asked(lambda x: healthy(x) + rng.normal(0, 0.5, len(x))))
        assert findings(found, no_loss()) == ["INCONCLUSIVE"]
        assert "otherwise than before" in (pick(found, "performance_change")[0].missing or "")

    def test_an_answer_that_is_no_number_is_the_worst_one(self) -> None:
        """Where noise makes the model answer NaN, sensitivity and specificity fall to 0."""

        def answer(x: np.ndarray) -> np.ndarray:
            rough = np.diff(x[:, 0, 9:12], axis=2).std(axis=(1, 2)) > 80
            return np.where(rough, np.nan, healthy(x))

        wide = KnobRange(low=0.0, high=0.1, source="a test")
        found = run(asked(answer, envelope=replace(ENVELOPE, knobs={"mr_noise": wide})))
        (m,) = pick(found, "performance", parameter="mr_noise", severity=0.1, stratum="sensitivity")
        assert m.value < 0.2
        assert findings(found, no_loss(parameter="mr_noise")) == ["FAIL"]

    def test_without_an_envelope_everything_is_exploratory(self) -> None:
        """A rule on performance finds nothing but the reason, and no critical severity without a tolerated loss."""
        found = run(asked(by_brightness, envelope=Envelope()))
        assert findings(found, no_loss()) == ["INCONCLUSIVE"]
        assert [m.value for m in pick(found, "performance")] == [None]
        assert [m.value for m in pick(found, "critical_severity")] == [None]
        assert "tolerated_drop" in (pick(found, "critical_severity")[0].missing or "")
        assert len(pick(found, "performance_exploratory")) > 20
        assert "performance_exploratory" in AcquisitionSeverity.info.descriptive

    def test_severities_beyond_the_range_never_block(self) -> None:
        """Gain is in use to 5 %, where nothing is lost; what 10 % costs stands under the exploratory name alone."""
        narrow = replace(ENVELOPE, knobs={"mr_gain": KnobRange(low=-0.05, high=0.05, source="a test")})
        found = run(asked(by_brightness, envelope=narrow))
        assert findings(found, no_loss()) == ["PASS"]
        inside = {m.condition["severity"] for m in pick(found, "performance_change")}
        beyond = {m.condition["severity"] for m in pick(found, "performance_change_exploratory")}
        assert inside == {-0.05, -0.025, 0.025, 0.05}
        assert beyond == {-0.1, 0.1}
        assert min(m.value for m in pick(found, "performance_change_exploratory")) < -0.1

    def test_an_undiagnostic_severity_is_marked_and_never_critical(self) -> None:
        """Beyond the declared floor the images say so, and the critical severity is sought before it."""
        floor = replace(RANGES["mr_noise"], undiagnostic_beyond=0.06)
        found = run(asked(by_grain, envelope=replace(ENVELOPE, knobs={"mr_noise": floor})))
        marked = pick(found, "performance_exploratory", protocol="undiagnostic")
        assert {m.condition["severity"] for m in marked} == {0.1}
        assert not pick(found, "performance", protocol="undiagnostic")
        assert all(m.value <= 0.05 for m in pick(found, "critical_severity"))

    def test_a_change_that_the_stored_images_do_not_show_was_not_tried(self) -> None:
        """Noise of a hundredth of a stored step is rounded away: no number falls, and none passes."""
        faint = KnobRange(low=0.0, high=1e-5, source="a test")
        found = run(asked(healthy, envelope=replace(ENVELOPE, knobs={"mr_noise": faint})))
        assert findings(found, no_loss(parameter="mr_noise")) == ["INCONCLUSIVE"]
        absolute = rule(low=0.5, probe="SHIFT002", metric="performance", where={"parameter": "mr_noise"})
        assert findings(found, absolute) == ["INCONCLUSIVE"]
        assert "not tried" in (pick(found, "performance")[0].missing or "")

    def test_few_patients_are_inconclusive(self) -> None:
        """Eight patients carry no PASS, though nothing is lost."""
        assert findings(run(asked(healthy, n=8)), no_loss()) == ["INCONCLUSIVE"]

    def test_a_knob_that_needs_planes_is_missing_with_the_reason(self) -> None:
        """A declared plane thickness cannot be tried on single planes: a rule on it is INCONCLUSIVE."""
        more = {**RANGES, "mr_thickness": KnobRange(low=0, high=2, source="a test")}
        found = run(asked(healthy, envelope=replace(ENVELOPE, knobs=more)))
        (m,) = pick(found, "performance_change", parameter="mr_thickness")
        assert "needs a volume" in (m.missing or "")
        assert findings(found, no_loss(parameter="mr_thickness")) == ["INCONCLUSIVE"]

    def test_cases_without_an_answer_widen_what_is_judged(self) -> None:
        """With a fifth of the cases set aside, sensitivity under a change holds with them as failures, too."""
        ctx = asked(healthy)
        cohort = with_aside(ctx.cohort, reasons=["ungradable"] * 40, targets=np.arange(40) % 2)
        whole = run(replace(ctx, cohort=cohort, rng=np.random.default_rng(0)))
        where = {"parameter": "mr_gain", "severity": 0.1, "stratum": "sensitivity"}
        (plain,), (wide,) = (pick(f, "performance", **where) for f in (run(asked(healthy)), whole))
        assert plain.low > 0.9
        assert wide.low < 80 / 100
        assert "unanswered" in wide.method

    @pytest.mark.parametrize("modality", ["", "nothing"])
    def test_without_a_modality_it_is_not_applicable(self, modality: str) -> None:
        """Nobody knows how such images are acquired."""
        with pytest.raises(NotApplicable, match="modality"):
            run(asked(healthy, envelope=Envelope(), input=replace(INPUT, modality=modality)))


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


class TestOtherTasks:
    """Values and masks."""

    def test_a_value_loses_by_its_absolute_error(self) -> None:
        """A regression that reads brightness: its error grows with the gain, and a growth is what is judged."""
        rng = np.random.default_rng(0)
        target = rng.uniform(0, 10, 120)
        planes = np.full((120, 1, SIZE, SIZE), 1000.0) + 100 * target[:, None, None, None]
        planes = np.round(planes + rng.normal(0, 5, planes.shape)).astype(np.float32)
        cohort = small_cohort(target, images=ArrayImages(array=planes), classes=())
        one = Envelope(knobs={"mr_gain": RANGES["mr_gain"], "mr_noise": RANGES["mr_noise"]}, tolerated_drop=0.5)
        reads = model(lambda x: (x.mean(axis=(1, 2, 3)) - 1000) / 100, task="regression", output="value", classes=())
        found = run(context(reads, cohort, envelope=one, budget=BUDGET))
        (m,) = pick(found, "performance_change", parameter="mr_gain", severity=0.1, stratum="mae")
        # 10 % of 1000 to 2000 grey levels are 1 to 2 units of the target, less what rounding had cost before.
        assert m.value == pytest.approx(1.5, abs=0.1)
        assert m.direction == "lower"
        critical = pick(found, "critical_severity", parameter="mr_gain", protocol="more", stratum="mae")[0]
        assert critical.value == pytest.approx(0.5 / 1.5 * 0.1, rel=0.15)
        limit = rule(
            "r", low=None, high=0.5, probe="SHIFT002", metric="performance_change", where={"parameter": "mr_gain"}
        )
        assert findings(found, limit) == ["FAIL"]
        calm = rule(
            "r", low=None, high=0.5, probe="SHIFT002", metric="performance_change", where={"parameter": "mr_noise"}
        )
        assert findings(found, calm) == ["PASS"]
        (together,) = pick(found, "performance_change", parameter="(combined)")
        assert together.value > 1.4

    def test_a_regression_that_says_the_median_has_nothing_to_lose(self) -> None:
        """Its error does not grow under anything."""
        target = np.random.default_rng(0).uniform(0, 10, 120)
        planes = np.full((120, 1, SIZE, SIZE), 1000, dtype=np.float32)
        cohort = small_cohort(target, images=ArrayImages(array=planes), classes=())
        says = model(lambda x: np.full(len(x), 5.0), task="regression", output="value", classes=())
        found = run(context(says, cohort, envelope=ENVELOPE, budget=BUDGET))
        limit = rule("r", low=None, high=0.5, probe="SHIFT002", metric="performance_change")
        assert findings(found, limit) == ["INCONCLUSIVE"]

    def test_a_mask_loses_by_its_dice(self) -> None:
        """A segmentation by a fixed brightness loses its lesion when the image is darker; one by a ratio keeps it."""
        labels = np.arange(60) % 3 > 0
        planes = images(labels.astype(int))
        masks = np.zeros((60, 1, SIZE, SIZE), dtype=np.uint8)
        masks[labels, 0, *LESION] = 1
        planes[:, 0, *BRIGHT] = 1000
        cohort = small_cohort(
            np.zeros(60), images=ArrayImages(array=planes), masks=ArrayImages(array=masks), classes=("none", "lesion")
        )
        for threshold, lost in (
            (lambda x: 1230.0, True),
            (lambda x: 1.2 * np.median(x, axis=(2, 3), keepdims=True), False),
        ):
            card = replace(model(healthy).card, task="segmentation", output="mask_logits")
            net = FunctionModel(card=card, answer=lambda x, t=threshold: 0.1 * (x - t(x)))
            first = net.predict(planes)[:, 0] >= 0
            both = (first & (masks[:, 0] > 0)).sum(axis=(1, 2))
            size = first.sum(axis=(1, 2)) + masks.sum(axis=(1, 2, 3))
            dice = np.divide(2 * both, size, out=np.full(60, np.nan), where=size > 0)
            raw = np.stack([dice, masks.sum(axis=(1, 2, 3)).astype(float)], axis=1)
            ctx = context(
                net, cohort, raw=raw, columns=("dice", "volume_reference"), envelope=ENVELOPE, budget=BUDGET
            )  # fmt: skip
            found = run(ctx)
            (m,) = pick(found, "performance_change", parameter="mr_gain", severity=-0.1, stratum="dice")
            assert m.n == 40, "cases with a reference"
            assert (m.high < -0.3) == lost
            assert (findings(found, no_loss(parameter="mr_gain")) == ["FAIL"]) == lost

    def test_it_conforms(self) -> None:
        """Deterministic, inputs untouched, declared metrics only; not applicable without images or modality."""
        cohort = tiny_cohort(np.random.default_rng(1), n=120)
        card = replace(planted().card, input=replace(planted().card.input, modality="us", range=(-8.0, 8.0)))
        budget = replace(BUDGETS["smoke"], severity_cases=40)
        ours = lambda: context(replace(planted(), card=card), cohort, budget=budget)  # noqa: E731
        assert check_probe(AcquisitionSeverity, {"ultrasound": ours}) == ("ultrasound",)


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
