"""The AUC: Obuchowski's variance on the logit scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from audit.stats import auc, auc_difference
from validation.statistics._study import COVERED, LEVELS, TAILS, Accept, Study, Values, held_by
from validation.statistics.scenarios import Bools, Floats, Ints, case_codes, clustered_scores, mixed_scores, separation

Draw = Callable[[np.random.Generator], tuple[Floats, Bools, Ints]]
CELLS: dict[str, tuple[str, float, Draw]] = {
    "A": ("300 patients, prevalence 0.3, AUC 0.85, 1 to 5 cases each", 0.85,
          partial(clustered_scores, patients=300, prevalence=0.3, auc=0.85, cases=(1, 5))),
    "B": ("60 patients, prevalence 0.5, AUC 0.85, 1 to 5 cases each", 0.85,
          partial(clustered_scores, patients=60, prevalence=0.5, auc=0.85, cases=(1, 5))),
    "C": ("60 patients, prevalence 0.5, AUC 0.97, 1 to 5 cases each", 0.97,
          partial(clustered_scores, patients=60, prevalence=0.5, auc=0.97, cases=(1, 5))),
    "D": ("30 patients, prevalence 0.5, AUC 0.90, 1 case each", 0.90,
          partial(clustered_scores, patients=30, prevalence=0.5, auc=0.90, cases=(1, 1))),
    "E": ("30 patients, prevalence 0.5, AUC 0.98, 1 case each", 0.98,
          partial(clustered_scores, patients=30, prevalence=0.5, auc=0.98, cases=(1, 1))),
    "F": ("80 patients with cases of both classes, AUC 0.90, 1 to 5 cases each", 0.90,
          partial(mixed_scores, patients=80, auc=0.90, cases=(1, 5))),
    "G": ("60 patients, prevalence 0.1, AUC 0.90, 1 to 5 cases each", 0.90,
          partial(clustered_scores, patients=60, prevalence=0.1, auc=0.90, cases=(1, 5))),
    "high": ("60 patients, prevalence 0.5, AUC 0.99, 1 to 5 cases each", 0.99,
             partial(clustered_scores, patients=60, prevalence=0.5, auc=0.99, cases=(1, 5))),
    "high and alike": ("80 patients, prevalence 0.4, AUC 0.96, 1 to 10 cases each, correlation 0.7", 0.96,
                       partial(clustered_scores, patients=80, prevalence=0.4, auc=0.96, cases=(1, 10), rho=0.7)),
    "high and many": ("200 patients, prevalence 0.5, AUC 0.97, 1 to 5 cases each", 0.97,
                      partial(clustered_scores, patients=200, prevalence=0.5, auc=0.97, cases=(1, 5))),
    "high and rare": ("200 patients, prevalence 0.1, AUC 0.98, 1 to 5 cases each", 0.98,
                      partial(clustered_scores, patients=200, prevalence=0.1, auc=0.98, cases=(1, 5))),
    "rare": ("300 patients, prevalence 0.05, AUC 0.95, 1 to 3 cases each", 0.95,
             partial(clustered_scores, patients=300, prevalence=0.05, auc=0.95, cases=(1, 3))),
    "high and mixed": ("80 patients with cases of both classes, AUC 0.99, 1 to 5 cases each", 0.99,
                       partial(mixed_scores, patients=80, auc=0.99, cases=(1, 5))),
}  # fmt: skip
BANDED = ("A", "B", "C", "F", "G")
WIDE = {
    "C": "wider than nominal where a bound would be better than that of a flawless ranking, by decision 0011",
    "G": "wider than nominal with fewer than ten patients in a class, by decision 0010",
}


def _covers(draw: Draw, truth: float, *, rows: bool = False) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        scores, labels, code = draw(rng)
        return held_by(auc(scores, labels, np.arange(code.size) if rows else code, LEVELS), truth)

    return once


def _rare(positives: int, controls: int, truth: float) -> Callable[[np.random.Generator], Values]:
    labels = np.arange(positives + controls) < positives
    shift = separation(truth) * labels

    def once(rng: np.random.Generator) -> Values:
        return held_by(auc(rng.normal(shift, 1.0), labels, np.arange(labels.size), LEVELS), truth)

    return once


def _paired(patients: int, aucs: tuple[float, float]) -> Callable[[np.random.Generator], Values]:
    """Return the difference of two scores of the same cases, whose patient effects they share in half."""
    truth, shift = aucs[0] - aucs[1], (separation(aucs[0]), separation(aucs[1]))

    def once(rng: np.random.Generator) -> Values:
        code = case_codes(rng, patients, (1, 4))
        label, effect = rng.random(patients) < 0.4, rng.normal(0, np.sqrt(0.5), patients)
        scores = [
            label[code] * d + effect[code] + rng.normal(0, 0.5, patients)[code] + rng.normal(0, 0.5, code.size)
            for d in shift
        ]
        return held_by(auc_difference(scores[0], scores[1], label[code], code, LEVELS), truth)

    return once


def studies() -> list[Study]:
    """Return the simulations of the AUC."""
    made = []
    for name, (words, truth, draw) in CELLS.items():
        band = Accept(low=0.93, high=0.97 if name in BANDED else None, deviation=WIDE.get(name, ""))
        made.append(Study(
            id=f"auc/obuchowski/{name}", job="auc", method="Obuchowski, logit scale, t", scenario=f"{name}: {words}",
            draw=_covers(draw, truth), repeats=20_000, quick=1000, accept={"coverage": band, **TAILS},
        ))  # fmt: skip
    for positives, controls in ((5, 300), (8, 200)):
        made.append(Study(
            id=f"auc/rare/{positives}", job="auc", method="Obuchowski, logit scale, t",
            scenario=f"{positives} positives against {controls} controls, AUC 0.90, 1 case each",
            draw=_rare(positives, controls, 0.90), repeats=20_000, quick=1000,
            accept={**COVERED, **TAILS},
        ))  # fmt: skip
    words, truth, draw = CELLS["A"]
    made.append(Study(
        id="auc/rows/A", job="auc", method="Control: DeLong over rows", scenario=f"A: {words}",
        draw=_covers(draw, truth, rows=True), repeats=5000, quick=500, accept={"coverage": Accept(high=0.90)},
        control=True,
    ))  # fmt: skip
    for patients, aucs in ((60, (0.85, 0.85)), (200, (0.85, 0.85)), (200, (0.80, 0.88)), (100, (0.95, 0.90))):
        made.append(Study(
            id=f"paired/auc/{patients}/{aucs[0]:g}", job="paired", method="Difference of two AUCs, paired by patient",
            scenario=f"{patients} patients of 1 to 4 cases, AUC {aucs[0]:g} and {aucs[1]:g} on the same cases",
            draw=_paired(patients, aucs), repeats=8000, quick=300, accept={**COVERED, **TAILS},
        ))  # fmt: skip
    return made
