"""Gaps of AUC and of means between subgroups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.stats import auc_gap, mean_gap, simultaneous
from validation.statistics._gaps import CASES, HELD, in_gaps
from validation.statistics._study import ALPHA, COVERAGE, LEVELS, TAIL, Accept, Study, Values, held_by
from validation.statistics.scenarios import clustered_scores, mixed_scores

FEW = "skewed errors of so few patients, even with the correction of decision 0012"


def _areas_together(rng: np.random.Generator) -> Values:
    sizes = (150, 80, 40, 25)
    group = np.repeat(np.arange(4), sizes)
    scores, labels, code = clustered_scores(rng, patients=group.size, prevalence=0.4, auc=0.85, cases=(1, 3))
    gaps = [auc_gap(scores, labels, group[code] == g, code, LEVELS) for g in range(4)]
    made = [g for g in gaps if g.value is not None]
    bounds = [simultaneous(g, len(made), LEVELS) for g in made]
    return {"coverage": all(b is not None and b[0] <= 0 <= b[1] for b in bounds), "estimable": len(made) == 4}


def _area_found(rng: np.random.Generator) -> Values:
    auc = np.repeat([0.70, 0.85], [40, 255])
    scores, labels, code = clustered_scores(rng, patients=295, prevalence=0.4, auc=auc, cases=(1, 3))
    bounds = auc_gap(scores, labels, code < 40, code, LEVELS).bounds(ALPHA)
    return {"found": None if bounds is None else bounds[1] < 0}


def _area(patients: int, *, mixed: bool) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        if mixed:
            scores, labels, code = mixed_scores(rng, patients=patients, auc=0.85, cases=CASES)
            members = rng.random(code.size) < 0.4
        else:
            scores, labels, code = clustered_scores(rng, patients=patients, prevalence=0.4, auc=0.85, cases=CASES)
            members = code < patients // 3
        return held_by(auc_gap(scores, labels, members, code, LEVELS), 0.0)

    return once


def _mean(few: int, rest: int) -> Callable[[np.random.Generator], Values]:
    """Return a gap of absolute errors, each that of a normal error with a part of the patient: 2 units against 1."""
    truth = float(np.sqrt(2 / np.pi))

    def once(rng: np.random.Generator) -> Values:
        code = np.repeat(np.arange(few + rest), rng.integers(1, 4, few + rest))
        members = code < few
        error = np.sqrt(0.5) * rng.normal(size=few + rest)[code] + np.sqrt(0.5) * rng.normal(size=code.size)
        return held_by(mean_gap(np.abs(np.where(members, 2 * error, error)), members, code, LEVELS), truth)

    return once


def studies() -> list[Study]:
    """Return the simulations of gaps of AUC and means."""
    area, mean = "MOVER of Obuchowski's logit bounds", "MOVER of cluster t bounds"
    made = [
        in_gaps(
            "auc/together", area + ", Bonferroni", "4 groups of 150, 80, 40 and 25 patients, AUC 0.85",
            _areas_together, accept={"coverage": Accept(low=COVERAGE)},
        ),
        in_gaps("auc/fault", area, "40 patients with an AUC of 0.70 against 255 with 0.85", _area_found),
    ]  # fmt: skip
    for patients, mixed in ((120, False), (120, True), (400, True)):
        words = "cases of the same patients" if mixed else "a third of the patients against the rest"
        made.append(in_gaps(
            f"auc/{patients}{'/within' if mixed else ''}", area, f"{patients} patients, AUC 0.85, {words}",
            _area(patients, mixed=mixed), accept=HELD,
        ))  # fmt: skip
    made += [
        in_gaps(
            f"mean/{few}", mean, f"absolute errors, twice as large in {few} as in {rest} patients, 1 to 3 cases each",
            _mean(few, rest),
            accept={**HELD, "high_miss": Accept(high=TAIL, deviation=FEW if few < 30 else "")}, repeats=20_000,
        )
        for few, rest in ((20, 100), (60, 200))
    ]  # fmt: skip
    return made
