"""How the texture classifiers are trained, audited, and measured over training sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.reference._system import Made, Say
from audit.reference.systems.copd_texture import _curves, _figures, _folder
from audit.reference.systems.copd_texture._bank import FEATURES
from audit.reference.systems.copd_texture._cohorts import FUTURE, TEST, patients_of, scanned, training_set
from audit.reference.systems.copd_texture._learn import Learner

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEST_PATIENTS = 500
AGAIN = 150
"""Test patients who are scanned again, and at a shallower breath."""
ACT_FROM = 0.30
"""Risk of COPD within five years from which on a patient would be seen more often; set before anything was trained."""


def train(name: str, *, seed: int, say: Say) -> Made:
    """Learn from 400 scans with weak labels; see `audit.reference._system.Recipe.train`."""
    say("rendering the training scans")
    cases, labels, trust = training_set(name, seed=seed)
    say(f"learning from {len(labels)} scans, {int(labels.sum())} of them positive")
    learner = Learner(scans=cases.regions, labels=labels, trust=trust)
    tensors = learner.tensors()
    chosen = tuple(int(c) for c in tensors["chosen"])
    say("filters: " + ", ".join(FEATURES[c] for c in chosen))
    risk = name == FUTURE
    tested = scanned(patients_of(name, seed=seed, part=TEST, n=TEST_PATIENTS), again=AGAIN)
    said = _figures.answers(tensors, tested.regions, risk=risk)
    figures = _figures.future(said, tested) if risk else _figures.present(said, tested)
    rows = learner.unselected
    left_out = learner.left_out(chosen).mean(axis=1)[rows]
    point = ACT_FROM if risk else _balanced(left_out, labels[rows], tensors["line"])
    metadata = {
        "operating_point": f"{point:.6g}", "filters": ", ".join(FEATURES[c] for c in chosen),
        "training_scans": str(len(labels)), "training_positives": str(int(labels.sum())),
    }  # fmt: skip
    return Made(tensors=tensors, metadata=metadata, figures=figures)


def _balanced(scores: NDArray[np.float64], labels: NDArray[np.bool_], line: NDArray[np.float32]) -> float:
    """Return the probability at which sensitivity and specificity of left-out training patients are nearest."""
    tried = np.unique(scores)
    found = scores[:, None] >= tried
    gap = np.abs(found[labels].mean(axis=0) - (~found[~labels]).mean(axis=0))
    return float(1 / (1 + np.exp(-(line[0] + line[1] * tried[int(gap.argmin())]))))


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write the folder of an audit; see `audit.reference._system.Recipe.write`."""
    _folder.write(name, folder, weights=weights, seed=seed, profile=profile)


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Measure over training sizes and seeds; see `audit.reference._system.Recipe.curves`."""
    _curves.measure(name, folder, say=say)
