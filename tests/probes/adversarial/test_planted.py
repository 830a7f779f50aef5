"""No network that misleads an attack passes, each for its stated reason; a broken one fails, a sturdy one passes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from audit.core import BUDGETS, IntendedUse, Levels, Limit, Measurement, Policy, ProbeResult, Rule
from audit.execution import Setting, Silent, run_probe
from audit.judge import judge
from audit.probes.adversarial import LinfEvasion
from audit.testing import HEADS, NETWORKS, context, head, network, network_cohort

torch.set_num_threads(1)

POLICY = Policy(
    name="robustness",
    rules=(
        Rule(
            id="robust", probe="ADV001", metric="robust_accuracy", where={"parameter": "headline"},
            limit=Limit(min=0.3), blocking=True,
        ),
    ),
)  # fmt: skip
TODAY = dt.date(2026, 11, 26)
CASES = 60


def audited(model, cohort, **more) -> tuple[ProbeResult, str]:
    """Return what the probe measured on a model, and what the rule says of it."""
    budget = replace(BUDGETS["smoke"], attack_cases=None, **more)
    ctx = context(model, cohort, budget=budget, raw=None if cohort.masks is None else np.ones((len(cohort), 1)))
    setting = Setting(
        model=model, cohort=cohort, clean=ctx.clean, seed=1, budget=budget, levels=Levels(), intended_use=IntendedUse(),
        golden=None, golden_tolerance=1e-4, digest_before=model.state_digest(), layer=None, store=lambda a: None,
        show_pixels=False,
    )  # fmt: skip
    result = run_probe(LinfEvasion, setting, Silent()).result
    assert result.state == "completed", result.reason
    (finding,) = judge([result], POLICY, today=TODAY, input_range=(0.0, 1.0))
    return result, finding.status


@cache
def of(name: str) -> tuple[ProbeResult, str]:
    return audited(network(name), network_cohort(np.random.default_rng(0), n=CASES))


def headline(result: ProbeResult) -> Measurement:
    (found,) = [
        m for m in result.measurements
        if m.metric == "robust_accuracy" and m.condition["parameter"] == "headline"
    ]  # fmt: skip
    return found


MISLEADING = [name for name, planted in NETWORKS.items() if planted.checks]
SOUND = [name for name, planted in NETWORKS.items() if not planted.checks]


@pytest.mark.parametrize("name", MISLEADING)
def test_what_misleads_an_attack_never_passes_and_the_reason_is_stated(name: str) -> None:
    """The rule does not PASS; the check made for the fault fails, is named with the number, opens its lower side."""
    result, status = of(name)
    planted = NETWORKS[name]
    assert status in planted.verdicts
    assert "PASS" not in planted.verdicts
    m = headline(result)
    assert m.low == 0.0
    assert any(check in m.method for check in planted.checks)
    assert f"likely cause: {planted.cause})" in m.method
    assert {check for check in planted.checks if check in m.method} <= {x.metric for x in result.measurements}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_judged_by_its_number(name: str) -> None:
    """Undefended, linear, saturated and mis-declared networks are broken and FAIL; the trained one passes."""
    result, status = of(name)
    m = headline(result)
    assert NETWORKS[name].verdicts[0] == status == ("PASS" if name == "adversarially-trained" else "FAIL")
    assert "certificate failed" not in m.method
    assert m.value is not None
    assert m.value >= 0.8 if name == "adversarially-trained" else m.value <= 0.1


def test_the_scale_of_the_logits_changes_no_number() -> None:
    """Logits times 50 give the robust numbers of the same network, within one case of 60, at every size."""
    plain, loud = (
        [m.value for m in of(name)[0].measurements if m.metric == "robust_accuracy"]
        for name in ("undefended", "saturated")
    )
    assert len(plain) == 6
    assert max(plain) - min(plain) > 0.5
    assert loud == pytest.approx(plain, abs=1 / CASES + 1e-9)


@pytest.mark.parametrize("name", [h for h in HEADS if "3d-tiled" not in h])
def test_an_undefended_model_of_every_head_fails(name: str) -> None:
    """At 4/255 every head that the probe takes is broken, with a sound certificate, and the rule says FAIL."""
    model, cohort = head(name, np.random.default_rng(0), n=24)
    budget = replace(BUDGETS["smoke"], attack_cases=None)
    ctx = context(model, cohort, budget=budget, raw=np.ones((24, 1)) if cohort.masks is not None else None)
    given = [m for m in LinfEvasion().run(ctx) if m.metric == "robust_accuracy"]
    large = [m for m in given if m.condition["epsilon"] == pytest.approx(4 / 255, rel=1e-4)]
    assert large
    for m in large:
        assert m.value is not None
        assert m.high is not None
        assert m.high < 0.3, m.condition


QUICK = ("single-logit", "detection", "survival")


@pytest.mark.parametrize(
    "name", [h if h in QUICK else pytest.param(h, marks=pytest.mark.slow) for h in HEADS if "3d" not in h]
)
def test_decisions_without_a_gradient_beside_a_weak_branch_never_pass(name: str) -> None:
    """Of every head: honest gradients of a branch that hardly counts; gradients do not add up, the lower side opens."""
    model, cohort = head(name, np.random.default_rng(0), n=24, hidden=True)
    result, status = audited(model, cohort)
    assert status in ("FAIL", "INCONCLUSIVE")
    robust = [
        m for m in result.measurements if m.metric == "robust_accuracy" and m.condition["parameter"] == "headline"
    ]
    assert robust
    for m in robust:
        assert m.low == 0.0
        assert "certificate_path" in m.method
        assert "likely cause: masked gradient)" in m.method


@pytest.mark.parametrize("name", ["clamped-and-live", "squashed-and-live", "sign-and-live"])
def test_a_cohort_of_one_class_does_not_hide_what_misleads(name: str) -> None:
    """Where no case is answered otherwise, images that are made of them are, and gradients do not add up to those."""
    cohort = network_cohort(np.random.default_rng(0), n=40)
    _, status = audited(network(name), cohort.subset(np.flatnonzero(cohort.targets == 1)))
    assert status == "INCONCLUSIVE"


def test_a_trained_network_passes_on_a_cohort_of_one_class() -> None:
    """Honest gradients add up to inverted images, too, so what is robust may be called so."""
    cohort = network_cohort(np.random.default_rng(0), n=40)
    result, status = audited(network("adversarially-trained"), cohort.subset(np.flatnonzero(cohort.targets == 1)))
    assert status == "PASS"
    assert "certificate failed" not in headline(result).method
