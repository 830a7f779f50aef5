"""FROC: sensitivity at a number of false alarms an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from audit.stats import RATES, Marks, froc_sensitivity
from validation.statistics._study import ALPHA, COVERED, LEVELS, TAILS, Accept, Study, Values, held, held_by
from validation.statistics.scenarios import Floats, Ints, case_codes

RATE, ALARMS, DISTANCE, NEVER, RHO = 1.0, 2.0, 1.2, 0.05, 0.3


def _truth(rates: Sequence[float] = (RATE,)) -> float:
    """Return the mean sensitivity where 2 standard normal false alarms an image are cut down to each rate."""
    from scipy.special import ndtr, ndtri

    threshold = ndtri(1 - np.minimum(np.array(rates) / ALARMS, 1))
    return float((1 - NEVER) * ndtr(DISTANCE - threshold).mean())


def marked(rng: np.random.Generator, *, patients: int) -> tuple[Marks, Ints]:
    """Return marks and the patient of every image; lesions and false alarms of one patient score alike."""
    code = case_codes(rng, patients, (1, 3))
    effect = np.sqrt(RHO) * rng.normal(size=patients)
    lesions = np.repeat(np.arange(code.size), rng.integers(0, 3, code.size))
    alarms = np.repeat(np.arange(code.size), rng.poisson(ALARMS, code.size))

    def scores(images: Ints) -> Floats:
        found: Floats = effect[code[images]] + np.sqrt(1 - RHO) * rng.normal(size=images.size)
        return found

    hit = np.where(rng.random(lesions.size) < NEVER, -np.inf, DISTANCE + scores(lesions))
    marks = Marks(
        lesion_scores=hit, lesion_images=lesions, false_scores=scores(alarms), false_images=alarms, n_images=code.size
    )
    return marks, code


def _picked(patients: int, rates: Sequence[float] = (RATE,)) -> Callable[[np.random.Generator], Values]:
    truth = _truth(rates)

    def once(rng: np.random.Generator) -> Values:
        marks, code = marked(rng, patients=patients)
        return held_by(froc_sensitivity(marks, code, LEVELS, rng, rates=rates, resamples=400), truth)

    return once


def _kept(patients: int) -> Callable[[np.random.Generator], Values]:
    """Return percentiles over patients with the threshold of the whole sample held fixed."""
    truth = _truth()

    def once(rng: np.random.Generator) -> Values:
        marks, code = marked(rng, patients=patients)
        falling = np.sort(marks.false_scores)[::-1]
        threshold = falling[min(int(RATE * marks.n_images), falling.size - 1)]
        owner = code[marks.lesion_images]
        total = np.bincount(owner, minlength=patients).astype(np.float64)
        found = np.bincount(owner, weights=marks.lesion_scores > threshold, minlength=patients)
        draws = rng.multinomial(patients, np.full(patients, 1 / patients), size=400)
        low, high = np.quantile((draws @ found) / (draws @ total), [ALPHA, 1 - ALPHA])
        return held((float(low), float(high)), truth)

    return once


def studies() -> list[Study]:
    """Return the simulations of FROC."""
    method = "Patient bootstrap that picks the threshold again, never nearer than at a fixed one"
    words = f"1 to 3 images each, sensitivity {_truth():.2f} at {RATE:g} false alarm an image"
    made = [
        Study(
            id=f"froc/{patients}", job="froc", method=method, scenario=f"{patients} patients, {words}",
            draw=_picked(patients), repeats=4000,
            quick=60 if patients == 60 else 0, accept={**COVERED, **TAILS},
        )
        for patients in (30, 60, 300)
    ]  # fmt: skip
    made.append(Study(
        id="froc/mean", job="froc", method=method,
        scenario=f"60 patients, 1 to 3 images each, mean over 1/8 to 8 false alarms an image: {_truth(RATES):.2f}",
        draw=_picked(60, RATES), repeats=4000, accept={**COVERED, **TAILS},
    ))  # fmt: skip
    made.append(Study(
        id="froc/fixed", job="froc", method="Control: patient bootstrap at a fixed threshold",
        scenario=f"300 patients, {words}", draw=_kept(300), repeats=2000, quick=150,
        accept={"coverage": Accept(high=0.93)}, control=True,
    ))  # fmt: skip
    return made
