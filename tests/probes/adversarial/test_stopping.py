"""Attacks that stop when their rules are settled: what is saved, what holds, and what no rule may rest on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Limit, Measurement, Policy, ProbeContext, ProbeResult, Rule
from audit.judge import judge, stops
from audit.probes.adversarial import L2Evasion, LinfEvasion
from audit.probes.adversarial.adv007_targeted_miss import TargetedMiss
from audit.testing import context
from tests.attacks.nets import Linear, Rowwise, wrap
from tests.probes.adversarial.attacked import known, of
from tests.probes.parted import check_any_shards

BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=4, batch_size=64)
HEADLINE = {"parameter": "headline"}
PATIENTS = 128


def policy(least: float, *, probe: str = "ADV001", metric: str = "robust_accuracy", **where: Any) -> Policy:
    """Return a policy of one sequential rule at the headline size."""
    rule = Rule(
        id="robust", probe=probe, metric=metric, where={**HEADLINE, **where}, limit=Limit(min=least), sequential=True
    )
    return Policy(rules=(rule,))


def made(strength: float, asked: Policy | None = None, *, sex: bool = False, patients: int = PATIENTS) -> ProbeContext:
    """Return the context of a linear model on patients with one or two cases; the stronger the signal the more stand.

    Args:
        strength: How far the classes lie apart, in the image's unit.
        asked: The policy whose rules may stop the probe.
        sex: Whether a protected attribute is declared.
        patients: Patients.
    """
    rng = np.random.default_rng(0)
    who = np.repeat(rng.permutation(patients), np.tile([1, 2], patients // 2))
    target = rng.integers(0, 2, who.size)
    images = 0.5 + strength * (2 * target - 1)[:, None, None, None] + rng.normal(0, 0.02, (who.size, 1, 4, 4))
    images = np.clip(images, 0, 1).astype(np.float32)
    weights = np.where(np.arange(16) % 5 == 0, -0.3, 1.0)
    model = wrap(Rowwise(weights, -0.5 * float(weights.sum())), input=InputSpec(scale=False))
    given = {"sex": (np.where(who % 2, "f", "m"), "protected")} if sex else {}
    cohort = from_arrays(images, target, who, given, task="binary", classes=("no", "yes"))
    stop = None if asked is None else next(iter(stops(asked, (0.0, 1.0)).values()))
    return context(model, cohort, budget=BUDGET, stop=stop)


@cache
def robust() -> tuple[tuple[Measurement, ...], ProbeContext]:
    """Return what ADV001 says of a robust model against a limit that is soon settled."""
    ctx = made(0.1, policy(0.6), sex=True)
    return tuple(LinfEvasion().run(ctx)), ctx


@cache
def middling() -> tuple[Measurement, ...]:
    """Return what ADV001 says of all patients of a model some of whose cases fall."""
    return tuple(LinfEvasion().run(made(0.015)))


def judged(measurements: Sequence[Measurement], asked: Policy) -> Any:
    """Return what the judge says of the rule."""
    probe = L2Evasion if asked.rules[0].probe == "ADV002" else LinfEvasion
    result = ProbeResult(info=probe.info, state="completed", measurements=tuple(measurements))
    return judge([result], asked, today=dt.date(2026, 11, 26), input_range=(0.0, 1.0))[0]


def at(measurements: Sequence[Measurement], metric: str) -> Measurement:
    """Return the measurement of a metric at the headline size."""
    return next(m for m in measurements if m.metric == metric and m.condition.get("parameter") == "headline")


@pytest.mark.parametrize(("strength", "status"), [(0.1, "PASS"), (0.004, "FAIL")])
def test_what_lies_far_from_the_limit_is_settled_by_a_part_of_the_patients(strength: float, status: str) -> None:
    """A robust and a fragile model against a limit of 0.6: the right verdict, whole blocks, half are saved."""
    asked = policy(0.6)
    found = list(LinfEvasion().run(made(strength, asked)))
    finding, m = judged(found, asked), at(found, "robust_accuracy")
    assert finding.status == status
    assert finding.patients_spent == m.n_patients
    assert m.n_patients % 32 == 0
    assert (m.planned, finding.patients_saved) == (PATIENTS, PATIENTS - m.n_patients)
    assert finding.patients_saved >= PATIENTS // 2
    assert "of 128 patients, after which it stopped" in finding.headline


def test_near_the_limit_all_patients_are_spent_and_the_last_look_is_taken() -> None:
    """A limit at the robust accuracy itself is not settled: every patient, nothing saved, Korn-Graubard in the end."""
    every = at(middling(), "robust_accuracy")
    assert 0.6 < every.value < 0.9
    asked = policy(round(every.value, 3))
    found = list(LinfEvasion().run(made(0.015, asked)))
    finding, m = judged(found, asked), at(found, "robust_accuracy")
    assert (finding.status, finding.patients_spent, finding.patients_saved) == ("INCONCLUSIVE", PATIENTS, 0)
    assert (m.value, m.n, m.k) == (every.value, every.n, every.k)
    assert "Korn-Graubard" in m.method
    assert m.low < every.low < every.high < m.high
    area = at(found, "robust_auc")
    assert np.array(area.curve) == pytest.approx(np.array(at(middling(), "robust_auc").curve), abs=1e-12)
    assert area.low > 0.5


def test_no_rule_can_pass_on_a_number_without_a_bound() -> None:
    """After an early stop an AUC covers the whole range and says so; rates and gaps have bounds of their own."""
    found, _ = robust()
    area = at(found, "robust_auc")
    assert (area.low, area.high) == (0.0, 1.0)
    assert "number of patients that the data chose" in area.method
    rates = [
        m
        for m in found
        if m.metric in ("robust_accuracy", "robust_sensitivity", "robust_specificity", "attack_success")
    ]
    assert all("betting" in m.method for m in rates)
    assert all(m.planned is not None and m.planned >= m.n_patients for m in rates)
    gaps = of(found, "robust_accuracy_gap")
    assert gaps
    assert all("betting bounds" in m.method and m.planned == PATIENTS for m in gaps)
    fixed = ("Korn-Graubard", "t,", "Obuchowski")
    early = [m for m in found if m.method != "count" and m.metric not in ("visibility_psnr", "visibility_ssim")]
    assert not [m.metric for m in early if m.method.startswith(fixed) and (m.low, m.high) != (0.0, 1.0)]


def test_the_order_is_drawn_beforehand_and_a_case_falls_as_it_does_without_a_stop() -> None:
    """The first patients of a run to the end are those of one that stops, with the same answers."""
    (_, early), late = robust(), made(0.1, policy(0.9999))
    list(LinfEvasion().run(late))
    (_, cases, raw), (_, every, all_raw) = early.sink.conditions[0], late.sink.conditions[0]
    assert cases.size < every.size == len(early.cohort)
    np.testing.assert_array_equal(cases, every[: cases.size])
    np.testing.assert_array_equal(raw, all_raw[: cases.size])
    assert (np.diff(cases) < 0).any()
    assert sorted(every.tolist()) == list(range(len(early.cohort)))


def test_the_shards_change_no_stop() -> None:
    """Case by case, as usual, or a block at once: the same stop and the same numbers."""
    check_any_shards(LinfEvasion, lambda: made(0.1, policy(0.6), patients=40))
    assert at(list(LinfEvasion().run(made(0.1, policy(0.6), patients=40))), "robust_accuracy").n_patients == 32


def test_sensitivity_waits_for_its_own_patients() -> None:
    """A rule on the positives counts and plans patients with positives, and asks for as many as it says."""
    asked = policy(0.6, metric="robust_sensitivity", probe="ADV002")
    wants = replace(asked, rules=(replace(asked.rules[0], min_patients=40),))
    ctx = made(0.1, wants)
    found = list(L2Evasion().run(ctx))
    m = at(found, "robust_sensitivity")
    positive = np.unique(ctx.cohort.patients[ctx.cohort.targets == 1]).size
    assert (judged(found, wants).status, m.planned) == ("PASS", positive)
    assert 40 <= m.n_patients < positive
    fewer = at(list(L2Evasion().run(made(0.1, asked))), "robust_sensitivity")
    assert fewer.n_patients < m.n_patients


def test_an_attack_that_may_not_be_believed_passes_nothing() -> None:
    """A masked gradient makes a model look robust; the attack stops, its certificate fails, and nothing passes."""
    asked = policy(0.3)
    ctx = replace(known("detached-branch", n=96), stop=stops(asked, (0.0, 1.0))["ADV001"])
    found = list(LinfEvasion().run(ctx))
    finding = judged(found, asked)
    assert finding.patients_saved > 0
    assert finding.status == "INCONCLUSIVE"
    assert "certificate" in at(found, "robust_accuracy").method


@dataclass
class Spy:
    """A stop that writes down what it is shown, and stops the first question after two blocks."""

    metrics: frozenset[str] = frozenset({"robust_accuracy"})
    key: str = "spy"
    seen: list[tuple[int, int, set[str]]] = field(default_factory=list)

    def settled(self, measurements: Sequence[Measurement], *, among: int = 1) -> bool:
        """Stop what has the condition `class = "a"`."""
        m = measurements[0]
        self.seen.append((m.n_patients, among, {x.metric for x in measurements}))
        return m.condition.get("class") == "a" and m.n_patients >= 64


def test_each_finding_stops_by_itself() -> None:
    """Of two findings one is settled after two blocks and the other never; only what is waited for is shown."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, (PATIENTS, 2))
    images = np.full((PATIENTS, 1, 4, 4), 0.5) + rng.normal(0, 0.02, (PATIENTS, 1, 4, 4))
    images[:, 0, :2] += 0.1 * (2 * target[:, :1, None] - 1)
    images[:, 0, 2:] += 0.1 * (2 * target[:, 1:, None] - 1)
    weights = np.zeros((2, 16))
    weights[0, :8], weights[1, 8:] = 1.0, 1.0
    model = wrap(
        Linear(weights, -4.0), task="multilabel", classes=("a", "b"), input=InputSpec(scale=False),
        operating_point={"a": 0.5, "b": 0.5},
    )  # fmt: skip
    cohort = from_arrays(images.clip(0, 1).astype(np.float32), target, task="multilabel", classes=("a", "b"))
    spy = Spy()
    found = list(LinfEvasion().run(context(model, cohort, budget=BUDGET, stop=spy)))
    spent = {m.condition["class"]: m.n_patients for m in of(found, "robust_accuracy", **HEADLINE)}
    assert spent["a"] == 64
    assert spent["b"] > 64
    assert [s[:2] for s in spy.seen][:2] == [(32, 2), (64, 2)]
    assert all(shown == {"robust_accuracy"} for _, _, shown in spy.seen)


