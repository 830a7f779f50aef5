"""Proportions of clustered cases: Korn-Graubard for verdicts, Wilson at the effective n inside gaps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from audit.stats import proportion
from audit.stats._common import Patients, alphas
from audit.stats._proportion import share_of, wilson_bounds
from validation.statistics._study import ALPHA, LEVELS, TAIL, TAILS, Accept, Study, Values, held, held_by
from validation.statistics.scenarios import INFORMATIVE_TRUTH, Bools, Ints, clustered_hits, informative_hits

Draw = Callable[[np.random.Generator], tuple[Bools, Ints]]
Method = Callable[[Bools, Ints, float], Values]
CELLS: dict[str, tuple[int, float, float, tuple[int, int]]] = {
    "A": (200, 0.85, 0.3, (1, 6)), "B": (50, 0.90, 0.3, (1, 6)), "C": (20, 0.95, 0.3, (1, 6)),
    "D": (20, 0.80, 0.0, (1, 1)), "E": (10, 0.90, 0.5, (1, 4)), "F": (100, 0.98, 0.2, (1, 4)),
    "G": (60, INFORMATIVE_TRUTH, 0.3, (1, 6)), "H": (40, 0.99, 0.0, (1, 1)),
    "few": (20, 0.80, 0.3, (1, 6)), "alike": (30, 0.85, 0.5, (1, 6)), "alike and rare": (100, 0.95, 0.5, (1, 6)),
}  # fmt: skip
DENSE = ("A", "B", "D", "G")
LIMITS = {"70": (60, 0.70), "90": (60, 0.90), "95": (100, 0.95)}
RARE_WHOLE, ISOLATED = 0.035, 0.005


def _of(name: str) -> Draw:
    patients, p, rho, cases = CELLS[name]
    if name == "G":
        return partial(informative_hits, patients=patients, rho=rho)
    return partial(clustered_hits, patients=patients, p=p, rho=rho, cases=cases)


def _words(name: str) -> str:
    patients, p, rho, (least, most) = CELLS[name]
    many = "1 case each" if most == 1 else f"{least} to {most} cases each"
    if name == "G":
        return f"{name}: {patients} patients, truth {p:.3f}, more cases where worse, {many}"
    return f"{name}: {patients} patients, truth {p:g}, correlation {rho:g}, {many}"


def _korn_graubard(hits: Bools, code: Ints, truth: float) -> Values:
    return held_by(proportion(hits, code, LEVELS), truth)


def _wilson(hits: Bools, code: Ints, truth: float) -> Values:
    low, high = wilson_bounds(share_of(hits, Patients.of(code)), alphas(LEVELS))
    at = LEVELS.rungs.index(ALPHA)
    return held((float(low[at]), float(high[at])), truth)


def _rows(hits: Bools, code: Ints, truth: float) -> Values:
    """Wilson's interval over rows as if they were independent, by statsmodels."""
    from statsmodels.stats.proportion import proportion_confint

    del code
    low, high = proportion_confint(int(hits.sum()), hits.size, 2 * ALPHA, method="wilson")
    return held((float(low), float(high)), truth)


def _wholly_missed(rng: np.random.Generator) -> tuple[Bools, Ints]:
    """Return 20 patients of 10 cases, of whom a few are missed as a whole beside isolated misses."""
    code = np.repeat(np.arange(20), 10)
    return (rng.random(200) > ISOLATED) & ~(rng.random(20) < RARE_WHOLE)[code], code


def _simulated(draw: Draw, method: Method, truth: float) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        return method(*draw(rng), truth)

    return once


def studies() -> list[Study]:
    """Return the simulations of proportions."""
    made = []
    for name in CELLS:
        drawn = partial(_simulated, _of(name), truth=CELLS[name][1])
        made.append(Study(
            id=f"proportion/korn-graubard/{name}", job="proportion", method="Korn-Graubard (verdicts)",
            scenario=_words(name), draw=drawn(_korn_graubard), repeats=20_000, quick=1000, accept=TAILS,
        ))  # fmt: skip
    for name in CELLS:
        drawn = partial(_simulated, _of(name), truth=CELLS[name][1])
        band = Accept(low=0.93, high=0.97) if name in DENSE else Accept(low=0.93)
        made.append(Study(
            id=f"proportion/wilson/{name}", job="proportion", method="Wilson at the effective n (in gaps)",
            scenario=_words(name), draw=drawn(_wilson), repeats=20_000, quick=1000, accept={"coverage": band},
        ))  # fmt: skip
    truth = (1 - RARE_WHOLE) * (1 - ISOLATED)
    made.append(Study(
        id="proportion/korn-graubard/whole", job="proportion", method="Korn-Graubard (verdicts)",
        scenario=f"20 patients of 10 cases, {RARE_WHOLE:.1%} missed as a whole, {ISOLATED:.1%} of cases beside them",
        draw=_simulated(_wholly_missed, _korn_graubard, truth), repeats=20_000, quick=1000, accept=TAILS,
    ))  # fmt: skip
    for name, (patients, limit) in LIMITS.items():
        draw = partial(clustered_hits, patients=patients, p=limit, rho=0.3, cases=(1, 4))
        made.append(Study(
            id=f"proportion/limit/{name}", job="proportion", method="Verdict by Korn-Graubard",
            scenario=f"truth exactly at the limit {limit:g}, {patients} patients, correlation 0.3, 1 to 4 cases each",
            draw=_at_limit(draw, limit), repeats=20_000, quick=1000,
            accept={"false_pass": Accept(high=TAIL), "false_fail": Accept(high=TAIL)},
        ))  # fmt: skip
    made.append(Study(
        id="proportion/rows/A", job="proportion", method="Control: Wilson over rows", scenario=_words("A"),
        draw=_simulated(_of("A"), _rows, CELLS["A"][1]), repeats=5000, quick=500,
        accept={"coverage": Accept(high=0.90)}, control=True,
    ))  # fmt: skip
    return made


def _at_limit(draw: Draw, limit: float) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        bounds = proportion(*draw(rng), LEVELS).bounds(ALPHA)
        if bounds is None:
            return {"false_pass": None, "false_fail": None}
        return {"false_pass": bounds[0] >= limit, "false_fail": bounds[1] < limit}

    return once
