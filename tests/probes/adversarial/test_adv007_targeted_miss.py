"""ADV007: each direction is attacked by itself; a fragile model is caught, a sturdy one is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.adversarial.adv007_targeted_miss import TargetedMiss
from audit.testing import check_probe, context, head
from tests.probes.adversarial.attacked import BUDGET, HEADLINE, known, linear, measured, of, only


def test_a_fragile_network_misses_and_invents() -> None:
    """On an undefended network nearly all positives vanish and nearly all negatives turn, intervals and all."""
    given = measured(TargetedMiss, "undefended")
    for metric in ("miss_rate", "false_alarm_rate"):
        row = only(given, metric, **HEADLINE)
        assert row.low is not None
        assert row.low > 0.7
        assert row.direction == "lower"


def test_a_sturdy_network_stays_silent() -> None:
    """On a network trained on attacked images both rates stay low enough for a limit of 0.3."""
    given = measured(TargetedMiss, "adversarially-trained")
    for metric in ("miss_rate", "false_alarm_rate"):
        row = only(given, metric, **HEADLINE)
        assert row.high is not None
        assert row.high < 0.3


def test_rates_of_a_linear_model_are_exact() -> None:
    """A positive is missed once epsilon times the L1 norm exceeds its margin, and a negative turns likewise."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 36)
    ctx, signed = linear(w)
    given = list(TargetedMiss().run(ctx))
    target = ctx.cohort.targets
    for row in of(given, "miss_rate") + of(given, "false_alarm_rate"):
        members = target == (1 if row.metric == "miss_rate" else 0)
        wrong = signed[members] - float(row.condition["epsilon"]) * np.abs(w).sum() < 0
        assert row.value == pytest.approx(wrong.mean(), abs=1e-9)
        assert row.n == members.sum()
    for stratum, members in (("positive", target == 1), ("negative", target == 0)):
        success = only(given, "attack_success", stratum=stratum, **HEADLINE)
        assert success.n == (members & (signed > 0)).sum()


@pytest.mark.parametrize("name", ["argmax-inside", "reversed-gradient", "saturated-probabilities", "sign-and-live"])
def test_a_hidden_gradient_leaves_no_upper_bound(name: str) -> None:
    """Where the attack is misled a low rate cannot pass: its upper side is 1."""
    row = only(measured(TargetedMiss, name), "miss_rate", **HEADLINE)
    assert row.high == 1.0
    assert "lower bound only" in row.method


@pytest.mark.parametrize("name", ["multiclass", "multilabel"])
def test_each_finding_has_rates_of_its_own(name: str) -> None:
    """Each class and each finding is made to vanish and to appear, and an undefended model gives in."""
    model, cohort = head(name, np.random.default_rng(0), n=40)
    assert len(model.card.classes) >= 2
    ctx = context(model, cohort, budget=BUDGET)
    given = list(TargetedMiss().run(ctx))
    classes = model.card.classes
    for label in classes:
        for metric in ("miss_rate", "false_alarm_rate"):
            assert len(of(given, metric, **{"class": label}, **HEADLINE)) == 1
    largest = max(float(m.condition["epsilon"]) for m in of(given, "miss_rate"))
    assert all(m.value == 1.0 for m in of(given, "miss_rate", epsilon=largest))
    *checks, curves = ctx.sink.artifacts
    assert {a.meta["stratum"] for a in checks} == {"positive", "negative"}
    assert curves.name == "targeted_rates"
    assert curves.arrays["rate"].shape == (2 * len(classes), len(curves.arrays["epsilon"]))


def test_a_segmentation_loses_a_lesion_or_gains_one() -> None:
    """The miss concerns the cases with a lesion, the false alarm all of them; an undefended model gives in to both."""
    model, cohort = head("segmentation", np.random.default_rng(0), n=20)
    ctx = context(model, cohort, budget=BUDGET, raw=np.ones((20, 1)), columns=("dice",))
    given = list(TargetedMiss().run(ctx))
    largest = max(float(m.condition["epsilon"]) for m in of(given, "miss_rate"))
    assert only(given, "miss_rate", epsilon=largest).value == 1.0
    assert only(given, "false_alarm_rate", epsilon=largest).value == 1.0


def test_a_finding_that_nobody_has_is_missing() -> None:
    """Without a positive case the miss rate is missing with the reason, at every size."""
    ctx, _ = linear(np.ones(36))
    targets = np.zeros_like(ctx.cohort.targets)
    ctx = replace(ctx, cohort=replace(ctx.cohort, targets=targets), clean=replace(ctx.clean, targets=targets))
    given = list(TargetedMiss().run(ctx))
    rows = of(given, "miss_rate")
    assert rows
    assert {m.missing for m in rows} == {"none of the cases sampled has this question"}
    assert all(m.value is not None for m in of(given, "false_alarm_rate"))


def test_a_value_is_not_applicable() -> None:
    """Regression has no finding that could vanish."""
    model, cohort = head("regression", np.random.default_rng(0), n=10)
    with pytest.raises(NotApplicable, match="no finding"):
        list(TargetedMiss().run(context(model, cohort, budget=BUDGET)))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(TargetedMiss, {"undefended": lambda: known("undefended", n=24)}) == ("undefended",)
