"""Patients whose lungs grow worse: severity, what lung function shows of it, and when it will be called COPD.

A latent severity drives emphysema, which a scan shows, and obstruction, which spirometry shows. Airways narrow without
being seen in the parenchyma, and a breath that is held less deeply makes every lung look denser. Nothing here is of
patients; the numbers are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_OWN = 0.95
"""Standard deviation of severity beside sex, age and smoking."""
FIXED_RATIO = 0.70
"""FEV1/FVC below which airflow counts as obstructed."""


@dataclass(frozen=True, kw_only=True)
class CopdKnobs:
    """What drives severity, what severity drives, and what else changes the image.

    Attributes:
        men: Share of men, 0 to 1.
        severity_of_sex: How much higher men's severity lies, in its standard deviations.
        severity_of_age: The same for ten years of age.
        severity_of_smoking: The same for twenty pack-years.
        ratio: FEV1/FVC of severity 0 at the age of 60.
        ratio_of_severity: How far it falls for one standard deviation of severity.
        ratio_of_age: How far it falls in a year.
        airways: Standard deviation of what narrow airways take off it, which no scan of the parenchyma shows.
        extent: Log odds of emphysema in the lung at severity 0.
        extent_of_severity: How far they rise for one standard deviation of severity.
        extent_spread: Their standard deviation from patient to patient beside severity.
        panlobular_from: Extent from which emphysema is panlobular and no longer centrilobular.
        paraseptal: Log odds of emphysema below the pleura, which lung function does not follow here.
        paraseptal_spread: Their standard deviation from patient to patient.
        breath: Standard deviation of the log of the lung's volume from scan to scan.
        sharp_of_ill: Share of the ill who are scanned with the sharp kernel; another one than that of the others ties
            protocol to disease.
        sharp_of_well: The same of the others.
        progress: Median rise of severity a year.
        progress_spread: Standard deviation of the log of that rise.
        lost: Share of patients lost to follow-up in a year.
        study: Years after which the study ends.
    """

    men: float = 0.55
    severity_of_sex: float = 0.0
    severity_of_age: float = 0.15
    severity_of_smoking: float = 0.25
    ratio: float = 0.735
    ratio_of_severity: float = 0.045
    ratio_of_age: float = 0.001
    airways: float = 0.035
    extent: float = -2.4
    extent_of_severity: float = 0.9
    extent_spread: float = 0.35
    panlobular_from: float = 0.25
    paraseptal: float = -3.2
    paraseptal_spread: float = 0.8
    breath: float = 0.12
    sharp_of_ill: float = 0.5
    sharp_of_well: float = 0.5
    progress: float = 0.10
    progress_spread: float = 0.6
    lost: float = 0.04
    study: float = 8.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CopdPatients:
    """Drawn patients; every array has one entry a patient.

    Attributes:
        knobs: What was planted.
        seed: Entropy that they were drawn from.
        number: (n,) which draw each of them is; with the seed it is all that a patient depends on.
        male: (n,) bool.
        age: (n,) years at the scan.
        pack_years: (n,) packs a day times years.
        kernel: (n,) "soft" or "sharp".
        severity: (n,) at the scan, about standard normal among all.
        ratio: (n,) FEV1/FVC at the scan.
        copd: (n,) bool, whether that ratio is below 0.70.
        log_odds: (n,) of emphysema in the patient's lung.
        septal_log_odds: (n,) of paraseptal emphysema.
        breath: (n, 2) log of the lung's volume over its usual one, at the scan and at the rescan.
        onset: (n,) years until FEV1/FVC falls below 0.70, seen or not; below 0 where it is there already.
        time: (n,) years until COPD was found or follow-up ended; 0 where it was there already.
        event: (n,) bool, whether COPD was found then.
    """

    knobs: CopdKnobs
    seed: tuple[int, ...]
    number: NDArray[np.int64]
    male: NDArray[np.bool_]
    age: Floats
    pack_years: Floats
    kernel: NDArray[np.str_]
    severity: Floats
    ratio: Floats
    copd: NDArray[np.bool_]
    log_odds: Floats
    septal_log_odds: Floats
    breath: Floats
    onset: Floats
    time: Floats
    event: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.age)


def copd_patients(
    n: int, *, seed: Sequence[int], knobs: CopdKnobs | None = None, at_risk: bool = False
) -> CopdPatients:
    """Draw patients; the first of more patients are the same.

    Args:
        n: How many.
        seed: Entropy; patients of one seed are those of no other.
        knobs: What is planted; the defaults if None.
        at_risk: Only patients without COPD at their scan.
    """
    given = CopdKnobs() if knobs is None else knobs
    rows: list[tuple[float | bool | str | int, ...]] = []
    number = 0
    while len(rows) < n:
        row = _patient(number, np.random.default_rng([*seed, number]), given)
        if not (at_risk and row[_COPD]):
            rows.append(row)
        number += 1
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.zeros(0)] * len(_COLUMNS)
    named = dict(zip(_COLUMNS, columns, strict=True))
    breath = np.stack([named.pop("first_breath"), named.pop("second_breath")], axis=1)
    return CopdPatients(knobs=given, seed=tuple(seed), breath=breath, **named)


_COLUMNS = (
    "number", "male", "age", "pack_years", "severity", "ratio", "copd", "kernel", "log_odds", "septal_log_odds",
    "first_breath", "second_breath", "onset", "time", "event",
)  # fmt: skip
_COPD = _COLUMNS.index("copd")


def _patient(number: int, rng: np.random.Generator, k: CopdKnobs) -> tuple[float | bool | str | int, ...]:
    male, age, pack_years = bool(rng.random() < k.men), float(rng.uniform(50, 72)), float(rng.gamma(4.0, 7.0))
    old, smoked = (age - 60) / 10, (pack_years - 28) / 20
    severity = k.severity_of_sex * (male - k.men) + k.severity_of_age * old + k.severity_of_smoking * smoked
    severity += float(rng.normal(0, _OWN))
    ratio = k.ratio - k.ratio_of_severity * severity - k.ratio_of_age * (age - 60) + float(rng.normal(0, k.airways))
    copd = ratio < FIXED_RATIO
    kernel = "sharp" if rng.random() < (k.sharp_of_ill if copd else k.sharp_of_well) else "soft"
    log_odds = k.extent + k.extent_of_severity * severity + float(rng.normal(0, k.extent_spread))
    septal = float(rng.normal(k.paraseptal, k.paraseptal_spread))
    first, second = (float(b) for b in rng.normal(0, k.breath, 2))
    fall = k.ratio_of_age + k.ratio_of_severity * k.progress * float(np.exp(rng.normal(0, k.progress_spread)))
    onset = (ratio - FIXED_RATIO) / fall
    ends = min(float(rng.exponential(1 / k.lost)) if k.lost > 0 else np.inf, k.study)
    time = 0.0 if copd else min(onset, ends)
    found = bool(not copd and onset <= ends)
    return (
        number, male, age, pack_years, severity, ratio, copd, kernel, log_odds, septal, first, second, onset, time,
        found,
    )  # fmt: skip
