"""Means of bounded values (Dice), and paired differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audit.stats import mean, median, paired_difference
from validation.statistics._study import (
    ALPHA,
    COVERED,
    LEVELS,
    TAIL,
    TAILS,
    Accept,
    Study,
    Values,
    held,
    held_by,
)
from validation.statistics.scenarios import Floats, case_codes, clustered_hits

SIZES = (10, 20, 50, 150)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """A distribution of Dice: a beta variable that is 0 in a share of cases, which are missed as a whole.

    Args:
        words: In words.
        a: First parameter of the beta distribution.
        b: Second one.
        missed: Share of complete misses.
    """

    words: str
    a: float
    b: float
    missed: float

    @property
    def truth(self) -> float:
        """The true mean."""
        return (1 - self.missed) * self.a / (self.a + self.b)

    def drawn(self, rng: np.random.Generator, patients: int) -> Floats:
        """Return (patients,) values."""
        found: Floats = rng.beta(self.a, self.b, patients) * (rng.random(patients) >= self.missed)
        return found


OVERLAPS = {
    "misses": Overlap(words="beta(12, 2), 6 % missed as a whole", a=12, b=2, missed=0.06),
    "rare misses": Overlap(words="beta(18, 2), 2 % missed as a whole", a=18, b=2, missed=0.02),
    "even": Overlap(words="beta(12, 2), none missed", a=12, b=2, missed=0.0),
    "broad": Overlap(words="beta(2, 1), 10 % missed as a whole", a=2, b=1, missed=0.10),
    "near one": Overlap(words="beta(40, 1), 3 % missed as a whole", a=40, b=1, missed=0.03),
}


def _mean(overlap: Overlap, patients: int, *, bounded: bool) -> Callable[[np.random.Generator], Values]:
    code, support = np.arange(patients), (0.0, 1.0) if bounded else (None, None)

    def once(rng: np.random.Generator) -> Values:
        return held_by(mean(overlap.drawn(rng, patients), code, LEVELS, support=support), overlap.truth)

    return once


def _clustered(patients: int) -> Callable[[np.random.Generator], Values]:
    """Return Dice of 1 to 4 cases a patient, where whole patients are missed."""
    overlap = OVERLAPS["misses"]

    def once(rng: np.random.Generator) -> Values:
        code = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
        found = rng.random(patients) >= overlap.missed
        values = np.clip(rng.beta(overlap.a, overlap.b, code.size) * found[code], 0, 1)
        return held_by(mean(values, code, LEVELS, support=(0.0, 1.0)), overlap.truth)

    return once


def _normal(rng: np.random.Generator, size: int) -> Floats:
    return np.abs(rng.normal(size=size))


def _gamma(rng: np.random.Generator, size: int) -> Floats:
    return rng.gamma(2.0, 0.5, size)


def _lognormal(rng: np.random.Generator, size: int) -> Floats:
    return np.exp(rng.normal(size=size))


ERRORS: dict[str, tuple[str, float, Callable[[np.random.Generator, int], Floats]]] = {
    "normal": ("absolute normal errors", float(np.sqrt(2 / np.pi)), _normal),
    "gamma": ("absolute errors as gamma(2)", 1.0, _gamma),
    "log-normal": ("absolute errors as log-normal with SD 1", float(np.exp(0.5)), _lognormal),
}
HEAVY = "no interval for an unbounded mean holds for errors that are rare and very large; decision 0012"


def _unbounded(name: str, patients: int) -> Callable[[np.random.Generator], Values]:
    _, truth, draw = ERRORS[name]
    code = np.arange(patients)

    def once(rng: np.random.Generator) -> Values:
        return held_by(mean(draw(rng, patients), code, LEVELS), truth)

    return once


def _median(patients: int, cases: tuple[int, int]) -> Callable[[np.random.Generator], Values]:
    """Return the median of skewed errors, the larger part of which is the patient's; the true one is 1."""

    def once(rng: np.random.Generator) -> Values:
        code = case_codes(rng, patients, cases)
        latent = np.sqrt(0.6) * rng.normal(size=patients)[code] + np.sqrt(0.4) * rng.normal(size=code.size)
        return held_by(median(np.exp(latent), code, LEVELS, support=(0.0, None)), 1.0)

    return once


