"""Probes that stop when their rules are settled, through the judge: errors, and patients that are saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.core import Estimate, Limit, Measurement, Policy, ProbeInfo, ProbeResult, Rule, Status
from audit.judge import judge, stops
from audit.probes._stopping import looks
from audit.stats import Drawn, proportion, share_so_far
from validation.statistics._study import LEVELS, TAIL, Accept, Study, Values
from validation.statistics.scenarios import INFORMATIVE_TRUTH, Bools, Ints, clustered_hits, informative_hits

TODAY = dt.date(2026, 1, 1)
STOPPED = "Betting and a last look, stopped when the rule is settled, judged"
PATIENTS, LIMIT = 300, 0.80
DISTANCES = (0.02, 0.05, 0.10, 0.15)
"""How far from the limit the truth lies."""
_INFO = ProbeInfo(
    code="ADV001", name="simulated", family="ADV", tasks=("binary",), metrics=("robust_accuracy",), title="Simulated",
    question="How many stand?", method="Simulated.", limits="Simulated.", sequential=("robust_accuracy",),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one sequential probe ended.

    Args:
        status: What the judge says of its first rule.
        patients: Patients that were looked at.
    """

    status: Status
    patients: int


def rule(name: str, limit: float, *, sequential: bool = True) -> Rule:
    """Return a rule that a share be at least a limit; its measurement has the condition `class` of its name."""
    return Rule(
        id=name, probe="ADV001", metric="robust_accuracy", limit=Limit(min=limit), where={"class": name},
        sequential=sequential,
    )  # fmt: skip


def measured(name: str, estimate: Estimate, planned: int | None = None) -> Measurement:
    """Return the measurement that a rule is about."""
    m = Measurement.of(estimate, metric="robust_accuracy", level=LEVELS.confidence, condition={"class": name})
    return m if planned is None else replace(m, planned=planned)


def looked_at(policy: Policy, name: str, hits: Bools, patients: Ints) -> Measurement:
    """Look at patients block by block until a rule is settled, or none is left.

    Args:
        policy: The policy.
        name: The rule.
        hits: (n,) True where a case counts, in the order of the patients.
        patients: (n,) patient codes, whole patients one after the other.
    """
    stop, drawn = stops(policy)["ADV001"], Drawn.of(patients)
    for end in looks(patients):
        estimate = share_so_far(hits[:end], patients[:end], LEVELS, drawn)
        m = measured(name, estimate, drawn.patients)
        if stop.settled([m]):
            break
    return m


def ended(policy: Policy, hits: Bools, patients: Ints) -> Ended:
    """Return how the first rule of a policy ends, whose probe may stop early."""
    m = looked_at(policy, policy.rules[0].id, hits, patients)
    return Ended(status=judged(m, policy), patients=m.n_patients)


def judged(m: Measurement, policy: Policy) -> Status:
    """Return what the judge says of the first rule of a policy."""
    result = ProbeResult(info=_INFO, state="completed", measurements=(m,))
    return judge([result], policy, today=TODAY)[0].status


Draw = Callable[[np.random.Generator], tuple[Bools, Ints]]


def clustered(truth: float, *, patients: int = PATIENTS, rho: float = 0.3, cases: tuple[int, int] = (1, 4)) -> Draw:
    """Return what draws a cohort of a true share."""
    return lambda rng: clustered_hits(rng, patients=patients, p=truth, rho=rho, cases=cases)


def _once(draw: Draw, limit: float, truth: float) -> Callable[[np.random.Generator], Values]:
    policy = Policy(rules=(rule("first", limit),))

    def once(rng: np.random.Generator) -> Values:
        found = ended(policy, *draw(rng))
        if truth == limit:
            wrong = {"false_pass": found.status == "PASS", "false_fail": found.status == "FAIL"}
            return {**wrong, "patients": found.patients}
        right = "PASS" if truth > limit else "FAIL"
        return {"decided": found.status == right, "patients": found.patients}

    return once


