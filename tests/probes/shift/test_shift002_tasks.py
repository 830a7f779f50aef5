"""SHIFT002 of values and of masks, and its conformance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import (
    BUDGETS,
    Envelope,
)
from audit.probes.shift import AcquisitionSeverity
from audit.testing import (
    ArrayImages,
    FunctionModel,
    check_probe,
    context,
    planted,
    small_cohort,
    tiny_cohort,
)
from tests.judge._make import rule
from tests.probes.shift._acquired import (
    BRIGHT,
    BUDGET,
    ENVELOPE,
    LESION,
    RANGES,
    SIZE,
    findings,
    healthy,
    images,
    model,
    no_loss,
    pick,
    run,
)


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

    def test_what_is_marked_where_nothing_is_counts_against_it(self) -> None:
        """Dice knows nothing of empty cases; a brighter image has false marks there, and specificity falls by them."""
        labels = np.arange(120) % 2
        planes = np.full((120, 1, SIZE, SIZE), 1000.0)
        planes[labels == 1, 0, *LESION] = 3000
        planes = np.round(planes + np.random.default_rng(0).normal(0, 20, planes.shape)).astype(np.float32)
        masks = np.zeros(planes.shape, dtype=np.uint8)
        masks[labels == 1, 0, *LESION] = 1
        cohort = small_cohort(
            np.zeros(120), images=ArrayImages(array=planes), masks=ArrayImages(array=masks), classes=("none", "lesion")
        )
        card = replace(model(healthy).card, task="segmentation", output="mask_logits")
        for limit, false in ((1085.0, True), (1900.0, False)):
            net = FunctionModel(card=card, answer=lambda x, limit=limit: 0.1 * (x - limit))
            marked, there = planes[:, 0] >= limit, masks[:, 0] > 0
            volume = [m.sum(axis=(1, 2)).astype(float) for m in (there, marked)]
            both = 2.0 * (marked & there).sum(axis=(1, 2))
            dice = np.divide(both, sum(volume), out=np.full(120, np.nan), where=sum(volume) > 0)
            raw = np.stack([dice, *volume], axis=1)
            columns = ("dice", "volume_reference", "volume_predicted")
            found = run(context(net, cohort, raw=raw, columns=columns, envelope=ENVELOPE, budget=BUDGET))
            (m,) = pick(found, "performance_change", parameter="mr_gain", severity=0.1, stratum="specificity")
            assert m.n == 60, "cases without anything to mark"
            assert (m.value == -1) == false
            (value,) = pick(found, "performance", parameter="mr_gain", severity=0.1, stratum="specificity")
            assert (value.value == 0) == false
            assert (findings(found, no_loss(parameter="mr_gain")) == ["FAIL"]) == false

    def test_it_conforms(self) -> None:
        """Deterministic, inputs untouched, declared metrics only; not applicable without images or modality."""
        cohort = tiny_cohort(np.random.default_rng(1), n=120)
        card = replace(planted().card, input=replace(planted().card.input, modality="us", range=(-8.0, 8.0)))
        budget = replace(BUDGETS["smoke"], severity_cases=40)
        ours = lambda: context(replace(planted(), card=card), cohort, budget=budget)  # noqa: E731
        assert check_probe(AcquisitionSeverity, {"ultrasound": ours}) == ("ultrasound",)