def _plain(rng: np.random.Generator) -> Values:
    """Return how scipy's t interval does on skewed errors."""
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(_gamma(rng, 20), 0).confidence_interval(1 - 2 * ALPHA)
    return held((float(low), float(high)), ERRORS["gamma"][1])


def _robust(patients: int, *, rows: bool) -> Callable[[np.random.Generator], Values]:
    """Return clean minus attacked accuracy: the attack undoes a fifth of the right answers, patient by patient."""

    def once(rng: np.random.Generator) -> Values:
        clean, code = clustered_hits(rng, patients=patients, p=0.9, rho=0.3, cases=(1, 6))
        kept = rng.beta(1.2, 0.3, patients)[code]
        attacked = clean & (rng.random(code.size) < kept)
        unit = np.arange(code.size) if rows else code
        return held_by(paired_difference(clean, attacked, unit, LEVELS), 0.9 * 0.2)

    return once


def studies() -> list[Study]:
    """Return the simulations of means."""
    made: list[Study] = []

    def add(name: str, job: str, method: str, scenario: str, draw: Callable[..., Values], **more: object) -> None:
        given = {"repeats": 10_000, "quick": 300, **more}
        made.append(Study(id=f"{job}/{name}", job=job, method=method, scenario=scenario, draw=draw, **given))  # type: ignore[arg-type]

    for name, overlap in OVERLAPS.items():
        for patients in SIZES:
            add(f"pseudo-patient/{name}/{patients}", "mean", "Cluster t with a pseudo-patient",
                f"{patients} patients, {overlap.words}", _mean(overlap, patients, bounded=True), accept=TAILS,
                quick=300 if patients in (10, 50) else 0)  # fmt: skip
    for patients in (20, 60):
        add(f"pseudo-patient/clustered/{patients}", "mean", "Cluster t with a pseudo-patient",
            f"{patients} patients of 1 to 4 cases, {OVERLAPS['misses'].words}", _clustered(patients),
            accept=TAILS)  # fmt: skip
    for patients in SIZES[:2]:
        add(
            f"plain/{patients}",
            "mean",
            "Control: plain t",
            f"{patients} patients, {OVERLAPS['misses'].words}",
            _mean(OVERLAPS["misses"], patients, bounded=False),
            accept={"coverage": Accept(high=0.90)},
            control=True,
        )
    for name, sizes, heavy in (
        ("normal", (20, 60), False),
        ("gamma", (40, 150), False),
        ("log-normal", (60, 150), True),
    ):
        for patients in sizes:
            worst = Accept(high=TAIL, deviation=HEAVY if heavy else "")
            add(f"unbounded/{name}/{patients}", "mean", "Cluster t, corrected for skewness",
                f"{patients} patients, {ERRORS[name][0]}", _unbounded(name, patients),
                accept={"low_miss": TAILS["low_miss"], "high_miss": worst}, repeats=20_000)  # fmt: skip
    for patients, cases in ((40, (1, 1)), (150, (1, 1)), (60, (1, 4))):
        many = "1 case each" if cases[1] == 1 else "1 to 4 cases each, correlation 0.6"
        add(f"median/{patients}/{cases[1]}", "mean", "Median, order statistics",
            f"{patients} patients, {many}, log-normal errors", _median(patients, cases),
            accept={**COVERED, **TAILS})  # fmt: skip
    add("unbounded/plain", "mean", "Control: plain t", f"20 patients, {ERRORS['gamma'][0]}", _plain,
        accept={"high_miss": Accept(low=0.04)}, control=True)  # fmt: skip
    for patients in (20, 60):
        add(f"patients/{patients}", "paired", "Cluster t on paired differences",
            f"{patients} patients of 1 to 6 cases, accuracy 0.90 clean and 0.72 attacked",
            _robust(patients, rows=False), accept={**COVERED, "low_miss": Accept(high=TAIL),
            "high_miss": Accept(high=TAIL)}, repeats=20_000)  # fmt: skip
    add("rows", "paired", "Control: paired differences over rows",
        "60 patients of 1 to 6 cases, accuracy 0.90 clean and 0.72 attacked", _robust(60, rows=True),
        accept={"coverage": Accept(high=0.90)}, control=True)  # fmt: skip
    return made
