"""Patients of the perivascular-space phantom: who they are, twenty determinants, and what drives their spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

SCANNERS = ("1.5 T", "3 T")
DRIVERS: Mapping[str, float] = MappingProxyType(
    {"age": 0.20, "systolic_pressure": 0.15, "wmh_burden": 0.15, "smoking": 0.12, "egfr": -0.10}
)
_NUMBERS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "systolic_pressure": (138.0, 18.0), "diastolic_pressure": (80.0, 10.0), "bmi": (27.0, 4.0),
        "total_cholesterol": (5.5, 1.0), "hdl_cholesterol": (1.4, 0.4), "egfr": (78.0, 14.0), "crp": (2.5, 2.0),
        "homocysteine": (13.0, 4.0), "alcohol": (10.0, 9.0), "physical_activity": (60.0, 35.0),
        "education": (11.0, 3.0), "wmh_burden": (0.0, 1.0), "brain_volume": (1120.0, 90.0),
    }
)  # fmt: skip
"""Mean and standard deviation; the shape of a population study, no figure of one."""
_SHARES: Mapping[str, float] = MappingProxyType(
    {"smoking": 0.3, "diabetes": 0.1, "antihypertensives": 0.35, "statins": 0.25, "apoe4": 0.28}
)
_WITH_AGE: Mapping[str, float] = MappingProxyType(
    {"systolic_pressure": 0.35, "wmh_burden": 0.45, "egfr": -0.4, "brain_volume": -0.4}
)
DETERMINANTS = ("age", "sex", *_NUMBERS, *_SHARES)
"""Names of the twenty determinants."""


@dataclass(frozen=True, kw_only=True)
class SpacesKnobs:
    """What is planted: the causes of the phantom.

    Attributes:
        drivers: Change of the log of the expected number of spaces for one standard deviation of a determinant, or for
            its presence.
        spread: Standard deviation of that log from patient to patient that nothing explains.
        of_men: Change of that log in men.
        busy_at_3t: How far the log odds of the 3 T scanner rise with one standard deviation of that log: a protocol
            that is tied to the lesion.
        men_at_3t: How far they rise in men.
        distractors: Mean number of white-matter lesions, and of lacunes, in a region.
        of_wmh: Change of the log of both for one standard deviation of `wmh_burden`.
        head_of_men: Relative size added to the head of men and taken from that of women.
        noise: Factor on the noise of both scanners.
        contrast: How much of their full contrast spaces have, 0 to 1: 0 plants spaces that no image shows.
        radius: Smallest and largest radius of a space, mm.
        length: Smallest and largest length of a space, mm.
    """

    drivers: Mapping[str, float] = field(default_factory=lambda: DRIVERS)
    spread: float = 0.35
    of_men: float = 0.0
    busy_at_3t: float = 0.0
    men_at_3t: float = 0.0
    distractors: tuple[float, float] = (1.0, 0.8)
    of_wmh: float = 0.3
    head_of_men: float = 0.02
    noise: float = 1.0
    contrast: float = 1.0
    radius: tuple[float, float] = (0.7, 1.2)
    length: tuple[float, float] = (4.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class SpacesPatient:
    """One patient.

    Attributes:
        male: Whether a man.
        age: Years.
        scanner: One of `SCANNERS`.
        numbers: Determinants that are numbers, by name, without age.
        present: Determinants that are there or not, by name, without sex.
        log_rate: Log of the expected number of spaces, relative to the mean of a region.
        log_distractors: The same of white-matter lesions and lacunes.
        head: Head size relative to the atlas.
    """

    male: bool
    age: float
    scanner: str
    numbers: Mapping[str, float]
    present: Mapping[str, bool]
    log_rate: float
    log_distractors: float
    head: float


def draw_patient(seed: Sequence[int], index: int, *, knobs: SpacesKnobs) -> SpacesPatient:
    """Draw one patient; it depends on the seed, its index and the knobs alone.

    Args:
        seed: Entropy of the cohort.
        index: Which patient.
        knobs: What is planted.
    """
    rng = np.random.default_rng([*seed, index])
    male, age = bool(rng.random() < 0.5), float(np.round(rng.uniform(60.0, 85.0), 1))
    years = (age - 72.5) / 7.2
    standard = {}
    for name in _NUMBERS:
        tied = _WITH_AGE.get(name, 0.0)
        standard[name] = tied * years + float(np.sqrt(1 - tied**2) * rng.standard_normal())
    present = {name: bool(rng.random() < share) for name, share in _SHARES.items()}
    units = {"age": years, **standard, **{name: float(there) for name, there in present.items()}}
    effect = sum(slope * units[name] for name, slope in knobs.drivers.items())
    effect += knobs.of_men * (float(male) - 0.5) + knobs.spread * float(rng.standard_normal())
    # Half the variance less: the mean number stays that of the region whatever the spread.
    log_rate = effect - 0.5 * (knobs.spread**2 + sum(s**2 for s in knobs.drivers.values()))
    odds = knobs.busy_at_3t * effect / max(knobs.spread, 0.1) + knobs.men_at_3t * (float(male) - 0.5)
    scanner = SCANNERS[int(rng.random() < 1 / (1 + np.exp(-odds)))]
    head = 1.0 + knobs.head_of_men * (1 if male else -1) + 0.01 * float(rng.standard_normal())
    numbers = {
        # No amount is below 0; a twentieth of the mean stands for what a laboratory calls undetectable.
        name: round(max(mean + sd * standard[name], 0.05 * mean) if mean else sd * standard[name], 3)
        for name, (mean, sd) in _NUMBERS.items()
    }
    return SpacesPatient(
        male=male, age=age, scanner=scanner, numbers=numbers, present=present, log_rate=float(log_rate),
        log_distractors=knobs.of_wmh * standard["wmh_burden"] - 0.5 * knobs.of_wmh**2, head=head,
    )  # fmt: skip
