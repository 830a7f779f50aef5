"""Gaps of proportions: MOVER, the permutation test, verdicts at a margin, and what a cohort can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.core import Estimate
from audit.stats import (
    equal_groups_p,
    patients_for_gap,
    proportion_gap,
    simultaneous,
    smallest_detectable_gap,
)
from validation.statistics._study import (
    ALPHA,
    COVERED,
    LEVELS,
    TAIL,
    TAILS,
    Accept,
    Study,
    Values,
    held_by,
)
from validation.statistics.scenarios import (
    Bools,
    Ints,
    clustered_hits,
    grouped_hits,
)

IMBALANCED = (300, 200, 100, 60, 40, 30, 20, 15)
MARGIN = 0.10
MOVER = "MOVER of Wilson at the effective n"
TOGETHER = MOVER + ", Bonferroni"
PERMUTED = "Permutation of patients, largest score"
RHO, CASES = 0.3, (1, 4)
HELD = {**COVERED, **TAILS}


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of patients and what is true of them.

    Args:
        words: In words.
        sizes: Patients a group.
        p: Proportion a group.
    """

    words: str
    sizes: Sequence[int]
    p: Sequence[float]

    def drawn(self, rng: np.random.Generator) -> tuple[Bools, Ints, Ints]:
        """Return (hits, group of every case, patient codes)."""
        return grouped_hits(rng, sizes=self.sizes, p=self.p, rho=RHO, cases=CASES)


NULLS = {
    "A": Groups(words="4 groups of 100, all 0.85", sizes=(100,) * 4, p=(0.85,) * 4),
    "B": Groups(words="8 groups of 300 to 15, all 0.85", sizes=IMBALANCED, p=(0.85,) * 8),
    "C": Groups(words="8 groups of 300 to 15, all 0.96", sizes=IMBALANCED, p=(0.96,) * 8),
    "F": Groups(words="12 groups of 40, all 0.90", sizes=(40,) * 12, p=(0.90,) * 12),
}
FAULTS = {
    "D": Groups(words="a group of 60 of 480 patients worse by 0.15 than 0.90", sizes=(420, 60), p=(0.90, 0.75)),
    "E": Groups(words="a group of 20 of 160 patients worse by 0.25 than 0.90", sizes=(140, 20), p=(0.90, 0.65)),
}


def _each_gap(hits: Bools, group: Ints, code: Ints, count: int) -> list[Estimate]:
    return [proportion_gap(hits, group == g, code, LEVELS) for g in range(count)]


def _together(groups: Groups) -> Callable[[np.random.Generator], Values]:
    """Return whether all simultaneous intervals hold 0 together."""
    count = len(groups.sizes)

    def once(rng: np.random.Generator) -> Values:
        gaps = _each_gap(*groups.drawn(rng), count)
        made = [g for g in gaps if g.value is not None]
        bounds = [simultaneous(g, len(made), LEVELS) for g in made]
        inside = all(b is not None and b[0] <= 0 <= b[1] for b in bounds)
        return {"coverage": inside, "estimable": len(made) == count}

    return once


def _permuted(groups: Groups) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        hits, group, code = groups.drawn(rng)
        p = equal_groups_p(hits, group, code, rng, resamples=199)
        return {"rejected": None if p is None else p <= 2 * ALPHA}

    return once


def _within_permuted(rng: np.random.Generator) -> Values:
    hits, code = clustered_hits(rng, patients=120, p=0.85, rho=RHO, cases=CASES)
    p = equal_groups_p(hits, rng.integers(0, 4, code.size), code, rng, resamples=199)
    return {"rejected": None if p is None else p <= 2 * ALPHA}


