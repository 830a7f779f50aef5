"""What a run would cost is foretold to within a factor of two, before anything is run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import BUDGETS, Access
from audit.execution import forecast_run
from audit.execution._costs import Cost, Scope, cost_of, probe_shards
from audit.execution._pace import LEAST, MOST, Pace, pace_of
from audit.probes import catalogue
from audit.testing import network, network_cohort, planted, tiny_cohort
from tests.execution._make import card, probe

# Forward and backward images of the biased twin at profile smoke, 344 cases, as `--profile-time` counted them.
COUNTED = {
    "SETUP002": (100, 0), "CONF003": (602, 0), "CONF004": (240, 0), "CONF005": (1680, 0), "CONF008": (564, 0),
    "CONF009": (588, 0), "ADV001": (10507, 2766), "ADV002": (13326, 3059), "ADV003": (5917, 752),
    "ADV004": (2497, 1079), "ADV005": (16152, 4145), "ADV006": (690, 273), "ADV007": (9914, 3243),
    "ADV008": (2846, 798), "ADV009": (2680, 1656), "XAI001": (5517, 680), "XAI002": (1902, 1696),
    "XAI003": (4349, 2288), "XAI004": (1195, 1064), "XAI005": (1436, 680), "XAI006": (1818, 580),
    "SHIFT002": (992, 0), "SHIFT003": (345, 0), "SHIFT006": (320, 0), "SETUP005": (32, 0),
}  # fmt: skip
PACE = Pace(forward=0.001, backward=0.002, read=0.003, look=0.0001, draw=1e-8, batch=32)


def scope(**more):
    given = {"cases": 344, "card": card(access=Access.GRADIENT), "budget": BUDGETS["smoke"], "inside": True}
    return Scope(**{**given, **more})


@pytest.mark.parametrize("code", COUNTED)
def test_passes_are_foretold_to_within_a_factor_of_two(code):
    """Against what was counted on the smoke demo."""
    forwards, backwards = COUNTED[code]
    found = cost_of(code, scope())
    assert forwards / 2 <= found.forwards <= 2 * forwards
    assert backwards / 2 <= found.backwards <= 2 * backwards


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_passes_are_foretold_of_the_smoke_demo_as_it_is_now(tmp_path):
    """Every probe that passes a hundred images or more through the model, counted anew."""
    from audit import session
    from audit.reference import load_demo

    made = session.run_demo("biased", profile="smoke", out=tmp_path / "run", profile_time=True)
    demo = load_demo("biased", "smoke")
    told = forecast_run(
        demo.model, demo.cohort, tuple(catalogue().probes.values()), BUDGETS["smoke"], pace=PACE
    )  # fmt: skip
    passes = {u.name: u.passes for u in told.units}
    heavy = {n: p for n, p in made.run["profile_time"]["parts"].items() if p["forwards"] >= 100 and n in passes}
    assert len(heavy) >= 20
    off = {
        name: (p["forwards"], passes[name].forwards, p["backwards"], passes[name].backwards)
        for name, p in heavy.items()
        if not (
            p["forwards"] / 2 <= passes[name].forwards <= 2 * p["forwards"]
            and p["backwards"] / 2 <= passes[name].backwards <= 2 * p["backwards"]
        )
    }
    assert off == {}


def test_every_probe_of_ours_says_what_it_costs():
    """But for those that train, whose recipe is the user's; nobody knows a stranger's."""
    infos = [p.info for p in catalogue().probes.values()]
    unknown = {i.code for i in infos if not cost_of(i.code, scope()).known}
    assert unknown == {i.code for i in infos if i.access is Access.TRAINABLE}
    asks = [i.code for i in infos if i.access in (Access.QUERY, Access.GRADIENT) and i.code not in ("SETUP004",)]
    # SHIFT005 asks of nothing but a model with several modalities.
    assert [c for c in asks if not cost_of(c, scope()).forwards] == ["SHIFT005"]
    assert not cost_of("ACME001", scope()).known


def test_cost_follows_the_budget_and_the_cohort():
    """More cases cost more up to what the budget allows; more steps cost more gradients; no gradients cost none."""
    few, many, more = (cost_of("ADV001", scope(cases=n)).backwards for n in (20, 48, 5000))
    assert few < many == more
    steps = replace(BUDGETS["smoke"], attack_steps=16)
    assert cost_of("ADV001", scope(budget=steps)).backwards > 1.5 * many
    full = scope(cases=5000, budget=BUDGETS["full"])
    assert cost_of("ADV001", full).reads >= 5000
    asked = cost_of("XAI001", scope(card=card(access=Access.QUERY)))
    assert asked.backwards == 0
    assert asked.forwards > cost_of("XAI001", scope()).forwards


def test_a_plan_has_units_with_inputs_shards_and_time():
    """On a network: clean predictions exactly, a probe that gradients are needed for, one that does not apply."""
    model, cases = network(), network_cohort(np.random.default_rng(0), n=120)
    known = catalogue().probes
    probes = [known[c] for c in ("PERF001", "ADV001", "SHIFT001", "XAI002")]
    told = forecast_run(model, cases, probes, BUDGETS["smoke"], pace=PACE)
    units = {u.name: u for u in told.plan.units}
    assert units["clean predictions"].passes.forwards == 120
    assert told.reads["clean predictions"] == 120
    assert units["ADV001"].inputs == ("clean predictions", "model", "gradients", "images")
    assert units["ADV001"].shards == 1
    assert "attribute of role protocol" in units["SHIFT001"].absent
    assert {u.name for u in told.units} == {"clean predictions", "PERF001", "ADV001", "XAI002"}
    own = cost_of("ADV001", scope(cases=120, card=model.card))
    expected = 0.05 + 1.4 * (own.forwards * 0.001 + own.backwards * 0.002) + own.reads * 0.003
    assert told.seconds["ADV001"] == pytest.approx(expected, rel=1e-12)
    whole = sum(told.seconds.values())
    assert told.span == pytest.approx((LEAST * whole, MOST * whole), rel=1e-12)
    assert forecast_run(model, cases, probes, BUDGETS["smoke"], pace=PACE, workers=2).span[1] == pytest.approx(
        told.span[1] / 2, rel=1e-12
    )


def test_a_probe_of_strangers_is_named_and_left_out_of_the_time():
    """Its passes are not known, and no number is made up for them."""
    stranger = probe("ADV999", lambda ctx: [])
    stranger.info = replace(stranger.info, code="ADV999")
    told = forecast_run(planted(), tiny_cohort(np.random.default_rng(0), n=40), [stranger], BUDGETS["smoke"], pace=PACE)
    assert told.unknown == ("ADV999",)
    assert told.seconds["ADV999"] is None


def test_the_pace_is_measured_on_real_cases():
    """A batch of the cohort's own images, with gradients where the model gives them."""
    pace = pace_of(network(), network_cohort(np.random.default_rng(0), n=40), 32)
    assert pace.batch == 32
    assert min(pace.forward, pace.read, pace.look, pace.draw) > 0
    assert pace.backward >= 0
    asked = pace_of(planted(), tiny_cohort(np.random.default_rng(0), n=40), 8)
    assert (asked.batch, asked.backward) == (8, 0.0)


def test_costs_add_up():
    """And what is not known stays not known."""
    a = Cost(forwards=1, backwards=2, reads=3, looks=4, numbers=5)
    assert a + a == Cost(forwards=2, backwards=4, reads=6, looks=8, numbers=10)
    assert not (a + Cost(known=False)).known
    assert [probe_shards(Cost(forwards=10, reads=65), code) for code in ("SHIFT002", "ADV001")] == [2, 1]
    assert probe_shards(Cost(reads=65), "SHIFT002") == 1
