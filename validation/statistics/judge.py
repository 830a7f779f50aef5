"""The whole judge: random cohorts to saved predictions, the real probes, every rule, the verdict.

The truth of every quantity that a rule asks about follows from the world that the cohorts are drawn from. So a policy
can put a limit exactly at the truth, where a PASS and a FAIL are both wrong, or plainly on either side of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audit.core import (
    BUDGETS,
    Finding,
    Limit,
    Measurement,
    Policy,
    Prevalence,
    Probe,
    ProbeContext,
    ProbeResult,
    Rule,
    Verdict,
)
from audit.judge import decide, judge
from audit.probes.calibration import PROBES as CALIBRATION
from audit.probes.fairness import PROBES as FAIRNESS
from audit.probes.performance import PROBES as PERFORMANCE
from audit.probes.setup import PROBES as SETUP
from audit.testing import attribute, saved_context, small_cohort
from validation.statistics._study import TAIL, Accept, Study, Values
from validation.statistics.scenarios import Floats

TODAY = dt.date(2026, 1, 1)
BUDGET = replace(BUDGETS["smoke"], resamples=100)
DISTANCE = 2.4
CODES = ("PERF001", "FAIR001", "CAL001", "SETUP001")
ROOM: Mapping[str, float] = {"auc": 0.12, "sensitivity": 0.25, "gap": 0.45, "slope": 1.2, "intercept": 1.6}
"""How far a limit lies from the truth where a rule is plainly kept, or plainly broken."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What cohorts are drawn from: a binormal score with subgroups in whom disease shows less, or health looks ill.

    Args:
        words: In words.
        patients: Patients a cohort.
        cases: Least and largest number of cases a patient.
        rho: Correlation of the scores of two cases of one patient.
        missed: By attribute and level, how much lower positives score, in standard deviations.
        alarmed: By attribute and level, how much higher negatives score.
        shares: By attribute and level, share of the patients.
        room: Multiplies `ROOM`: a smaller cohort needs a plainer case.
    """

    words: str
    patients: int
    cases: tuple[int, int]
    rho: float
    missed: Mapping[str, Sequence[float]]
    alarmed: Mapping[str, Sequence[float]]
    shares: Mapping[str, Sequence[float]]
    room: float = 1.0

    def cohort(self, rng: np.random.Generator) -> ProbeContext:
        """Draw a cohort with its predictions; half of the patients are positive on average."""
        code = np.repeat(np.arange(self.patients), rng.integers(self.cases[0], self.cases[1] + 1, self.patients))
        label = rng.random(self.patients) < 0.5
        given, low, high = [], np.zeros(self.patients), np.zeros(self.patients)
        for name, shares in self.shares.items():
            level = rng.choice(len(shares), size=self.patients, p=shares)
            low, high = low + np.take(self.missed[name], level), high + np.take(self.alarmed[name], level)
            given.append(attribute(name, np.char.add(f"{name} ", level.astype(str))[code], "protected"))
        centre = np.where(label, DISTANCE - low, high) + rng.normal(0, np.sqrt(self.rho), self.patients)
        x = centre[code] + rng.normal(0, np.sqrt(1 - self.rho), code.size)
        cohort = small_cohort(label[code].astype(np.int64), attributes=given, patients=code)
        return saved_context(
            scored(x), cohort, seed=int(rng.integers(2**31)), budget=BUDGET, prevalence=Prevalence(value=0.5)
        )

    @cached_property
    def truth(self) -> Mapping[str, float]:
        """The true value of what every rule asks about; for gaps that of the level that does worst."""
        share, low, high = self._cells()
        found, spared = _phi(DISTANCE / 2 - low), _phi(DISTANCE / 2 - high)
        area = _phi((DISTANCE - low[:, None] - high[None, :]) / np.sqrt(2))
        slope, intercept = self._calibration(share, low, high)
        truth = {
            "auc": float(share @ area @ share), "sensitivity": float(share @ found),
            "specificity": float(share @ spared), "slope": slope, "intercept": intercept,
        }  # fmt: skip
        for at, name in enumerate(self.shares):
            for metric, rate in (("sensitivity_gap", found), ("specificity_gap", spared)):
                truth[f"{metric} {name}"] = min(self._gaps(share, rate, at))
        return truth

    def _cells(self) -> tuple[Floats, Floats, Floats]:
        """Return (cells,) shares and shifts of positives and negatives, over all combinations of levels."""
        share, low, high = np.ones(1), np.zeros(1), np.zeros(1)
        for name, shares in self.shares.items():
            share = np.outer(share, shares).ravel()
            low = np.add.outer(low, self.missed[name]).ravel()
            high = np.add.outer(high, self.alarmed[name]).ravel()
        return share, low, high

    def _gaps(self, share: Floats, rate: Floats, at: int) -> list[float]:
        shape = [len(levels) for levels in self.shares.values()]
        level = np.indices(shape)[at].ravel()
        inside = [level == k for k in range(shape[at])]
        return [
            float(np.average(rate[rows], weights=share[rows]) - np.average(rate[~rows], weights=share[~rows]))
            for rows in inside
        ]

    @staticmethod
    def _calibration(share: Floats, low: Floats, high: Floats) -> tuple[float, float]:
        """Return the slope, and the intercept at slope 1, that infinitely many cases would give."""
        from scipy.optimize import brentq
        from scipy.special import expit

        x = np.linspace(-9, DISTANCE + 9, 8001)
        ill = np.exp(-((x[:, None] - DISTANCE + low) ** 2) / 2) @ share
        well = np.exp(-((x[:, None] - high) ** 2) / 2) @ share
        density, chance = (ill + well) / (ill + well).sum(), ill / (ill + well)
        logit = DISTANCE * x - DISTANCE**2 / 2
        intercept = brentq(lambda a: float(density @ (chance - expit(a + logit))), -20, 20)
        design, beta = np.column_stack([np.ones_like(x), logit]), np.array([0.0, 1.0])
        for _ in range(100):
            fitted = expit(design @ beta)
            information = design.T @ (design * (density * fitted * (1 - fitted))[:, None])
            beta = beta + np.linalg.solve(information, design.T @ (density * (chance - fitted)))
        return float(beta[1]), float(intercept)

    def policy(self, *, at: Sequence[str] = (), broken: Sequence[str] = ()) -> Policy:
        """Return a policy whose limits are exactly the truth for some rules, and plainly kept by all others.

        Args:
            at: Rules with the limit at the truth.
            broken: Rules whose limit the truth plainly breaks.
        """
        rules = []
        for name, value in self.truth.items():
            metric, _, group = name.partition(" ")
            kind = "gap" if group else metric.replace("specificity", "sensitivity")
            room = ROOM[kind] * self.room
            offset = 0.0 if name in at else room if name in broken else -room
            limit = Limit(min=value + offset)
            if metric == "slope":
                limit = Limit(min=value + offset, max=value + 4 * room)
            elif metric == "intercept":
                limit = Limit(min=value - 4 * room, max=value - offset)
            code = "FAIR001" if group else "CAL001" if metric in ("slope", "intercept") else "PERF001"
            where = {"attribute": group} if group else {}
            rules.append(Rule(id=name, probe=code, metric=metric, limit=limit, where=where))
        return Policy(name="simulated", rules=tuple(rules))


def scored(x: Floats) -> Floats:
    """Return the probability that a case with such a value is positive, where no subgroup differs."""
    out: Floats = 1 / (1 + np.exp(-(DISTANCE * x - DISTANCE**2 / 2)))
    return out


def _phi(x: NDArray[np.float64]) -> Floats:
    from scipy.special import ndtr

    out: Floats = ndtr(x)
    return out


def probes() -> tuple[type[Probe], ...]:
    """Return the probes that are run."""
    known = {p.info.code: p for p in (*PERFORMANCE, *FAIRNESS, *CALIBRATION, *SETUP)}
    return tuple(known[code] for code in CODES)


def measured(ctx: ProbeContext) -> tuple[ProbeResult, ...]:
    """Return what the real probes measure in one cohort."""
    found = []
    for probe in probes():
        given: tuple[Measurement, ...] = tuple(probe().run(ctx))
        found.append(ProbeResult(info=probe.info, state="completed", measurements=given))
    return tuple(found)


def verdict(results: Sequence[ProbeResult], policy: Policy) -> tuple[tuple[Finding, ...], Verdict]:
    """Return findings and verdict of one policy."""
    findings = judge(results, policy, today=TODAY)
    return findings, decide(findings, results, policy)


def audited(world: World) -> Callable[[np.random.Generator], Values]:
    """Return one repeat: a cohort, measured once and judged under every policy."""
    names = tuple(world.truth)
    half = names[::2]
    limits, mixed, kept = world.policy(at=names), world.policy(at=names[1::2], broken=half), world.policy()
    single = {name: world.policy(at=[name]) for name in names}
    broken = {name: world.policy(broken=[name]) for name in names}

    def once(rng: np.random.Generator) -> Values:
        results = measured(world.cohort(rng))
        at_limit, _ = verdict(results, limits)
        beside, _ = verdict(results, mixed)
        found: dict[str, float | bool | None] = {
            "false FAIL of any rule, all at their limits": any(f.status == "FAIL" for f in at_limit),
            "false FAIL of any rule at its limit, the others broken": any(
                f.status == "FAIL" for f in beside if f.rule not in half
            ),
        }
        for name, policy in single.items():
            found[f"false PASS, {name} at its limit"] = verdict(results, policy)[1].outcome == "PASS"
        outcome = verdict(results, kept)[1].outcome
        found["sound model: PASS"], found["sound model: FAIL"] = outcome == "PASS", outcome == "FAIL"
        outcomes = [verdict(results, policy)[1].outcome for policy in broken.values()]
        found["one rule plainly broken: FAIL"] = float(np.mean([o == "FAIL" for o in outcomes]))
        found["one rule plainly broken: PASS"] = float(np.mean([o == "PASS" for o in outcomes]))
        return found

    return once


SEX, AGE = "sex", "age"
SHARES = {SEX: (0.5, 0.5), AGE: (0.4, 0.2, 0.2, 0.2)}
EVEN = {SEX: (0.0, 0.0), AGE: (0.0,) * 4}
WORLDS = {
    "equal": World(
        words="400 patients of 1 to 3 cases, 2 sexes, 4 ages, all alike", patients=400, cases=(1, 3), rho=0.5,
        missed=EVEN, alarmed=EVEN, shares=SHARES,
    ),
    "unequal": World(
        words="400 patients of 1 to 3 cases, 2 sexes, 4 ages; one sex and three ages are served worse", patients=400,
        cases=(1, 3), rho=0.5, missed={SEX: (0.4, 0.0), AGE: (0.0, 0.3, 0.3, 0.3)},
        alarmed={SEX: (0.0, 0.2), AGE: (0.0, 0.2, 0.2, 0.2)}, shares=SHARES,
    ),
    "small": World(
        words="120 patients of 1 to 5 cases that are much alike, 2 sexes, 4 ages, all alike", patients=120,
        cases=(1, 5), rho=0.7, missed=EVEN, alarmed=EVEN, shares=SHARES, room=1.6,
    ),
}  # fmt: skip


def studies() -> list[Study]:
    """Return the simulations of the whole judge."""
    made = []
    for key, world in WORLDS.items():
        wrong = {f"false PASS, {name} at its limit": Accept(high=TAIL) for name in world.truth}
        made.append(Study(
            id=f"judge/{key}", job="judge", method="PERF001, FAIR001, CAL001, judge and decide",
            scenario=world.words, draw=audited(world), repeats=4000, quick=40,
            accept={
                "false FAIL of any rule, all at their limits": Accept(high=TAIL),
                "false FAIL of any rule at its limit, the others broken": Accept(high=TAIL),
                **wrong,
                "sound model: PASS": Accept(low=0.90),
                "sound model: FAIL": Accept(high=0.005),
                "one rule plainly broken: FAIL": Accept(low=0.90),
                "one rule plainly broken: PASS": Accept(high=0.005),
            },
        ))  # fmt: skip
    return made