def test_further_attacks_are_run_block_by_block() -> None:
    """An attack of a library runs on the patients of each block before it is asked whether they are enough."""
    pytest.importorskip("torchattacks")
    ctx = replace(made(0.1, policy(0.6), patients=96), attacks=("torchattacks:FGSM",))
    found = list(LinfEvasion().run(ctx))
    assert judged(found, policy(0.6)).status == "PASS"
    assert at(found, "robust_accuracy").n_patients < 96
    assert any(m.condition["attack"] == "torchattacks:FGSM" for m in of(found, "winning_share"))


def test_each_aim_of_a_targeted_attack_stops_by_itself() -> None:
    """Misses of a robust model are settled by a part of the positives; false alarms, which no rule is about, go on."""
    rule = Rule(id="missed", probe="ADV007", metric="miss_rate", where=HEADLINE, limit=Limit(max=0.4), sequential=True)
    asked = Policy(rules=(rule,))
    ctx = made(0.1, asked)
    found = list(TargetedMiss().run(ctx))
    result = ProbeResult(info=TargetedMiss.info, state="completed", measurements=tuple(found))
    finding = judge([result], asked, today=dt.date(2026, 11, 26), input_range=(0.0, 1.0))[0]
    ill, well = (np.unique(ctx.cohort.patients[ctx.cohort.targets == t]).size for t in (1, 0))
    missed, alarmed = at(found, "miss_rate"), at(found, "false_alarm_rate")
    assert finding.status == "PASS"
    assert (missed.planned, missed.n_patients % 16) == (ill, 0)
    assert finding.patients_saved == ill - missed.n_patients > 0
    assert (alarmed.planned, alarmed.n_patients) == (well, well)
    assert all("betting" in m.method for m in (missed, alarmed))
    every = at(list(TargetedMiss().run(made(0.1))), "miss_rate")
    assert every.planned is None
    assert missed.low <= every.value <= missed.high


def test_what_is_known_of_attacked_patients_alone_is_not_counted_as_saved() -> None:
    """All positives are attacked, and some are missed without an attack: of those who could fall none was left out."""
    rule = Rule(id="missed", probe="ADV007", metric="miss_rate", where=HEADLINE, limit=Limit(max=0.5), sequential=True)
    asked, ctx = Policy(rules=(rule,)), made(0.004)
    missed = at(list(TargetedMiss().run(ctx)), "miss_rate")
    asked = replace(asked, rules=(replace(rule, limit=Limit(max=round(missed.value, 3))),), digest="")
    found = list(TargetedMiss().run(made(0.004, asked)))
    every, fell = at(found, "miss_rate"), at(found, "attack_success")
    assert every.n_patients == every.planned
    assert fell.n_patients == fell.planned < every.planned