def _largest_minus_smallest(groups: Groups, resamples: int = 200) -> Callable[[np.random.Generator], Values]:
    """Return whether the percentile interval of the largest minus the smallest proportion excludes 0."""
    count = len(groups.sizes)

    def once(rng: np.random.Generator) -> Values:
        hits, group, code = groups.drawn(rng)
        patients = int(code.max()) + 1
        cell = code * count + group
        cases = np.bincount(cell, minlength=patients * count).reshape(patients, count).astype(np.float64)
        right = np.bincount(cell, weights=hits, minlength=patients * count).reshape(patients, count)
        draws = rng.multinomial(patients, np.full(patients, 1 / patients), size=resamples).astype(np.float64)
        rates = (draws @ right) / np.maximum(draws @ cases, 1)
        return {"rejected": float(np.quantile(np.ptp(rates, axis=1), ALPHA)) > 0}

    return once


def _at_margin(few: int, p: float, rho: float, cases: tuple[int, int]) -> Callable[[np.random.Generator], Values]:
    """Return how a group that is worse by exactly the margin is judged."""
    chances = np.repeat([p - MARGIN, p], [few, 2 * few])

    def once(rng: np.random.Generator) -> Values:
        hits, code = clustered_hits(rng, patients=3 * few, p=chances, rho=rho, cases=cases)
        low, high = proportion_gap(hits, code < few, code, LEVELS).bounds(ALPHA) or (-1.0, 1.0)
        return {"false_pass": low >= -MARGIN, "false_fail": high < -MARGIN}

    return once


def _all_pass(groups: Groups) -> Callable[[np.random.Generator], Values]:
    """Return whether truly equal groups all pass the margin."""
    count = len(groups.sizes)

    def once(rng: np.random.Generator) -> Values:
        bounds = [g.bounds(ALPHA) for g in _each_gap(*groups.drawn(rng), count)]
        return {"passed": all(b is not None and b[0] >= -MARGIN for b in bounds)}

    return once


def _found(groups: Groups) -> Callable[[np.random.Generator], Values]:
    """Return whether the last group's gap is found, and whether its interval holds the truth."""
    last, truth = len(groups.sizes) - 1, groups.p[-1] - groups.p[0]

    def once(rng: np.random.Generator) -> Values:
        hits, group, code = groups.drawn(rng)
        gap = proportion_gap(hits, group == last, code, LEVELS)
        bounds = gap.bounds(ALPHA)
        return {**held_by(gap, truth), "found": bounds is not None and bounds[1] < 0}

    return once


def _promise(total: int) -> Callable[[np.random.Generator], Values]:
    members = np.arange(total) < total // 2

    def once(rng: np.random.Generator) -> Values:
        bounds = proportion_gap(rng.random(total) < 0.85, members, np.arange(total), LEVELS).bounds(ALPHA)
        return {"passed": bounds is not None and bounds[0] >= -MARGIN and bounds[1] <= MARGIN}

    return once


def _detectable(few: int, rest: int, gap: float) -> Callable[[np.random.Generator], Values]:
    chance = np.repeat([0.9 - gap, 0.9], [few, rest])
    code = np.arange(few + rest)

    def once(rng: np.random.Generator) -> Values:
        bounds = proportion_gap(rng.random(code.size) < chance, code < few, code, LEVELS).bounds(ALPHA)
        return {"found": bounds is not None and bounds[1] < 0}

    return once


def _within(patients: int, p: float, rho: float) -> Callable[[np.random.Generator], Values]:
    """Return a gap of 0 between the cases of the same patients."""

    def once(rng: np.random.Generator) -> Values:
        hits, code = clustered_hits(rng, patients=patients, p=p, rho=rho, cases=(1, 3))
        return held_by(proportion_gap(hits, rng.random(code.size) < 0.5, code, LEVELS), 0.0)

    return once


def in_gaps(name: str, method: str, scenario: str, draw: Callable[[np.random.Generator], Values], **more: Any) -> Study:
    """Return a simulation of a gap; `more` are further fields of `Study`."""
    given: dict[str, Any] = {"repeats": 4000, "quick": 200, **more}
    return Study(id=f"gap/{name}", job="gap", method=method, scenario=scenario, draw=draw, **given)


def studies() -> list[Study]:
    """Return the simulations of gaps."""
    return [*_of_proportions(), *_of_margins(), *_of_size()]


