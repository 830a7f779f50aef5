"""Holm's procedure over all hypotheses of a policy, as the judge applies it to stored curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.core import Limit, Measurement, Rule
from audit.judge._holm import holm, hypotheses
from audit.stats import mean_gap
from validation.statistics._study import ALPHA, LEVELS, TAIL, Accept, Study, Values
from validation.statistics.scenarios import Floats

METRICS, GROUPS, SIZE, REFERENCE, SHARED, FAULT = 12, 8, 60, 240, 0.5, 0.6
COUNT = METRICS * GROUPS
WORDS = f"{METRICS} metrics x {GROUPS} groups of {SIZE} patients against {REFERENCE}, correlation of metrics {SHARED:g}"
RULE = Rule(id="at-limit", probe="FAIR001", metric="mae_gap", limit=Limit(min=0.0))


def _measured(rng: np.random.Generator, effect: Floats) -> list[Measurement]:
    """Return one measurement a metric and group; `effect` (groups, metrics) is the group's distance to the rest."""
    group = np.repeat(np.arange(GROUPS + 1), [SIZE] * GROUPS + [REFERENCE])
    shared = rng.normal(0, np.sqrt(SHARED), (group.size, 1))
    values = shared + rng.normal(0, np.sqrt(1 - SHARED), (group.size, METRICS))
    values += np.vstack([effect, np.zeros((1, METRICS))])[group]
    found = []
    for metric in range(METRICS):
        for g in range(GROUPS):
            rows = (group == g) | (group == GROUPS)
            gap = mean_gap(values[rows, metric], group[rows] == g, np.flatnonzero(rows), LEVELS)
            found.append(Measurement.of(gap, metric=RULE.metric, level=LEVELS.confidence))
    return found


def _judged(*, mixed: bool, unadjusted: bool) -> Callable[[np.random.Generator], Values]:
    """Return whether any true hypothesis is rejected, and the share of false ones that are."""
    effect = np.zeros((GROUPS, METRICS))
    if mixed:
        effect[:3, ::2] = -FAULT
    wrong = (effect < 0).T.ravel()

    def once(rng: np.random.Generator) -> Values:
        found = _measured(rng, effect)
        if unadjusted:
            bounds = [m.estimate().bounds(ALPHA) for m in found]
            rejected = np.array([b is not None and b[1] < 0 for b in bounds])
        else:
            family = hypotheses(RULE, dict(enumerate(found)))
            levels = holm(family, ALPHA)
            rejected = np.array([h.key in levels for h in family])
        return {
            "false_fail": bool(rejected[~wrong].any()),
            "found": float(rejected[wrong].mean()) if mixed else None,
        }

    return once


def studies() -> list[Study]:
    """Return the simulations of Holm's procedure."""
    strict = {"false_fail": Accept(high=TAIL)}
    faults = f"; 3 groups worse by {FAULT:g} SD in half of the metrics, all others exactly at the limit"
    made = [
        Study(
            id=f"holm/{'mixed' if mixed else 'null'}", job="holm", method=f"Holm over {COUNT} hypotheses",
            scenario=WORDS + (faults if mixed else "; all exactly at the limit"),
            draw=_judged(mixed=mixed, unadjusted=False), repeats=3000, quick=30, accept=strict,
        )
        for mixed in (False, True)
    ]  # fmt: skip
    made.append(Study(
        id="holm/unadjusted", job="holm", method="Control: no adjustment",
        scenario=WORDS + "; all exactly at the limit", draw=_judged(mixed=False, unadjusted=True), repeats=1000,
        quick=20, accept={"false_fail": Accept(low=0.30)}, control=True,
    ))  # fmt: skip
    return made