def _family(sequential: int, fixed: int) -> Callable[[np.random.Generator], Values]:
    """Return whether any rule of several FAILs, all with the truth at their limit, some sequential and some not."""
    names = [f"c{i}" for i in range(sequential + fixed)]
    policy = Policy(rules=tuple(rule(n, LIMIT, sequential=i < sequential) for i, n in enumerate(names)))

    def once(rng: np.random.Generator) -> Values:
        ms = []
        for i, name in enumerate(names):
            # Each class by itself: the stop of one must not wait for that of another.
            hits, code = clustered_hits(rng, patients=150, p=LIMIT, rho=0.3, cases=(1, 3))
            if i < sequential:
                ms.append(looked_at(policy, name, hits, code))
            else:
                ms.append(measured(name, proportion(hits, code, LEVELS)))
        found = judge([ProbeResult(info=_INFO, state="completed", measurements=tuple(ms))], policy, today=TODAY)
        return {"false_fail": any(f.status == "FAIL" for f in found)}

    return once


def _peeked(rng: np.random.Generator) -> Values:
    """Return how a fixed-n interval ends that is looked at after every block."""
    hits, code = clustered(LIMIT)(rng)
    ends: Sequence[int] = looks(code)
    for end in ends:
        low, high = proportion(hits[:end], code[:end], LEVELS).bounds(LEVELS.pointwise) or (0.0, 1.0)
        if low >= LIMIT or high < LIMIT:
            return {"false_pass": low >= LIMIT, "false_fail": high < LIMIT}
    return {"false_pass": False, "false_fail": False}


def _informative(rng: np.random.Generator) -> tuple[Bools, Ints]:
    return informative_hits(rng, patients=PATIENTS, rho=0.3)


def studies() -> list[Study]:
    """Return the simulations of probes that stop early."""
    made = []
    wrong = {"false_pass": Accept(high=TAIL), "false_fail": Accept(high=TAIL)}
    plain: tuple[tuple[str, Draw, float, str], ...] = (
        *((f"{limit:g}", clustered(limit), limit, f"up to {PATIENTS} patients of 1 to 4 cases, correlation 0.3")
          for limit in (0.60, 0.80, 0.95)),
        ("small", clustered(LIMIT, patients=120), LIMIT, "up to 120 patients of 1 to 4 cases, correlation 0.3"),
        ("informative", _informative, INFORMATIVE_TRUTH,
         f"up to {PATIENTS} patients of 1 to 6 cases, the more cases the lower the share"),
    )  # fmt: skip
    for key, draw, limit, words in plain:
        made.append(Study(
            id=f"sequential/stopped/limit/{key}", job="sequential", method=STOPPED,
            scenario=f"truth exactly at the limit {limit:.3g}, {words}", draw=_once(draw, limit, limit), repeats=4000,
            quick=200 if key == "small" else 0, accept=wrong,
        ))  # fmt: skip
    for distance in DISTANCES:
        for sign in (1, -1):
            truth = round(LIMIT + sign * distance, 4)
            accept = {"decided": Accept(low=0.99 if distance > 0.1 else 0.95)} if distance >= 0.1 else {}
            made.append(Study(
                id=f"sequential/stopped/truth/{truth:g}", job="sequential", method=STOPPED,
                scenario=f"truth {truth:g}, limit {LIMIT:g}, up to {PATIENTS} patients of 1 to 4 cases",
                draw=_once(clustered(truth), LIMIT, truth), repeats=2000, quick=40 if distance == 0.15 else 0,
                accept=accept,
            ))  # fmt: skip
    made.append(Study(
        id="sequential/stopped/family", job="sequential", method=STOPPED,
        scenario="any of 4 sequential and 4 other rules, each with the truth exactly at its limit 0.8, 150 patients",
        draw=_family(4, 4), repeats=4000, quick=0, accept={"false_fail": Accept(high=TAIL)},
    ))  # fmt: skip
    made.append(Study(
        id="sequential/stopped/peeking", job="sequential", method="Control: Korn-Graubard after every block",
        scenario=f"truth exactly at the limit {LIMIT:g}, up to {PATIENTS} patients of 1 to 4 cases", draw=_peeked,
        repeats=2000, accept={"false_pass": Accept(low=0.05)}, control=True,
    ))  # fmt: skip
    return made
