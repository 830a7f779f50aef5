"""Areas of scores that small models give to patients whom they were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from audit.probes._out_of_fold import FOLDS, log_odds_out_of_fold
from audit.stats import stratified_auc, stratified_auc_difference
from validation.statistics._study import COVERED, LEVELS, TAILS, Accept, Study, Values, held_by
from validation.statistics.scenarios import Bools, Floats, Ints

LEARNER = "logistic regression"
METHOD = "Obuchowski within folds, variance x 2.25 for 5 folds"
MODEL = 1.2
"""How far the ill lie from the healthy in the score of a model that was not fitted on this cohort, in its SDs."""
MODEL_AUC = 0.8019
"""The AUC of such a score: the normal distribution function of 1.2 over the root of 2."""


def _cohort(rng: np.random.Generator, patients: int, columns: int) -> tuple[Floats, Bools, Ints]:
    """Return columns that say nothing of the labels, the labels, and patient codes."""
    labels = rng.random(patients) < 0.5
    return rng.standard_normal((patients, columns)), labels, np.arange(patients)


def _nothing(patients: int, columns: int, *, folds: int = FOLDS) -> Callable[[np.random.Generator], Values]:
    def once(rng: np.random.Generator) -> Values:
        x, labels, code = _cohort(rng, patients, columns)
        found = log_odds_out_of_fold(x, labels, code, rng, learner=LEARNER)
        return held_by(stratified_auc(found.values, labels, found.fold, code, LEVELS, folds=folds), 0.5)

    return once


def _beaten(rng: np.random.Generator, *, patients: int, columns: int) -> Values:
    """Return the advantage of a model over a comparator to which its columns say nothing."""
    x, labels, code = _cohort(rng, patients, columns)
    found = log_odds_out_of_fold(x, labels, code, rng, learner=LEARNER)
    model = rng.standard_normal(patients) + MODEL * labels
    gained = stratified_auc_difference(model, found.values, labels, found.fold, code, LEVELS, folds=FOLDS)
    return held_by(gained, MODEL_AUC - 0.5)


def studies() -> list[Study]:
    """Return the simulations of scores out of fold."""
    made = [
        Study(
            id=f"folds/nothing/{patients}-{columns}", job="folds", method=METHOD,
            scenario=f"{patients} patients, {columns} columns that say nothing of the label, 5 folds",
            draw=_nothing(patients, columns), repeats=2000, quick=0, accept={**COVERED, **TAILS},
        )
        for patients, columns in ((100, 3), (200, 4), (500, 5), (200, 10))
    ]  # fmt: skip
    made.append(Study(
        id="folds/advantage/200-4", job="folds",
        method="Difference of two AUCs within folds, the comparator's variance x 2.25",
        scenario="200 patients, a model of AUC 0.80 against 4 columns that say nothing, 5 folds",
        draw=partial(_beaten, patients=200, columns=4), repeats=2000, quick=0, accept={**COVERED, **TAILS},
    ))  # fmt: skip
    made.append(Study(
        id="folds/as if not fitted/200-4", job="folds", method="Control: the variance over test patients alone",
        scenario="200 patients, 4 columns that say nothing of the label, 5 folds", draw=_nothing(200, 4, folds=0),
        repeats=2000, quick=0, accept={"coverage": Accept(high=0.91)}, control=True,
    ))  # fmt: skip
    return made
