"""SHIFT002 passes nothing because nothing could be lost, nothing was changed, or nobody said what is in use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.acquisition import KNOBS
from audit.core import (
    Envelope,
    KnobRange,
    NotApplicable,
)
from audit.probes.shift import AcquisitionSeverity
from audit.probes.shift._severities import severities
from audit.testing import (
    with_aside,
)
from tests.judge._make import rule
from tests.probes.shift._acquired import (
    BUDGET,
    ENVELOPE,
    INPUT,
    RANGES,
    asked,
    by_brightness,
    by_grain,
    findings,
    healthy,
    no_loss,
    pick,
    run,
)


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


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize("end", [2 / 3, 0.1234567, 0.3, np.nextafter(0.1, 1)])
def test_the_declared_ends_are_in_use_to_the_last_digit(end: float, brief: bool) -> None:
    """An end that six digits would round up is not beyond its range, or no rule would be asked of it."""
    found = severities(KNOBS["mr_gain"], KnobRange(low=-end, high=end, source="a test"), brief=brief)
    used = [t.turned[0][1] for t in found if t.standing == "in use"]
    assert (min(used), max(used)) == (-end, end)
