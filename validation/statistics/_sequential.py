"""Verdicts that may be looked at after every patient: betting, and naive peeking as a control."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.stats import SequentialTest, betting_interval
from validation.statistics._means import OVERLAPS
from validation.statistics._study import ALPHA, LEVELS, TAIL, TAILS, Accept, Study, Values, held_by
from validation.statistics.scenarios import clustered_hits

HORIZON, LIMIT = 1000, 0.80
BETTING = "Betting, stopped at the first decision"


def _bet(limit: float, truth: float, rho: float, cases: tuple[int, int]) -> Callable[[np.random.Generator], Values]:
    """Return how a sequential audit ends; at truth = limit either decision is wrong."""

    def once(rng: np.random.Generator) -> Values:
        hits, code = clustered_hits(rng, patients=HORIZON, p=truth, rho=rho, cases=cases)
        right, sizes = np.bincount(code, weights=hits), np.bincount(code)
        test = SequentialTest(limit, ALPHA, HORIZON, most_cases=cases[1])
        for k, m in zip(right.tolist(), sizes.tolist(), strict=True):
            if test.update(k, m) != "undecided":
                break
        above, below = test.state == "above", test.state == "below"
        if truth == limit:
            return {"false_pass": above, "false_fail": below, "patients": test.patients}
        return {"decided": above if truth > limit else below, "patients": test.patients}

    return once


def _peeked(rng: np.random.Generator) -> Values:
    """Return how a t test ends that is looked at after every patient from the twentieth on."""
    from scipy.special import stdtrit

    hits = rng.random(HORIZON) < LIMIT
    n = np.arange(1, HORIZON + 1)
    mean = np.cumsum(hits) / n
    error = np.sqrt(np.maximum(mean * (1 - mean), 1e-12) / np.maximum(n - 1, 1))
    half = -stdtrit(np.maximum(n - 1, 1).astype(np.float64), ALPHA) * error
    above, below = (mean - half > LIMIT)[19:], (mean + half < LIMIT)[19:]
    first_above = int(np.argmax(above)) if above.any() else HORIZON
    first_below = int(np.argmax(below)) if below.any() else HORIZON
    return {"false_pass": first_above < first_below, "false_fail": first_below < first_above}


def _interval(name: str, patients: int) -> Callable[[np.random.Generator], Values]:
    overlap, code = OVERLAPS[name], np.arange(patients)

    def once(rng: np.random.Generator) -> Values:
        return held_by(betting_interval(overlap.drawn(rng, patients), code, LEVELS, rng), overlap.truth)

    return once


def studies() -> list[Study]:
    """Return the simulations of sequential verdicts."""
    wrong = {"false_pass": Accept(high=TAIL), "false_fail": Accept(high=TAIL)}
    made = []
    for limit, rho, cases in ((0.70, 0.0, (1, 1)), (0.80, 0.0, (1, 1)), (0.80, 0.3, (1, 4)), (0.90, 0.3, (1, 4)),
                              (0.95, 0.3, (1, 4))):  # fmt: skip
        many = "1 case each" if cases[1] == 1 else f"1 to {cases[1]} cases each, correlation {rho:g}"
        made.append(Study(
            id=f"sequential/limit/{limit:g}/{cases[1]}", job="sequential", method=BETTING,
            scenario=f"truth exactly at the limit {limit:g}, up to {HORIZON:,} patients, {many}",
            draw=_bet(limit, limit, rho, cases), repeats=4000, quick=60 if limit == 0.8 else 0, accept=wrong,
        ))  # fmt: skip
    for truth in (0.70, 0.75, 0.85, 0.90):
        clear = abs(truth - LIMIT) > 0.06
        made.append(Study(
            id=f"sequential/truth/{truth:g}", job="sequential", method=BETTING,
            scenario=f"truth {truth:g}, limit {LIMIT:g}, up to {HORIZON:,} patients, 1 case each",
            draw=_bet(LIMIT, truth, 0.0, (1, 1)), repeats=2000, quick=60 if clear else 0,
            accept={"decided": Accept(low=0.99 if clear else 0.80)},
        ))  # fmt: skip
    for name, patients in (("misses", 20), ("misses", 100), ("near one", 50)):
        made.append(Study(
            id=f"sequential/interval/{name}/{patients}", job="sequential", method="Betting interval",
            scenario=f"{patients} patients, Dice as {OVERLAPS[name].words}", draw=_interval(name, patients),
            repeats=2000, quick=40 if patients == 20 else 0, accept=TAILS,
        ))  # fmt: skip
    made.append(Study(
        id="sequential/peeking", job="sequential", method="Control: a t test after every patient",
        scenario=f"truth exactly at the limit {LIMIT:g}, up to {HORIZON:,} patients, 1 case each", draw=_peeked,
        repeats=4000, quick=300, accept={"false_pass": Accept(low=0.20)}, control=True,
    ))  # fmt: skip
    return made
