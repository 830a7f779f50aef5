"""XAI001 stops when its rules are settled: a sound map soon, a senseless one never with a PASS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import Finding, Levels, Limit, Measurement, Policy, ProbeContext, ProbeResult, Rule
from audit.explain import advantage
from audit.judge import judge, stops
from audit.probes.explanation import UnfaithfulAttribution
from audit.probes.explanation._maps import batches
from tests.judge._make import TODAY
from tests.probes.explanation.spots import of, replaced, spots

HEADLINE = "integrated_gradients"
LINEAR = {"attribution": HEADLINE, "parameter": "linear"}
PATIENTS = 96


def policy(least: float = 0.0, metric: str = "deletion_advantage") -> Policy:
    rule = Rule(id="faithful", probe="XAI001", metric=metric, where=LINEAR, limit=Limit(min=least), sequential=True)
    return Policy(rules=(rule,))


def asked(given: Policy, n: int = PATIENTS) -> ProbeContext:
    return replace(spots(n, capped=True, methods=(HEADLINE,)), stop=stops(given)["XAI001"])


def run(ctx: ProbeContext) -> list[Measurement]:
    return list(UnfaithfulAttribution().run(ctx))


def judged(found: list[Measurement], given: Policy) -> Finding:
    result = ProbeResult(info=UnfaithfulAttribution.info, state="completed", measurements=tuple(found))
    return judge([result], given, today=TODAY)[0]


@pytest.fixture(scope="module")
def sound() -> list[Measurement]:
    """A map of the spot that the model uses, against a limit of 0."""
    return run(asked(policy()))


def test_a_sound_map_is_settled_by_a_part_of_the_patients(sound: list[Measurement]) -> None:
    """It PASSes on whole blocks of 16 patients, with bounds that hold whenever it stops, and says what it saved."""
    finding = judged(sound, policy())
    (m,) = of(sound, "deletion_advantage", **LINEAR)
    assert finding.status == "PASS"
    assert (m.n_patients % 16, m.planned) == (0, PATIENTS)
    assert finding.patients_saved == PATIENTS - m.n_patients > 0
    assert "betting" in m.method
    assert "least over 5 controls" in m.method


def test_what_has_no_such_bound_covers_its_range(sound: list[Measurement]) -> None:
    """The mean fall of the score has the whole range as its bounds; the self-test is that of the first block."""
    assert {(m.low, m.high) for m in of(sound, "largest_fall") if m.value is not None} == {(0.0, 1.0)}
    tested = of(sound, "selftest_deletion", parameter="linear")[0]
    assert tested.planned is None
    assert tested.low is not None
    assert tested.low > 0
    by_class = of(sound, "deletion_advantage_by_class")
    assert all(m.value is None or "betting" in m.method for m in by_class)


@pytest.mark.parametrize("fault", ["chance", "flipped"])
def test_a_senseless_map_never_passes(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance and the map upside down: no PASS at any stop."""
    changes: dict[str, Any] = {
        "chance": lambda name, x, v: np.random.default_rng(len(v)).random(v.shape),
        "flipped": lambda name, x, v: -v,
    }
    monkeypatch.setattr("audit.probes.explanation._maps.attribute", replaced(changes[fault]))
    assert judged(run(asked(policy(), 64)), policy()).status != "PASS"


def test_near_the_limit_all_are_explained() -> None:
    """A limit at the value itself is not settled; every case is explained, and nothing is saved."""
    every = of(run(replace(asked(policy(), 48), stop=None)), "deletion_advantage", **LINEAR)[0]
    assert every.value is not None
    given = policy(every.value)
    finding = judged(run(asked(given, 48)), given)
    assert (finding.status, finding.patients_spent, finding.patients_saved) == ("INCONCLUSIVE", 48, 0)


def test_no_batch_reaches_across_a_look() -> None:
    """Ten cases in batches of four with looks after five and nine."""
    parts = [p.tolist() for p in batches(np.arange(10), 4, (5, 9, 10))]
    assert parts == [[0, 1, 2, 3], [4], [5, 6, 7, 8], [9]]
    assert [p.tolist() for p in batches(np.arange(5), 4)] == [[0, 1, 2, 3], [4]]


def test_the_closest_control_is_bounded_by_what_bounds_a_difference() -> None:
    """With bounds of its own for a difference the least over the controls is taken of those, as of any."""
    rng, patients = np.random.default_rng(0), np.arange(30)
    own, one, two = rng.random((3, 30))
    seen: list[tuple[float, ...]] = []

    def differ(a: Any, b: Any, who: Any, levels: Levels) -> Any:
        from audit.stats import mean_so_far
        from audit.stats._sequential import Drawn

        seen.append(levels.rungs)
        return mean_so_far(a - b, who, levels, Drawn(patients=60, most_cases=1), support=(-1.0, 1.0))

    found, nearest = advantage(own, {"one": one, "two": two}, patients, Levels(), lower_is_better=True, paired=differ)
    means = {"one": (one - own).mean(), "two": (two - own).mean()}
    assert nearest == min(means, key=lambda k: means[k])
    lows = [differ(c, own, patients, Levels()).bounds(0.025)[0] for c in (one, two)]
    assert found.bounds(0.025)[0] == pytest.approx(min(lows), abs=1e-12)
    assert any(rungs[0] == Levels().rungs[0] / 2 for rungs in seen)