def _of_proportions() -> list[Study]:
    level = {"rejected": Accept(low=0.03, high=0.07)}
    made = [
        in_gaps(f"together/{k}", TOGETHER, f"{k}: {g.words}", _together(g), accept=COVERED, quick=150)
        for k, g in NULLS.items()
    ]
    made += [
        in_gaps(f"permutation/{k}", PERMUTED, f"{k}: {g.words}", _permuted(g), accept=level, quick=200)
        for k, g in NULLS.items()
    ]
    made.append(in_gaps(
        "permutation/within", PERMUTED, "4 groups of cases that share 120 patients, all 0.85", _within_permuted,
        accept=level,
    ))  # fmt: skip
    made += [
        in_gaps(f"fault/{k}", MOVER, f"{k}: {g.words}", _found(g), accept=HELD, quick=300) for k, g in FAULTS.items()
    ]
    made += [
        in_gaps(
            f"within/{patients}", MOVER, f"cases of the same {patients} patients, {p:g} each, correlation {rho:g}",
            _within(patients, p, rho), accept=HELD, quick=300,
        )
        for patients, p, rho in ((30, 0.9, 0.8), (60, 0.9, 0.9), (150, 0.95, 0.7), (300, 0.9, 0.9))
    ]  # fmt: skip
    made += [
        in_gaps(
            f"largest-minus-smallest/{k}", "Control: largest minus smallest, percentile", f"{k}: {NULLS[k].words}",
            _largest_minus_smallest(NULLS[k]), accept={"rejected": Accept(low=1.0)}, control=True, repeats=2000,
            quick=50,
        )
        for k in NULLS
    ]  # fmt: skip
    return made


def _of_margins() -> list[Study]:
    errors = {"false_pass": Accept(high=TAIL), "false_fail": Accept(high=TAIL)}
    made = [
        in_gaps(
            f"margin/{few}", "Verdict by MOVER",
            f"{few} of {3 * few} patients truly worse by the margin of 0.10 than {p:g}, correlation {rho:g}",
            _at_margin(few, p, rho, cases), accept=errors, repeats=20_000, quick=500,
        )
        for few, p, rho, cases in ((20, 0.9, 0.3, CASES), (50, 0.9, 0.5, (1, 6)), (100, 0.85, 0.3, CASES))
    ]  # fmt: skip
    equal = (
        ("4x300", (300,) * 4, Accept(low=0.95)),
        ("4x100", (100,) * 4, None),
        ("imbalanced", IMBALANCED, Accept(high=0.05)),
    )
    for name, sizes, accept in equal:
        words = f"{len(sizes)} groups of {sizes[0]}" if len(set(sizes)) == 1 else "8 groups of 300 to 15"
        made.append(in_gaps(
            f"attainable/{name}", "Verdict by MOVER", f"{words}, truly equal at 0.90, margin 0.10",
            _all_pass(Groups(words=words, sizes=sizes, p=(0.90,) * len(sizes))),
            accept={} if accept is None else {"passed": accept}, quick=0,
        ))  # fmt: skip
    return made


def _of_size() -> list[Study]:
    made = []
    for few, rest in ((100, 300), (60, 420), (20, 140)):
        gap = smallest_detectable_gap(few, rest, 0.9, LEVELS.confidence) or 0.0
        made.append(in_gaps(
            f"detectable/{few}", "Smallest gap that is found in 80 %",
            f"{few} against {rest} patients at 0.90, 1 case each: {gap:.3f}", _detectable(few, rest, gap),
            accept={"found": Accept(low=0.80)}, quick=300,
        ))  # fmt: skip
    total = patients_for_gap(MARGIN, 0.85, 0.5, LEVELS.confidence) or 0
    made.append(in_gaps(
        "promise", "Patients for a margin, power 80 %", f"{total} patients, truly equal at 0.85, margin ±0.10",
        _promise(total), accept={"passed": Accept(low=0.75, high=0.88)}, quick=300,
    ))  # fmt: skip
    return made
